/**
 * Every family that llama.cpp knows, in llama.cpp itself (TUNEBOOK_LLAMA_CPP): probabilities as tunebook has them, beyond
 * the windows, an adapter's too; without it the files are read back here. What llama.cpp computes otherwise is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { exportGguf, exportGgufAdapter } from '../../lib/export';
import { compareAnswers } from '../../lib/export/proof/agreement';
import { findLlamaCpp, openLlamaCpp } from '../../lib/export/proof/llama-cpp';
import { ownResponder } from '../../lib/export/proof/own-answers';
import { openModelSource } from '../../lib/export/source/open-source';
import { saveAdapter, savePretrained } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ggufRoundTrip, modelOf } from '../bench/export-weights';
import { familyModel, putAdapter } from '../models/families/family-model';
import { IS_ALL } from '../models/families/forms-suite';
import { GOLDEN, readGolden } from '../models/families/golden-run';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

const { cases } = readGolden('families/golden.json') as {
  cases: Record<string, { config: Record<string, unknown> }>;
};
const TOKENIZER = path.join(GOLDEN, 'tokenizer', 'byte-level');
/** With what is changed of the case: rows for the tokenizer's tokens, what llama.cpp takes for granted. */
const WRITTEN: Record<string, Record<string, unknown>> = {
  'llama 3.2': {},
  'llama with biases': {},
  'llama linear': {},
  mistral: { sliding_window: 32 },
  qwen2: {},
  qwen3: {},
  smollm3: { num_hidden_layers: 4, no_rope_layers: null },
  gemma: {},
  gemma2: { query_pre_attn_scalar: 16 },
  gemma3: { query_pre_attn_scalar: 16, num_hidden_layers: 6, sliding_window_pattern: null },
  // llama.cpp's memory is of 256 tokens at least, and its size says which rotary table counts.
  'phi3 longrope': { original_max_position_embeddings: 256, max_position_embeddings: 1024 },
  'phi4-mini': {},
  olmo2: {},
  stablelm: {},
  'stablelm parallel': {},
  starcoder2: { sliding_window: null },
  cohere: {},
  glm4: {},
  pythia: {},
  granite: {},
};
/** Tried by default; TUNEBOOK_LONG_TESTS=1 tries all, which takes half a minute. */
const FIRST = ['llama 3.2', 'qwen3', 'gemma3'];
const REFUSED: Record<string, string> = {
  'llama dynamic': 'got dynamic',
  'llama yarn': 'got yarn',
  'llama longrope': 'got longrope',
  ministral: 'got ministral',
  'smollm3 by interval': 'layers without rotary positions other than every fourth',
  gemma2: 'query_pre_attn_scalar',
  gemma3: 'layers without a window other than every 6th',
  olmo3: 'got olmo3',
  'starcoder2 without biases': 'no biases',
  'gpt-neox in series': 'a tied head',
};
const PROMPTS = ['The race was run in', 'total time 3196 is a'];
/** Rounding of keys and values to 16 bits is in it, and of GELU; Gemma 3's six layers of large weights multiply it. */
const MEAN_KL = 1e-4;
const meanKlOf = (name: string): number => (name === 'gemma3' ? 3e-3 : MEAN_KL);

describe('in llama.cpp', { timeout: 300_000 }, () => {
  for (const [name, changes] of Object.entries(WRITTEN).filter(([name]) => IS_ALL || FIRST.includes(name)))
    it(name, async (t) => {
      if ((await findLlamaCpp()) === undefined) return t.skip('node-llama-cpp is not installed: see .ci/run');
      const folder = await temporaryFolder(t);
      const at = (part: string): string => path.join(folder, part);
      const model = await familyModel({ ...cases[name].config, vocab_size: 320, ...changes });
      t.after(() => model.dispose());
      const tokenizer = await AutoTokenizer.fromPretrained(TOKENIZER);
      const check = { maxNewTokens: 12, prompts: PROMPTS };
      // llama.cpp looks for tokens of Phi-3 in a model of its name.
      const options = { type: 'f32', tokenizer, check, name: 'small' } as const;
      const { agreement } = await exportGguf(model, at('model.gguf'), options);
      assert.ok(agreement !== undefined && agreement.positions >= 8 && agreement.sameTokens === 2);
      assert.ok(agreement.meanKl < meanKlOf(name), JSON.stringify(agreement));
      if (!['pythia', 'granite'].includes(name)) return;
      await savePretrained(model, at('base'));
      putAdapter(model);
      await saveAdapter(model, at('adapter'), at('base'));
      const adapted = await exportGgufAdapter(at('adapter'), at('adapter.gguf'), { tokenizer, check });
      assert.ok((adapted.agreement?.meanKl ?? NaN) < MEAN_KL, JSON.stringify(adapted.agreement));
    });
});

