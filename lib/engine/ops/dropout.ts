/**
 * Dropout masks and noise from a counter-based generator: a mask is a pure function of (seed, step, layer, site), so a
 * resumed run has the same masks on every engine, and the backward pass generates the forward pass's again instead of
 * storing them. Masks are made on the host or, where transfers are expensive, inside the function; the bits are equal.
 */
import { lower } from '../kernels/registry';
import { reshape } from '../kernels/elementwise';
import type { Value } from '../graph/graph';
import { tf } from '../graph/tf';
import type { Tensor } from '../graph/tf';
import { isTracing } from '../graph/trace-backend';
import type { TraceBackend } from '../graph/trace-backend';
import { sizeOf } from '../../tensor';

/** What a mask is a function of. */
export interface DropoutKey {
  readonly seed: number;
  /** Optimizer step and micro-batch as one counter. */
  readonly step: number;
  readonly layer: number;
  /** Which dropout of the layer. */
  readonly site: number;
}

/**
 * A mask to multiply with: 0 with probability `rate`, else 1 / (1 - rate).
 *
 * @param into Number of elements, or the array to fill.
 * @param rate In [0, 1), rounded to 1 / 65536.
 * @returns float32 [length].
 */
export function dropoutMask(key: DropoutKey, into: number | Float32Array, rate: number): Float32Array {
  return drawnMask(packedKey(key, rate), typeof into === 'number' ? new Float32Array(into) : into);
}

/**
 * Applies dropout to `x`.
 *
 * @param mask float32 of x's shape, or the key (int32 [2]) to generate it from; undefined returns x.
 */
export function dropout(x: Tensor, mask: Tensor | undefined): Tensor {
  if (mask === undefined) return x;
  return tf.mul(x, mask.dtype === 'int32' ? maskOfKey(mask, x.shape) : mask);
}

/**
 * A key as an input of a function that generates the mask itself.
 *
 * @returns int32 [2], for `maskOfKey`.
 */
export function packedKey(key: DropoutKey, rate: number): Int32Array {
  return Int32Array.of(streamOf(key), Math.min(Math.round(rate * 65536), 65535));
}

/**
 * The mask of `dropoutMask`, generated inside a function.
 *
 * @param key int32 [2], from `packedKey`.
 * @returns float32 of the given shape, without gradient.
 */
export function maskOfKey(key: Tensor, shape: readonly number[]): Tensor {
  if (isTracing()) return tf.engine().runKernel(KERNEL, { key }, { shape: [...shape] }) as Tensor;
  const mask = new Float32Array(sizeOf(shape));
  return tf.tensor(drawnMask(key.dataSync() as Int32Array, mask), [...shape]);
}

/**
 * Uniform noise in (-1, 1) with mean 0.
 *
 * @returns float32 [length].
 */
export function uniformNoise(key: DropoutKey, length: number): Float32Array {
  const stream = streamOf(key);
  const noise = new Float32Array(length);
  for (let i = 0; i < length; i++) {
    // 24 bits, the precision of a float32.
    noise[i] = ((draw(stream, i) >>> 8) + 0.5) / (1 << 23) - 1;
  }
  return noise;
}

/**
 * One 32-bit draw makes two 16-bit decisions. Branchless, since branches would be unpredictable: the bit pattern of the
 * scale is ANDed with the sign of a difference.
 */
function drawnMask([stream, dropped]: Int32Array, mask: Float32Array): Float32Array {
  const { length } = mask;
  const patterns = new Int32Array(mask.buffer, mask.byteOffset, length);
  const kept = new Int32Array(Float32Array.of(65536 / (65536 - dropped)).buffer)[0];
  const decided = (place: number): number => kept & ~(((place ^ 0x8000) - dropped) >> 31);
  let counter = stream;
  for (let i = 0; i < length - 1; i += 2) {
    counter = (counter + GOLDEN) | 0;
    const bits = mix(counter);
    patterns[i] = decided(bits & 0xffff);
    patterns[i + 1] = decided(bits >>> 16);
  }
  if (length % 2 === 1) patterns[length - 1] = decided(mix(counter + GOLDEN) & 0xffff);
  return mask;
}

