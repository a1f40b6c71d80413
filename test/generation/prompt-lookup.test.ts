/** Prompt lookup: transformers' guesses, and the tokens of generation without it, in fewer passes. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { TestContext } from 'node:test';
import { MASKED } from '../../lib/engine';
import { CachedDecoder, UncachedDecoder } from '../../lib/generation/decoders/decoder';
import { KeyValueCache } from '../../lib/generation/decoders/key-value-cache';
import { lookedUp } from '../../lib/generation/prompt-lookup';
import type { PromptLookup } from '../../lib/generation/options';
import { ContinuousBatch, streamGenerate } from '../../lib/generation';
import type { GenerateOptions, TokenEvent } from '../../lib/generation';
import { attentionBias } from '../../lib/models';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { BitsAndBytesConfig } from '../../lib/quantization';
import { readGolden } from '../models/families/golden-run';
import { byteTokenizer } from './byte-tokenizer';

interface GoldenCase extends PromptLookup {
  readonly context: number[];
  readonly guesses: number[];
}

test("guesses are transformers'", () => {
  for (const { context, guesses, ...lookup } of readGolden('generation/golden-lookup.json') as GoldenCase[])
    assert.deepEqual(lookedUp(context, lookup), guesses, context.join());
});

for (const window of [Infinity, 1, 3, 8])
  test(`tokens ahead see what they see in a whole batch, window ${window}`, () => {
    const shape = { rows: 2, heads: 1, capacity: 16, headSize: 3 };
    const cache = new KeyValueCache(shape, 1, [2, 7], { windows: [window], kindOf: () => 0 });
    const slots = Math.min(16, window);
    for (const tokens of [2, 5]) {
      const [bias] = cache.biasesOf(tokens);
      assert.deepEqual(bias.shape, [2, 1, tokens, slots + tokens]);
      for (const row of [0, 1])
        for (let at = 0; at < tokens; at++) {
          const length = cache.lengths[row];
          const whole = attentionBias({ shape: [1, length + tokens] }, window);
          const expected = whole.data.subarray((length + at) * (length + tokens));
          const start = (row * tokens + at) * (slots + tokens);
          const own = bias.data.subarray(start, start + slots + tokens);
          const inSlots = new Float32Array(slots).fill(MASKED);
          for (let position = Math.max(0, length - slots); position < length; position++)
            inSlots[position % slots] = expected[position];
          assert.deepEqual(own.slice(0, slots), inSlots);
          assert.deepEqual(own.slice(slots), expected.slice(length, length + tokens));
        }
    }
  });

const SIZES = { vocab_size: 256, initializer_range: 0.5 };
const LLAMA = {
  ...{ max_position_embeddings: 300, hidden_size: 32, intermediate_size: 64, num_hidden_layers: 3 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, ...SIZES },
};
const CONFIGS = {
  gpt2: { model_type: 'gpt2', n_positions: 300, n_embd: 32, n_layer: 2, n_head: 2, ...SIZES },
  'mistral with a window': { model_type: 'mistral', sliding_window: 6, ...LLAMA },
  // Rotary tables change at a context of 24 tokens.
  'llama longrope': {
    ...{ model_type: 'llama', ...LLAMA, original_max_position_embeddings: 24 },
    rope_scaling: {
      ...{ rope_type: 'longrope', short_factor: [1, 1, 1, 1], long_factor: [1, 2, 3, 4], factor: 12 },
      original_max_position_embeddings: 24,
    },
  },
};
type Config = keyof typeof CONFIGS;

async function modelOf(t: TestContext, config: Config, isNf4 = false): Promise<CausalLM> {
  const engine = { provider: 'cpu' as const, threads: 1 };
  const nf4 = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
  const model = isNf4
    ? await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig: nf4, engine })
    : await AutoModelForCausalLM.fromConfig(CONFIGS[config], { engine, seed: 3 });
  t.after(() => model.dispose());
  return model;
}

/** A context that repeats itself, and then goes on otherwise. */
const PROMPT = [...[7, 8, 9, 10, 11, 12, 13, 7, 8, 9, 10], ...[40, 41, 42, 11, 12, 13, 7, 8]];
const LOOKUP = { promptLookupNumTokens: 5 };

/** Tokens as they come, with what there is beside them, and the call's result. */
async function generated(model: CausalLM, options: GenerateOptions): Promise<unknown> {
  const events: TokenEvent[] = [];
  const stream = streamGenerate(model, options);
  for (;;) {
    const { done, value } = await stream.next();
    if (done === true) return { events: events.map(({ index, token }) => [index, token]), result: value };
    events.push(value);
  }
}

