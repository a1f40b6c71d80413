/**
 * The feedback plan: verdict, tone, segments and topics as a short text with placeholders, which a language model can
 * learn to write. By default a rule writes it; `fillPlan` turns it into text.
 */
import { createRandom } from '../../random';
import { requireOptions } from '../../options';
import { TunebookError, requireObject, requireText } from '../../types';
import type { Document } from '../../retrieval';
import { isStrength } from '../evidence/lines';
import type { RaceEvidence, ReachEvidence, SegmentEvidence } from '../evidence/types';
import { namedSegments } from '../metrics/segments';
import { classifyVerdict } from '../metrics/verdicts';
import { ADVICE_TOPICS, passageFor, requirePassages, WORK_TOPICS } from './passages';
import type { Tone } from './types';

/** Settings of `planFeedback`. */
export interface PlanOptions {
  /** Passages that may be quoted; advice is planned for segments with a passage. Default: for all segments. */
  passages?: readonly Document[];
  /** Seed of the choice of topics. Default 42. */
  seed?: number;
  /** A short plan, in the words of `planRecord`: its verdict and segments take the place of the rule's. */
  choice?: string;
}

/** Most strengths to name, and most segments to win time in where the evidence has no more. */
const STRENGTHS = 2;
const WINS = 3;
/** Below this percentile the tone is gentle. */
const GENTLE_BELOW = 30;

/** @throws TunebookError where evidence is of another kind */
export function requireEvidence(evidence: unknown, where: string): void {
  requireObject(evidence, {
    ...{ where, what: 'the evidence of a race' },
    fields: ['finish', 'segments', 'chosen', 'lines'],
    remedy: 'Pass hyrox.raceEvidence(state, race).',
  });
}

/**
 * Plans the feedback on a race by rule, a paragraph a line: `tone: direct`, `{verdict slower} {standing}`,
 * `{win sled pull} {advice sled pull: technique}`, ...
 * @throws TunebookError where the evidence is of another kind
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * console.log(hyrox.planFeedback(hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 })));
 */
export function planFeedback(evidence: RaceEvidence, options: PlanOptions = {}): string {
  requireEvidence(evidence, 'planFeedback');
  requireObject(options, { where: 'planFeedback', what: 'options' });
  requireOptions<PlanOptions>(options, {
    where: 'planFeedback',
    names: { passages: true, seed: true, choice: true },
  });
  const { passages, seed = 42, choice } = options;
  if (passages !== undefined) requirePassages(passages, 'planFeedback');
  const random = createRandom('plan', seed, evidence.lines.map(({ text }) => text).join('\n'));
  const used: Document[] = [];
  const advise = (segment: SegmentEvidence, topics: readonly string[]): string => {
    if (passages === undefined) return ` {advice ${segment.name}}`;
    const query = { segment, evidence, used, random };
    const found = passageFor(passages, { ...query, topics }) ?? passageFor(passages, query);
    if (found === undefined) return '';
    used.push(found);
    const { topic } = found.metadata;
    return ` {advice ${segment.name}${typeof topic === 'string' ? `: ${topic}` : ''}}`;
  };
  const { finish, segments, groups, reach, change } = evidence;
  const { verdict, wins } =
    choice === undefined ? { verdict: finish.verdict, wins: winsOf(evidence) } : choiceOf(choice, evidence);
  const isReached = (of: ReachEvidence | undefined): boolean =>
    of !== undefined && of.segments.every((column) => wins.some((segment) => segment.column === column));
  const strengths = segments
    .filter((segment) => isStrength(segment) && !wins.includes(segment))
    .sort((a, b) => a.peers.gap - b.peers.gap)
    .slice(0, STRENGTHS);
  const well = strengths.map(({ name }) => `{well ${name}}`).join(' ');
  const focus = wins.slice(0, 2).map(({ name }) => name);
  return [
    `tone: ${toneOf(evidence)}`,
    `{verdict ${verdict}}${groups.similar.widened || finish.percentile === 0 ? '' : ' {standing}'}`,
    ...(change === undefined ? [] : ['{change}']),
    well === '' ? '{best}' : well,
    ...wins.map((segment) => `{win ${segment.name}}${advise(segment, ADVICE_TOPICS)}`),
    [
      ...(isReached(reach.peers) ? ['{reach}'] : []),
      ...(isReached(reach.faster) && gainsMore(reach) ? ['{next}'] : []),
    ].join(' '),
    ...(focus.length === 0 ? [] : [`{focus ${focus.join(', ')}}${advise(wins[0], WORK_TOPICS)}`]),
    ...(evidence.notes.length === 0 ? [] : ['{notes}']),
  ]
    .filter((line) => line !== '')
    .join('\n');
}

