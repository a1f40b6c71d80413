/**
 * Forward and backward pass of a whole batch: embedding, one compiled block for all layers in two halves,
 * the head with its loss, and gradients into flat buffers.
 */
import { dropoutMask, linearCrossEntropy } from '../engine';
import type { CompiledVjp, Residuals } from '../engine';
import type { Batch, HostTensor } from '../types';
import { attentionBias, positionIds } from './attention-bias';
import { signatureOf } from './causal-lm';
import type { CausalLM } from './causal-lm';
import { deviceEmbeddingGradients, deviceHeadLoss, isOnDevice } from './device-tables';
import { withNoise } from './embedding-noise';
import type { EmbeddingNoise } from './embedding-noise';
import { IGNORED } from './loss';
import type { Parameter } from './parameters';

export interface BackwardRequest {
  readonly batch: Batch;
  /** Factor on the summed loss: 1 / labelled tokens of all batches whose gradients are added up. */
  readonly lossScale: number;
  /** Add to the gradients instead of writing over them. */
  readonly accumulate: boolean;
  /** Absent: no dropout. `step` counts micro-batches over the whole run. */
  readonly dropout?: { readonly seed: number; readonly step: number };
  /** Keep only each layer's input and compute the rest again. */
  readonly gradientCheckpointing: boolean;
  /** Share of each target that is spread over the vocabulary; default 0. */
  readonly labelSmoothing?: number;
  /** Noise on the embeddings; absent: none. */
  readonly noise?: EmbeddingNoise;
}

/** Gradients of a model's trainable parameters, in one flat array of their order. */
export interface Gradients {
  readonly flat: Float32Array;
  readonly byName: ReadonlyMap<string, Float32Array>;
}

export function allocateGradients(parameters: readonly Parameter[]): Gradients {
  const flat: Float32Array = new Float32Array(parameters.reduce((total, p) => total + p.data.length, 0));
  const byName = new Map<string, Float32Array>();
  let offset = 0;
  for (const parameter of parameters) {
    byName.set(parameter.name, flat.subarray(offset, offset + parameter.data.length));
    offset += parameter.data.length;
  }
  return { flat, byName };
}

/** How many tokens of a batch have a label that some position predicts. */
export function countLabels(batch: Batch): number {
  return labelledRows(batch).rows.length;
}

/** @returns the scaled loss of the batch, without gradients or dropout. */
export async function batchLoss(model: CausalLM, batch: Batch, lossScale: number): Promise<number> {
  model.checkIds(batch.inputIds, batch.shape[1]);
  const x = await model.hidden(batch, batch.inputIds);
  return (await headLoss(model, x, batch, { lossScale })).loss;
}

