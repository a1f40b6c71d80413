/**
 * Rotary position embedding (Su et al. 2021, arXiv:2104.09864) in Hugging Face's layout: it rotates the pairs
 * (d, d + D/2). The tables are inputs, made on the host from each token's position, so that padding, packed documents
 * and caches need no code of their own.
 */
import type { HostTensor } from '../../types';
import { lower, requireShapes, sameShape } from '../kernels/registry';
import { onTensorFlow, tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';

/** Cosines and sines of each token's angles, float32 [B, 1, T, D / 2]. */
export interface RotaryTables {
  readonly cos: Tensor;
  readonly sin: Tensor;
}

/**
 * Rotates each pair of a head by its position's angle.
 *
 * @param x float32 [B, H, T, D].
 * @returns float32 [B, H, T, D].
 */
export function rotary(x: Tensor, tables: RotaryTables): Tensor {
  const { cos, sin } = tables;
  if (!isTracing()) return plainRotary(x, tables);
  return tf.engine().runKernel(KERNEL, { x, cos, sin }) as Tensor;
}

/** The reference for the recorded form. */
export function plainRotary(x: Tensor, { cos, sin }: RotaryTables): Tensor {
  const [first, second] = tf.split(x, 2, -1);
  return tf.concat(
    [tf.sub(tf.mul(first, cos), tf.mul(second, sin)), tf.add(tf.mul(second, cos), tf.mul(first, sin))],
    -1,
  );
}

/**
 * Frequencies of default rotary embedding, [D / 2]: pair d at position p turns by p * theta^(-2 d / D).
 */
export function rotaryFrequencies({ theta, headSize }: { theta: number; headSize: number }): Float32Array {
  // Rounded as in PyTorch: over long distances the last bits of a frequency matter.
  return Float32Array.from({ length: headSize / 2 }, (_, d) => 1 / theta ** ((2 * d) / headSize));
}

/** How a token turns. */
export interface Rotation {
  /** Angle of each pair at position 1, [D / 2]. */
  readonly frequencies: Float32Array;
  /** Factor on cosines and sines. */
  readonly scale: number;
}

/**
 * Tables of rotary embedding: pair d at position p turns by p * frequencies[d].
 *
 * @param positions Row-major [B, T].
 * @param frequencies [D / 2], or how each token of positions turns
 */
export function rotaryTables(
  positions: Int32Array,
  shape: readonly [number, number],
  frequencies: Float32Array | ((token: number) => Rotation),
): { cos: HostTensor; sin: HostTensor } {
  const always = { frequencies: frequencies as Float32Array, scale: 1 };
  const rotationOf = typeof frequencies === 'function' ? frequencies : (): Rotation => always;
  const half = rotationOf(0).frequencies.length;
  const cos: Float32Array = new Float32Array(positions.length * half);
  const sin: Float32Array = new Float32Array(positions.length * half);
  positions.forEach((position, i) => {
    const { frequencies: own, scale } = rotationOf(i);
    for (let d = 0; d < half; d++) {
      const angle = Math.fround(position * own[d]);
      cos[i * half + d] = Math.cos(angle) * scale;
      sin[i * half + d] = Math.sin(angle) * scale;
    }
  });
  const tableShape = [shape[0], 1, shape[1], half];
  return { cos: { data: cos, shape: tableShape }, sin: { data: sin, shape: tableShape } };
}

const KERNEL = 'TunebookRotary';

lower(KERNEL, ({ b, inputs }) => {
  const [x, cos, sin] = [b.value(inputs.x), b.value(inputs.cos), b.value(inputs.sin)];
  const [B, , T, D] = x.shape;
  const table = [B, 1, T, D / 2];
  const fits = x.shape.length === 4 && sameShape(cos.shape, table) && sameShape(sin.shape, table);
  requireShapes(fits, `rotary: expected tables of [${table}]`, cos.shape, sin.shape);
  const half = { shape: [...x.shape.slice(0, -1), D / 2], dtype: 'float32' as const };
  const [first, second] = b.emitMany('Split', [x, b.int64([D / 2, D / 2])], {
    outputs: [half, half],
    attributes: { axis: 3 },
  });
  const product = (left: typeof x, right: typeof x): typeof x => b.emit('Mul', [left, right], half);
  const turned = [
    b.emit('Sub', [product(first, cos), product(second, sin)], half),
    b.emit('Add', [product(second, cos), product(first, sin)], half),
  ];
  return b.emit('Concat', turned, { shape: x.shape, dtype: 'float32', attributes: { axis: 3 } });
});

onTensorFlow(() =>
  tf.registerGradient({
    kernelName: KERNEL,
    inputsToSave: ['cos', 'sin'],
    gradFunc: (dy, saved) => {
      const [cos, sin] = saved;
      // The transpose of a rotation is its inverse.
      return { x: () => rotary(dy as Tensor, { cos, sin: tf.neg(sin) }) };
    },
  }),
);
