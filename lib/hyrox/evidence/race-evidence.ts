/**
 * Compares one race with those of a state: similar profiles, peers of the same finish, the next level, and where time
 * is lost. Feedback is written from this evidence and checked against it.
 */
import { requireOptions } from '../../options';
import type { OptionNames } from '../../options';
import { TunebookError, requireObject } from '../../types';
import { scoreOf, verdictOf } from '../labels/answers';
import { expectedTotals } from '../labels/expect';
import { requireState } from '../labels/race-state';
import type { RaceState } from '../labels/race-state';
import { assignClusters } from '../statistics/cluster';
import { median } from '../statistics/statistics';
import type { RaceTable } from '../tables/columns';
import type { LabelTable } from '../tables/label-table';
import { changeSince } from './change';
import { ANY_FINISH, EARLIER_FINISH, SAME_FINISH, findRows } from './groups';
import type { FoundRows, OneRace, Width } from './groups';
import { evidenceLines } from './lines';
import { segmentKind, segmentName } from './names';
import { isClock, raceAt, tableFor } from './race-row';
import { referenceOf, scoresOf } from './reference';
import type { Reference } from './reference';
import type {
  ComparedSegment,
  FinishEvidence,
  GroupEvidence,
  RaceEvidence,
  ReachEvidence,
  SegmentEvidence,
} from './types';
import { athleteWords, peopleWord, widthWords, wideningNote } from './words';
import type { GroupKind } from './words';

/** Settings of `raceEvidence`. */
export interface EvidenceOptions {
  /** Row of the table, from 0. Default 0. */
  row?: number;
  /** Earlier races of the same athlete, oldest first; the last one is compared with. */
  earlier?: RaceTable | LabelTable;
  /** Number of similar races. Default 25. */
  nNeighbors?: number;
  /** Smaller groups are widened: other ages first, then other finishes, then any sex. Default 20. */
  minPeers?: number;
  /** With fewer peers, 'widen' adds a note, 'refuse' throws. Default 'widen'. */
  onFewPeers?: 'widen' | 'refuse';
  /** Most segments to choose. Default 3. */
  maxChosen?: number;
}

const EVIDENCE_OPTIONS: OptionNames<EvidenceOptions> = {
  ...{ row: true, earlier: true, nNeighbors: true },
  ...{ minPeers: true, onFewPeers: true, maxChosen: true },
};

/** Fewest races for a median, however far the search was widened. */
const FEWEST = 5;
/** Least time to win that is mentioned, as a share of the finish: 4 s of 1:10:00. */
export const WORTH = 0.001;
/** Most segments to choose for athletes who outperformed. */
const CHOSEN_WHEN_AHEAD = 2;
/** The finish is line 1, the segments follow. */
const FIRST_LINE = 1;

/**
 * The evidence on one race, from a fitted state alone; without names or ids of anybody.
 * @param race a table with the race: the result of `checkRaces`, or a mapped table
 * @throws TunebookError where a time is missing or impossible, a sex or age group is unknown to the state, or there are
 *   too few races to compare with
 * @example
 * ```ts
 * import { hyrox, projectPath } from 'tunebook';
 *
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races, { k: 4 }), races, { row: 7 });
 * console.log(evidence.lines.map(({ id, text }) => `[${id}] ${text}`).join('\n'));
 * ```
 */
