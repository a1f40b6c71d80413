/**
 * Linear map whose weight stays in 4 bits: ONNX Runtime reads codes and block scales. Only with its contributed CPU
 * operators; elsewhere, and for gradients, weights are dequantized first.
 */
import type { Value } from '../graph/graph';
import { lower, requireShapes } from '../kernels/registry';
import { reshape } from '../kernels/elementwise';
import { tf } from '../graph/tf';
import type { NamedTensors, Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import { sizeOf } from '../../tensor';

/** A weight [out, in] as bitsandbytes packs it, in blocks along its rows. */
export interface PackedWeight {
  /** uint8 [out * in / 2], the first value of a pair in the high nibble. */
  readonly codes: Tensor;
  /** Largest magnitude of each block, float32 [out * in / blockSize]. */
  readonly absmax: Tensor;
  readonly quantType: 'nf4' | 'fp4';
  readonly outSize: number;
}

/**
 * y = x W^T + b on the last axis, without gradient.
 *
 * @param x float32 [..., in].
 * @param bias float32 [out].
 * @returns float32 [..., out].
 */
export function linear4bit(x: Tensor, weight: PackedWeight, bias?: Tensor): Tensor {
  const { codes, absmax, quantType, outSize } = weight;
  if (!isTracing()) throw new Error('internal: linear4bit outside of a compiled function');
  const product = tf.engine().runKernel(KERNEL, { x, codes, absmax } as NamedTensors, {
    quantType,
    outSize,
  }) as Tensor;
  return bias === undefined ? product : tf.add(product, bias);
}

const KERNEL = 'TunebookLinear4bit';
/** ONNX Runtime's ids of the code books. */
const QUANT_TYPES = { fp4: 0, nf4: 1 };
/**
 * The operator dequantizes its whole weight with each call, 235 MB for Mistral-7B's largest, newly allocated each time.
 * So it gets the weight in pieces: for few rows, where dequantizing dominates, of a size (bytes in float32) that fits
 * into the processor's cache; else of one that the allocator reuses.
 */
const [CACHED, BOUNDED] = [2 << 20, 16 << 20];
const FEW_ROWS = 32;

lower<{ quantType: 'nf4' | 'fp4'; outSize: number }>(KERNEL, ({ b, inputs, attrs }) => {
  const [x, codes, absmax] = [b.value(inputs.x), b.value(inputs.codes), b.value(inputs.absmax)];
  const inSize = x.shape[x.shape.length - 1];
  const size = inSize * attrs.outSize;
  const blockSize = size / sizeOf(absmax.shape);
  requireShapes(
    sizeOf(codes.shape) === size / 2 && inSize % blockSize === 0,
    `linear4bit: expected ${size / 2} bytes of codes and whole blocks in rows of ${inSize}`,
    codes.shape,
    absmax.shape,
  );
  const rows = sizeOf(x.shape) / inSize;
  const matrix = reshape(b, x, [rows, inSize]);
  const step = Math.max(16, Math.floor((rows <= FEW_ROWS ? CACHED : BOUNDED) / (4 * inSize)));
  const pieces: Value[] = [];
  for (let start = 0; start < attrs.outSize; start += step) {
    const outs = Math.min(step, attrs.outSize - start);
    const part = (value: Value, perOut: number): Value => {
      if (outs === attrs.outSize) return value;
      const [from, to] = [start * perOut, (start + outs) * perOut];
      return b.emit('Slice', [value, b.int64([from]), b.int64([to])], {
        shape: [to - from],
        dtype: value.dtype,
      });
    };
    const inputs = [matrix, part(codes, inSize / 2), part(absmax, inSize / blockSize)];
    pieces.push(
      b.emit('MatMulBnb4', inputs, {
        shape: [rows, outs],
        dtype: 'float32',
        domain: 'com.microsoft',
        attributes: {
          K: inSize,
          N: outs,
          block_size: blockSize,
          quant_type: QUANT_TYPES[attrs.quantType],
          transB: 1,
        },
      }),
    );
  }
  const product =
    pieces.length === 1
      ? pieces[0]
      : b.emit('Concat', pieces, {
          shape: [rows, attrs.outSize],
          dtype: 'float32',
          attributes: { axis: 1 },
        });
  return reshape(b, product, [...x.shape.slice(0, -1), attrs.outSize]);
});
