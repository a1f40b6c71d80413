/**
 * Linear map whose weight stays in 4 bits: ONNX Runtime reads codes and block scales itself. Only where its
 * contributed CPU operators are; elsewhere, and for gradients, weights are restored first.
 */
import { lower, requireShapes, sizeOf } from '../kernels/registry';
import { reshape } from '../kernels/elementwise';
import { tf } from '../tf';
import type { NamedTensors, Tensor } from '../tf';
import { isTracing } from '../trace-backend';

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
 * y = x W^T + b on the last axis. It has no gradient.
 * @param x float32 [..., in]
 * @param bias float32 [out], optional
 * @returns float32 [..., out]
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
/** ONNX Runtime's numbers of the code books. */
const QUANT_TYPES = { fp4: 0, nf4: 1 };

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
  const product = b.emit('MatMulBnb4', [reshape(b, x, [rows, inSize]), codes, absmax], {
    shape: [rows, attrs.outSize],
    dtype: 'float32',
    domain: 'com.microsoft',
    attributes: {
      K: inSize,
      N: attrs.outSize,
      block_size: blockSize,
      quant_type: QUANT_TYPES[attrs.quantType],
      transB: 1,
    },
  });
  return reshape(b, product, [...x.shape.slice(0, -1), attrs.outSize]);
});
