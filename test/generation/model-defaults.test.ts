/** What a model's generation_config.json says counts, as in transformers; what a call says counts before it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { textGenerator } from '../../lib/generation';
import { modelDefaults } from '../../lib/generation/model-defaults';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { byteTokenizer } from './byte-tokenizer';
import { ROOT } from '../support/paths';

const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test', 'golden', 'generation', 'golden-config.json'), 'utf8'),
) as { prompt: number[]; cases: Record<string, { file: object | null; sequence: number[] }> };
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-defaults-'));
const models: CausalLM[] = [];
after(async () => {
  for (const model of models) await model.dispose();
  fs.rmSync(scratch, { recursive: true, force: true });
});

/** The tiny Mistral with a generation_config.json of its own; config.json's end-of-sequence token is 2. */
async function modelWith(file: object | null): Promise<{ model: CausalLM; folder: string }> {
  const folder = fs.mkdtempSync(path.join(scratch, 'model-'));
  fs.cpSync(path.join(ROOT, 'test', 'golden', 'mistral', 'model'), folder, { recursive: true });
  if (file !== null) fs.writeFileSync(path.join(folder, 'generation_config.json'), JSON.stringify(file));
  const model = await AutoModelForCausalLM.fromPretrained(folder);
  models.push(model);
  return { model, folder };
}

/** Up to the first of config.json's end-of-sequence tokens: transformers goes past it where the other file has others. */
function ended(sequence: readonly number[]): number[] {
  const at = sequence.indexOf(2, golden.prompt.length);
  return at < 0 ? [...sequence] : sequence.slice(0, at + 1);
}

for (const [name, { file, sequence }] of Object.entries(golden.cases)) {
  test(`generation_config.json, ${name}: the tokens of transformers`, async () => {
    const { model } = await modelWith(file);
    const { sequences } = await model.generate({ inputIds: [golden.prompt] });
    assert.deepEqual(sequences[0], ended(sequence));
  });
}

const newTokens = async (model: CausalLM, options: object): Promise<number[]> =>
  (await model.generate({ inputIds: [golden.prompt], ...options })).newTokens[0];

test('options of a call override the file, field by field', async () => {
  const { model } = await modelWith({ max_new_tokens: 7, repetition_penalty: 1.7, eos_token_id: 12 });
  const { model: bare } = await modelWith(null);
  assert.equal((await newTokens(model, {})).at(-1), 12);
  assert.deepEqual(
    await newTokens(model, { maxNewTokens: 10, repetitionPenalty: 1, eosTokenId: null }),
    await newTokens(bare, { maxNewTokens: 10, eosTokenId: null }),
  );
  assert.deepEqual(await newTokens(model, { eosTokenId: [95] }), [1, 42, 95]);
  const penalized = await newTokens(bare, { maxNewTokens: 20, repetitionPenalty: 1.7, eosTokenId: null });
  assert.deepEqual(await newTokens(model, { maxNewTokens: 20, eosTokenId: null }), penalized);
});

test('sampling follows the file where the call does not say', async () => {
  const sampling = {
    doSample: true,
    temperature: 0.8,
    topK: 30,
    topP: 0.9,
    maxNewTokens: 16,
    eosTokenId: null,
  };
  const { model } = await modelWith({
    ...{ do_sample: true, temperature: 0.8, top_k: 30, top_p: 0.9, max_new_tokens: 16 },
  });
  const { model: bare } = await modelWith(null);
  const drawn = await newTokens(model, { eosTokenId: null, seed: 5 });
  assert.deepEqual(drawn, await newTokens(bare, { ...sampling, seed: 5 }));
  const greedy = await newTokens(bare, { maxNewTokens: 16, eosTokenId: null });
  assert.notDeepEqual(drawn, greedy);
  assert.deepEqual(await newTokens(model, { doSample: false, eosTokenId: null }), greedy);
  assert.deepEqual(
    await newTokens(model, { useModelDefaults: false, maxNewTokens: 16, eosTokenId: null }),
    greedy,
  );
});

test('a setting that changes the text and is not supported is refused by name', async () => {
  const unsupported = { num_beams: 4, no_repeat_ngram_size: 3, min_p: 0.1, suppress_tokens: [1] };
  for (const [name, value] of Object.entries(unsupported)) {
    const { model } = await modelWith({ [name]: value, max_new_tokens: 3 });
    await assert.rejects(newTokens(model, {}), new RegExp(`asks for ${name}: .*useModelDefaults`));
    assert.equal((await newTokens(model, { useModelDefaults: false, maxNewTokens: 3 })).length, 3);
  }
  const { model } = await modelWith({ temperature: 'hot' });
  await assert.rejects(newTokens(model, {}), /generation_config\.json.*expected number/s);
});

test('it is saved with the model, as it was', async () => {
  const file = { eos_token_id: [2, 90], max_new_tokens: 7, transformers_version: '5.18.0' };
  const { model } = await modelWith(file);
  const saved = path.join(scratch, 'saved');
  assert.ok((await model.savePretrained(saved)).includes('generation_config.json'));
  assert.deepEqual(JSON.parse(fs.readFileSync(path.join(saved, 'generation_config.json'), 'utf8')), file);
  const again = await AutoModelForCausalLM.fromPretrained(saved);
  models.push(again);
  assert.deepEqual(await newTokens(again, {}), await newTokens(model, {}));
});

