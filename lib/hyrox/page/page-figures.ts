/** The two figures of a feedback page, from the evidence alone. */
import type { ProfileFigure, WaterfallFigure, WaterfallStep } from '../../display';
import { amountText } from '../evidence/names';
import type { RaceEvidence, SegmentEvidence } from '../evidence/types';
import { fillWords } from './page-words';
import type { PageWords } from './page-words';

/** '+2:15', '−0:41': a difference; positive is slower. */
export function gapText(gap: number, evidence: RaceEvidence, words: PageWords): string {
  if (gap === 0) return evidence.clock ? words.level : '0';
  return fillWords(gap > 0 ? words.behind : words.before, { amount: amountText(Math.abs(gap), evidence) });
}

/** Each segment among the peers. */
export function profileFigure(evidence: RaceEvidence, words: PageWords): ProfileFigure {
  const rows = evidence.segments.map(({ name, own, peers, column }) => ({
    label: name,
    value: amountText(own, evidence),
    share: peers.percentile,
    note: gapText(peers.gap, evidence, words),
    strong: evidence.chosen.includes(column),
  }));
  const [slower, , faster] = words.scale;
  const texts = rows.map(({ label, value, share, note }) => `${label} ${value}, ${note}, ${share} %`);
  return { title: `${words.profile} (${slower} – ${faster}): ${texts.join('; ')}`, rows, scale: words.scale };
}

/** From the own finish to the median finish of the next level; undefined where there is none. */
export function wayFigure(evidence: RaceEvidence, words: PageWords): WaterfallFigure | undefined {
  const { faster } = evidence.groups;
  if (faster === undefined) return undefined;
  const step = ({ name, column }: SegmentEvidence, gap: number): WaterfallStep => ({
    label: name,
    by: -gap,
    text: gapText(-gap, evidence, words),
    strong: evidence.chosen.includes(column),
  });
  const steps = evidence.segments
    .map((segment): [SegmentEvidence, number] => [segment, segment.faster?.gap ?? 0])
    .filter(([, gap]) => gap !== 0)
    .sort(([, a], [, b]) => b - a)
    .map(([segment, gap]) => step(segment, gap));
  const rest = restOf(evidence);
  if (rest !== 0) steps.push({ label: words.rest, by: rest, text: gapText(rest, evidence, words) });
  const [from, to] = [evidence.finish.own, faster.finish].map((value) => amountText(value, evidence));
  const texts = steps.map(({ label, text }) => `${label} ${text}`);
  return {
    title: `${words.way}: ${words.you} ${from}; ${texts.join('; ')}; ${words.next} ${to}`,
    from: { label: words.you, value: evidence.finish.own, text: from },
    steps,
    to: { label: words.next, text: to },
  };
}

/** The part of the gap to the next level's median finish that the segments' medians do not explain. */
export function restOf({ finish, groups, segments, clock }: RaceEvidence): number {
  if (groups.faster === undefined) return 0;
  const gained = segments.reduce((sum, { faster }) => sum + (faster?.gap ?? 0), 0);
  const rest = groups.faster.finish - (finish.own - gained);
  return clock ? Math.round(rest) : Math.round(100 * rest) / 100;
}
