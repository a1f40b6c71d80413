/**
 * Generation where each next token is restricted: transformers' tokens (test/golden/generation/make_prefix.py), draws,
 * endings, and answers that are one of some texts.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { restrictToTexts, textGenerator } from '../../lib/generation';
import type { GenerateOptions, PrefixAllowedTokensFn } from '../../lib/generation';
import { AutoModelForCausalLM, generateAnswers } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { isError, untyped } from '../support/refusals';

interface Golden {
  prompts: number[][];
  padTokenId: number;
  greedy: number[][];
  repetitionPenalty: { penalty: number; newTokens: number[][] };
  eos: { eosTokenId: number; newTokens: number[][] };
}
const FOLDER = path.join(ROOT, 'test', 'golden');
const golden = JSON.parse(
  readFileSync(path.join(FOLDER, 'generation', 'golden-prefix.json'), 'utf8'),
) as Golden;
const VOCABULARY = Array.from({ length: 97 }, (_, token) => token);
const allowed: PrefixAllowedTokensFn = (row, ids) =>
  VOCABULARY.filter((token) => token % 7 === (ids[ids.length - 1] + row) % 7);
const BATCH: GenerateOptions = {
  ...{ inputIds: golden.prompts, maxNewTokens: 16, eosTokenId: null, padTokenId: golden.padTokenId },
  prefixAllowedTokensFn: allowed,
};

let model: CausalLM;
before(async () => {
  model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'gpt2', 'model'));
});
after(() => model.dispose());

for (const useCache of [true, false]) {
  test(`restricted tokens of a batch are transformers', useCache ${useCache}`, async () => {
    const options = { ...BATCH, useCache };
    assert.deepEqual((await model.generate(options)).newTokens, golden.greedy);
    const { penalty, newTokens } = golden.repetitionPenalty;
    const penalized = await model.generate({ ...options, repetitionPenalty: penalty });
    assert.deepEqual(penalized.newTokens, newTokens);
  });
}

test("rows end as transformers' do", async () => {
  const { eosTokenId, newTokens } = golden.eos;
  const result = await model.generate({ ...BATCH, eosTokenId });
  const length = result.sequences[0].length - Math.max(...golden.prompts.map((prompt) => prompt.length));
  const padded = result.newTokens.map((row) => [
    ...row,
    ...Array<number>(length - row.length).fill(golden.padTokenId),
  ]);
  assert.deepEqual(padded, newTokens);
  assert.ok(result.finishReasons.includes('eos'));
});

test('draws keep to what is allowed, and are the same with and without cache', async () => {
  const options = { ...BATCH, doSample: true, temperature: 3, topK: 0, seed: 4 };
  const { newTokens } = await model.generate(options);
  for (const [row, tokens] of newTokens.entries()) {
    let last = golden.prompts[row][golden.prompts[row].length - 1];
    for (const token of tokens) {
      assert.equal(token % 7, (last + row) % 7);
      last = token;
    }
  }
  assert.deepEqual((await model.generate({ ...options, useCache: false })).newTokens, newTokens);
  assert.notDeepEqual((await model.generate({ ...options, seed: 5 })).newTokens, newTokens);
});

test('the function gets the row and its own tokens, without padding', async () => {
  const asked: [number, readonly number[]][] = [];
  const { newTokens } = await model.generate({
    ...{ ...BATCH, maxNewTokens: 2 },
    prefixAllowedTokensFn: (row, ids) => {
      asked.push([row, ids]);
      return VOCABULARY;
    },
  });
  const expected = [0, 1].flatMap((step) =>
    golden.prompts.map((prompt, row): [number, number[]] => [
      row,
      [...prompt, ...newTokens[row].slice(0, step)],
    ]),
  );
  assert.deepEqual(asked, expected);
});

test('refuses an empty list and ids that are not tokens', async () => {
  const cases: readonly [unknown, ...string[]][] = [
    [() => [], 'at least one token id, got none for row 0 after 0 new tokens', 'end-of-sequence token'],
    [(_: number, ids: number[]) => (ids.length > 10 ? [] : [1]), 'got none for row 1 after 2 new tokens'],
    [() => undefined, 'a list of at least one token id, got undefined'],
    [() => [97], 'token ids from 0 to 96, got 97 for row 0'],
    [() => ['a'], 'token ids from 0 to 96, got a'],
    [[1], 'prefixAllowedTokensFn'],
  ];
  for (const [prefixAllowedTokensFn, ...words] of cases)
    await assert.rejects(
      async () => untyped(model.generate.bind(model))({ ...BATCH, prefixAllowedTokensFn }),
      isError('generate', ...words),
    );
  await assert.rejects(
    model.generate({ ...BATCH, eosTokenId: 3, minNewTokens: 2, prefixAllowedTokensFn: () => [3] }),
    isError('both prefixAllowedTokensFn and minNewTokens allow, got none for row 0 after 0'),
  );
});

test('answers are one of the texts, also where one begins another, row by row over batches', async (t) => {
  const mini = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
  t.after(() => mini.dispose());
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
  const prompts = ['Was it a race? Say', 'You ran well in', 'Strong parts:', 'One more'];
  const texts = [
    [' yes.', ' no.'],
    [' Berlin', ' Berlin in the rain, twice'],
    [' 1000m Row'],
    ['é', '\u{1F6F7}!'],
  ];
  const prefixAllowedTokensFn = restrictToTexts({ tokenizer, prompts, texts });
  for (const doSample of [false, true]) {
    const settings = { model: mini, tokenizer, prefixAllowedTokensFn, doSample, batchSize: 3, seed: 1 };
    const answers = await textGenerator(settings)(prompts);
    answers.forEach((answer, row) => assert.ok(texts[row].includes(answer), answer));
  }
  const refuse = untyped(restrictToTexts);
  const given = { tokenizer, prompts, texts };
  assert.throws(() => refuse({ ...given, texts: [['a']] }), isError('each of 4 prompts, got 1 lists'));
  assert.throws(
    () => refuse({ ...given, texts: [[], [], [], []] }),
    isError('one text for prompt 0, got none', 'leave the prompt out'),
  );
  assert.throws(
    () => refuse({ ...given, tokenizer: { encode: () => [1], eosTokenId: undefined } }),
    isError('end-of-sequence token, got one without'),
  );
  assert.throws(() => refuse(), isError('restrictToTexts: expected options'));
});

test('generateAnswers accepts the allowed texts', async () => {
  const { answers } = await generateAnswers(['The race was', 'Strong parts:'], {
    model: 'gpt2-mini',
    allowedTexts: [[' long', ' short'], [' 1000m Row, 50m Sled Pull']],
  });
  assert.ok([' long', ' short'].includes(answers[0]), answers[0]);
  assert.equal(answers[1], ' 1000m Row, 50m Sled Pull');
});
