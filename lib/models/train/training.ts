/**
 * Forward and backward pass of a whole batch: embedding, one compiled block for all layers in two halves,
 * the head with its loss, and gradients into flat buffers.
 */
import { signatureOf } from '../../engine';
import type { CompiledVjp, Residuals } from '../../engine';
import type { Batch, HostTensor } from '../../types';
import { attentionBias, positionIds } from '../run/attention-bias';
import type { CausalLM } from '../run/causal-lm';
import type { EmbeddingNoise } from './embedding-noise';
import type { Gradients } from './gradients';
import { passDropout } from './dropout';
import type { DropoutRequest, PassDropout } from './dropout';
import { embeddingPass } from './embedding';
import { headPass } from './head';
import { withWorkspace } from '../run/workspace';
import type { Workspace } from '../run/workspace';

export interface BackwardRequest {
  readonly batch: Batch;
  /** Factor on the summed loss: 1 / labelled tokens of all batches whose gradients are added up. */
  readonly lossScale: number;
  /** Add to the gradients instead of writing over them. */
  readonly accumulate: boolean;
  /** Absent: no dropout. */
  readonly dropout?: DropoutRequest;
  /** Keep only each layer's input and compute the rest again. */
  readonly gradientCheckpointing: boolean;
  /** Share of each target that is spread over the vocabulary; default 0. */
  readonly labelSmoothing?: number;
  /** Noise on the embeddings; absent: none. */
  readonly noise?: EmbeddingNoise;
}

/** @returns the scaled loss of the batch, without gradients or dropout. */
export async function batchLoss(model: CausalLM, batch: Batch, lossScale: number): Promise<number> {
  model.checkIds(batch.inputIds, batch.shape[1]);
  return withWorkspace(model, async (room) => {
    const head = headPass(model, { batch, lossScale, room });
    return head.loss(await model.hidden(batch, batch.inputIds, room));
  });
}

/** @returns the scaled loss; gradients are in `gradients`, complete for all trainable parameters. */
export async function forwardBackward(
  model: CausalLM,
  gradients: Gradients,
  request: BackwardRequest,
): Promise<number> {
  model.checkIds(request.batch.inputIds, request.batch.shape[1]);
  return withWorkspace(model, (room) => wholePass({ model, gradients, request, room }));
}

async function wholePass(asked: {
  model: CausalLM;
  gradients: Gradients;
  request: BackwardRequest;
  room: Workspace;
}): Promise<number> {
  const { model, gradients, request, room } = asked;
  const { batch, noise, lossScale, labelSmoothing } = request;
  const { architecture } = model;
  const positions = positionIds(batch);
  const bias = attentionBias(batch, architecture.slidingWindow);
  const shared = room.keep({ bias, ...architecture.positionFeeds(positions, batch.shape) });
  const dropout = passDropout(model, batch.shape, { request: request.dropout, room });
  const embedding = embeddingPass(model, { batch, positions, noise, dropout, room });
  const head = headPass(model, { batch, lossScale, labelSmoothing, room });
  await room.send();

  const trainsEmbedding = gradients.byName.has(architecture.tokenEmbedding);
  // Below the first layer that is trained nothing needs a gradient.
  const firstTrained = trainsEmbedding ? 0 : firstTrainedLayer(model, gradients);
  const pass = (layer: number, x: HostTensor): Promise<LayerPass> => {
    const wantsX = layer > firstTrained || trainsEmbedding;
    return layerPass({ ...asked, dropout, shared, layer, x, wantsX });
  };

  let x = await embedding.forward();
  const inputs: HostTensor[] = [];
  const kept = new Map<number, LayerPass>();
  for (let layer = 0; layer < architecture.layers; layer++) {
    inputs[layer] = x;
    if (layer < firstTrained || (request.gradientCheckpointing && model.frozen !== undefined)) {
      // Frozen weights may stay in 4 bits here; the backward pass restores them and computes the layer again.
      const feeds = { x, ...shared, ...dropout.layer(layer) };
      x = (await model.runBlock(layer, feeds, { into: { y: room.output(x.shape) } })).y;
      dropout.done(feeds);
      continue;
    }
    const before = await pass(layer, x);
    const { outputs, residuals } = await before.vjp.forward(before.feeds);
    x = outputs.y;
    // Restored weights do not outlive their layer, nor do other inputs where everything is computed again.
    const isKept = model.frozen === undefined && !request.gradientCheckpointing;
    if (!isKept) dropout.done(before.feeds);
    kept.set(layer, { ...before, residuals, feeds: isKept ? before.feeds : {} });
  }

  const { loss, dX } = await head.lossAndGradients(x, gradients, request.accumulate);
  let upstream = dX;
  // Two arrays take turns as a layer's incoming and outgoing gradient.
  let spare: HostTensor['data'] = room.output(x.shape);
  for (let layer = architecture.layers - 1; layer >= firstTrained; layer--) {
    const before = kept.get(layer);
    kept.delete(layer);
    const isWhole = before !== undefined && 'x' in before.feeds;
    const { vjp, feeds, names, wantsX } = isWhole ? before : await pass(layer, inputs[layer]);
    if (layer > firstTrained) model.frozen?.readAhead(layer - 1);
    inputs.pop();
    const { into, sums } = targetsOf(model, { layer, names, feeds, gradients, ...request });
    if (wantsX) into.d_x = spare as Float32Array;
    const residuals = before?.residuals ?? {};
    const results = await vjp.backward({ ...feeds, ...sums }, residuals, upstream, { into });
    dropout.done(feeds);
    if (results.d_x !== undefined) [upstream, spare] = [results.d_x, upstream.data];
  }
  if (trainsEmbedding) await embedding.backward(upstream, gradients, request.accumulate);
  return loss;
}