it('q4_k_m of rows that its blocks divide: llama.cpp computes with the weights that were written', async (t) => {
  if ((await findLlamaCpp()) === undefined) return t.skip('node-llama-cpp is not installed: see .ci/run');
  const folder = await temporaryFolder(t);
  const sizes = {
    ...{ hidden_size: 256, intermediate_size: 512, num_hidden_layers: 4, vocab_size: 320 },
    ...{ num_attention_heads: 4, num_key_value_heads: 2, head_dim: 64 },
  };
  const model = await familyModel({ ...cases['llama 3.2'].config, ...sizes });
  t.after(() => model.dispose());
  const tokenizer = await AutoTokenizer.fromPretrained(TOKENIZER);
  const file = path.join(folder, 'model.gguf');
  const { words } = await exportGguf(model, file, { type: 'q4_k_m', tokenizer, check: false });
  assert.equal(
    words.some((one) => one.includes('do not divide')),
    false,
  );
  const source = await openModelSource(model, { tokenizer }, 'test');
  const restored = await modelOf(source.weights, ggufRoundTrip(source.weights, 'q4_k_m'));
  t.after(() => restored.dispose());
  const there = await openLlamaCpp(file, { contextSize: 256, vocabSize: 320 });
  assert.ok(there);
  const ask = { prompts: PROMPTS, maxNewTokens: 12 };
  const [rounded, own] = [
    await compareAnswers(ownResponder(restored, tokenizer), there, ask),
    await compareAnswers(ownResponder(model, tokenizer), there, ask),
  ];
  await there.close();
  assert.ok(rounded.positions >= 8);
  // llama.cpp rounds the inputs of its products to 8 bits; the weights' 4 bits are what differs from the model.
  assert.ok(rounded.meanKl < own.meanKl / 20, JSON.stringify([rounded.meanKl, own.meanKl]));
});

it('says that llama.cpp does not normalize texts, of a tokenizer that does', async (t) => {
  const folder = await temporaryFolder(t);
  const model = await familyModel({ ...cases.qwen3.config, vocab_size: 320 });
  t.after(() => model.dispose());
  for (const [name, normalizer] of Object.entries({ none: null, nfc: { type: 'NFC' } })) {
    const at = path.join(folder, name);
    fs.cpSync(TOKENIZER, at, { recursive: true });
    const file = path.join(at, 'tokenizer.json');
    const json = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
    fs.writeFileSync(file, JSON.stringify({ ...json, normalizer }));
    const tokenizer = await AutoTokenizer.fromPretrained(at);
    const { words } = await exportGguf(model, path.join(at, 'x.gguf'), { tokenizer, check: false });
    assert.equal(
      words.filter((one) => /does not normalize texts \(NFC\)/.test(one)).length,
      name === 'nfc' ? 1 : 0,
    );
  }
});

describe('refused before anything is written', () => {
  for (const [name, words] of Object.entries(REFUSED))
    it(name, async (t) => {
      const file = path.join(await temporaryFolder(t), 'none', 'x.gguf');
      const model = await familyModel({ ...cases[name].config, vocab_size: 320 });
      t.after(() => model.dispose());
      const call = exportGguf(model, file, { tokenizer: await AutoTokenizer.fromPretrained(TOKENIZER) });
      await assert.rejects(call, isError(words, 'exportGguf', 'llama.cpp'));
    });
});
