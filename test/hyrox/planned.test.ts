/**
 * Answers that a model plans, read through the grammar and the claim check: 200 drawn from all plans that a model is let
 * to write, and with TUNEBOOK_PLANNER (a planner's folder, as notebooks 02 and 03 save one) 200 that it makes.
 */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { checkClaims } from '../../lib/eval';
import {
  claimEvidence,
  classifyVerdict,
  composeFeedback,
  filledPlan,
  planForm,
  planRecord,
  planTexts,
  segmentF1,
  verdictAccuracy,
} from '../../lib/hyrox';
import type { Feedback, RaceEvidence } from '../../lib/hyrox';
import { createRandom } from '../../lib/random';
import { generateAnswers } from '../../lib/pretrained';
import { answersEvery, passages } from './coaching';
import { readThrough } from './grammar';

const PLANNER = process.env.TUNEBOOK_PLANNER;

describe('200 planned answers', async () => {
  const documents = await passages;
  const races = (await answersEvery(12)).slice(0, 200);

  /** Filled plans; one with a verdict that the evidence does not have is the rule's, and counted. */
  const fill = (plans: readonly string[]): { answers: Planned[]; byRule: number } => {
    const answers: Planned[] = [];
    let byRule = 0;
    for (const [i, { row, evidence }] of races.entries()) {
      const isTrue = classifyVerdict(plans[i]) === evidence.finish.verdict;
      if (!isTrue) byRule++;
      const plan = isTrue ? { plan: plans[i] } : {};
      answers.push({ row, evidence, feedback: composeFeedback(evidence, documents, { seed: row, ...plan }) });
    }
    return { answers, byRule };
  };

  const judge = (answers: readonly Planned[]): void => {
    const read = readThrough(answers);
    assert.ok(answers.length >= 199 && read > 1500, `${answers.length} answers, ${read} sentences`);
    for (const { evidence, feedback } of answers)
      assert.deepEqual(
        checkClaims(feedback.text, claimEvidence(evidence, feedback.passages)).claims.filter(
          ({ supported }) => !supported,
        ),
        [],
      );
  };

  it('have no broken sentence and no unsupported claim, whatever allowed plan is made', (t) => {
    const plans = races.map(({ row, evidence }) => {
      const random = createRandom('planned', row);
      const fitting = planTexts(evidence).filter((text) => classifyVerdict(text) === evidence.finish.verdict);
      return random.shuffle(fitting)[0];
    });
    const { answers, byRule } = fill(plans);
    assert.equal(byRule, 0);
    const lengths = new Set(answers.map(({ feedback }) => feedback.plan.match(/\{win /g)?.length ?? 0));
    assert.deepEqual([...lengths].sort(), [0, 1, 2, 3]);
    const truths = races.map(({ evidence }) => planRecord(evidence).response);
    t.diagnostic(`segments F1 of plans drawn at random: ${segmentF1(truths, plans).micro}`);
    judge(answers);
  });

  it(
    'have none where a model plans',
    { skip: PLANNER === undefined && 'needs TUNEBOOK_PLANNER' },
    async (t) => {
      const truths = races.map(({ evidence }) => planRecord(evidence).response);
      const forms = races.map(({ evidence }) => planForm(evidence));
      const { answers: filled } = await generateAnswers(
        forms.map(({ prompt }) => prompt),
        {
          ...{ model: PLANNER ?? '', isRaw: true, doSample: false, maxNewTokens: 320 },
          allowedForms: forms.map(({ form }) => form),
        },
      );
      const given = filled.map((answer, i) => filledPlan(races[i].evidence, answer));
      const { answers, byRule } = fill(given);
      const verdict = verdictAccuracy(truths, given).accuracy ?? 0;
      const f1 = segmentF1(truths, given).micro ?? 0;
      t.diagnostic(`verdicts ${verdict}, segments F1 ${f1}, planned by rule after all: ${byRule}`);
      judge(answers);
      assert.ok(verdict >= 0.98 && f1 >= 0.95, `verdicts ${verdict}, segments F1 ${f1}`);
    },
  );
});

interface Planned {
  readonly row: number;
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
}