function streamOf(key: DropoutKey): number {
  return mix(mix(mix(mix(key.seed) + key.step) + key.layer) + key.site);
}

/** The i-th draw of a stream, 32 bits. */
function draw(stream: number, i: number): number {
  return mix(stream + Math.imul(i + 1, GOLDEN));
}

/** 2^32 divided by the golden ratio: spreads neighbouring counters far apart. */
const GOLDEN = 0x9e3779b1;
/**
 * Every input bit affects every output bit: x (2 x + 1), the bijection of RC6 (Rivest et al. 1998) whose upper bits
 * depend on all of x, followed by swapping the halves, three times. It needs only integer products, sums and quotients,
 * which all hardware has.
 */
function mix(x: number): number {
  return mixOnce(mixOnce(mixOnce(x | 0)));
}
const ROUNDS = 3;

function mixOnce(x: number): number {
  const h = Math.imul(x, ((x << 1) + 1) | 0);
  // The second term is h / 65536, truncated.
  return ((h << 16) + ((h + ((h >> 31) & 0xffff)) >> 16)) | 0;
}

const KERNEL = 'TunebookDropoutMask';

lower<{ shape: number[] }>(KERNEL, ({ b, inputs, attrs }) => {
  const key = b.value(inputs.key);
  const length = sizeOf(attrs.shape);
  const draws = Math.ceil(length / 2);
  const calculate = (op: string, x: Value, y: Value, dtype: 'int32' | 'float32' = 'int32'): Value =>
    b.emit(op, [x, y], { shape: x.shape.length >= y.shape.length ? x.shape : y.shape, dtype });
  const whole = (value: number): Value => b.scalar(value, 'int32');
  const [stream, dropped] = [0, 1].map((at) =>
    b.emit('Gather', [key, whole(at)], { shape: [], dtype: 'int32', attributes: { axis: 0 } }),
  );

  const counters = Int32Array.from({ length: draws }, (_, i) => Math.imul(i + 1, GOLDEN));
  let h = calculate('Add', b.hostConstant(counters, [draws], 'int32'), stream);
  for (let round = 0; round < ROUNDS; round++) {
    h = calculate('Mul', h, calculate('Add', calculate('Add', h, h), whole(1)));
    h = calculate('Add', calculate('Mul', h, whole(65536)), calculate('Div', h, whole(65536)));
  }

  const limit = calculate('Mul', calculate('Sub', dropped, whole(32768)), whole(65536));
  const left = b.emit('Cast', [calculate('Sub', whole(65536), dropped)], {
    shape: [],
    dtype: 'float32',
    attributes: { to: 1 },
  });
  const kept = calculate('Div', b.scalar(65536), left, 'float32');
  const decisions = [calculate('Mul', h, whole(65536)), h].map((bits) =>
    reshape(b, decided(b, { bits, limit, kept }), [draws, 1]),
  );
  const pairs = b.emit('Concat', decisions, { shape: [draws, 2], dtype: 'float32', attributes: { axis: 1 } });
  if (length === 2 * draws) return reshape(b, pairs, attrs.shape);
  const flat = reshape(b, pairs, [2 * draws]);
  const cut = b.emit('Slice', [flat, b.int64([0]), b.int64([length])], { shape: [length], dtype: 'float32' });
  return reshape(b, cut, attrs.shape);
});

function decided(b: TraceBackend, { bits, limit, kept }: { bits: Value; limit: Value; kept: Value }): Value {
  const isDropped = b.emit('Less', [bits, limit], { shape: bits.shape, dtype: 'bool' });
  return b.emit('Where', [isDropped, b.scalar(0), kept], { shape: bits.shape, dtype: 'float32' });
}
