/**
 * What quantization costs a model: each type's next-token distributions over records' texts against the float32 model's,
 * computed exactly and by codes (`dtype: 'q8'`), and how many greedy answers stay what they are. The texts are the sample's
 * last records, or a run's test records, prompts and answers.
 */
import path from 'node:path';
import { encodeRecords, instructionTemplate, loadRecords } from '../../lib/dataset';
import type { DataRecord } from '../../lib/dataset';
import { textGenerator } from '../../lib/generation';
import { codedModelOf } from '../../lib/generation/passes/coded-model-cache';
import { attentionBias, contextLengths, positionIds } from '../../lib/models';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { loadPrompt } from '../../lib/prompts';
import { AffineConfig, BitsAndBytesConfig } from '../../lib/quantization';
import type { QuantizationConfig } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { marginOf } from './margin';

const NESTED = { loadIn4bit: true, bnb4bitUseDoubleQuant: true };

/** Bits of a weight, scales included, and how it is said. */
const TYPES: readonly (readonly [name: string, bits: number, config: QuantizationConfig | undefined])[] = [
  ['float32', 32, undefined],
  ['int8, a scale per row', 8, new BitsAndBytesConfig({ loadIn8bit: true })],
  ['affine 8, blocks of 32', 9.25, new AffineConfig({ bits: 8, blockSize: 32 })],
  ['NF4', 4.13, new BitsAndBytesConfig({ ...NESTED, bnb4bitQuantType: 'nf4' })],
  ['FP4', 4.13, new BitsAndBytesConfig({ ...NESTED, bnb4bitQuantType: 'fp4' })],
  ['int4, blocks of 32', 5.25, new AffineConfig({ bits: 4, blockSize: 32 })],
];

/** One type by one way to compute. */
export interface QuantizationBench {
  readonly type: string;
  readonly bits: number;
  /** Exactly, or by codes. */
  readonly isCoded: boolean;
  readonly perplexity: number;
  /** Mean KL divergence from float32 to this, nats a token. */
  readonly kl: number;
  /** Tokens whose most likely next token is float32's. */
  readonly sameChoice: number;
  /** Greedy answers, and how many of them are float32's. */
  readonly rows: number;
  readonly sameText: number;
  /** Where the others part: how much likelier float32's token is than its second, in nats; rows in order. */
  readonly margins: readonly number[];
}

/** What is compared. */
export interface QuantizationBenchOptions {
  /** A built-in name or a folder of a whole model; not with `folder`. */
  readonly model?: string;
  /** What a run wrote: `model` and `splits/test.jsonl`, whose texts the model was tuned for. */
  readonly folder?: string;
  readonly rows?: number;
  /** Parts of types' names, with commas between them. */
  readonly only?: string;
}

/** As many as notebook 02 takes, the longer of the two. */
const MAX_NEW_TOKENS = 112;

interface Form extends Pick<QuantizationBench, 'type' | 'bits' | 'isCoded'> {
  readonly model: CausalLM;
}

export async function benchQuantization(options: QuantizationBenchOptions): Promise<QuantizationBench[]> {
  const { model: name = 'gpt2-mini', folder, rows = 24, only = '' } = options;
  const place = folder === undefined ? name : path.join(folder, 'model');
  const tokenizer = await AutoTokenizer.fromPretrained(place);
  const records = await recordsOf(folder, rows);
  const template =
    (await loadPrompt(place))?.template ?? instructionTemplate({ system: 'You are a Hyrox coach.' });
  const { examples } = encodeRecords(records, { tokenizer, template, maxLength: 512 });
  const forms: Form[] = [];
  for (const [type, bits, quantizationConfig] of TYPES) {
    if (type !== TYPES[0][0] && !only.split(',').some((part) => type.includes(part))) continue;
    const engine = { provider: 'cpu' } as const;
    const model = await AutoModelForCausalLM.fromPretrained(place, { quantizationConfig, engine });
    for (const isCoded of [false, true]) forms.push({ model, type, bits, isCoded });
  }
  const distances = await distancesOf(
    forms,
    examples.map(({ inputIds }) => inputIds),
  );
  const prompts = records.map((record) => template.formatPrompt(record));
  const texts = await answersOf(forms[0], tokenizer, prompts);
  const results: QuantizationBench[] = [];
  for (const [i, form] of forms.entries()) {
    const answers = i === 0 ? texts : await answersOf(form, tokenizer, prompts);
    const differing = [...answers.keys()].filter((row) => answers[row] !== texts[row]);
    const margins: number[] = [];
    for (const row of differing) {
      const compared = { prompt: prompts[row], here: texts[row], there: answers[row] };
      const own = { model: forms[0].model, tokenizer, maxNewTokens: MAX_NEW_TOKENS };
      margins.push(await marginOf(own, compared));
    }
    const { type, bits, isCoded } = form;
    const sameText = answers.length - differing.length;
    results.push({ type, bits, isCoded, ...distances[i], rows: answers.length, sameText, margins });
  }
  for (const { model } of forms) await model.dispose();
  return results;
}

