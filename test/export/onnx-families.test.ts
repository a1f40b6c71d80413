/**
 * Every family of decoders as ONNX: logits as tunebook has them, PyTorch's greedy tokens with a cache beyond the windows,
 * rows of different lengths in one batch, the text that transformers.js 4 gives; what it would not load is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { exportOnnx } from '../../lib/export';
import { WrittenModel } from '../../lib/export/onnx/written-model';
import type { CausalLM } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { familyModel } from '../models/families/family-model';
import { IS_ALL } from '../models/families/forms-suite';
import { GOLDEN, readGolden } from '../models/families/golden-run';
import { assertClose } from '../support/assert-close';
import { fewTokens } from '../support/few-tokens';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';
import { answersOfTransformers } from './transformers-answers';

const { ids, prompt, cases } = readGolden('families/golden.json') as {
  ids: number[][];
  prompt: number;
  cases: Record<string, { config: Record<string, unknown>; greedy: number[] }>;
};
const TOKENIZER = path.join(GOLDEN, 'tokenizer', 'byte-level');
/** Cases that transformers.js has no class for. */
const REFUSED = ['glm4'];
const EXPORTED = Object.keys(cases).filter((name) => !REFUSED.includes(name));
/** Tried by default; TUNEBOOK_LONG_TESTS=1 tries all, which takes a minute. */
const FIRST = ['gemma3', 'phi3 longrope', 'pythia'];
const chosen = EXPORTED.filter((name) => IS_ALL || FIRST.includes(name));
/** Tokens with the tables of a short context: beyond it tunebook computes the cache anew, which a graph cannot. */
const BORDERS: Record<string, number> = { 'llama dynamic': 16, 'llama longrope': 16, 'phi3 longrope': 16 };

const rootMeanSquare = (values: Float32Array): number =>
  Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);

/** Of what the values come to: on a cache, and beside padding, sums have another order. */
const NEAR = 1e-5;
/** Where the file has the engine's tables: the same operators on the same sums, equal on the machine where it was measured. */
const EQUAL = 1e-6;

async function logitsOf(model: CausalLM, row: readonly number[]): Promise<Float32Array> {
  return (await model.forward({ inputIds: [row] })).logits.data.slice();
}

describe('as tunebook and PyTorch have it', { timeout: 900_000 }, () => {
  for (const name of chosen)
    it(name, async (t) => {
      const { config, greedy } = cases[name];
      const model = await familyModel(config);
      t.after(() => model.dispose());
      const tokenizer = await fewTokens(t, model.architecture.vocabSize);
      const folder = await temporaryFolder(t);
      const options = { tokenizer, check: false, dtypes: ['fp32'] } as const;
      const { models } = await exportOnnx(model, folder, options);
      const written = await WrittenModel.open(models[0].path, model.architecture);
      t.after(() => written.dispose());
      const assertNear = (got: ArrayLike<number>, wanted: Float32Array, what: string, near = NEAR): void =>
        assertClose(got, wanted, { absolute: near * rootMeanSquare(wanted), relative: 0 }, what);
      const { logits } = await model.forward({ inputIds: ids });
      const near = name in BORDERS ? NEAR : EQUAL;
      assertNear(await written.logits({ inputIds: ids }), logits.data, 'logits of a batch', near);

      // Greedy tokens, the context of each within the tables that the prompt has.
      const T = ids[0].length;
      const border = BORDERS[name] ?? Infinity;
      const count = Math.min(greedy.length, border - prompt + 1);
      const start = { inputIds: [ids[0].slice(0, prompt)] };
      const asked = { maxNewTokens: count, endTokens: [] };
      assert.deepEqual(await written.greedy(start, asked), [greedy.slice(0, count)]);

      // The same row on a cache, a token at a time.
      const first = border < T ? border + 1 : prompt;
      let read = await written.read({ inputIds: [ids[1].slice(0, first)] }, 1);
      const whole = await logitsOf(model, ids[1]);
      const V = whole.length / T;
      for (let at = first; at < T; at++) {
        const attentionMask = [Array<number>(at + 1).fill(1)];
        read = await written.read({ inputIds: [[ids[1][at]]], attentionMask }, 1, read.cache);
        // Tables of the dynamic kind differ with every token.
        if (name === 'llama dynamic') continue;
        assertNear(
          read.logits.data as Float32Array,
          whole.subarray(at * V, (at + 1) * V),
          `logits on a cache of ${at} tokens`,
        );
      }

      // A short row beside a long one: padded on the left, each has its own positions and tables.
      const short = ids[0].slice(0, prompt);
      const padding = T - prompt;
      const padded = await written.logits({
        inputIds: [[...Array<number>(padding).fill(0), ...short], ids[1]],
        attentionMask: [[...Array<number>(padding).fill(0), ...short.map(() => 1)], ids[1].map(() => 1)],
      });
      assertNear(padded.subarray(padding * V, T * V), await logitsOf(model, short), 'a row after padding');
      assertNear(padded.subarray(T * V), whole, 'the row beside it');
    });
});

