/**
 * Training records for models that plan or write feedback, as `encodeRecords` takes them.
 */
import type { PromptTemplate } from '../../dataset';
import { createRandom } from '../../random';
import { requireOptions } from '../../options';
import { requireObject, TunebookError } from '../../types';
import type { Document } from '../../retrieval';
import { WORTH } from '../evidence/race-evidence';
import type { RaceEvidence } from '../evidence/types';
import { writeAnswer, writeContext } from '../labels/answers';
import type { SegmentFact } from '../labels/answers';
import type { FeedbackRecord } from '../labels/as-published';
import { feedbackTemplate } from '../labels/coach-prompt';
import { INPUT } from '../labels/fit';
import { PLAIN_TEMPLATES } from '../mapping/templates';
import { fillPlan } from './fill';
import { adviceOf, requirePassages } from './passages';
import { isBehind, mostNamed, planFeedback, readPlan, requireEvidence } from './plan';

/** The prompt template of these records, in training and generation: that of the label files in the notebooks (`feedbackTemplate()`). */
export const FEEDBACK_TEMPLATE: PromptTemplate = feedbackTemplate();

const WRITE_INPUT = 'Give feedback on this race';
/** A segment is named where its score is above this, as in the labels. */
const MARK = 0.5;
/** Scores with one digit: the lowest that is named, and the lowest that is written. */
const NAMED = 0.6;
const LOWEST = -3;

/**
 * A race as a question and a short plan as its answer: the verdict, and the segments with most to win. Question and
 * answer have the form of the labels, so that a model which has learned these can plan: `composeFeedback` takes its
 * answer as a plan, and the evidence fills in the rest.
 * @throws TunebookError where the evidence is of another kind
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const { context, response } = hyrox.planRecord(hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 }));
 * console.log(context, response);
 */
export function planRecord(evidence: RaceEvidence): FeedbackRecord {
  requireEvidence(evidence, 'planRecord');
  const context = planContext(evidence);
  const wording = { templates: PLAIN_TEMPLATES, mark: MARK, unit: evidence.unit, seed: 0 };
  return { input: INPUT, context, response: writeAnswer(context, wording) };
}

/** The prompt for a trained model's plan: `planRecord`'s question in `FEEDBACK_TEMPLATE`. */
export function planPrompt(evidence: RaceEvidence): string {
  requireEvidence(evidence, 'planPrompt');
  return FEEDBACK_TEMPLATE.formatPrompt({ input: INPUT, context: planContext(evidence) });
}

/**
 * All plans that can be filled in, in the words of `planRecord`: each verdict with up to three segments that are behind,
 * in the order of the question. What a model may answer, for `restrictToTexts`.
 * @throws TunebookError where the evidence is of another kind
 */
export function planTexts(evidence: RaceEvidence): string[] {
  requireEvidence(evidence, 'planTexts');
  const { improve, inLine, ...verdicts } = PLAIN_TEMPLATES;
  const behind = planScores(evidence).filter(({ name }) =>
    evidence.segments.some(({ column, ...segment }) => column === name && isBehind(segment)),
  );
  const most = mostNamed(evidence);
  const longer = (lists: string[][], name: string): string[][] =>
    lists.filter(({ length }) => length < most).map((list) => [...list, name]);
  const lists = behind.reduce<string[][]>((all, { name }) => [...all, ...longer(all, name)], [[]]);
  return [verdicts.slower, verdicts.close, verdicts.outperformed].flatMap(([verdict]) =>
    lists.map((list) =>
      list.length === 0
        ? `${verdict} ${inLine[0]}`
        : `${verdict} ${improve[0].replace('{list}', list.join(', '))}`,
    ),
  );
}

/** A context as the labels have it, whose scores are those of the plan. */
function planContext(evidence: RaceEvidence): string {
  const { athlete, finish } = evidence;
  return writeContext({
    groups: Object.entries(athlete.groups),
    ...{ targetName: finish.column, total: finish.own, predicted: finish.expected },
    ...{ residual: finish.residual, score: finish.score, cluster: athlete.cluster },
    segments: planScores(evidence),
  });
}

/**
 * How much each segment counts, most first: 0.6 is half of what the two with most to win cost on average, from which on
 * a third one is named. Those that the evidence chose are above the mark and no others, whatever chose them.
 */
export function planScores({ segments, chosen, finish }: RaceEvidence): SegmentFact[] {
  const [first, second] = segments.map(({ peers }) => Math.max(0, peers.gap)).sort((a, b) => b - a);
  const part = (first + (second ?? 0)) / 4 || WORTH * finish.own;
  const scores = segments.map(({ column, peers }): SegmentFact => {
    const score = Math.floor((10 * NAMED * peers.gap) / part) / 10;
    const z = chosen.includes(column) ? Math.max(NAMED, score) : Math.min(MARK, score);
    return { name: column, z: Math.max(LOWEST, z) + 0 };
  });
  const rank = ({ name }: SegmentFact): number => {
    const at = chosen.indexOf(name);
    return at < 0 ? chosen.length : at;
  };
  return scores.sort((a, b) => rank(a) - rank(b) || b.z - a.z);
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
  requireOptions<WrittenRecordOptions>(options, {
    where: 'writtenRecord',
    names: { passages: true, form: true, distractors: true, seed: true },
  });
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
