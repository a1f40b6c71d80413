/**
 * Forms to fill in: what is learned of them is what may be answered, with both kinds of tokenizer; answers are the form,
 * whatever the model finds likely.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodeForms } from '../../lib/dataset';
import { restrictToForms, textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, generateAnswers, generateInFreshProcess } from '../../lib/pretrained';
import { AutoTokenizer, fillForm, formPicks, formText } from '../../lib/tokenizer';
import type { AnswerForm } from '../../lib/tokenizer';
import { isError, untyped } from '../support/refusals';

const FORM: AnswerForm = [
  'finish +1.6:',
  [' slower', ' slow', ' close to expected', ' outperformed'],
  '\n-0.3 sled push:',
  [' fine', ' work'],
  '\n+2.0 row:',
  [' fine'],
  '\n+0.7 wall balls:',
  [' fine', ' work'],
  ' now',
];
const ALL = [0, 1, 2, 3].flatMap((a) => [0, 1].flatMap((b) => [0, 1].map((c) => [a, b, 0, c])));

describe('forms', () => {
  it('are read back option by option, one that begins another included; other texts are none', () => {
    for (const picks of ALL) assert.deepEqual(formPicks(FORM, ` ${formText(FORM, picks)}\n`), picks);
    for (const text of ['', 'finish +1.6: slower', `${formText(FORM, [])} and more`, 'finish +1.7: slower'])
      assert.equal(formPicks(FORM, text), undefined, text);
  });

  for (const name of ['gpt2-mini', 'mistral-mini'])
    it(`are labelled exactly where generation may choose (${name})`, async () => {
      const tokenizer = await AutoTokenizer.fromPretrained(name);
      const prompt = 'Plan:';
      const allowed = restrictToForms({ tokenizer, prompts: [prompt], forms: [FORM] });
      const paths = new Set<string>();
      for (const picks of ALL) {
        const response = formText(FORM, picks);
        const [{ inputIds, labels }] = encodeForms([{ prompt, form: FORM, response }], { tokenizer });
        const ids = tokenizer.encode(response, { addSpecialTokens: false });
        assert.deepEqual(inputIds.slice(-ids.length), ids, 'the ids that encodeRecords gives a response');
        const start = inputIds.length - ids.length;
        for (const [i, id] of ids.entries()) {
          const next = allowed(0, inputIds.slice(0, start + i));
          assert.ok(next.includes(id), `${response} at ${i}`);
          assert.equal(labels[start + i], next.length > 1 ? id : -100, `${response} at ${i}`);
        }
        assert.deepEqual(allowed(0, inputIds), [tokenizer.eosTokenId]);
        assert.deepEqual(allowed(0, [...inputIds, 5, 5]), [], 'what left the form has no way on');
        paths.add(labels.filter((label) => label !== -100).join());
      }
      assert.equal(paths.size, ALL.length, 'expected what is learned to tell the answers apart');
    });

  it('are what a model answers, row by row over batches, also through generateAnswers', async (t) => {
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    t.after(() => model.dispose());
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    const prompts = ['A race:', 'Strong parts, weak parts:', 'Plan'];
    const forms: AnswerForm[] = [FORM, [[' yes', ' no'], '.'], FORM];
    const prefixAllowedTokensFn = restrictToForms({ tokenizer, prompts, forms });
    const seen = new Set<string>();
    for (const seed of [1, 2, 3]) {
      const settings = { model, tokenizer, prefixAllowedTokensFn, maxNewTokens: 64, batchSize: 2 };
      const answers = await textGenerator({ ...settings, doSample: true, temperature: 9, seed })(prompts);
      for (const [i, answer] of answers.entries()) assert.ok(formPicks(forms[i], answer), answer);
      seen.add(answers.join());
    }
    assert.ok(seen.size > 1, 'expected draws to choose');
    const { answers } = await generateAnswers(['Is it?'], {
      ...{ model: 'gpt2-mini', allowedForms: [forms[1]] },
    });
    assert.match(answers[0], /^ (yes|no)\.$/);
    const both = { model: 'gpt2-mini', allowedForms: [forms[1]], allowedTexts: [[' yes.']] };
    for (const ask of [generateAnswers, generateInFreshProcess])
      await assert.rejects(
        ask(['Is it?'], both),
        isError(ask.name, 'allowedTexts or allowedForms, got both', 'A text is a form too'),
      );
  });

  it('are refused where they leave nothing to choose from, or cannot be told apart', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    const restrict = untyped(restrictToForms);
    const encode = untyped(encodeForms);
    const given = { tokenizer, prompts: ['a'], forms: [FORM] };
    const record = { prompt: 'a', form: FORM, response: 'b' };
    assert.throws(() => restrict({ ...given, forms: [] }), isError('each of 1 prompts, got 0'));
    assert.throws(
      () => restrict({ ...given, forms: [['a', []]] }),
      isError('text or a list of options for part 1'),
    );
    assert.throws(() => restrict({ ...given, tokenizer: { encode: () => [1] } }), isError('end-of-sequence'));
    assert.throws(() => encode([record], { tokenizer }), isError('fills in its form, got "b" in record 0'));
    assert.throws(() => encode([{}], { tokenizer }), isError('encodeForms: expected a record'));
    assert.throws(() => fillForm(tokenizer, [[' a', ' a']], [0]), isError('options that differ, got " a"'));
  });
});
