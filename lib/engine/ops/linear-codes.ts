/**
 * Linear map by codes of 4 or 8 bits with a scale per block: ONNX Runtime multiplies the codes themselves, in integers,
 * after it has rounded each block of x to 8 bits. Several times faster for few rows than reading a code book, and no
 * longer exact: for generation. Only with its contributed CPU operators, and only for codes that a function is built
 * with (see `BuildRequest`), which ONNX Runtime arranges once.
 */
import { lower, requireShapes } from '../kernels/registry';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import { sizeOf } from '../../tensor';

/** A weight [out, in] as codes along its rows: value = (code - zero) * scale. */
export interface WeightCodes {
  /** uint8 [out, blocks, blockSize * bits / 8]; of two 4-bit codes in a byte the first is in the low nibble. */
  readonly codes: Tensor;
  /** float32 [out * blocks] */
  readonly scales: Tensor;
  /** The code of 0 by block, uint8 [out * ceil(blocks * bits / 8)]; default: 8 of 16, or 128 of 256. */
  readonly zeros?: Tensor;
  readonly bits: 4 | 8;
}

/**
 * y = x W^T + b on the last axis, without gradient.
 *
 * @param x float32 [..., in], of at least two axes.
 * @param bias float32 [out].
 * @returns float32 [..., out].
 */
export function linearCodes(x: Tensor, weight: WeightCodes, bias?: Tensor): Tensor {
  const { codes, scales, zeros, bits } = weight;
  if (!isTracing()) throw new Error('internal: linearCodes outside of a compiled function');
  const inputs: NamedTensors = zeros === undefined ? { x, codes, scales } : { x, codes, scales, zeros };
  const product = tf.engine().runKernel(KERNEL, inputs, { bits }) as Tensor;
  return bias === undefined ? product : tf.add(product, bias);
}

const KERNEL = 'TunebookLinearCodes';
/** Levels of the operator: the CPU's multiplies integers at this one, and restores the weight with each call at others. */
const [INTEGERS, UNROUNDED] = [4, 0];

lower<{ bits: 4 | 8 }>(KERNEL, ({ b, inputs, attrs: { bits } }) => {
  const [x, codes, scales] = [b.value(inputs.x), b.value(inputs.codes), b.value(inputs.scales)];
  const inSize = x.shape[x.shape.length - 1];
  const [outSize, blocks, bytes] = codes.shape;
  const blockSize = (bytes * 8) / bits;
  requireShapes(
    blocks === Math.ceil(inSize / blockSize) && sizeOf(scales.shape) === outSize * blocks,
    `linearCodes: expected codes in blocks of rows of ${inSize}, and a scale for each`,
    codes.shape,
    scales.shape,
  );
  const zeros = inputs.zeros === undefined ? [] : [b.value(inputs.zeros)];
  return b.emit('MatMulNBits', [x, codes, scales, ...zeros], {
    shape: [...x.shape.slice(0, -1), outSize],
    dtype: 'float32',
    domain: 'com.microsoft',
    attributes: {
      K: inSize,
      N: outSize,
      bits,
      block_size: blockSize,
      accuracy_level: b.target.contributedOps ? INTEGERS : UNROUNDED,
    },
  });
});
