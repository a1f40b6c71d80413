/** Cases of the kernels of our own, each beside its plain form. */
import { fourBitCodeBook } from '../../../lib/quantization';
import {
  maskOfKey,
  plainActivation,
  plainLayerNorm,
  plainLinear,
  plainRmsNorm,
  plainRotary,
  tf,
} from '../../../lib/engine';
import type { NamedTensors, Tensor } from '../../../lib/engine';
import { f, given, positive } from './kernel-case';
import type { InputSpec, KernelCase, KernelCases } from './kernel-case';

const linear = ({ x, weight, bias }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainLinear(x, weight, bias, { transposeWeight: attrs.transposeWeight === true });
const layerNorm = ({ x, gain, bias }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainLayerNorm(x, gain, bias, Number(attrs.epsilon));
const rmsNorm = ({ x, gain }: NamedTensors, attrs: Record<string, unknown>): Tensor =>
  plainRmsNorm(x, gain, Number(attrs.epsilon));
const turn = ({ x, cos, sin }: NamedTensors): Tensor => plainRotary(x, { cos, sin });
/** Weights restored value by value: the high nibble first, blocks along the rows of [out, in]. */
const fourBit = ({ x, codes, absmax }: NamedTensors, attrs: Record<string, unknown>): Tensor => {
  const high = tf.floorDiv(codes, tf.scalar(16, 'int32'));
  const low = tf.mod(codes, tf.scalar(16, 'int32'));
  const places = tf.reshape(tf.stack([high, low], -1), [-1]);
  const values = tf.gather(
    tf.tensor1d(fourBitCodeBook(attrs.quantType as 'nf4' | 'fp4')),
    tf.cast(places, 'int32'),
  );
  const scaled = tf.mul(tf.reshape(values, [absmax.size, -1]), tf.expandDims(absmax, 1));
  const weight = tf.reshape(scaled, [Number(attrs.outSize), -1]);
  return plainLinear(x, weight, undefined, { transposeWeight: true });
};
/** Integer codes under a scale per block. Codes that are fed are not multiplied as integers, so x is not rounded. */
const codes = ({ x, codes, scales, zeros }: NamedTensors, attrs: Record<string, unknown>): Tensor => {
  const [outSize, blocks] = codes.shape;
  const isFourBit = attrs.bits === 4;
  const sixteen = tf.scalar(16, 'int32');
  const split = (packed: Tensor): Tensor =>
    isFourBit ? tf.stack([tf.mod(packed, sixteen), tf.floorDiv(packed, sixteen)], -1) : packed;
  const numbers = tf.cast(tf.reshape(split(codes), [outSize, blocks, -1]), 'float32');
  const zero =
    zeros === undefined
      ? tf.scalar(isFourBit ? 8 : 128)
      : tf.cast(tf.slice(tf.reshape(split(zeros), [outSize, -1, 1]), 0, [outSize, blocks, 1]), 'float32');
  const values = tf.mul(tf.sub(numbers, zero), tf.reshape(scales, [outSize, blocks, 1]));
  const inSize = x.shape[x.shape.length - 1];
  const weight = tf.slice(tf.reshape(values, [outSize, -1]), [0, 0], [outSize, inSize]);
  return plainLinear(x, weight, undefined, { transposeWeight: true });
};
const bytes = (...shape: number[]): InputSpec => ({ shape, dtype: 'uint8' });
const activations = (name: 'gelu' | 'gelu_new'): KernelCase[] =>
  [f(2, 3, 4), f(), given([-12, -5, -1, -1e-4, 0, 1e-4, 1, 5, 12])].map((x) => ({
    inputs: { x },
    reference: (inputs) => plainActivation(name, inputs.x),
  }));

export const fusedCases: KernelCases = {
  TunebookLinear: [
    { inputs: { x: f(2, 3, 4), weight: f(4, 5), bias: f(5) }, attrs: { transposeWeight: false } },
    { inputs: { x: f(2, 3, 4), weight: f(5, 4), bias: f(5) }, attrs: { transposeWeight: true } },
    { inputs: { x: f(6, 4), weight: f(4, 5) }, attrs: { transposeWeight: false } },
    { inputs: { x: f(4), weight: f(5, 4) }, attrs: { transposeWeight: true } },
  ].map((test) => ({ ...test, reference: linear }) as KernelCase),
  TunebookLayerNorm: [
    { inputs: { x: f(3, 8), gain: f(8), bias: f(8) }, attrs: { epsilon: 1e-5 }, reference: layerNorm },
    { inputs: { x: f(2, 3, 16), gain: f(16), bias: f(16) }, attrs: { epsilon: 1e-3 }, reference: layerNorm },
    { inputs: { x: f(7), gain: f(7), bias: f(7) }, attrs: { epsilon: 1e-5 }, reference: layerNorm },
  ],
  TunebookRmsNorm: [
    { inputs: { x: f(3, 8), gain: f(8) }, attrs: { epsilon: 1e-6 }, reference: rmsNorm },
    { inputs: { x: f(2, 3, 16), gain: f(16) }, attrs: { epsilon: 1e-2 }, reference: rmsNorm },
  ],
  TunebookRotary: [
    { inputs: { x: f(2, 3, 4, 6), cos: f(2, 1, 4, 3), sin: f(2, 1, 4, 3) }, wrt: ['x'], reference: turn },
    { inputs: { x: f(1, 1, 1, 2), cos: f(1, 1, 1, 1), sin: f(1, 1, 1, 1) }, wrt: ['x'], reference: turn },
  ],
  TunebookLinear4bit: (['nf4', 'fp4'] as const).flatMap((quantType) => [
    {
      inputs: { x: f(3, 128), codes: { shape: [64 * 5], dtype: 'uint8' }, absmax: positive(2 * 5) },
      attrs: { quantType, outSize: 5 },
      reference: fourBit,
    },
    {
      inputs: { x: f(2, 2, 64), codes: { shape: [32 * 64], dtype: 'uint8' }, absmax: positive(64) },
      attrs: { quantType, outSize: 64 },
      reference: fourBit,
    },
  ]),
  TunebookLinearCodes: [
    { x: f(3, 96), codes: bytes(5, 3, 32), scales: positive(15) },
    { x: f(2, 2, 80), codes: bytes(7, 3, 32), scales: positive(21) },
    { x: f(1, 256), codes: bytes(16, 2, 64), scales: positive(32), bits: 4 },
    { x: f(9, 64), codes: bytes(4, 2, 16), scales: positive(8), zeros: bytes(4, 1), bits: 4 },
  ].map(({ bits = 8, ...inputs }) => ({
    inputs,
    attrs: { bits },
    reference: codes,
    noGradient: 'codes have none',
    tolerance: 1e-4,
  })) as readonly KernelCase[],
  // The reference draws on the host.
  TunebookDropoutMask: [[3, 4], [7], [2, 3, 5], [1]].flatMap((shape) =>
    [
      [123456789, 6554],
      [-5, 32768],
      [0, 0],
      [-2147483648, 65535],
    ].map((key): KernelCase => ({
      inputs: { key: given(key, 'int32') },
      attrs: { shape },
      tolerance: 0,
      reference: (inputs) => maskOfKey(inputs.key, shape),
    })),
  ),
  TunebookGelu: activations('gelu'),
  TunebookGeluTanh: activations('gelu_new'),
};