describe('in transformers.js', { timeout: 900_000 }, () => {
  const prompts = ['The race was run in', 'total time 3196 is a'];
  for (const name of chosen)
    it(name, async (t) => {
      const model = await familyModel({ ...cases[name].config, vocab_size: 320, ...roomy(name) });
      t.after(() => model.dispose());
      const tokenizer = await AutoTokenizer.fromPretrained(TOKENIZER);
      const folder = await temporaryFolder(t);
      const check = { maxNewTokens: 12, prompts };
      const { models, words } = await exportOnnx(model, folder, { tokenizer, check, dtypes: ['fp32'] });
      const [{ proof }] = models;
      assert.ok(proof?.isProven === true && proof.agreement?.sameAnswers === 2, words.join('\n'));
      assert.equal(
        words.some((one) => one.includes('rotary tables')),
        name in BORDERS,
      );
      const options = { maxNewTokens: 12, doSample: false };
      const wanted: string[] = [];
      for (const text of prompts) {
        const { newTokens } = await model.generate({ ...options, inputIds: [tokenizer.encode(text)] });
        wanted.push(tokenizer.decode(newTokens[0], { skipSpecialTokens: true }));
      }
      assert.deepEqual(await answersOfTransformers(folder, prompts, 12), wanted);
    });
});

/** Prompts and answers within the tables of a short context. */
function roomy(name: string): Record<string, unknown> {
  if (name === 'llama dynamic') return { max_position_embeddings: 64 };
  return name in BORDERS ? { original_max_position_embeddings: 64, max_position_embeddings: 256 } : {};
}

it('every type of a model of fused matrices, normed heads and scales', async (t) => {
  const tokenizer = await AutoTokenizer.fromPretrained(TOKENIZER);
  const bounds = { fp16: 3e-3, q8: 0.1, q4: 0.5 };
  for (const name of IS_ALL ? ['phi4-mini', 'qwen3', 'granite', 'gemma2', 'pythia'] : ['phi4-mini']) {
    const model = await familyModel({ ...cases[name].config, intermediate_size: 64, vocab_size: 320 });
    t.after(() => model.dispose());
    const folder = await temporaryFolder(t);
    const dtypes = ['fp16', 'q8', 'q4'] as const;
    const { models } = await exportOnnx(model, folder, { tokenizer, check: false, dtypes });
    const { data } = (await model.forward({ inputIds: ids })).logits;
    for (const { path: file, dtype } of models) {
      const written = await WrittenModel.open(file, model.architecture);
      const got = await written.logits({ inputIds: ids });
      await written.dispose();
      const off = rootMeanSquare(got.map((x, i) => x - data[i])) / rootMeanSquare(data);
      assert.ok(off > 1e-6 && off < bounds[dtype as keyof typeof bounds], `${name} ${dtype}: off by ${off}`);
    }
  }
});

it('for transformers.js 2: no input that it does not feed, and merges as it reads them', async (t) => {
  const { config, greedy } = cases.qwen2;
  const model = await familyModel(config);
  t.after(() => model.dispose());
  const folder = await temporaryFolder(t);
  const tokenizer = await fewTokens(t, model.architecture.vocabSize);
  const target = 'transformers.js-2';
  const { models } = await exportOnnx(model, folder, { tokenizer, target, check: false, dtypes: ['fp32'] });
  const written = await WrittenModel.open(models[0].path, model.architecture);
  t.after(() => written.dispose());
  const asked = { maxNewTokens: greedy.length, endTokens: [] };
  assert.deepEqual(await written.greedy({ inputIds: [ids[0].slice(0, prompt)] }, asked), [greedy]);
  const json = JSON.parse(fs.readFileSync(path.join(folder, 'tokenizer.json'), 'utf8')) as {
    model: { merges: unknown[] };
  };
  assert.ok(json.model.merges.length > 0 && json.model.merges.every((merge) => typeof merge === 'string'));
  const again = await AutoTokenizer.fromPretrained(folder);
  const text = 'The race was run in 1:02:33';
  assert.deepEqual(again.encode(text), tokenizer.encode(text));
});

describe('refused before anything is written', () => {
  const refusals: readonly [
    name: string,
    target: 'transformers.js' | 'transformers.js-2',
    words: string[],
  ][] = [
    ['glm4', 'transformers.js', ['transformers.js 4 loads', 'got glm4']],
    ['glm4', 'transformers.js-2', ['transformers.js 2 loads', 'got glm4', 'keep the checkpoint']],
    ['qwen3', 'transformers.js-2', ['transformers.js 2 loads', 'got qwen3', 'export for transformers.js 4']],
    ['mistral nemo', 'transformers.js-2', ['2 key-value heads of 8', 'got 2 of 16']],
    ['stablelm', 'transformers.js-2', ['4 key-value heads of 8', 'got 2 of 8']],
  ];
  for (const [name, target, words] of refusals)
    it(`${name} for ${target}`, async (t) => {
      const folder = path.join(await temporaryFolder(t), 'none');
      const model = await familyModel(cases[name].config);
      t.after(() => model.dispose());
      const tokenizer = await fewTokens(t, model.architecture.vocabSize);
      await assert.rejects(exportOnnx(model, folder, { tokenizer, target }), isError(...words));
      assert.equal(fs.existsSync(folder), false);
    });
});