/** @returns the scaled loss; gradients are in `gradients`, complete for all trainable parameters. */
export async function forwardBackward(
  model: CausalLM,
  gradients: Gradients,
  request: BackwardRequest,
): Promise<number> {
  const { batch, dropout } = request;
  const { architecture } = model;
  const [B, T] = batch.shape;
  model.checkIds(batch.inputIds, T);
  const bias = attentionBias(batch, architecture.slidingWindow);
  const positions = positionIds(batch);
  const shared = { bias, ...architecture.positionFeeds(positions, batch.shape) };
  const trainsEmbedding = gradients.byName.has(architecture.tokenEmbedding);

  const wantsX = (layer: number): boolean => layer > firstTrained || trainsEmbedding;

  let x = await model.embed(batch.inputIds, positions, batch.shape);
  if (request.noise !== undefined) x = withNoise(x, batch, request.noise);
  const embeddingMask = siteMask(dropout, -1, 0, B * T * architecture.width, architecture.embeddingDropout);
  if (embeddingMask !== undefined) x = { data: multiplied(x.data, embeddingMask), shape: x.shape };

  // Below the first layer that is trained nothing needs a gradient.
  const firstTrained = trainsEmbedding ? 0 : firstTrainedLayer(model, gradients);
  const inputs: HostTensor[] = [];
  const kept = new Map<number, LayerPass>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    inputs[layer] = x;
    if (layer < firstTrained || (request.gradientCheckpointing && model.frozen !== undefined)) {
      // Frozen weights may stay in 4 bits here; the backward pass restores them and computes the layer again.
      const masks = layerMasks(model, layer, request);
      x = (await model.runBlock(layer, { x, ...shared, ...masks }, false)).y;
      continue;
    }
    const pass = await layerPass({ model, gradients, request, layer, x, shared, wantsX: wantsX(layer) });
    const { outputs, residuals } = await pass.vjp.forward(pass.feeds);
    x = outputs.y;
    // Restored weights do not outlive their layer, nor do other inputs where everything is computed again.
    const isKept = model.frozen === undefined && !request.gradientCheckpointing;
    kept.set(layer, { ...pass, residuals, feeds: isKept ? pass.feeds : {} });
  }

  const head = await headLoss(model, x, batch, {
    lossScale: request.lossScale,
    labelSmoothing: request.labelSmoothing,
    gradients,
    accumulate: request.accumulate,
  });
  let upstream = head.dX ?? { data: new Float32Array(x.data.length), shape: x.shape };
  // Two arrays take turns as a layer's incoming and outgoing gradient.
  let spare: HostTensor['data'] = new Float32Array(x.data.length);
  for (let layer = architecture.layers - 1; layer >= firstTrained; layer--) {
    const before = kept.get(layer);
    kept.delete(layer);
    const isWhole = before !== undefined && 'x' in before.feeds;
    const pass = isWhole
      ? before
      : await layerPass({
          model,
          gradients,
          request,
          layer,
          x: inputs[layer],
          shared,
          wantsX: wantsX(layer),
        });
    if (layer > firstTrained) model.frozen?.readAhead(layer - 1);
    inputs.pop();
    const prefix = architecture.layerPrefix(layer);
    const into: Record<string, Float32Array> = {};
    if (wantsX(layer)) into.d_x = spare as Float32Array;
    const sums: Record<string, HostTensor> = {};
    for (const name of pass.names) {
      const buffer = gradients.byName.get(prefix + name);
      if (buffer === undefined) throw new Error(`internal: no gradient buffer for ${prefix}${name}`);
      into[`d_${name}`] = buffer;
      if (request.accumulate) sums[`acc_${name}`] = { data: buffer, shape: pass.feeds[name].shape };
    }
    const residuals = before?.residuals ?? {};
    const results = await pass.vjp.backward({ ...pass.feeds, ...sums }, residuals, upstream, { into });
    if (results.d_x !== undefined) [upstream, spare] = [results.d_x, upstream.data];
  }
  if (trainsEmbedding) {
    const dX =
      embeddingMask === undefined
        ? (upstream.data as Float32Array)
        : multiplied(upstream.data, embeddingMask);
    if (isOnDevice(model, architecture.tokenEmbedding)) {
      const { accumulate } = request;
      const { inputIds: ids, shape } = batch;
      const dTables = { data: dX, shape: x.shape };
      const asked = { ids, positions, shape, upstream: dTables, accumulate };
      await deviceEmbeddingGradients(model, gradients.byName, asked);
    } else embeddingGradients(model, gradients, { batch, positions, dX, accumulate: request.accumulate });
  }
  return head.loss;
}

/** One layer's way forward and back. */
interface LayerPass {
  readonly feeds: Record<string, HostTensor>;
  readonly vjp: CompiledVjp;
  readonly residuals: Residuals;
  /** Inputs of the layer whose gradients are wanted. */
  readonly names: readonly string[];
}

