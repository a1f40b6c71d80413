/**
 * Forward and backward pass of a batch: embedding, one compiled block for all layers (forward and backward half), the
 * head with its loss, and gradients into flat buffers.
 */
import { signatureOf } from '../../engine';
import type { CompiledVjp, Residuals } from '../../engine';
import type { Batch, HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import type { HasRuntime, Runtime } from '../run/runtime';
import { hiddenStates, outputShape, sharedFeeds, walk } from '../run/stack';
import type { LayerMode, SharedFeeds } from '../run/stack';
import type { Workspace } from '../run/workspace';
import { passDropout } from './dropout';
import type { DropoutRequest, PassDropout } from './dropout';
import { embeddingParameters, embeddingPass } from './embedding';
import type { EmbeddingNoise } from './embedding-noise';
import type { Gradients } from './gradients';
import { headPass, labelledRows } from './head';
import type { LossFunction } from './loss-function';
import type { TokenLoss } from './sequence-loss';

/** The batch of a backward pass, and how its gradients are scaled. */
export interface BackwardRequest {
  readonly batch: Batch;
  /** Factor on the summed loss: 1 / labelled tokens of all batches whose gradients are accumulated. */
  readonly lossScale: number;
  /** Add to the gradients instead of overwriting them. */
  readonly accumulate: boolean;
  /** Absent: no dropout. */
  readonly dropout?: DropoutRequest;
  /** Keep only each layer's input and recompute the rest. */
  readonly gradientCheckpointing: boolean;
  /** Share of each target that is spread over the vocabulary; default 0. */
  readonly labelSmoothing?: number;
  /** Default: cross-entropy of the next token. */
  readonly loss?: LossFunction;
  /** A loss of the labelled tokens' log-probabilities, in place of `loss` and `lossScale`. */
  readonly tokenLoss?: TokenLoss;
  /** Noise on the embeddings; absent: none. */
  readonly noise?: EmbeddingNoise;
  /**
   * Called when the gradients of a stage (see `gradientStages`) are complete, while the backward pass goes on; not for
   * the last stage, which ends with the pass. Nothing touches them until the next pass.
   */
  readonly onStage?: (stage: number) => void;
}

/**
 * The loss of a batch, by the forward pass alone.
 * @returns the scaled loss of the batch, without gradients or dropout.
 */
export async function batchLoss(
  model: HasRuntime,
  batch: Batch,
  options: { lossScale: number; loss?: LossFunction; tokenLoss?: TokenLoss },
): Promise<number> {
  const { runtime } = model;
  runtime.requireFree('loss');
  runtime.checkIds(batch.inputIds, batch.shape[1]);
  return runtime.inWorkspace(async (workspace) => {
    const labelled = labelledRows(batch);
    const head = headPass(runtime, { ...options, batch, labelled, workspace });
    const rows = labelled.areCut ? labelled.rows : undefined;
    return head.loss(await hiddenStates(runtime, { batch, ids: batch.inputIds, rows, workspace }));
  });
}

/**
 * A forward and a backward pass over a batch.
 * @returns the scaled loss; gradients are in `gradients`, complete for all trainable parameters.
 */
export async function forwardBackward(
  { runtime }: HasRuntime,
  gradients: Gradients,
  request: BackwardRequest,
): Promise<number> {
  runtime.requireFree('training');
  runtime.checkIds(request.batch.inputIds, request.batch.shape[1]);
  return runtime.inWorkspace((workspace) => wholePass({ runtime, gradients, request, workspace }));
}

/** What all layers of a training pass share. */
interface Pass {
  readonly runtime: Runtime;
  readonly gradients: Gradients;
  readonly request: BackwardRequest;
  readonly workspace: Workspace;
  readonly dropout: PassDropout;
  readonly shared: SharedFeeds;
  readonly trainsEmbedding: boolean;
  /** No layer below this one needs a gradient. */
  readonly firstTrained: number;
}

async function wholePass(
  given: Pick<Pass, 'runtime' | 'gradients' | 'request' | 'workspace'>,
): Promise<number> {
  const { runtime, gradients, request, workspace } = given;
  const { batch, noise, lossScale, labelSmoothing, tokenLoss, loss: lossFunction } = request;
  const labelled = labelledRows(batch);
  const lastRows = labelled.areCut ? labelled.rows : undefined;
  const { positions, shared } = sharedFeeds(runtime, batch, { workspace, lastRows });
  const dropout = passDropout(runtime, batch.shape, {
    ...{ request: request.dropout, workspace },
    lastRows: lastRows?.length,
  });
  const embedding = embeddingPass(runtime, { batch, positions, noise, dropout, workspace });
  const head = headPass(runtime, {
    batch,
    labelled,
    lossScale,
    labelSmoothing,
    loss: lossFunction,
    tokenLoss,
    dropout,
    workspace,
  });
  await workspace.upload();

  const trainsEmbedding = embeddingParameters(runtime).some((name) => gradients.byName.has(name));
  const firstTrained = trainsEmbedding ? 0 : firstTrainedLayer(runtime.architecture, gradients);
  const tape = new Tape({ ...given, dropout, shared, trainsEmbedding, firstTrained });
  const x = await walk(runtime, await embedding.forward(), tape);
  const { loss, dX } = await head.lossAndGradients(x, gradients, request.accumulate);
  request.onStage?.(0);
  const upstream = await tape.backward(dX);
  if (trainsEmbedding) await embedding.backward(upstream, gradients, request.accumulate);
  return loss;
}

/** The mode of a training walk: records what the backward pass needs of each layer. */
class Tape implements LayerMode {
  private readonly inputs: HostTensor[] = [];
  private readonly recorded = new Map<number, LayerPass>();

  constructor(private readonly pass: Pass) {}

  async layer(layer: number, x: HostTensor): Promise<HostTensor> {
    const { runtime, request, dropout, shared, workspace, firstTrained } = this.pass;
    const isFrozen = runtime.weights.frozen !== undefined;
    this.inputs[layer] = x;
    if (layer < firstTrained || (request.gradientCheckpointing && isFrozen)) {
      // Frozen weights may stay in 4 bits here; the backward pass dequantizes them and recomputes the layer.
      const feeds = { x, ...shared(layer), ...dropout.layer(layer) };
      const { y } = await runtime.runBlock(layer, feeds, {
        into: { y: workspace.output(outputShape(feeds)) },
      });
      dropout.done(feeds);
      return y;
    }
    const before = await layerPass(this.pass, layer, x);
    const { outputs, residuals } = await before.vjp.forward(before.feeds);
    // Dequantized weights do not outlive their layer, nor do other inputs where everything is recomputed.
    const isReused = !isFrozen && !request.gradientCheckpointing;
    if (!isReused) dropout.done(before.feeds);
    this.recorded.set(layer, { ...before, residuals, feeds: isReused ? before.feeds : {} });
    return outputs.y;
  }

  /** From the gradient of the last layer's output to that of the first trained layer's input, float32 [B, T, C]. */
  async backward(dY: HostTensor): Promise<HostTensor> {
    const { runtime, request, dropout, workspace, firstTrained } = this.pass;
    let upstream = dY;
    // Two arrays alternate as a layer's incoming and outgoing gradient; that of a cut layer's output is another.
    const { shape } = this.inputs[0];
    let spare: HostTensor['data'] = workspace.output(shape);
    for (let layer = runtime.architecture.layers - 1; layer >= firstTrained; layer--) {
      const before = this.recorded.get(layer);
      this.recorded.delete(layer);
      const isWhole = before !== undefined && 'x' in before.feeds;
      const { vjp, feeds, names, wantsX } = isWhole
        ? before
        : await layerPass(this.pass, layer, this.inputs[layer]);
      if (layer > firstTrained) runtime.weights.frozen?.readAhead(layer - 1);
      this.inputs.pop();
      const { into, sums } = targetsOf(this.pass, { layer, names, feeds });
      if (wantsX) into.d_x = spare as Float32Array;
      const residuals = before?.residuals ?? {};
      const results = await vjp.backward({ ...feeds, ...sums }, residuals, upstream, { into });
      dropout.done(feeds);
      request.onStage?.(runtime.architecture.layers - layer);
      if (results.d_x === undefined) continue;
      spare = upstream.data.length === spare.length ? upstream.data : workspace.output(shape);
      upstream = results.d_x;
    }
    return upstream;
  }
}

/** One layer's forward and backward pass. */
interface LayerPass {
  readonly feeds: Record<string, HostTensor>;
  readonly vjp: CompiledVjp;
  readonly residuals: Residuals;
  /** Inputs of the layer whose gradients are wanted, beside x. */
  readonly names: readonly string[];
  readonly wantsX: boolean;
}

async function layerPass(pass: Pass, layer: number, x: HostTensor): Promise<LayerPass> {
  const { runtime, gradients, request, shared, dropout } = pass;
  const { architecture } = runtime;
  const wantsX = layer > pass.firstTrained || pass.trainsEmbedding;
  const parameters = await runtime.weights.layerFeeds(layer, 'float32');
  const feeds = { x, ...shared(layer), ...parameters, ...dropout.layer(layer) };
  const prefix = architecture.layerPrefix(layer);
  const names = Object.keys(parameters).filter((name) => gradients.byName.has(prefix + name));
  const vjp = await runtime.engine.compileVjp({
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
  { runtime, gradients, request }: Pass,
  { layer, names, feeds }: { layer: number; names: readonly string[]; feeds: Record<string, HostTensor> },
): { into: Record<string, Float32Array>; sums: Record<string, HostTensor> } {
  const prefix = runtime.architecture.layerPrefix(layer);
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const name of names) {
    const buffer = gradients.byName.get(prefix + name);
    if (buffer === undefined) throw new Error(`internal: no gradient buffer for ${prefix}${name}`);
    into[`d_${name}`] = buffer;
    if (request.accumulate) sums[`acc_${name}`] = { data: buffer, shape: feeds[name].shape };
  }
  return { into, sums };
}

function firstTrainedLayer({ layers, layerPrefix }: Architecture, gradients: Gradients): number {
  const names = [...gradients.byName.keys()];
  for (let layer = 0; layer < layers; layer++) {
    if (names.some((name) => name.startsWith(layerPrefix(layer)))) return layer;
  }
  return layers;
}
