/**
 * Embedding and head where a GPU keeps their tables: rows are gathered there, the loss over the whole vocabulary is
 * one function, and gradients of a tied table add up there. The tables' host arrays are then behind during a run;
 * elsewhere, and for tables of 16 bits without a copy there, `CausalLM.embed` and the tiles of `linearCrossEntropy` read the host's.
 */
import { linear, tf } from '../engine';
import type { NamedTensors, TensorFunction } from '../engine';
import type { HostTensor } from '../types';
import type { Architecture } from './architecture';
import { signatureOf } from './causal-lm';
import type { CausalLM } from './causal-lm';

/** Whether the engine has memory of its own and keeps the table there. */
export function isOnDevice(model: CausalLM, name: string): boolean {
  return model.engine.device !== undefined && 'data' in model.table(name);
}

function tableOnDevice(model: CausalLM, name: string): HostTensor {
  const table = model.table(name);
  if ('data' in table) return table;
  throw new Error(`internal: ${name} is not on the device`);
}

/** Rows of the tables, float32 [B, T, C]. @param ids token ids and their positions, int32 [B * T] */
export async function deviceEmbed(
  model: CausalLM,
  ids: Int32Array,
  positions: Int32Array,
  shape: readonly [number, number],
): Promise<HostTensor> {
  const feeds = embeddingFeeds(model, { ids, positions, shape });
  const compiled = await model.engine.compile(embedding, signatureOf(feeds));
  return (await compiled.run(feeds)).x;
}

/** Adds the gradient of the embeddings (or writes it, where nothing is there yet) to those of the tables. */
export async function deviceEmbeddingGradients(
  model: CausalLM,
  byName: ReadonlyMap<string, Float32Array>,
  request: {
    readonly ids: Int32Array;
    readonly positions: Int32Array;
    readonly shape: readonly [number, number];
    /** float32 [B, T, C] */
    readonly upstream: HostTensor;
    readonly accumulate: boolean;
  },
): Promise<void> {
  const { tokenEmbedding, positionEmbedding, head } = model.architecture;
  const feeds = embeddingFeeds(model, request);
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const [input, name] of [
    ['tokens', tokenEmbedding],
    ['places', positionEmbedding],
  ] as const) {
    const buffer = name === undefined ? undefined : byName.get(name);
    if (buffer === undefined) continue;
    into[`d_${input}`] = buffer;
    // A tied head has written the whole token table already.
    if (request.accumulate || name === head)
      sums[`acc_${input}`] = { data: buffer, shape: feeds[input].shape };
  }
  const names = (record: object, prefix: string): string[] =>
    Object.keys(record).map((name) => name.slice(prefix.length));
  const vjp = await model.engine.compileVjp({
    fn: embedding,
    signature: signatureOf(feeds),
    wrt: names(into, 'd_'),
    output: 'x',
    remat: true,
    accumulate: names(sums, 'acc_'),
  });
  await vjp.backward({ ...feeds, ...sums }, {}, request.upstream, { into });
}

/** Last normalization, head and loss of some rows. */
export interface DeviceHeadRequest {
  /** float32 [R, C] */
  readonly x: HostTensor;
  /** int32 [R] */
  readonly labels: Int32Array;
  /** float32 [R] */
  readonly rowWeights: Float32Array;
  readonly smoothing: number;
  /** Absent: the loss alone. */
  readonly gradients?: ReadonlyMap<string, Float32Array>;
  readonly accumulate: boolean;
}

/** @returns what `linearCrossEntropy` after the last normalization gives: the loss and d x, float32 [R, C] */
export async function deviceHeadLoss(
  model: CausalLM,
  request: DeviceHeadRequest,
): Promise<{ loss: number; dX?: HostTensor }> {
  const { engine, architecture } = model;
  const { x, labels, rowWeights, gradients } = request;
  const R = labels.length;
  const feeds: Record<string, HostTensor> = {
    x,
    ...model.finalNormFeeds(),
    head: tableOnDevice(model, architecture.head),
    labels: { data: labels, shape: [R, 1] },
    rowWeights: { data: rowWeights, shape: [R] },
    smoothing: { data: Float32Array.of(request.smoothing), shape: [] },
  };
  const fn = headFunction(architecture);
  if (gradients === undefined) {
    const compiled = await engine.compile(fn, signatureOf(feeds));
    return { loss: (await compiled.run(feeds)).loss.data[0] };
  }
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  const names: string[] = [];
  for (const input of [...architecture.finalNormParameters, 'head']) {
    const buffer = gradients.get(input === 'head' ? architecture.head : input);
    if (buffer === undefined) continue;
    names.push(input);
    into[`d_${input}`] = buffer;
    if (request.accumulate) sums[`acc_${input}`] = { data: buffer, shape: feeds[input].shape };
  }
  const vjp = await engine.compileVjp({
    fn,
    signature: signatureOf(feeds),
    wrt: ['x', ...names],
    output: 'loss',
    accumulate: request.accumulate ? names : [],
  });
  const { outputs, residuals } = await vjp.forward(feeds);
  const one = { data: Float32Array.of(1), shape: [] };
  const results = await vjp.backward({ ...feeds, ...sums }, residuals, one, { into });
  return { loss: outputs.loss.data[0], dX: results.d_x };
}

function embeddingFeeds(
  model: CausalLM,
  { ids, positions, shape }: { ids: Int32Array; positions: Int32Array; shape: readonly [number, number] },
): Record<string, HostTensor> {
  const { tokenEmbedding, positionEmbedding } = model.architecture;
  const tables = { tokens: tableOnDevice(model, tokenEmbedding), ids: { data: ids, shape } };
  if (positionEmbedding === undefined) return tables;
  return { ...tables, places: model.feed(positionEmbedding), positions: { data: positions, shape } };
}

function embedding({ tokens, places, ids, positions }: NamedTensors): NamedTensors {
  const rows = tf.gather(tokens, ids as tf.Tensor2D); // [B, T, C]
  return { x: places === undefined ? rows : tf.add(rows, tf.gather(places, positions as tf.Tensor2D)) };
}

const headFunctions = new WeakMap<Architecture, TensorFunction>();

/** The same function for the same architecture, so that it is compiled once. */
function headFunction(architecture: Architecture): TensorFunction {
  const known = headFunctions.get(architecture);
  if (known !== undefined) return known;
  const fn: TensorFunction = (inputs) => {
    const { head, labels, rowWeights, smoothing } = inputs;
    const [V] = head.shape;
    const { y } = architecture.finalNorm(inputs);
    const logits = linear(y, head, undefined, { transposeWeight: true }); // [R, V]
    const logProbabilities = tf.sub(logits, tf.logSumExp(logits, -1, true));
    // A comparison instead of a gather, whose gradient would be one more table of the vocabulary's size.
    const chosen = tf.cast(tf.equal(tf.range(0, V, 1, 'int32'), labels), 'float32');
    const target = tf.add(tf.mul(chosen, tf.sub(1, smoothing)), tf.div(smoothing, V));
    return { loss: tf.neg(tf.sum(tf.mul(rowWeights, tf.sum(tf.mul(logProbabilities, target), -1)))) };
  };
  headFunctions.set(architecture, fn);
  return fn;
}
