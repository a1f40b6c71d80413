/**
 * The plan as a form that a language model fills in from top to bottom: a line for the finish and one for each segment,
 * with its score, and a decision. `filledPlan` makes a short plan of it, which `composeFeedback` takes.
 */
import { isDeepStrictEqual } from 'node:util';
import { formPicks, formText, instructionTemplate } from '../../dataset';
import type { AnswerForm, PromptTemplate } from '../../dataset';
import { requireList, requireObject, requireText, TunebookError } from '../../types';
import { amountText } from '../evidence/names';
import type { RaceEvidence } from '../evidence/types';
import { withSign } from '../labels/answers';
import type { Verdict } from '../labels/answers';
import { PLAIN_TEMPLATES } from '../mapping/templates';
import { isBehind, requireEvidence } from './plan';
import { planScores } from './records';

/** The prompt of plan forms, in training and generation. A model that was saved with it is asked for forms. */
export const PLAN_TEMPLATE: PromptTemplate = instructionTemplate({
  system: 'You are a coach. Plan the feedback on the race.',
  prompt: '### Instruction:\n{system}\n\n### Input:\n{input}\n\n### Response:\n',
});

/**
 * Whether a model's saved prompt (tunebook_prompt.json) is that of plan forms.
 * @throws TunebookError for what is no object
 */
export function isPlanPrompt(saved: object): boolean {
  requireObject(saved, { where: 'isPlanPrompt', what: 'the content of tunebook_prompt.json' });
  return isDeepStrictEqual({ ...saved }, { ...PLAN_TEMPLATE.travel?.description });
}

const VERDICTS: readonly Verdict[] = ['slower', 'close', 'outperformed'];
const VERDICT_OPTIONS: readonly string[] = [' slower than expected', ' close to expected', ' outperformed'];
const FINE = ' fine';
const WORK = ' work';

/** A question for a plan: as `encodeForms` takes it for training, and `restrictToForms` for answers. */
export interface PlanForm {
  /** Who is asked about: 'women aged 30-34, finish 1:41:27, expected 1:35:42'. */
  readonly input: string;
  /** The same in `PLAN_TEMPLATE`. */
  readonly prompt: string;
  /** Blanks: the verdict, then a decision for each segment in the race's order. */
  readonly form: AnswerForm;
  /** The form as the rule fills it in. */
  readonly response: string;
}

/**
 * A race as a form to fill in. Each line has its score before the decision: the finish is slower than expected from +1.0
 * and outperformed from -1.0 on, a segment needs work from +0.6 on. Segments that are behind nobody are fine already.
 * @throws TunebookError where the evidence is of another kind
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const { prompt, response } = hyrox.planForm(hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 }));
 * console.log(prompt + response);
 */
export function planForm(evidence: RaceEvidence): PlanForm {
  requireEvidence(evidence, 'planForm');
  const { athlete, finish, segments, chosen } = evidence;
  const scores = new Map(planScores(evidence).map(({ name, z }) => [name, z]));
  const form = [
    `finish ${withSign(finish.score, 1)}:`,
    VERDICT_OPTIONS,
    ...segments.flatMap((segment) => [
      `\n${withSign(scores.get(segment.column) ?? 0, 1)} ${segment.name}:`,
      isBehind(segment) ? [FINE, WORK] : [FINE],
    ]),
  ];
  const picks = [
    VERDICTS.indexOf(finish.verdict),
    ...segments.map(({ column }) => (chosen.includes(column) ? 1 : 0)),
  ];
  const [own, expected] = [finish.own, finish.expected].map((amount) => amountText(amount, evidence));
  const input = `${athlete.words}, finish ${own}, expected ${expected}`;
  return { input, prompt: PLAN_TEMPLATE.formatPrompt({ input }), form, response: formText(form, picks) };
}

/**
 * A filled-in form as a short plan, in the words of `planRecord`; segments with most to win come first.
 * @throws TunebookError where the answer does not fill in the race's form
 */
export function filledPlan(evidence: RaceEvidence, answer: string): string {
  requireText(answer, { where: 'filledPlan', what: 'a filled-in plan, a text' });
  const { form } = planForm(evidence);
  const [verdict, ...decisions] = formPicks(form, answer) ?? [];
  if (verdict === undefined)
    throw new TunebookError(
      `filledPlan: expected the race's form filled in, got "${answer.slice(0, 80)}". Restrict the answer by restrictToForms.`,
    );
  const work = new Set(evidence.segments.flatMap(({ column }, i) => (decisions[i] === 1 ? [column] : [])));
  const list = planScores(evidence).flatMap(({ name }) => (work.has(name) ? [name] : []));
  const { improve, inLine, ...verdicts } = PLAIN_TEMPLATES;
  const segments = list.length === 0 ? inLine[0] : improve[0].replace('{list}', list.join(', '));
  return `${verdicts[VERDICTS[verdict]][0]} ${segments}`;
}

/**
 * Races to learn to plan from, each verdict as often as the others: of a result list most finishes are close to expected.
 * Verdicts take turns; races of the rarer ones come again.
 * @param count races to give
 * @throws TunebookError where there are no races
 */
export function balanceVerdicts(races: readonly RaceEvidence[], count: number): RaceEvidence[] {
  requireList(races, { where: 'balanceVerdicts', what: 'a list of evidence' });
  for (const race of races) requireEvidence(race, 'balanceVerdicts');
  const kinds = VERDICTS.map((verdict) => races.filter(({ finish }) => finish.verdict === verdict)).filter(
    ({ length }) => length > 0,
  );
  if (kinds.length === 0)
    throw new TunebookError('balanceVerdicts: expected the evidence of at least one race, got none.');
  return Array.from({ length: count }, (_, i) => {
    const kind = kinds[i % kinds.length];
    return kind[Math.floor(i / kinds.length) % kind.length];
  });
}