test('answers end at tokens of the tokenizer, its chat template, config.json and generation_config.json', async () => {
  const { model } = await modelWith({ eos_token_id: 74 });
  const idOf = (id: number): string => String.fromCharCode(id);
  const spelled = {
    ...byteTokenizer,
    eosTokenId: 96,
    padTokenId: 0,
    vocabSize: 97,
    encode: () => golden.prompt,
    decode: (ids: readonly number[]) => ids.map(idOf).join(''),
  };
  const ask = async (changes: object, options: object = {}): Promise<string[]> =>
    textGenerator({ model, tokenizer: { ...spelled, ...changes }, maxNewTokens: 20, ...options })(['x']);
  const whole = [1, 42, 95, 12, 74].map(idOf).join('');
  assert.deepEqual(await ask({}), [whole]);
  assert.deepEqual(await ask({ eosTokenId: 42 }), [whole.slice(0, 2)]);
  assert.deepEqual(await ask({ endOfTurnTokenId: 95 }), [whole.slice(0, 3)]);
  assert.equal((await ask({}, { eosTokenId: null }))[0].length, 20);
  const { model: bare } = await modelWith(null);
  const [untilConfig] = await textGenerator({ model: bare, tokenizer: spelled, maxNewTokens: 20 })(['x']);
  assert.equal(untilConfig, ended(golden.cases.none.sequence).slice(4).map(idOf).join(''));
});

test('every field of the file arrives under its name; null counts as absent', () => {
  const file = {
    ...{
      max_new_tokens: 7,
      max_length: 20,
      min_new_tokens: 3,
      min_length: 9,
      do_sample: true,
      temperature: 0.7,
    },
    ...{ top_k: 40, top_p: 0.95, repetition_penalty: 1.2, pad_token_id: 5, stop_strings: ['END', 'STOP'] },
  };
  const defaults = {
    ...{ maxNewTokens: 7, maxLength: 20, minNewTokens: 3, minLength: 9, doSample: true, temperature: 0.7 },
    ...{ topK: 40, topP: 0.95, repetitionPenalty: 1.2, padTokenId: 5, stopStrings: ['END', 'STOP'] },
  };
  assert.deepEqual(modelDefaults(file), defaults);
  const none = Object.fromEntries(Object.keys(defaults).map((name) => [name, undefined]));
  assert.deepEqual(modelDefaults(Object.fromEntries(Object.keys(file).map((name) => [name, null]))), none);
  assert.deepEqual(modelDefaults(undefined), none);
  assert.equal(modelDefaults({ pad_token_id: -1 }).padTokenId, undefined);
  assert.equal(modelDefaults({ pad_token_id: 0 }).padTokenId, 0);
  // As transformers: a temperature of 0 is refused where it counts, and otherwise means nothing.
  assert.equal(modelDefaults({ temperature: 0 }).temperature, undefined);
  assert.throws(() => modelDefaults({ do_sample: true, temperature: 0 }), /temperature over 0.*got 0/);
  for (const wrong of [
    { top_p: 0 },
    { top_p: 1.1 },
    { repetition_penalty: 0 },
    { top_k: -1 },
    { stop_strings: [''] },
  ])
    assert.throws(() => modelDefaults(wrong), /generation_config\.json/, JSON.stringify(wrong));
});

// Defaults of GenerationConfig in transformers 5.18, and another value of each.
const SETTINGS: Readonly<Record<string, readonly [neutral: unknown, other: unknown]>> = {
  bad_words_ids: [[], [[3]]],
  begin_suppress_tokens: [[], [220]],
  diversity_penalty: [0, 0.5],
  dola_layers: [null, 'low'],
  encoder_no_repeat_ngram_size: [0, 2],
  encoder_repetition_penalty: [1, 1.5],
  epsilon_cutoff: [0, 3e-4],
  eta_cutoff: [0, 3e-4],
  exponential_decay_length_penalty: [null, [5, 1.1]],
  forced_bos_token_id: [null, 0],
  forced_decoder_ids: [null, [[1, 2]]],
  forced_eos_token_id: [null, 2],
  force_words_ids: [[], [[4]]],
  guidance_scale: [1, 1.5],
  min_p: [0, 0.05],
  no_repeat_ngram_size: [0, 3],
  num_beam_groups: [1, 2],
  num_beams: [1, 4],
  num_return_sequences: [1, 2],
  penalty_alpha: [0, 0.6],
  sequence_bias: [[], [[[4], 2]]],
  suppress_tokens: [[], [1, 2]],
  top_h: [null, 0.3],
  typical_p: [1, 0.9],
  watermarking_config: [null, { greenlist_ratio: 0.3 }],
};
for (const [name, [neutral, other]] of Object.entries(SETTINGS))
  test(`${name} passes as ${JSON.stringify(neutral)}, and is refused as ${JSON.stringify(other)}`, () => {
    assert.equal(modelDefaults({ max_new_tokens: 4, [name]: neutral }).maxNewTokens, 4);
    assert.throws(
      () => modelDefaults({ max_new_tokens: 4, [name]: other }),
      new RegExp(`asks for ${name}: `),
    );
  });