/** A run's test records, or the last of the sample's. */
async function recordsOf(folder: string | undefined, rows: number): Promise<DataRecord[]> {
  if (folder === undefined)
    return (await loadRecords(path.join(ROOT, 'data/hyrox/hyrox-sample-corrected.jsonl'))).records.slice(
      -rows,
    );
  return (await loadRecords(path.join(folder, 'splits', 'test.jsonl'))).records.slice(0, rows);
}

function answersOf(
  { model, isCoded }: Form,
  tokenizer: PretrainedTokenizer,
  prompts: readonly string[],
): Promise<string[]> {
  return textGenerator({
    ...{ model, tokenizer, maxNewTokens: MAX_NEW_TOKENS, doSample: false },
    dtype: isCoded ? 'q8' : 'float32',
  })(prompts);
}

/**
 * Each form's distributions against those of the first, text by text: those of a text alone take 40 MB in GPT-2's
 * vocabulary.
 */
async function distancesOf(
  forms: readonly Form[],
  texts: readonly (readonly number[])[],
): Promise<Pick<QuantizationBench, 'perplexity' | 'kl' | 'sameChoice'>[]> {
  const sums = forms.map(() => ({ loss: 0, kl: 0, same: 0 }));
  let count = 0;
  for (const text of texts) {
    const ids = Int32Array.from(text);
    count += ids.length - 1;
    let expected: Float32Array | undefined;
    for (const [i, { model, isCoded }] of forms.entries()) {
      const V = model.architecture.vocabSize;
      const actual = logSoftmax(isCoded ? await codedLogits(model, ids) : await logits(model, ids), V);
      expected ??= actual;
      add(sums[i], { actual, expected, ids, V });
    }
  }
  return sums.map(({ loss, kl, same }) => ({
    ...{ perplexity: Math.exp(loss / count), kl: kl / count, sameChoice: same / count },
  }));
}

/** @param actual and `expected`: log-probabilities, [T, V] */
function add(
  sums: { loss: number; kl: number; same: number },
  { actual, expected, ids, V }: { actual: Float32Array; expected: Float32Array; ids: Int32Array; V: number },
): void {
  for (let t = 0; t + 1 < ids.length; t++) {
    const [a, e] = [actual, expected].map((all) => all.subarray(t * V, (t + 1) * V));
    sums.loss -= a[ids[t + 1]];
    if (actual !== expected) for (let v = 0; v < V; v++) sums.kl += Math.exp(e[v]) * (e[v] - a[v]);
    if (actual === expected || largest(a) === largest(e)) sums.same++;
  }
}

/** Tokens that texts are filled up to: each length is a function to compile. */
const LENGTHS = 64;

async function logits(model: CausalLM, ids: Int32Array): Promise<Float32Array> {
  const { maxPositions, vocabSize } = model.architecture;
  const length = Math.min(maxPositions, LENGTHS * Math.ceil(ids.length / LENGTHS));
  const filledUp = (values: Int32Array): number[][] => [Array.from({ length }, (_, i) => values[i] ?? 0)];
  const inputs = { inputIds: filledUp(ids), attentionMask: filledUp(ids.map(() => 1)) };
  return (await model.forward(inputs)).logits.data.slice(0, ids.length * vocabSize);
}

async function codedLogits({ runtime }: CausalLM, ids: Int32Array): Promise<Float32Array> {
  const lease = await codedModelOf(runtime);
  if (lease === undefined) throw new Error('the codes do not fit into memory');
  const shape = [1, ids.length] as const;
  const batch = { shape, attentionMask: new Int32Array(ids.length).fill(1) };
  const positions = positionIds(batch);
  const contexts = contextLengths(batch, positions);
  const shared = runtime.architecture.layerKinds.map((kind) => ({
    bias: attentionBias(batch, kind.slidingWindow),
    ...kind.positionFeeds(positions, shape, contexts),
  }));
  const places = Int32Array.from(ids, (_, t) => t);
  const result = await lease.model.pass({ ids, positions, shape, shared, places });
  lease.end();
  return result.logits;
}

/** In place, by rows of V. */
function logSoftmax(values: Float32Array, V: number): Float32Array {
  for (let start = 0; start < values.length; start += V) {
    const row = values.subarray(start, start + V);
    const most = row[largest(row)];
    let sum = 0;
    for (const value of row) sum += Math.exp(value - most);
    const total = most + Math.log(sum);
    for (let v = 0; v < V; v++) row[v] -= total;
  }
  return values;
}

function largest(row: Float32Array): number {
  let at = 0;
  for (let v = 1; v < row.length; v++) if (row[v] > row[at]) at = v;
  return at;
}
