/**
 * Preference pairs of races: the right answer against one with a wrong verdict or wrong segments, in the same words. A
 * coach's choices have the same form: lines `{ prompt, chosen, rejected }`, where both answers are to the same prompt.
 */
import type { PromptTemplate } from '../../dataset';
import { requireOptions } from '../../options';
import { createRandom } from '../../random';
import type { Random } from '../../random';
import { requireList, TunebookError } from '../../types';
import { readContext, slowSegments, verdictOf, writeAnswer } from './answers';
import type { AnswerFacts, SegmentFact } from './answers';
import type { FeedbackRecord } from './as-published';
import { feedbackTemplate } from './coach-prompt';
import { PLAIN_TEMPLATES } from '../mapping/templates';
import type { AnswerTemplates } from '../mapping/templates';

/** A prompt with a better and a worse answer, as `encodePairs` and TRL take it. */
export interface PreferenceRecord {
  readonly [field: string]: string;
  readonly prompt: string;
  readonly chosen: string;
  readonly rejected: string;
}

/** How pairs are made. */
export interface PreferencePairOptions {
  /** What is wrong in the rejected answer; 'either': the one or the other, by the seed. Default 'either'. */
  readonly wrong?: 'verdict' | 'segments' | 'either';
  /** Makes the prompt; of another sport `feedbackTemplate('triathlon')`. Default: the instruction form, as a Hyrox coach. */
  readonly template?: PromptTemplate;
  /** The words of the answers. Default: those of the plain answers. */
  readonly templates?: AnswerTemplates;
  /** A segment is listed above this score. Default 0.5. */
  readonly mark?: number;
  /** Unit of the answers. Default 's'. */
  readonly unit?: string;
  /** Default 42. */
  readonly seed?: number;
}

/**
 * A pair for each record of corrected labels: its answer, and the answer that another verdict or other segments would
 * have got.
 * @throws TunebookError where an option is wrong, or a record's context is not one of corrected labels
 * @example
 * ```ts
 * import { hyrox, loadRecords, projectPath } from 'tunebook';
 *
 * const file = projectPath('data/hyrox/hyrox-sample-corrected.jsonl');
 * const { records } = await loadRecords(file, { limit: 2 });
 * const pairs = hyrox.preferencePairs(records as unknown as hyrox.FeedbackRecord[]);
 * console.log(pairs[0]?.chosen, pairs[0]?.rejected);
 * ```
 */
export function preferencePairs(
  records: readonly FeedbackRecord[],
  options: PreferencePairOptions = {},
): PreferenceRecord[] {
  const where = 'preferencePairs';
  requireList(records, { where, what: 'a list of records' });
  requireOptions<PreferencePairOptions>(options, {
    where,
    names: { wrong: true, template: true, templates: true, mark: true, unit: true, seed: true },
  });
  const { wrong = 'either', template = feedbackTemplate(), seed = 42 } = options;
  const { templates = PLAIN_TEMPLATES, mark = 0.5, unit = 's' } = options;
  if (!['verdict', 'segments', 'either'].includes(wrong))
    throw new TunebookError(
      `${where}: expected wrong to be 'verdict', 'segments' or 'either', got ${JSON.stringify(wrong)}.`,
    );
  return records.map((record, index) => {
    const random = createRandom('preference', seed, index);
    const kind = wrong === 'either' ? random.shuffle(['verdict', 'segments'])[0] : wrong;
    let context: string;
    try {
      const facts = readContext(record.context);
      context =
        kind === 'verdict'
          ? otherVerdict(record.context, facts, random)
          : otherSegments(record.context, { facts, mark, random });
    } catch (error) {
      if (!(error instanceof TunebookError)) throw error;
      throw new TunebookError(`${where}, record ${index}: ${error.message}`, { cause: error });
    }
    return {
      prompt: template.formatPrompt({ ...record }),
      chosen: record.response,
      rejected: writeAnswer(context, { templates, mark, unit, seed }),
    };
  });
}

/** The context with a score of another verdict. */
function otherVerdict(context: string, facts: AnswerFacts, random: Random): string {
  const own = verdictOf(facts);
  const scores = ['+1.5', '0.0', '-1.5'].filter((score) => verdictOf({ score: Number(score) }) !== own);
  return context.replace(/score: [+-]?\d+\.\d$/, `score: ${random.shuffle(scores)[0]}`);
}

/**
 * The context with other segments above the mark. Half of the lists become none, since about as many right answers name
 * none: no kind of answer may always be the rejected one. The others lack one, have one too many, or are as many others.
 */
function otherSegments(
  context: string,
  { facts, mark, random }: { facts: AnswerFacts; mark: number; random: Random },
): string {
  const slow = slowSegments(facts, mark);
  const others = random.shuffle(facts.segments.filter((segment) => !slow.includes(segment)));
  const lists: SegmentFact[][] = [];
  if (slow.length > 1) lists.push(random.shuffle(slow).slice(1));
  if (others.length > 0) lists.push([...slow, others[0]]);
  if (slow.length > 0 && others.length > 0) lists.push(others.slice(0, slow.length));
  const isNone = lists.length === 0 || (slow.length > 0 && random.nextInt(2) === 0);
  const wrong = isNone ? [] : random.shuffle(lists)[0];
  const behind = (seconds: number | undefined): string =>
    facts.segments.some((segment) => segment.behind !== undefined)
      ? ` (${(seconds ?? 0) > 0 ? '+' : ''}${seconds ?? 0})`
      : '';
  let place = 0;
  const parts = facts.segments.map((segment) =>
    wrong.includes(segment)
      ? `+${(mark + 1).toFixed(1)} ${segment.name}${behind(slow[place++]?.behind ?? 10)}`
      : `0.0 ${segment.name}${behind(0)}`,
  );
  return context.replace(/, z: .*, residual: /, () => `, z: ${parts.join(', ')}, residual: `);
}
