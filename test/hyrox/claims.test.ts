/** The claim check on composed feedback: all of it is accepted, and eight kinds of corruption are refused. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { checkClaims, corruptAnswer, CORRUPTIONS, supportedNumbers } from '../../lib/eval';
import { adviceOf } from '../../lib/hyrox';
import { answersEvery, passages } from './coaching';

/** Least share of each kind that is refused. */
const REFUSED = 0.9;
const SWAP = ['peers', 'faster'] as const;

describe('checkClaims on composed feedback of 109 races of the sample', async () => {
  const answers = await answersEvery(22);
  const foreign = (await passages).map(adviceOf);

  it('accepts every sentence', () => {
    assert.ok(answers.length >= 100);
    let sentences = 0;
    for (const { row, feedback, claims } of answers) {
      const checked = checkClaims(feedback.text, claims);
      const wrong = checked.claims.filter(({ supported }) => !supported);
      assert.deepEqual(wrong, [], `row ${row}`);
      assert.equal(checked.supportedShare, 1);
      sentences += checked.claims.length;
    }
    assert.ok(sentences > 1000);
  });

  it('refuses at least 90 % of each kind of corruption, where supportedNumbers passes most', (t) => {
    for (const kind of CORRUPTIONS) {
      let [made, refused, unseen] = [0, 0, 0];
      for (const { row, evidence, feedback, claims } of answers) {
        const wrong = corruptAnswer(feedback.text, {
          kind,
          evidence: claims,
          swap: SWAP,
          foreign,
          seed: row,
        });
        if (wrong === undefined) continue;
        made++;
        if (checkClaims(wrong, claims).supportedShare < 1) refused++;
        const context = [...evidence.lines, ...claims.passages].map(({ text }) => text).join('\n');
        const ungrounded = (text: string): number =>
          supportedNumbers(text.replace(/\[\d+\]/g, ''), context).unsupported.length;
        if (ungrounded(wrong) <= ungrounded(feedback.text)) unseen++;
      }
      const percent = (count: number): string => `${Math.round((100 * count) / made)} %`;
      t.diagnostic(
        `${kind}: ${percent(refused)} of ${made} refused; supportedNumbers sees nothing in ${percent(unseen)}`,
      );
      assert.ok(made >= 90, `${kind}: ${made} made`);
      assert.ok(refused / made >= REFUSED, `${kind}: ${refused} of ${made}`);
    }
  });

  it('is the same corruption for the same seed', () => {
    const [{ feedback, claims }] = answers;
    for (const kind of CORRUPTIONS) {
      const make = (seed: number): string | undefined =>
        corruptAnswer(feedback.text, { kind, evidence: claims, swap: SWAP, foreign, seed });
      assert.equal(make(1), make(1));
      assert.notEqual(make(1), feedback.text);
    }
  });
});
