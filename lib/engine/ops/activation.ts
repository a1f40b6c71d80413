/**
 * Activation functions: plain TensorFlow.js forms, and recorded forms with one fused operator in the forward pass and a
 * short gradient in the backward pass.
 */
import { onTensorFlow, tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import { reshape } from '../kernels/elementwise';
import { lower } from '../kernels/registry';

/** Names in Hugging Face configurations. */
export type ActivationName = 'gelu' | 'gelu_new' | 'relu' | 'silu';
/** Every activation. */
export const ACTIVATIONS: readonly ActivationName[] = ['gelu', 'gelu_new', 'relu', 'silu'];

/**
 * Applies an activation.
 *
 * @param x float32 of any shape.
 */
export function activation(name: ActivationName, x: Tensor): Tensor {
  if (name === 'relu') return tf.relu(x);
  if (!isTracing() || name === 'silu') return plainActivation(name, x);
  return tf.engine().runKernel(name === 'gelu' ? GELU : GELU_TANH, { x }, {}) as Tensor;
}

/**
 * The reference for the recorded forms. 'gelu' is x times the normal distribution function (Hendrycks & Gimpel 2016),
 * 'gelu_new' its tanh approximation from the same paper.
 */
export function plainActivation(name: ActivationName, x: Tensor): Tensor {
  switch (name) {
    case 'relu':
      return tf.relu(x);
    case 'silu':
      return tf.mul(x, tf.sigmoid(x));
    case 'gelu':
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1));
    case 'gelu_new': {
      const inner = tf.mul(tf.add(x, tf.mul(tf.mul(tf.square(x), x), CUBIC)), Math.sqrt(2 / Math.PI));
      return tf.mul(tf.mul(x, 0.5), tf.add(tf.tanh(inner), 1));
    }
  }
}

const CUBIC = 0.044715;
const GELU = 'TunebookGelu';
const GELU_TANH = 'TunebookGeluTanh';

lower(GELU, ({ b, inputs }) => {
  const x = b.value(inputs.x);
  const out = { shape: x.shape, dtype: 'float32' as const };
  return b.emit('Gelu', [x], { ...out, domain: 'com.microsoft' });
});
lower(GELU_TANH, ({ b, inputs }) => {
  const x = b.value(inputs.x);
  const shape = x.shape.length === 0 ? [1] : x.shape; // FastGelu takes no scalars
  const y = b.emit('FastGelu', [reshape(b, x, shape)], { shape, dtype: 'float32', domain: 'com.microsoft' });
  return reshape(b, y, x.shape);
});

// gelu'(x) = Phi(x) + x * phi(x)
onTensorFlow(() =>
  tf.registerGradient({
    kernelName: GELU,
    inputsToSave: ['x'],
    gradFunc: (dy, [x]) => ({
      x: () => {
        const cdf = tf.mul(tf.add(tf.erf(tf.mul(x, Math.SQRT1_2)), 1), 0.5);
        const density = tf.mul(tf.exp(tf.mul(tf.square(x), -0.5)), 1 / Math.sqrt(2 * Math.PI));
        return tf.mul(dy as Tensor, tf.add(cdf, tf.mul(x, density)));
      },
    }),
  }),
);
// With (1 + tanh(u)) / 2 = s = sigmoid(2u): gelu(x) = x s, so gelu'(x) = s (1 + x (2u)' (1 - s)).
onTensorFlow(() =>
  tf.registerGradient({
    kernelName: GELU_TANH,
    inputsToSave: ['x'],
    gradFunc: (dy, [x]) => ({
      x: () => {
        const scale = 2 * Math.sqrt(2 / Math.PI);
        const square = tf.square(x);
        const s = tf.sigmoid(tf.mul(x, tf.add(tf.mul(square, scale * CUBIC), scale)));
        const slope = tf.mul(x, tf.add(tf.mul(square, 3 * scale * CUBIC), scale));
        return tf.mul(dy as Tensor, tf.mul(s, tf.add(tf.mul(slope, tf.sub(1, s)), 1)));
      },
    }),
  }),
);
