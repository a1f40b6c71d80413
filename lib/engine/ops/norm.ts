/**
 * Layer normalization (Ba et al. 2016) and root-mean-square normalization (Zhang & Sennrich 2019) over the last axis:
 * plain TensorFlow.js forms, and recorded forms with one fused operator each.
 */
import { onTensorFlow, tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import { sumRows } from './linear';
import { lower, requireShapes, sameShape } from '../kernels/registry';

/**
 * (x - mean) / sqrt(variance + epsilon) * gain + bias.
 *
 * @param x float32 [..., C].
 * @param gain float32 [C].
 * @param bias float32 [C].
 */
export function layerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor {
  if (!isTracing()) return plainLayerNorm(x, gain, bias, epsilon);
  const [y] = tf.engine().runKernel(LAYER_NORM, { x, gain, bias }, { epsilon }) as Tensor[];
  return y;
}

/** The reference for the recorded form. */
export function plainLayerNorm(x: Tensor, gain: Tensor, bias: Tensor, epsilon: number): Tensor {
  const mean = tf.mean(x, -1, true);
  const centred = tf.sub(x, mean);
  const variance = tf.mean(tf.square(centred), -1, true);
  return tf.add(tf.mul(tf.mul(centred, tf.rsqrt(tf.add(variance, epsilon))), gain), bias);
}

/**
 * x / sqrt(mean(x^2) + epsilon) * gain.
 *
 * @param x float32 [..., C].
 * @param gain float32 [C].
 */
export function rmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
  if (!isTracing()) return plainRmsNorm(x, gain, epsilon);
  const [y] = tf.engine().runKernel(RMS_NORM, { x, gain }, { epsilon }) as Tensor[];
  return y;
}

/** The reference for the recorded form. */
export function plainRmsNorm(x: Tensor, gain: Tensor, epsilon: number): Tensor {
  const meanSquare = tf.mean(tf.square(x), -1, true);
  return tf.mul(tf.mul(x, tf.rsqrt(tf.add(meanSquare, epsilon))), gain);
}

const LAYER_NORM = 'TunebookLayerNorm';
const RMS_NORM = 'TunebookRmsNorm';

lower<{ epsilon: number }>(LAYER_NORM, ({ b, inputs, attrs }) => {
  const [x, gain, bias] = [b.value(inputs.x), b.value(inputs.gain), b.value(inputs.bias)];
  const width = x.shape.slice(-1);
  const fits = sameShape(gain.shape, width) && sameShape(bias.shape, width);
  requireShapes(fits, `layerNorm: expected gain and bias of [${width}]`, gain.shape, bias.shape);
  const statistic = { shape: [...x.shape.slice(0, -1), 1], dtype: 'float32' as const };
  return b.emitMany('LayerNormalization', [x, gain, bias], {
    outputs: [{ shape: x.shape, dtype: 'float32' }, statistic, statistic],
    attributes: { axis: -1, epsilon: { float: attrs.epsilon } },
  });
});
lower<{ epsilon: number }>(RMS_NORM, ({ b, inputs, attrs }) => {
  const [x, gain] = [b.value(inputs.x), b.value(inputs.gain)];
  const width = x.shape.slice(-1);
  requireShapes(sameShape(gain.shape, width), `rmsNorm: expected a gain of [${width}]`, gain.shape);
  if (!b.target.contributedOps) {
    const statistic = { shape: [...x.shape.slice(0, -1), 1], dtype: 'float32' as const };
    const square = b.emit('Mul', [x, x], { shape: x.shape, dtype: 'float32' });
    const mean = b.emit('ReduceMean', [square, b.int64([x.shape.length - 1])], {
      ...statistic,
      attributes: { keepdims: 1 },
    });
    const shifted = b.emit('Add', [mean, b.scalar(attrs.epsilon)], statistic);
    const inverse = b.emit('Reciprocal', [b.emit('Sqrt', [shifted], statistic)], statistic);
    const scaled = b.emit('Mul', [x, inverse], { shape: x.shape, dtype: 'float32' });
    return [b.emit('Mul', [scaled, gain], { shape: x.shape, dtype: 'float32' }), inverse];
  }
  return b.emitMany('SimplifiedLayerNormalization', [x, gain], {
    outputs: [
      { shape: x.shape, dtype: 'float32' },
      { shape: [...x.shape.slice(0, -1), 1], dtype: 'float32' },
    ],
    attributes: { axis: -1, epsilon: { float: attrs.epsilon } },
  });
});

onTensorFlow(() =>
  tf.registerGradient({
    kernelName: LAYER_NORM,
    inputsToSave: ['x', 'gain'],
    outputsToSave: [false, true, true],
    gradFunc: (dy, saved) => {
      const [x, gain, mean, inverse] = saved;
      const [upstream] = dy as Tensor[];
      const normalized = tf.mul(tf.sub(x, mean), inverse);
      return {
        x: () => {
          const g = tf.mul(upstream, gain);
          const shifted = tf.sub(g, tf.mean(g, -1, true));
          return tf.mul(
            tf.sub(shifted, tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true))),
            inverse,
          );
        },
        gain: () => sumRows(tf.mul(upstream, normalized)),
        bias: () => sumRows(upstream),
      };
    },
  }),
);
onTensorFlow(() =>
  tf.registerGradient({
    kernelName: RMS_NORM,
    inputsToSave: ['x', 'gain'],
    outputsToSave: [false, true],
    gradFunc: (dy, saved) => {
      const [x, gain, inverse] = saved;
      const [upstream] = dy as Tensor[];
      const normalized = tf.mul(x, inverse);
      return {
        x: () => {
          const g = tf.mul(upstream, gain);
          return tf.mul(tf.sub(g, tf.mul(normalized, tf.mean(tf.mul(g, normalized), -1, true))), inverse);
        },
        gain: () => sumRows(tf.mul(upstream, normalized)),
      };
    },
  }),
);
