/**
 * The last part of a training pass: final norm, head and loss on the labelled rows only, and their gradients, with
 * tables on the host; `whole-head.ts` does it on a device.
 */
import { linearCrossEntropy, signatureOf } from '../../engine';
import { IGNORED } from '../../types';
import type { Batch, HostTensor } from '../../types';
import type { Runtime } from '../run/runtime';
import type { PassDropout } from './dropout';
import type { Gradients } from './gradients';
import { CROSS_ENTROPY } from './loss-function';
import type { LossFunction } from './loss-function';
import type { HeadPass, HeadTargets, Weigh } from './pass-types';
import type { TokenLoss } from './sequence-loss';
import { wholeHead } from './whole-head';
import type { Workspace } from '../run/workspace';

interface HeadRequest {
  readonly batch: Batch;
  readonly labelled: LabelledRows;
  /** Factor on the summed loss. */
  readonly lossScale: number;
  /** Share of each target that is spread over the vocabulary; default 0. */
  readonly labelSmoothing?: number;
  /** Default: cross-entropy of the next token. */
  readonly loss?: LossFunction;
  /** In place of `loss` and `lossScale`. */
  readonly tokenLoss?: TokenLoss;
  /** In front of the head's adapter; absent: none. */
  readonly dropout?: PassDropout;
  readonly workspace: Workspace;
}

/** Labelled tokens of a batch that some position predicts. */
export function countLabels(batch: Batch): number {
  return findLabels(batch).rows.length;
}

/** The positions of a batch that predict a label, padded to a row count that functions are compiled for. */
export interface LabelledRows {
  /** Rows of [B * T], one after the other. */
  readonly found: readonly number[];
  /** int32 [R]; padded with 0. */
  readonly rows: Int32Array;
  /** int32 [R]; padded with 0. */
  readonly labels: Int32Array;
  /**
   * Whether the last layer gives these rows alone, [1, R, C]: where they are at most so large a part of all that the
   * further function pays.
   */
  readonly areCut: boolean;
}

/** Largest share of a batch's positions that a last layer is cut to. */
const MAX_CUT = 0.75;

/** The positions of a batch that predict a label. */
export function labelledRows(batch: Batch): LabelledRows {
  const found = findLabels(batch);
  const R = rowBucket(found.rows.length);
  const [rows, labels] = [new Int32Array(R), new Int32Array(R)];
  rows.set(found.rows);
  labels.set(found.labels);
  return { found: found.rows, rows, labels, areCut: R <= MAX_CUT * batch.inputIds.length };
}

/** Row count that a head is compiled for: a power of two, or halfway between two. */
export function rowBucket(rows: number): number {
  let size = 16;
  for (;;) {
    if (rows <= size) return size;
    if (rows <= size * 1.5) return size * 1.5;
    size *= 2;
  }
}

/** Call before the workspace uploads its inputs. */
export function headPass(runtime: Runtime, request: HeadRequest): HeadPass {
  const { batch, lossScale, workspace, tokenLoss, labelled, labelSmoothing: smoothing = 0 } = request;
  const { found, labels } = labelled;
  const R = labels.length;
  const targets = {
    rows: labelled.areCut ? Int32Array.from(labels.keys()) : labelled.rows,
    ...{ labels, rowWeights: new Float32Array(R) },
    weigh: tokenLoss === undefined ? undefined : weighTokens(tokenLoss, batch, found),
  };
  targets.rowWeights.fill(tokenLoss === undefined ? lossScale : 1, 0, found.length);
  // A table on the device, or a custom loss, needs norm, head and loss in one function.
  const { weights } = runtime;
  const { width } = runtime.architecture;
  const isAdapted = (weights.adapter?.head ?? weights.adapter?.headTokens) !== undefined;
  const isSmoothedCap = smoothing > 0 && runtime.architecture.logitSoftcap !== undefined;
  if (request.loss !== undefined || weights.isOnDevice('head') || isAdapted || isSmoothedCap) {
    const { loss = CROSS_ENTROPY } = request;
    const dropout = request.dropout?.head([R, width]);
    return wholeHead(
      runtime,
      { ...targets, places: labelled.rows, batch, smoothing, loss, dropout },
      workspace,
    );
  }
  const count = found.length;
  return {
    loss: async (x) => hostLoss(runtime, chosenRows(await workspace.toHost(x), targets, width), targets),
    lossAndGradients: async (x, gradients, accumulate) => {
      const chosen = chosenRows(await workspace.toHost(x), targets, width);
      const result = await hostGradients(runtime, chosen, { ...targets, smoothing, gradients, accumulate });
      const full = new Float32Array(x.data.length);
      for (let r = 0; r < count; r++)
        full.set(result.dX.subarray(r * width, (r + 1) * width), targets.rows[r] * width);
      return { loss: result.loss, dX: workspace.pin({ dX: { data: full, shape: x.shape } }).dX };
    },
  };
}