async function layerPass(asked: {
  model: CausalLM;
  gradients: Gradients;
  request: BackwardRequest;
  layer: number;
  x: HostTensor;
  shared: Record<string, HostTensor>;
  wantsX: boolean;
}): Promise<LayerPass> {
  const { model, gradients, request, layer, x, shared } = asked;
  const { architecture } = model;
  const parameters = await model.layerFeeds(layer, 'float32');
  const feeds = { x, ...shared, ...parameters, ...layerMasks(model, layer, request) };
  const prefix = architecture.layerPrefix(layer);
  const names = Object.keys(parameters).filter((name) => gradients.byName.has(prefix + name));
  const vjp = await model.engine.compileVjp({
    fn: architecture.trainingBlock,
    signature: signatureOf(feeds),
    wrt: asked.wantsX ? ['x', ...names] : names,
    output: 'y',
    remat: request.gradientCheckpointing,
    accumulate: request.accumulate ? names : [],
  });
  return { feeds, vjp, residuals: {}, names };
}

function firstTrainedLayer(model: CausalLM, gradients: Gradients): number {
  const { layers, layerPrefix } = model.architecture;
  const names = [...gradients.byName.keys()];
  for (let layer = 0; layer < layers; layer++) {
    if (names.some((name) => name.startsWith(layerPrefix(layer)))) return layer;
  }
  return layers;
}

/** The rows (positions in [B * T]) that predict a label, and the labels. */
function labelledRows(batch: Batch): { rows: number[]; labels: number[] } {
  const [B, T] = batch.shape;
  const rows: number[] = [];
  const labels: number[] = [];
  for (let b = 0; b < B; b++) {
    for (let t = 0; t + 1 < T; t++) {
      const label = batch.labels[b * T + t + 1];
      // The last token of a packed document does not predict the first of the next.
      const segments = batch.segmentIds;
      if (label === IGNORED || (segments && segments[b * T + t] !== segments[b * T + t + 1])) continue;
      rows.push(b * T + t);
      labels.push(label);
    }
  }
  return { rows, labels };
}

/** Row counts that compiled heads are made for: powers of two and the numbers halfway between. */
export function rowBucket(rows: number): number {
  let size = 16;
  for (;;) {
    if (rows <= size) return size;
    if (rows <= size * 1.5) return size * 1.5;
    size *= 2;
  }
}

interface HeadRequest {
  readonly lossScale: number;
  readonly labelSmoothing?: number;
  readonly gradients?: Gradients;
  readonly accumulate?: boolean;
}

/** Last normalization, head and loss, on the labelled rows only. */
async function headLoss(
  model: CausalLM,
  x: HostTensor,
  batch: Batch,
  request: HeadRequest,
): Promise<{ loss: number; dX?: HostTensor }> {
  const { architecture, engine } = model;
  const { width } = architecture;
  const { rows, labels } = labelledRows(batch);
  const R = rowBucket(rows.length);
  const chosen = new Float32Array(R * width);
  rows.forEach((row, r) =>
    chosen.set(x.data.subarray(row * width, (row + 1) * width) as Float32Array, r * width),
  );
  const weights = new Float32Array(R).fill(request.lossScale, 0, rows.length);
  const paddedLabels = new Int32Array(R);
  paddedLabels.set(labels);

  const { gradients, accumulate = false } = request;
  const scattered = (dX: HostTensor): HostTensor => {
    const full = new Float32Array(x.data.length);
    rows.forEach((row, r) => {
      full.set((dX.data as Float32Array).subarray(r * width, (r + 1) * width), row * width);
    });
    return { data: full, shape: x.shape };
  };
  if (isOnDevice(model, architecture.head)) {
    const { loss, dX } = await deviceHeadLoss(model, {
      x: { data: chosen, shape: [R, width] },
      ...{ labels: paddedLabels, rowWeights: weights, accumulate },
      smoothing: request.labelSmoothing ?? 0,
      gradients: gradients?.byName,
    });
    return { loss, dX: dX === undefined ? undefined : scattered(dX) };
  }
  const normFeeds = { x: { data: chosen, shape: [R, width] }, ...model.finalNormFeeds() };
  const weight = model.table(architecture.head);
  if (gradients === undefined) {
    const norm = await engine.compile(architecture.finalNorm, signatureOf(normFeeds));
    const { y } = await norm.run(normFeeds);
    const result = await linearCrossEntropy(engine, {
      x: y,
      weight,
      labels: paddedLabels,
      rowWeights: weights,
    });
    return { loss: result.loss };
  }
  const names = architecture.finalNormParameters.filter((name) => gradients.byName.has(name));
  const norm = await engine.compileVjp({
    fn: architecture.finalNorm,
    signature: signatureOf(normFeeds),
    wrt: ['x', ...names],
    output: 'y',
    accumulate: accumulate ? names : [],
  });
  const { outputs, residuals } = await norm.forward(normFeeds);
  const { loss, dX } = await linearCrossEntropy(engine, {
    x: outputs.y,
    weight,
    labels: paddedLabels,
    rowWeights: weights,
    smoothing: request.labelSmoothing,
    gradients: { weight: gradients.byName.get(architecture.head), accumulate },
  });
  if (dX === undefined) throw new Error('internal: no gradient of the head');
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const name of names) {
    const buffer = gradients.byName.get(name);
    if (buffer === undefined) continue;
    into[`d_${name}`] = buffer;
    if (accumulate) sums[`acc_${name}`] = { data: buffer, shape: model.parameter(name).shape };
  }
  const results = await norm.backward(
    { ...normFeeds, ...sums },
    residuals,
    { data: dX, shape: [R, width] },
    { into },
  );
  return { loss, dX: scattered(results.d_x) };
}