export function raceEvidence(
  state: RaceState,
  race: RaceTable | LabelTable,
  options: EvidenceOptions = {},
): RaceEvidence {
  const where = 'raceEvidence';
  requireState(state, where);
  requireObject(options, { where, what: 'options' });
  requireOptions<EvidenceOptions>(options, { where, names: EVIDENCE_OPTIONS });
  const { row = 0, nNeighbors = 25, minPeers = 20, onFewPeers = 'widen', maxChosen = 3 } = options;
  const reference = referenceOf(state);
  const table = tableFor(state, race, where);
  const own = raceAt(state, table, { row, where, reference });
  const one = tableOf(state, own);
  const clock = isClock(state);
  const round = clock ? Math.round : (value: number): number => Math.round(value * 100) / 100;

  const search = { reference, own, enough: minPeers, refuse: onFewPeers === 'refuse' };
  const all = required(findFor(search, ANY_FINISH), 'athletes of this sex and age', search);
  const peers = required(findFor(search, SAME_FINISH), 'races with this finish', search);
  const next = findFor(search, EARLIER_FINISH);
  const faster = next.rows.length < FEWEST ? undefined : next;
  const [scores] = scoresOf(state, one);
  const similar: FoundRows = {
    ...all,
    rows: mostSimilar(reference, scores, { among: all.rows, nNeighbors }),
  };

  const compare = ({ rows }: FoundRows, s: number): ComparedSegment => {
    const values = Array.from(rows, (i) => reference.segments[s][i]);
    const middle = round(median(values));
    const gap = round(round(own.segments[s]) - middle);
    return { median: middle, gap, percentile: slowerShare(values, own.segments[s]) };
  };
  const segments = state.expectation.peers.segments.map((column, s): SegmentEvidence => {
    const score = Math.round(scores[s] * 10) / 10 + 0;
    return {
      ...{ column, name: segmentName(state, column), kind: segmentKind(state, column) },
      ...{ own: round(own.segments[s]), score, slow: score > state.answers.weakAbove },
      similar: compare(similar, s),
      peers: compare(peers, s),
      ...(faster === undefined ? {} : { faster: compare(faster, s) }),
      line: FIRST_LINE + 1 + s,
    };
  });
  const words = { people: peopleWord(state, own, reference.ageAt), hasAge: reference.ageAt >= 0 };
  const group = (kind: GroupKind, { rows, width, first }: FoundRows): GroupEvidence => ({
    count: rows.length,
    words: widthWords(kind, width, words),
    finish: round(median(Array.from(rows, (i) => reference.target[i]))),
    widened: width !== first,
  });
  const finish = round(own.target);
  const judged = judge(state, { one, own, finish });
  const most = judged.verdict === 'outperformed' ? Math.min(maxChosen, CHOSEN_WHEN_AHEAD) : maxChosen;
  const chosen = chooseSegments(segments, { finish, most });
  const lines = FIRST_LINE + segments.length;
  const reach = reachOf(segments, { chosen, finish, lines });
  const known: Omit<RaceEvidence, 'lines'> = {
    ...{ unit: state.unit, clock, chosen, segments, reach },
    athlete: {
      groups: Object.fromEntries(state.groups.map((name, g) => [name, own.groups[g]])),
      words: athleteWords(state, own, reference.ageAt),
      cluster: assignClusters([Array.from(scores)], state.centroids, 0).clusters[0],
    },
    finish: {
      ...judged,
      percentile: slowerShare(
        Array.from(all.rows, (i) => reference.target[i]),
        own.target,
      ),
      among: all.rows.length,
    },
    groups: {
      similar: group('similar', similar),
      peers: group('peers', peers),
      ...(faster === undefined ? {} : { faster: group('faster', faster) }),
    },
    ...(options.earlier === undefined
      ? {}
      : {
          change: changeSince(own, {
            earlier: tableFor(state, options.earlier, `${where}, earlier`),
            ...{ state, reference, round, lines: lines + Object.keys(reach).length },
          }),
        }),
    notes: [
      ...wideningNote('similar', all, words),
      ...wideningNote('peers', peers, words),
      ...(faster === undefined
        ? ['There is no next level to compare with: too few races in the state finish earlier than this one.']
        : wideningNote('faster', faster, words)),
    ],
  };
  return { ...known, lines: evidenceLines(known) };
}

interface Search {
  reference: Reference;
  own: OneRace;
  enough: number;
  refuse: boolean;
}

function findFor({ reference, own, enough }: Search, widths: readonly Width[]): FoundRows {
  return findRows(reference, own, { widths, enough });
}

