/** Linear map of the last axis: a plain TensorFlow.js form, and a recorded form with one Gemm per pass. */
import { onTensorFlow, tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import { lower, requireShapes, sameShape } from '../kernels/registry';
import { reshape } from '../kernels/elementwise';
import { gemm } from '../kernels/matmul';
import { sizeOf } from '../../tensor';

/** The layout of a weight. */
export interface LinearOptions {
  /** The weight is [out, in], as in torch.nn.Linear, not [in, out], as in GPT-2's Conv1D. */
  transposeWeight?: boolean;
}

/**
 * y = x W + b on the last axis.
 *
 * @param x float32 [..., in].
 * @param weight float32 [in, out], or [out, in] with `transposeWeight`.
 * @param bias float32 [out].
 * @returns float32 [..., out].
 */
export function linear(x: Tensor, weight: Tensor, bias?: Tensor, options: LinearOptions = {}): Tensor {
  const transposeWeight = options.transposeWeight ?? false;
  if (!isTracing()) return plainLinear(x, weight, bias, { transposeWeight });
  const inputs: NamedTensors = bias === undefined ? { x, weight } : { x, weight, bias };
  return tf.engine().runKernel(KERNEL, inputs, { transposeWeight }) as Tensor;
}

/** The reference for the recorded form. */
export function plainLinear(
  x: Tensor,
  weight: Tensor,
  bias: Tensor | undefined,
  options: LinearOptions,
): Tensor {
  const rows = asRows(x);
  const out: number = weight.shape[options.transposeWeight ? 0 : 1] ?? 0;
  const product = tf.matMul(rows, weight as tf.Tensor2D, false, options.transposeWeight);
  const shifted = bias === undefined ? product : tf.add(product, bias);
  return tf.reshape(shifted, [...x.shape.slice(0, -1), out]);
}

const KERNEL = 'TunebookLinear';

lower<{ transposeWeight: boolean }>(KERNEL, ({ b, inputs, attrs }) => {
  const [x, weight] = [b.value(inputs.x), b.value(inputs.weight)];
  const inSize = x.shape[x.shape.length - 1];
  const fits = weight.shape.length === 2 && weight.shape[attrs.transposeWeight ? 1 : 0] === inSize;
  requireShapes(fits, "linear: expected x of the weight's input size", x.shape, weight.shape);
  const rows = reshape(b, x, [sizeOf(x.shape) / inSize, inSize]);
  const bias = inputs.bias === undefined ? undefined : b.value(inputs.bias);
  const outSize = weight.shape[attrs.transposeWeight ? 0 : 1];
  requireShapes(
    bias === undefined || sameShape(bias.shape, [outSize]),
    `linear: expected a bias of ${outSize}`,
    bias?.shape ?? [],
  );
  const product = gemm(b, rows, weight, { transposeA: false, transposeB: attrs.transposeWeight, bias });
  return reshape(b, product, [...x.shape.slice(0, -1), outSize]);
});

onTensorFlow(() =>
  tf.registerGradient({
    kernelName: KERNEL,
    inputsToSave: ['x', 'weight'],
    gradFunc: (dy, saved, attrs) => {
      const [x, weight] = saved;
      const upstream = dy as Tensor;
      const transposeWeight = attrs.transposeWeight as boolean;
      const rows = (): tf.Tensor2D => asRows(upstream);
      return {
        x: () => linear(upstream, weight, undefined, { transposeWeight: !transposeWeight }),
        weight: () =>
          transposeWeight ? tf.matMul(rows(), asRows(x), true) : tf.matMul(asRows(x), rows(), true),
        bias: () => sumRows(upstream),
      };
    },
  }),
);

/**
 * Sum over all axes but the last; recorded as a product with ones, which ONNX Runtime parallelizes better than a
 * reduction over the first axis.
 *
 * @param x float32 [..., C].
 * @returns float32 [C].
 */
export function sumRows(x: Tensor): Tensor {
  const rows = asRows(x);
  if (!isTracing()) return tf.sum(rows, 0);
  return tf.reshape(tf.matMul(tf.ones([1, rows.shape[0]]), rows), [rows.shape[1]]);
}

function asRows(x: Tensor): tf.Tensor2D {
  return tf.reshape(x, [-1, x.shape[x.shape.length - 1]]);
}
