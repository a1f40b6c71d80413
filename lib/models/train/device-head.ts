/**
 * The head and its loss where a GPU keeps its table: the loss over the whole vocabulary is one function there, from the
 * hidden states to their gradient. Elsewhere `training-head.ts` goes through the vocabulary tile by tile.
 */
import { linear, memoized, signatureOf, tf } from '../../engine';
import type { TensorFunction } from '../../engine';
import type { HostTensor } from '../../types';
import type { Architecture } from '../families/architecture';
import type { Runtime } from '../run/runtime';
import type { Gradients } from './gradients';
import type { HeadPass, HeadTargets } from './pass-types';
import type { Workspace } from '../run/workspace';

/** Prepared before the workspace sends its inputs. */
export function deviceHead(
  runtime: Runtime,
  targets: HeadTargets & { smoothing: number },
  workspace: Workspace,
): HeadPass {
  const { engine, architecture } = runtime;
  const { rows, labels, rowWeights, smoothing } = targets;
  const R = rows.length;
  const written = workspace.keep({
    rows: { data: rows, shape: [R] },
    labels: { data: labels, shape: [R, 1] },
    rowWeights: { data: rowWeights, shape: [R] },
    smoothing: { data: Float32Array.of(smoothing), shape: [] },
  });
  const { one } = workspace.keep({ one: { data: Float32Array.of(1), shape: [] } });
  const feedsOf = (x: HostTensor): Record<string, HostTensor> => ({
    ...{ x, ...written, ...runtime.weights.finalNormFeeds() },
    head: runtime.weights.deviceTable(architecture.head),
  });
  const fn = headFunction(architecture);
  return {
    loss: async (x) => {
      const feeds = feedsOf(x);
      const compiled = await engine.compile(fn, signatureOf(feeds));
      return (await compiled.run(feeds)).loss.data[0];
    },
    lossAndGradients: async (x, gradients, accumulate) => {
      const feeds = feedsOf(x);
      const { names, into, sums } = wanted(runtime, feeds, gradients, accumulate);
      const vjp = await engine.compileVjp({
        ...{ fn, signature: signatureOf(feeds), output: 'loss' },
        ...{ wrt: ['x', ...names], accumulate: accumulate ? names : [] },
      });
      const { outputs, residuals } = await vjp.forward(feeds);
      const { d_x: dX } = await vjp.backward({ ...feeds, ...sums }, residuals, one, {
        into: { ...into, d_x: workspace.output(x.shape) },
      });
      return { loss: outputs.loss.data[0], dX };
    },
  };
}

/** Which inputs of the head get a gradient, where it goes, and what it is added to. */
function wanted(
  { architecture }: Runtime,
  feeds: Record<string, HostTensor>,
  gradients: Gradients,
  accumulate: boolean,
): { names: string[]; into: Record<string, Float32Array>; sums: Record<string, HostTensor> } {
  const names: string[] = [];
  const into: Record<string, Float32Array> = {};
  const sums: Record<string, HostTensor> = {};
  for (const input of [...architecture.finalNormParameters, 'head']) {
    const buffer = gradients.byName.get(input === 'head' ? architecture.head : input);
    if (buffer === undefined) continue;
    names.push(input);
    into[`d_${input}`] = buffer;
    if (accumulate) sums[`acc_${input}`] = { data: buffer, shape: feeds[input].shape };
  }
  return { names, into, sums };
}

const headFunction = memoized((architecture: Architecture): TensorFunction => (inputs) => {
  const { head, rows, labels, rowWeights, smoothing } = inputs;
  const [V] = head.shape;
  const chosen = tf.gather(tf.reshape(inputs.x, [-1, architecture.width]), rows as tf.Tensor1D); // [R, C]
  const { y } = architecture.finalNorm({ ...inputs, x: chosen });
  const logits = linear(y, head, undefined, { transposeWeight: true }); // [R, V]
  const logProbabilities = tf.sub(logits, tf.logSumExp(logits, -1, true));
  // A comparison instead of a gather, whose gradient would be one more table of the vocabulary's size.
  const isLabel = tf.cast(tf.equal(tf.range(0, V, 1, 'int32'), labels), 'float32');
  const target = tf.add(tf.mul(isLabel, tf.sub(1, smoothing)), tf.div(smoothing, V));
  return { loss: tf.neg(tf.sum(tf.mul(rowWeights, tf.sum(tf.mul(logProbabilities, target), -1)))) };
});