/** @throws TunebookError where too few were found, or widening is refused */
function required(found: FoundRows, what: string, { enough, refuse }: Search): FoundRows {
  if (refuse && found.firstCount < enough)
    throw new TunebookError(
      `raceEvidence: expected at least ${enough} ${what}, got ${found.firstCount}. ` +
        "Allow wider groups (onFewPeers: 'widen'), or fit the state to more races.",
    );
  if (found.rows.length < FEWEST)
    throw new TunebookError(
      `raceEvidence: expected at least ${FEWEST} ${what}, got ${found.rows.length}, other ages and sexes included. ` +
        'Fit the state to more races.',
    );
  return found;
}

/** The rows with the nearest scores, nearest first. */
function mostSimilar(
  { neighbors, size }: Reference,
  scores: Float64Array,
  { among, nNeighbors }: { among: Int32Array; nNeighbors: number },
): Int32Array {
  const allowed = new Uint8Array(size);
  for (const row of among) allowed[row] = 1;
  return neighbors.kneighbors(scores, { nNeighbors, filter: (row) => allowed[row] === 1 }).indices;
}

/** Share of values above `own`, in whole percent; ties count half. */
function slowerShare(values: readonly number[], own: number): number {
  let above = 0;
  for (const value of values) above += value > own ? 1 : value === own ? 0.5 : 0;
  return Math.round((100 * above) / values.length);
}

/** One race as a table. */
function tableOf(state: RaceState, { groups, segments, target }: OneRace): LabelTable {
  return {
    size: 1,
    groups: Object.fromEntries(state.groups.map((name, g) => [name, [groups[g]]])),
    segments: Object.fromEntries(
      state.expectation.peers.segments.map((name, s) => [name, Float64Array.of(segments[s])]),
    ),
    target: Float64Array.of(target),
    targetName: state.targetName,
    unit: state.unit,
  };
}

/** The verdict, by the rule of the state's labels. */
function judge(
  state: RaceState,
  { one, own, finish }: { one: LabelTable; own: OneRace; finish: number },
): Omit<FinishEvidence, 'percentile' | 'among'> {
  const expected = Math.round(expectedTotals(state.expectation, one).totals[0]);
  const residual = Math.round(own.target) - expected;
  const score = scoreOf(residual, state.usual);
  return { column: state.targetName, own: finish, expected, residual, score, verdict: verdictOf({ score }) };
}

/** Segments with most to win against peers; where there is nothing, against the next level. */
function chooseSegments(
  segments: readonly SegmentEvidence[],
  { finish, most }: { finish: number; most: number },
): string[] {
  const worth = WORTH * finish;
  const by = (gapOf: (segment: SegmentEvidence) => number): SegmentEvidence[] =>
    segments.filter((segment) => gapOf(segment) >= worth).sort((a, b) => gapOf(b) - gapOf(a));
  const behindPeers = by(({ peers }) => peers.gap);
  const [first, second, third] = behindPeers;
  // A third one is named where its share is as large as the others'.
  const few = third === undefined || third.peers.gap < (first.peers.gap + second.peers.gap) / 4 ? 2 : 3;
  const chosen = behindPeers.slice(0, Math.min(few, most));
  if (chosen.length < Math.min(2, most))
    for (const segment of by(({ faster }) => faster?.gap ?? 0))
      if (chosen.length < Math.min(2, most) && !chosen.includes(segment)) chosen.push(segment);
  return chosen.map(({ column }) => column);
}

/** The finish with a group's medians in the chosen segments, where those are better. */
function reachOf(
  segments: readonly SegmentEvidence[],
  { chosen, finish, lines }: { chosen: readonly string[]; finish: number; lines: number },
): RaceEvidence['reach'] {
  const reach: { peers?: ReachEvidence; faster?: ReachEvidence } = {};
  let line = lines;
  for (const kind of ['peers', 'faster'] as const) {
    const behind = chosen.flatMap((column) =>
      segments.filter((one) => one.column === column && (one[kind]?.gap ?? 0) > 0),
    );
    const gain = behind.reduce((sum, one) => sum + (one[kind]?.gap ?? 0), 0);
    if (behind.length > 0)
      reach[kind] = {
        finish: finish - gain,
        gain,
        segments: behind.map(({ column }) => column),
        line: ++line,
      };
  }
  return reach;
}
