/**
 * The same generation for every family and every place of weights: Mistral's tokens are transformers' (sliding
 * window of 8 and grouped keys, test/golden/mistral), and layers run one by one where weights are frozen.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { generate } from '../../lib/generation';
import { AutoModelForCausalLM, CausalLM } from '../../lib/pretrained';
import { ROOT } from '../support/paths';

interface Golden {
  generation: { padTokenId: number; prompts: number[][]; greedy: { newTokens: number[][] } };
}

const NO_FROZEN_WEIGHTS = {
  count: 0,
  quantization: undefined,
  layer: async () => new Map<string, never>(),
  resident: () => new Map<string, never>(),
  readAhead: () => {},
  dispose: async () => {},
};

for (const family of ['gpt2', 'mistral']) {
  const folder = path.join(ROOT, 'test', 'golden', family);
  const { generation } = JSON.parse(readFileSync(path.join(folder, 'golden.json'), 'utf8')) as Golden;
  const expected = generation.greedy.newTokens;
  const options = {
    inputIds: generation.prompts,
    maxNewTokens: expected[0].length,
    eosTokenId: null,
    padTokenId: generation.padTokenId,
  };

  test(`${family}: transformers' tokens, with and without cache, whole and layer by layer`, async (t) => {
    const model = await AutoModelForCausalLM.fromPretrained(path.join(folder, 'model'));
    t.after(() => model.dispose());
    assert.deepEqual((await generate(model, options)).newTokens, expected);
    assert.deepEqual((await generate(model, { ...options, useCache: false })).newTokens, expected);
    const { architecture, engine, weights } = model;
    const { parameters } = weights;
    const layered = new CausalLM({ architecture, parameters, frozen: NO_FROZEN_WEIGHTS }, engine);
    assert.deepEqual((await generate(layered, options)).newTokens, expected);
  });
}
