/**
 * The evidence as numbered lines, which texts cite, models read and the claim check uses. The last step of
 * `raceEvidence`.
 */
import { amountText } from './names';
import type { ChangedTime, ComparedSegment, EvidenceLine, RaceEvidence, SegmentEvidence } from './types';

/** Least percentage of slower peers for a strength; a weakness is as far below 50. */
const STRONG = 60;

/** Lines in the order of their ids. */
export function evidenceLines(evidence: Omit<RaceEvidence, 'lines'>): EvidenceLine[] {
  const lines = [
    finishLine(evidence),
    ...evidence.segments.map((segment) => segmentLine(segment, evidence)),
    ...reachLines(evidence),
    ...changeLines(evidence),
  ].sort((a, b) => a.id - b.id);
  // Notes come last, to be quoted.
  for (const text of evidence.notes)
    lines.push({ id: lines.length + 1, names: [], text, facts: {}, tags: [] });
  return lines;
}

/** Whether the athlete beats most peers in a segment. */
export function isStrength({ peers }: SegmentEvidence): boolean {
  return peers.gap < 0 && peers.percentile >= STRONG;
}

/** The segment in which the fewest peers are faster. */
export function bestOf(segments: readonly SegmentEvidence[]): SegmentEvidence | undefined {
  return segments.reduce<SegmentEvidence | undefined>(
    (best, one) => (best === undefined || one.peers.percentile > best.peers.percentile ? one : best),
    undefined,
  );
}

function finishLine({ finish, groups, ...look }: Omit<RaceEvidence, 'lines'>): EvidenceLine {
  const { own, expected, residual, verdict, percentile, among } = finish;
  const amount = (value: number): string => amountText(value, look);
  const direction = residual < 0 ? 'faster than expected' : 'slower than expected';
  return {
    id: 1,
    names: ['finish'],
    text:
      `finish: you ${amount(own)}, expected ${amount(expected)}, ${amount(Math.abs(residual))} ${direction} (${verdict}), ` +
      `ahead of ${percentile} % of ${among}`,
    facts: {
      you: own,
      finish: own,
      expected,
      [direction]: Math.abs(residual),
      'share of all': percentile,
      'count of all': among,
      'count of peers': groups.peers.count,
      ...(groups.faster === undefined ? {} : { 'count of faster': groups.faster.count }),
    },
    tags: [verdict, ...extreme(percentile, 'all')],
  };
}

function segmentLine(segment: SegmentEvidence, evidence: Omit<RaceEvidence, 'lines'>): EvidenceLine {
  const { name, own, peers, faster, similar, line } = segment;
  const { groups, chosen } = evidence;
  const amount = (value: number): string => amountText(value, evidence);
  const next =
    faster === undefined || groups.faster === undefined
      ? ''
      : `, faster ${amount(faster.median)} (${groups.faster.count})`;
  return {
    id: line,
    names: [name],
    text:
      `${name}: you ${amount(own)}, peers ${amount(peers.median)} (${groups.peers.count})${next}, ` +
      `ahead of ${peers.percentile} % of peers${faster === undefined ? '' : ` and ${faster.percentile} % of faster`}`,
    facts: {
      you: own,
      ...compared('peers', peers),
      'count of peers': groups.peers.count,
      ...(faster === undefined ? {} : compared('faster', faster)),
      ...(groups.faster === undefined ? {} : { 'count of faster': groups.faster.count }),
      ...compared('similar', similar),
    },
    tags: [
      ...(segment.column === bestOf(evidence.segments)?.column ? ['best'] : []),
      ...(chosen.includes(segment.column) ? ['most to win'] : []),
      ...(peers.gap > 0 || (faster?.gap ?? 0) > 0 ? ['time to win'] : []),
      ...extreme(peers.percentile, 'peers'),
      ...(faster === undefined ? [] : extreme(faster.percentile, 'faster')),
      ...(isStrength(segment) ? ['strength'] : []),
      ...(peers.gap > 0 && peers.percentile <= 100 - STRONG ? ['weakness'] : []),
    ],
  };
}

/** Ahead of nobody, or of everybody. */
function extreme(percentile: number, of: string): string[] {
  return percentile === 0 ? [`none of ${of}`] : percentile === 100 ? [`all of ${of}`] : [];
}

/** Median, distance and share: `{ peers: 394, 'behind peers': 135, 'share of peers': 12 }`. */
function compared(who: string, { median, gap, percentile }: ComparedSegment): Record<string, number> {
  return {
    [who]: median,
    [`${gap < 0 ? 'ahead of' : 'behind'} ${who}`]: Math.abs(gap),
    [`share of ${who}`]: percentile,
  };
}

function reachLines({ reach, segments, ...look }: Omit<RaceEvidence, 'lines'>): EvidenceLine[] {
  const nameOf = (column: string): string => segments.find((one) => one.column === column)?.name ?? column;
  return (['peers', 'faster'] as const).flatMap((kind) => {
    const found = reach[kind];
    if (found === undefined) return [];
    const names = found.segments.map(nameOf);
    return [
      {
        id: found.line,
        names: [...names, 'finish'],
        text:
          `with the median of ${kind} in ${names.join(', ')}: ` +
          `finish ${amountText(found.finish, look)}, ${amountText(found.gain, look)} earlier`,
        facts: { finish: found.finish, gain: found.gain },
        tags: [kind],
      },
    ];
  });
}

function changeLines({ change, segments, ...look }: Omit<RaceEvidence, 'lines'>): EvidenceLine[] {
  if (change === undefined) return [];
  const line = (name: string, { line: id, before, own, change: by }: ChangedTime): EvidenceLine[] => {
    if (id === undefined) return [];
    const direction = by > 0 ? 'slower than before' : 'faster than before';
    const amount = (value: number): string => amountText(value, look);
    return [
      {
        id,
        names: [name],
        text: `${name} since the last race: you ${amount(own)}, before ${amount(before)}, ${amount(Math.abs(by))} ${direction}`,
        facts: { you: own, before, [direction]: Math.abs(by) },
        tags: [by > 0 ? 'lost' : by < 0 ? 'gained' : 'unchanged'],
      },
    ];
  };
  return [
    ...line('finish', change.finish),
    ...change.segments.flatMap((one, s) => line(segments[s].name, one)),
  ];
}
