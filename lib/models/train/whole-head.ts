/**
 * The head and its loss as one function, over the whole vocabulary: where a GPU keeps the table, and for losses of one's
 * own. The default loss on the host goes through the vocabulary tile by tile (`head.ts`).
 */
import { memoized, signatureOf, tf } from '../../engine';
import type { TensorFunction } from '../../engine';
import type { Batch, HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import { headOf, trainedHeadInputs } from '../run/adapted-head';
import type { Runtime } from '../run/runtime';
import type { Gradients } from './gradients';
import { ROW_LOSSES } from './loss-function';
import type { LossFunction } from './loss-function';
import type { HeadPass, HeadTargets } from './pass-types';
import type { Workspace } from '../run/workspace';

/** What the head is to make small. */
export interface WholeHeadRequest extends HeadTargets {
  readonly batch: Batch;
  /** Where the rows lie in the batch, of [B * T], int32 [R]. */
  readonly places: Int32Array;
  readonly smoothing: number;
  readonly loss: LossFunction;
  /** Dropout in front of the head's adapter, as an input of `headOf`. */
  readonly dropout?: Readonly<Record<string, HostTensor>>;
}

/** Prepared before the workspace sends its inputs. */
export function wholeHead(runtime: Runtime, request: WholeHeadRequest, workspace: Workspace): HeadPass {
  const { engine, architecture, weights } = runtime;
  const { rows, places, labels, rowWeights, weigh, smoothing, batch, dropout } = request;
  const loss = weigh === undefined ? request.loss : ROW_LOSSES;
  const R = rows.length;
  const T = batch.shape[1];
  const written = workspace.pin({
    ...loss.arrays?.(batch),
    rows: { data: rows, shape: [R] },
    labels: { data: labels, shape: [R, 1] },
    rowWeights: { data: rowWeights, shape: [R] },
    sequences: { data: places.map((place) => Math.floor(place / T)), shape: [R] },
    smoothing: { data: Float32Array.of(smoothing), shape: [] },
  });
  const { one } = workspace.pin({ one: { data: Float32Array.of(1), shape: [] } });
  const head = weights.tableFeed('head');
  const added = { ...weights.headFeeds(), ...dropout };
  const feedsOf = (x: HostTensor): Record<string, HostTensor> => ({
    ...{ x, ...written, ...weights.finalNormFeeds(), head, ...added },
  });
  const fn = headFunction(architecture)(loss);
  return {
    loss: async (x) => {
      const feeds = feedsOf(x);
      const compiled = await engine.compile(fn, signatureOf(feeds));
      const { data } = (await compiled.run(feeds)).loss;
      return weigh === undefined ? data[0] : weigh(Float64Array.from(data)).loss;
    },
    lossAndGradients: async (x, gradients, accumulate) => {
      const feeds = feedsOf(x);
      const { names, into, sums } = wanted(runtime, feeds, gradients, accumulate);
      const vjp = await engine.compileVjp({
        ...{ fn, signature: signatureOf(feeds), output: 'loss' },
        ...{ wrt: ['x', ...names], accumulate: accumulate ? names : [] },
      });
      const { outputs, residuals } = await vjp.forward(feeds);
      const { data } = outputs.loss;
      const weighed = weigh?.(Float64Array.from(data));
      const upstream = weighed === undefined ? one : { data: weighed.rowWeights, shape: [R] };
      const { d_x: dX } = await vjp.backward({ ...feeds, ...sums }, residuals, upstream, {
        into: { ...into, d_x: workspace.output(x.shape) },
      });
      return { loss: weighed?.loss ?? data[0], dX };
    },
  };
}

/** Which inputs of the head get a gradient, where it goes, and what it is added to. */
function wanted(
  { architecture, weights }: Runtime,
  feeds: Record<string, HostTensor>,
  gradients: Gradients,
  accumulate: boolean,
): { names: string[]; into: Record<string, Float32Array>; sums: Record<string, HostTensor> } {
  const names: string[] = [];
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  const trained: [string, string | undefined][] = [
    ...architecture.finalNormParameters.map((name): [string, string] => [name, name]),
    ['head', weights.trainedTable('head')],
    ...(weights.adapter === undefined ? [] : trainedHeadInputs(weights.adapter)),
  ];
  for (const [input, name] of trained) {
    const buffer = name === undefined ? undefined : gradients.byName.get(name);
    if (buffer === undefined) continue;
    names.push(input);
    into[`d_${input}`] = buffer;
    if (accumulate) sums[`acc_${input}`] = { data: buffer, shape: feeds[input].shape };
  }
  return { names, into, sums };
}

const headFunction = memoized((architecture: Architecture) =>
  memoized((loss: LossFunction): TensorFunction => (inputs) => {
    const { rows, ...given } = inputs;
    const chosen = tf.gather(tf.reshape(inputs.x, [-1, architecture.width]), rows as tf.Tensor1D); // [R, C]
    const { y } = architecture.finalNorm({ ...inputs, x: chosen });
    const logits = headOf(architecture, inputs, y); // [R, V]
    return { loss: loss.value({ ...given, logits }) };
  }),
);
