/**
 * What quantization costs a model: each type's next-token distributions over records' texts against the float32 model's,
 * computed exactly and by codes (`dtype: 'q8'`). The texts are the sample's last records, prompts and answers.
 */
import path from 'node:path';
import { encodeRecords, instructionTemplate, loadRecords } from '../../lib/dataset';
import { codedModelOf } from '../../lib/generation/passes/coded-model-cache';
import { attentionBias, contextLengths, positionIds } from '../../lib/models';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { AffineConfig, BitsAndBytesConfig } from '../../lib/quantization';
import type { QuantizationConfig } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';

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
}

interface Text {
  readonly ids: Int32Array;
  /** Log-probabilities of float32, [T, V]. */
  expected?: Float32Array;
}

/** @param model a built-in name or a folder of a whole model */
export async function benchQuantization(model = 'gpt2-mini', rows = 24): Promise<QuantizationBench[]> {
  const tokenizer = await AutoTokenizer.fromPretrained(model);
  const { records } = await loadRecords(path.join(ROOT, 'data/hyrox/hyrox-sample-corrected.jsonl'));
  const template = instructionTemplate({ system: 'You are a Hyrox coach.' });
  const { examples } = encodeRecords(records.slice(-rows), { tokenizer, template, maxLength: 512 });
  const texts = examples.map(({ inputIds }): Text => ({ ids: Int32Array.from(inputIds) }));
  const results: QuantizationBench[] = [];
  for (const [type, bits, quantizationConfig] of TYPES) {
    const engine = { provider: 'cpu' } as const;
    const loaded = await AutoModelForCausalLM.fromPretrained(model, { quantizationConfig, engine });
    for (const isCoded of [false, true])
      results.push({ type, bits, isCoded, ...(await compared(loaded, texts, isCoded)) });
    await loaded.dispose();
  }
  return results;
}

async function compared(
  model: CausalLM,
  texts: readonly Text[],
  isCoded: boolean,
): Promise<Pick<QuantizationBench, 'perplexity' | 'kl' | 'sameChoice'>> {
  let [loss, kl, same, count] = [0, 0, 0, 0];
  const V = model.architecture.vocabSize;
  for (const text of texts) {
    const { ids } = text;
    const actual = logSoftmax(isCoded ? await codedLogits(model, ids) : await logits(model, ids), V);
    text.expected ??= actual;
    for (let t = 0; t + 1 < ids.length; t++) {
      const [a, e] = [actual, text.expected].map((all) => all.subarray(t * V, (t + 1) * V));
      loss -= a[ids[t + 1]];
      for (let v = 0; v < V; v++) kl += Math.exp(e[v]) * (e[v] - a[v]);
      if (largest(a) === largest(e)) same++;
      count++;
    }
  }
  return { perplexity: Math.exp(loss / count), kl: kl / count, sameChoice: same / count };
}

async function logits(model: CausalLM, ids: Int32Array): Promise<Float32Array> {
  return (await model.forward({ inputIds: [[...ids]] })).logits.data.slice();
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
