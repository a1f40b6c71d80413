/**
 * Generation with the cache on the GPU against the host's, run as a program (`node device-suite.js`) where WebGPU can
 * start: rows of several lengths that end at different times, caches that grow, a sliding window, grouped queries.
 */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import type { Provider } from '../../lib/engine';
import { ContinuousBatch, generate, streamGenerate } from '../../lib/generation';
import type { GenerateOptions, GenerationResult } from '../../lib/generation';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { holdWebGpu } from '../support/hold-webgpu';

holdWebGpu();

const CONFIGS = {
  gpt2: { model_type: 'gpt2', vocab_size: 50, n_positions: 128, n_embd: 16, n_layer: 2, n_head: 2 },
  'mistral with a window of 6 and grouped queries': {
    ...{ model_type: 'mistral', vocab_size: 50, hidden_size: 16, intermediate_size: 32, sliding_window: 6 },
    ...{ num_hidden_layers: 2, num_attention_heads: 4, num_key_value_heads: 2, max_position_embeddings: 128 },
  },
};
const load = (config: object, provider: Provider): Promise<CausalLM> =>
  AutoModelForCausalLM.fromConfig(
    { ...config, initializer_range: 0.4 },
    { engine: { provider, threads: 1 } },
  );

describe('generation on the GPU', () => {
  for (const [name, config] of Object.entries(CONFIGS)) {
    it(`is that of the CPU: ${name}`, async () => {
      const [gpu, cpu] = [await load(config, 'webgpu'), await load(config, 'cpu')];
      const prompts = [[3], [1, 4, 1, 5, 9, 2, 6], [5, 3], [5, 8, 9, 7, 9], [3, 2, 3, 8], [46]];
      const long: GenerateOptions = { inputIds: prompts, maxNewTokens: 80, padTokenId: 0, eosTokenId: null };
      const wanted = await generate(cpu, long);
      assert.deepEqual(await generate(gpu, long), wanted);
      // With an end that some rows meet early and others late or never.
      const eosTokenId = [wanted.newTokens[0][2], wanted.newTokens[1][9], wanted.newTokens[3][20]];
      const ending = await generate(cpu, { ...long, maxNewTokens: 40, eosTokenId });
      assert.ok(new Set(ending.newTokens.map((tokens) => tokens.length)).size > 2);
      assert.deepEqual(await generate(gpu, { ...long, maxNewTokens: 40, eosTokenId }), ending);
      for (const model of [gpu, cpu]) await model.dispose();
    });
  }

  it('lets calls join a running batch, which get what they get alone on the CPU', async () => {
    const config = CONFIGS['mistral with a window of 6 and grouped queries'];
    const [gpu, cpu] = [await load(config, 'webgpu'), await load(config, 'cpu')];
    const lengths = [3, 30, 1, 70];
    const calls = lengths.map((length, i) => ({
      inputIds: [Array.from({ length }, (_, at) => (3 * at + 7 * i) % 50)],
      ...{ maxNewTokens: 12, eosTokenId: null },
    }));
    const wanted: GenerationResult[] = [];
    for (const call of calls) wanted.push(await generate(cpu, call));
    const batch = new ContinuousBatch(gpu, { maxRows: 3 });
    const joined: Promise<GenerationResult>[] = [];
    // Each of the others comes as the first is at another token; the last waits for a place, then needs more slots.
    const first = batch.generate({
      ...calls[0],
      onToken: ({ index }) => {
        const call = calls.at(index / 2);
        if (index > 0 && index % 2 === 0 && call !== undefined && joined.length < 3)
          joined.push(batch.generate(call));
      },
    });
    assert.deepEqual([await first, ...(await Promise.all(joined))], wanted);
    assert.ok(batch.counts.stepRows > 1.5 * batch.counts.steps);
    await batch.close();
    for (const model of [gpu, cpu]) await model.dispose();
  });

  it('gives its memory back, also where a loop is left early', async () => {
    const model = await load(CONFIGS.gpt2, 'webgpu');
    const { device } = model.engine;
    assert.ok(device !== undefined);
    const inputIds = [[3, 1, 4, 1, 5]];
    const whole = (): Promise<unknown> => generate(model, { inputIds, maxNewTokens: 20, eosTokenId: null });
    await whole();
    const { heldBytes } = device;
    const stream = streamGenerate(model, { inputIds, maxNewTokens: 20, eosTokenId: null });
    for await (const { index } of stream) if (index === 3) break;
    await whole();
    assert.equal(device.heldBytes, heldBytes);
    await model.dispose();
  });
});