/** From the rows' losses to the loss of their tokens, and its gradient as the weight of each row; padding has none. */
function weighTokens(tokenLoss: TokenLoss, batch: Batch, rows: readonly number[]): Weigh {
  return (rowLosses) => {
    const values = rowLosses.subarray(0, rows.length).map((loss) => -loss);
    const { loss, gradients } = tokenLoss({ batch, rows, values });
    const rowWeights = new Float32Array(rowLosses.length);
    for (let row = 0; row < rows.length; row++) rowWeights[row] = -gradients[row];
    return { loss, rowWeights };
  };
}

/** The rows (positions in [B * T]) that predict a label, and the labels. */
function findLabels(batch: Batch): { rows: number[]; labels: number[] } {
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

/** float32 [R, C], zero on padding */
function chosenRows(x: HostTensor, { rows, rowWeights }: HeadTargets, width: number): HostTensor {
  const chosen = new Float32Array(rows.length * width);
  for (const [r, row] of rows.entries()) {
    if (rowWeights[r] === 0) continue;
    chosen.set(x.data.subarray(row * width, (row + 1) * width) as Float32Array, r * width);
  }
  return { data: chosen, shape: [rows.length, width] };
}

async function hostLoss(runtime: Runtime, x: HostTensor, targets: HeadTargets): Promise<number> {
  const { engine, architecture } = runtime;
  const feeds = { x, ...runtime.weights.finalNormFeeds() };
  const norm = await engine.compile(architecture.finalNorm, signatureOf(feeds));
  const { y } = await norm.run(feeds);
  const weight = runtime.weights.table('head');
  const softcap = architecture.logitSoftcap;
  return (await linearCrossEntropy(engine, { x: y, weight, softcap, ...targets })).loss;
}

async function hostGradients(
  runtime: Runtime,
  x: HostTensor,
  request: HeadTargets & { smoothing: number; gradients: Gradients; accumulate: boolean },
): Promise<{ loss: number; dX: Float32Array }> {
  const { engine, architecture } = runtime;
  const { gradients, accumulate } = request;
  const feeds = { x, ...runtime.weights.finalNormFeeds() };
  const names = architecture.finalNormParameters.filter((name) => gradients.byName.has(name));
  const norm = await engine.compileVjp({
    fn: architecture.finalNorm,
    signature: signatureOf(feeds),
    wrt: ['x', ...names],
    output: 'y',
    accumulate: accumulate ? names : [],
  });
  const table = runtime.weights.trainedTable('head');
  const { outputs, residuals } = await norm.forward(feeds);
  const { loss, dX } = await linearCrossEntropy(engine, {
    x: outputs.y,
    weight: runtime.weights.table('head'),
    labels: request.labels,
    rowWeights: request.rowWeights,
    weigh: request.weigh,
    smoothing: request.smoothing,
    softcap: architecture.logitSoftcap,
    gradients: { weight: table === undefined ? undefined : gradients.byName.get(table), accumulate },
  });
  if (dX === undefined) throw new Error('internal: no gradient of the head');
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const name of names) {
    const buffer = gradients.byName.get(name);
    if (buffer === undefined) continue;
    into[`d_${name}`] = buffer;
    if (accumulate) sums[`acc_${name}`] = { data: buffer, shape: runtime.weights.parameter(name).shape };
  }
  const upstream = { data: dX, shape: x.shape };
  const results = await norm.backward({ ...feeds, ...sums }, residuals, upstream, { into });
  return { loss, dX: results.d_x.data as Float32Array };
}