/** One layer's way forward and back. */
interface LayerPass {
  readonly feeds: Record<string, HostTensor>;
  readonly vjp: CompiledVjp;
  readonly residuals: Residuals;
  /** Inputs of the layer whose gradients are wanted, beside x. */
  readonly names: readonly string[];
  readonly wantsX: boolean;
}

async function layerPass(asked: {
  model: CausalLM;
  gradients: Gradients;
  request: BackwardRequest;
  dropout: PassDropout;
  layer: number;
  x: HostTensor;
  shared: Record<string, HostTensor>;
  wantsX: boolean;
}): Promise<LayerPass> {
  const { model, gradients, request, layer, wantsX } = asked;
  const { architecture } = model;
  const parameters = await model.layerFeeds(layer, 'float32');
  const feeds = { x: asked.x, ...asked.shared, ...parameters, ...asked.dropout.layer(layer) };
  const prefix = architecture.layerPrefix(layer);
  const names = Object.keys(parameters).filter((name) => gradients.byName.has(prefix + name));
  const vjp = await model.engine.compileVjp({
    fn: architecture.trainingBlock,
    signature: signatureOf(feeds),
    wrt: wantsX ? ['x', ...names] : names,
    output: 'y',
    outputsStay: true,
    remat: request.gradientCheckpointing,
    accumulate: request.accumulate ? names : [],
  });
  return { feeds, vjp, residuals: {}, names, wantsX };
}

/** Where a layer's gradients go, and what they are added to. */
function targetsOf(
  { architecture }: CausalLM,
  asked: {
    layer: number;
    names: readonly string[];
    feeds: Record<string, HostTensor>;
    gradients: Gradients;
    accumulate: boolean;
  },
): { into: Record<string, Float32Array>; sums: Record<string, HostTensor> } {
  const prefix = architecture.layerPrefix(asked.layer);
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const name of asked.names) {
    const buffer = asked.gradients.byName.get(prefix + name);
    if (buffer === undefined) throw new Error(`internal: no gradient buffer for ${prefix}${name}`);
    into[`d_${name}`] = buffer;
    if (asked.accumulate) sums[`acc_${name}`] = { data: buffer, shape: asked.feeds[name].shape };
  }
  return { into, sums };
}

function firstTrainedLayer(model: CausalLM, gradients: Gradients): number {
  const { layers, layerPrefix } = model.architecture;
  const names = [...gradients.byName.keys()];
  for (let layer = 0; layer < layers; layer++) {
    if (names.some((name) => name.startsWith(layerPrefix(layer)))) return layer;
  }
  return layers;
}