/** Both ways; how many passes each took behind the prompt's. */
async function passesOf(
  t: TestContext,
  model: CausalLM,
  options: GenerateOptions,
): Promise<{ plain: number; ahead: number; newTokens: number[] }> {
  const steps = t.mock.method(CachedDecoder.prototype, 'step');
  const looks = t.mock.method(CachedDecoder.prototype, 'stepAhead');
  const expected = await generated(model, options);
  const plain = steps.mock.callCount();
  assert.equal(looks.mock.callCount(), 0);
  const actual = await generated(model, { ...options, ...LOOKUP });
  assert.deepEqual(actual, expected);
  const ahead = looks.mock.callCount() + steps.mock.callCount() - plain;
  steps.mock.restore();
  looks.mock.restore();
  const { result } = actual as { result: { newTokens: number[][] } };
  return { plain, ahead, newTokens: result.newTokens[0] };
}

describe('prompt lookup', () => {
  for (const config of Object.keys(CONFIGS) as Config[])
    for (const dtype of ['float32', 'q8'] as const)
      test(`${config}, ${dtype}: the same tokens, greedy and drawn`, async (t) => {
        const model = await modelOf(t, config);
        // Of three tokens some guesses are right and others wrong.
        const prefixAllowedTokensFn = (): number[] => [65, 66, 67];
        const base = { inputIds: [PROMPT], maxNewTokens: 90, eosTokenId: null, dtype, prefixAllowedTokensFn };
        const { plain, ahead, newTokens } = await passesOf(t, model, base);
        assert.ok(ahead > 10 && ahead < 0.8 * plain, `${ahead} passes of ${plain}`);
        const sampling = { doSample: true, temperature: 5, seed: 4 };
        assert.ok((await passesOf(t, model, { ...base, ...sampling })).ahead < plain);
        await passesOf(t, model, { ...base, repetitionPenalty: 1.3 });
        // Ends in the middle of a pass: what was computed behind the end is not taken.
        await passesOf(t, model, { ...base, eosTokenId: newTokens[70], minNewTokens: 30 });
        const tokenizer = byteTokenizer;
        const stopStrings = [tokenizer.decode(newTokens.slice(40, 48))];
        await passesOf(t, model, { ...base, stopStrings, tokenizer });
        for (const maxNewTokens of [1, 2, 3, 30]) await passesOf(t, model, { ...base, maxNewTokens });
        await passesOf(t, model, { ...base, prefixAllowedTokensFn: undefined });
      });

  test('layer by layer, from weights of 4 bits', async (t) => {
    const model = await modelOf(t, 'gpt2', true);
    for (const dtype of ['float32', 'q8'] as const) {
      const options = { inputIds: [PROMPT], maxNewTokens: 30, eosTokenId: null, dtype };
      await passesOf(t, model, options);
    }
  });

  test('a decoder goes on as if what was wrong had never been computed', async (t) => {
    const { runtime } = await modelOf(t, 'mistral with a window');
    const ahead = new CachedDecoder(runtime, { prompts: [PROMPT], longest: 200 });
    const exact = new UncachedDecoder(runtime, [PROMPT]);
    await ahead.start();
    await exact.start();
    for (let pass = 0; pass < 30; pass++) {
      const tokens = Array.from({ length: 1 + (pass % 6) }, (_, at) => (pass * 31 + at * 7) % 256);
      const right = (pass * 5) % tokens.length;
      const got: Float32Array[] = [];
      await ahead.stepAhead(tokens, (logits) => {
        got.push(logits.slice());
        return got.length <= right ? tokens[got.length] : undefined;
      });
      assert.equal(got.length, right + 1);
      for (const [at, logits] of got.entries()) {
        const wanted = await exact.step([tokens[at]]);
        const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(value - logits[i])), 0);
        assert.ok(worst < 1e-3, `pass ${pass}, token ${at}: ${worst}`);
      }
    }
  });

  test('one prompt, with a cache, by itself', async (t) => {
    const model = await modelOf(t, 'gpt2');
    const options = { inputIds: [PROMPT], ...LOOKUP };
    const refused = (given: GenerateOptions, message: RegExp): Promise<void> =>
      assert.rejects(model.generate(given), message);
    await refused({ ...options, inputIds: [PROMPT, PROMPT], padTokenId: 0 }, /one prompt .* got 2 prompts/);
    await refused({ ...options, useCache: false }, /one prompt .* got useCache: false/);
    await refused({ ...options, promptLookupNumTokens: 0 }, /promptLookupNumTokens/);
    const batch = new ContinuousBatch(model);
    assert.throws(() => void batch.generate(options), /no promptLookupNumTokens/);
    await batch.close();
  });
});