/** Scatters the gradient of the embedding's output to the rows of the tables that it came from. */
function embeddingGradients(
  model: CausalLM,
  gradients: Gradients,
  request: { batch: Batch; positions: Int32Array; dX: Float32Array; accumulate: boolean },
): void {
  const { width, tokenEmbedding, positionEmbedding, head } = model.architecture;
  const { batch, positions, dX, accumulate } = request;
  const tokens = gradients.byName.get(tokenEmbedding);
  const places = positionEmbedding === undefined ? undefined : gradients.byName.get(positionEmbedding);
  // A tied head has written the whole token table already; everything else starts at zero.
  if (!accumulate && head !== tokenEmbedding) tokens?.fill(0);
  if (!accumulate) places?.fill(0);
  for (let i = 0; i < batch.inputIds.length; i++) {
    const [from, token, place] = [i * width, batch.inputIds[i] * width, positions[i] * width];
    for (let c = 0; c < width; c++) {
      if (tokens !== undefined) tokens[token + c] += dX[from + c];
      if (places !== undefined) places[place + c] += dX[from + c];
    }
  }
}

function layerMasks(model: CausalLM, layer: number, request: BackwardRequest): Record<string, HostTensor> {
  const { architecture, adapter } = model;
  const [B, T] = request.batch.shape;
  const sites = architecture.dropoutSites.map((site) => ({ ...site, shape: site.shape(B, T) }));
  for (const module of adapter?.modulesOf(layer) ?? []) {
    sites.push({ name: module.name, rate: adapter?.config.loraDropout ?? 0, shape: [B, T, module.inSize] });
  }
  const masks: Record<string, HostTensor> = {};
  for (const [index, { name, rate, shape }] of sites.entries()) {
    const length = shape.reduce((product, size) => product * size, 1);
    const data = siteMask(request.dropout, layer, index, length, rate);
    if (data !== undefined) masks[`dropout.${name}`] = { data, shape };
  }
  return masks;
}

function siteMask(
  dropout: BackwardRequest['dropout'],
  layer: number,
  site: number,
  length: number,
  rate: number,
): Float32Array | undefined {
  if (dropout === undefined || rate === 0) return undefined;
  return dropoutMask({ ...dropout, layer, site }, length, rate);
}

function multiplied(x: HostTensor['data'], mask: Float32Array): Float32Array {
  const product = new Float32Array(x.length);
  for (let i = 0; i < x.length; i++) product[i] = x[i] * mask[i];
  return product;
}
