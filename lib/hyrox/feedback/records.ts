/**
 * Training records for models that plan or write feedback, as `encodeRecords` takes them.
 */
import { instructionTemplate } from '../../dataset';
import type { PromptTemplate } from '../../dataset';
import { createRandom } from '../../random';
import { requireObject, TunebookError } from '../../types';
import type { Document } from '../../retrieval';
import { isStrength } from '../evidence/lines';
import { WORTH } from '../evidence/race-evidence';
import type { RaceEvidence, SegmentEvidence } from '../evidence/types';
import type { FeedbackRecord } from '../labels/as-published';
import { fillPlan } from './fill';
import { adviceOf, requirePassages } from './passages';
import { planFeedback, readPlan, requireEvidence } from './plan';

/** The prompt template of these records, in training and generation. */
export const FEEDBACK_TEMPLATE: PromptTemplate = instructionTemplate({ system: 'You are a coach.' });

const PLAN_INPUT = 'Plan the feedback on this race';
const WRITE_INPUT = 'Give feedback on this race';

/**
 * A race as a question and the rule's plan as its answer, to train a model that plans for `fillPlan`.
 * @throws TunebookError where the evidence is of another kind
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const { context, response } = hyrox.planRecord(hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 }));
 * console.log(context, response);
 */
export function planRecord(evidence: RaceEvidence): FeedbackRecord {
  requireEvidence(evidence, 'planRecord');
  return { input: PLAN_INPUT, context: planContext(evidence), response: planFeedback(evidence) };
}

/** The prompt for a trained model's plan: `planRecord`'s question in `FEEDBACK_TEMPLATE`. */
export function planPrompt(evidence: RaceEvidence): string {
  requireEvidence(evidence, 'planPrompt');
  return FEEDBACK_TEMPLATE.formatPrompt({ input: PLAN_INPUT, context: planContext(evidence) });
}

/**
 * The facts that decide a plan, in the order in which a left-to-right model needs them: segments with most to win, each
 * with a number that is 1.0 where a third one begins to count, then strengths, then the whole race.
 */
function planContext({ finish, segments, groups, reach, change, notes, chosen }: RaceEvidence): string {
  const worth = WORTH * finish.own;
  const behind = segments.filter(({ peers }) => peers.gap >= worth).sort((a, b) => b.peers.gap - a.peers.gap);
  const [first = 0, second = 0] = behind.map(({ peers }) => peers.gap);
  const part = (first + second) / 4 || 1;
  const strengths = segments.filter(isStrength).sort((a, b) => a.peers.gap - b.peers.gap);
  const names = chosen.filter((column) => !behind.some((segment) => segment.column === column));
  const parts = [
    `behind peers: ${list(behind.slice(0, 4), ({ name, peers }) => `${tenths(peers.gap / part)} ${name}`)}`,
    `behind the next level: ${list(
      segments.filter(({ column }) => names.includes(column)),
      ({ name }) => name,
    )}`,
    `strengths: ${list(strengths.slice(0, 3), ({ name }) => name)}`,
    `reach: ${[...(reach.peers ? ['peers'] : []), ...(reach.faster ? ['next level'] : [])].join(', ') || 'none'}`,
    ...(groups.similar.widened ? ['few of this sex and age'] : []),
    ...(notes.length > 0 ? ['notes'] : []),
    ...(change === undefined ? [] : ['earlier race']),
    `ahead of: ${finish.percentile} %`,
    `score: ${finish.score > 0 ? '+' : ''}${finish.score.toFixed(1)}`,
  ];
  return parts.join('; ');
}

/** Rounded down: 1.0 is reached, not nearly reached. */
function tenths(value: number): string {
  return (Math.floor(value * 10) / 10).toFixed(1);
}

function list(segments: readonly SegmentEvidence[], say: (segment: SegmentEvidence) => string): string {
  return segments.map(say).join(', ') || 'none';
}

/** Settings of `writtenRecord`, whose answer is text instead of a plan. */
export interface WrittenRecordOptions {
  /** Passages to quote, and distractors. */
  readonly passages: readonly Document[];
  /**
   * 'closed': the question has the athlete's own times alone (closed book). 'evidence': the lines to cite, a passage to
   * quote and others beside it, shuffled (RAFT, Zhang et al. 2024).
   */
  readonly form: 'closed' | 'evidence';
  /** Number of other passages beside the one to quote. Default 2. */
  readonly distractors?: number;
  /** Seed of draws and wordings. Default 42. */
  readonly seed?: number;
}

/** A question and a written answer, with the passages to check it against. */
export interface WrittenRecord {
  readonly record: FeedbackRecord;
  /** The passages that the question shows; `claimEvidence(evidence, shown)` numbers them as the question does. */
  readonly shown: readonly Document[];
}

/**
 * A race as a question and short feedback as its answer: the verdict, the segment with most to win, one advice.
 * @returns undefined where the race has nothing to win, or no passage is about it
 * @throws TunebookError where evidence or passages are of another kind
 */
export function writtenRecord(
  evidence: RaceEvidence,
  options: WrittenRecordOptions,
): WrittenRecord | undefined {
  requireEvidence(evidence, 'writtenRecord');
  requireObject(options, { where: 'writtenRecord', what: 'options', fields: ['passages', 'form'] });
  const { passages, form, distractors = 2, seed = 42 } = options;
  requirePassages(passages, 'writtenRecord');
  if (form !== 'closed' && form !== 'evidence')
    throw new TunebookError(
      `writtenRecord: expected form to be 'closed' or 'evidence', got ${JSON.stringify(form)}.`,
    );
  const { win, tone } = readPlan(planFeedback(evidence));
  const segment = evidence.segments.find(({ name }) => name === win[0]);
  if (segment === undefined || !passages.some(({ metadata }) => metadata.segment === segment.column))
    return undefined;
  const plan = `tone: ${tone}\n{verdict ${evidence.finish.verdict}}\n{win ${segment.name}} {advice ${segment.name}}`;
  const feedback = fillPlan(plan, evidence, passages, { seed });
  const [quoted] = feedback.passages;
  const random = createRandom('written', seed, feedback.text);
  const others = random
    .shuffle(passages.filter(({ metadata }) => metadata.segment !== segment.column))
    .slice(0, distractors);
  const shown = random.shuffle([quoted, ...others]);
  const first = evidence.lines.length + 1;
  const text = feedback.paragraphs.map((paragraph) => paragraph.text).join(' ');
  const cited = text.replaceAll(`[${first}]`, `[${first + shown.indexOf(quoted)}]`);
  if (form === 'closed') {
    const times = evidence.segments.map(({ name, own }) => `${name} ${own}`).join(', ');
    const context = `${evidence.athlete.words}, finish ${evidence.finish.own}, ${times}`;
    return { record: { input: WRITE_INPUT, context, response: cited.replace(/ ?\[\d+\]/g, '') }, shown };
  }
  const most = [...evidence.segments].sort((a, b) => b.peers.gap - a.peers.gap).slice(0, 3);
  const lines = evidence.lines
    .filter(({ id }) => id === 1 || most.some(({ line }) => line === id))
    .map(({ id, text: line }) => `[${id}] ${line}`);
  const advice = shown.map((passage, i) => `[${first + i}] ${adviceOf(passage)}`);
  return {
    record: { input: WRITE_INPUT, context: [...lines, ...advice].join('\n'), response: cited },
    shown,
  };
}