/** Segments with time to win, most first. */
function winsOf({ chosen, segments }: RaceEvidence): SegmentEvidence[] {
  return chosen.flatMap((column) => segments.filter((segment) => segment.column === column));
}

/** Whether there is time to win against either group. */
export function isBehind({ peers, faster }: Pick<SegmentEvidence, 'peers' | 'faster'>): boolean {
  return peers.gap > 0 || (faster?.gap ?? 0) > 0;
}

/** Segments that a plan names at most. */
export function mostNamed({ chosen }: RaceEvidence): number {
  return Math.max(WINS, chosen.length);
}

/** @throws TunebookError where a short plan has no verdict, or names what is no segment of the race, or too many */
function choiceOf(
  choice: string,
  evidence: RaceEvidence,
): { readonly verdict: string; readonly wins: readonly SegmentEvidence[] } {
  const where = 'planFeedback';
  requireText(choice, { where, what: 'a short plan, a text' });
  const verdict = classifyVerdict(choice);
  if (verdict === undefined)
    throw new TunebookError(
      `${where}: expected a plan that says slower than expected, close to expected or outperformed, got "${choice.slice(0, 80)}". See planRecord.`,
    );
  const names = namedSegments(choice);
  const most = mostNamed(evidence);
  if (names.length > most)
    throw new TunebookError(
      `${where}: expected at most ${most} segments in a plan, got ${names.length}: ${names.join(', ')}.`,
    );
  const wins = names.map((name) => {
    const found = evidence.segments.find((one) => one.column === name || one.name === name);
    if (found !== undefined) return found;
    const known = evidence.segments.map(({ column }) => column).join(', ');
    throw new TunebookError(`${where}: expected segments of the race (${known}) in a plan, got "${name}".`);
  });
  return { verdict, wins };
}

/** The next level is not faster everywhere: times that gain less than the peers' are no goal. */
function gainsMore({ peers, faster }: RaceEvidence['reach']): boolean {
  return faster !== undefined && faster.gain > (peers?.gain ?? 0);
}

function toneOf({ finish: { verdict, percentile } }: RaceEvidence): Tone {
  if (verdict === 'outperformed') return 'celebrate';
  if (percentile < GENTLE_BELOW) return 'gentle';
  return verdict === 'slower' ? 'direct' : 'steady';
}

/** The decisions of a plan, for comparison with another. */
export interface PlanChoices {
  readonly tone: string;
  /** '' where the plan has none. */
  readonly verdict: string;
  /** Names of segments. */
  readonly well: readonly string[];
  readonly win: readonly string[];
  readonly advice: readonly string[];
  readonly focus: readonly string[];
}

/** Whether a plan has a verdict in words and no placeholder: one of `planRecord`. */
export function isShort(plan: string): boolean {
  return plan.match(PLACE) === null && classifyVerdict(plan) !== undefined;
}

/** A placeholder: `{win sled pull}` is 'win' about 'sled pull'. */
export const PLACE = /\{(\w+)(?: ([^{}]*))?\}/g;

/**
 * Parses a plan's decisions, to compare a model's plan with the rule's; what cannot be parsed is left out.
 * Of a short plan (see `planRecord`) these are the verdict and the segments, by the plan's names.
 * @throws TunebookError where the plan is no text
 */
export function readPlan(plan: string): PlanChoices {
  if (typeof plan !== 'string')
    throw new TunebookError(`readPlan: expected a plan, a text, got ${typeof plan}.`);
  if (isShort(plan))
    return {
      ...{ tone: '', verdict: classifyVerdict(plan) ?? '', win: namedSegments(plan) },
      ...{ well: [], advice: [], focus: [] },
    };
  const places = [...plan.matchAll(PLACE)].map(([, what, about = '']) => ({ what, about }));
  const of = (kind: string): string[] =>
    places
      .filter(({ what }) => what === kind)
      .flatMap(({ about }) => about.split(':')[0].split(','))
      .map((name) => name.trim())
      .filter(Boolean);
  return {
    tone: /^tone: *(\w+)/m.exec(plan)?.[1] ?? '',
    verdict: of('verdict')[0] ?? '',
    ...{ well: of('well'), win: of('win'), advice: of('advice'), focus: of('focus') },
  };
}
