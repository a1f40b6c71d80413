/** Recorded forms of kernels that reduce along axes, softmax included. */
import type { Value } from '../graph/graph';
import { tf } from '../graph/tf';
import type { TraceBackend } from '../graph/trace-backend';
import { cast, reshape } from './elementwise';
import { lower } from './registry';
import { sizeOf } from '../../tensor';

interface ReduceAttrs {
  axis?: number | number[];
  /** The name of Max's axis in TensorFlow.js. */
  reductionIndices?: number | number[];
  keepDims: boolean;
}

function axesOf(attrs: ReduceAttrs, x: Value): number[] {
  const axis = attrs.axis ?? attrs.reductionIndices;
  return tf.util.parseAxisParam(axis ?? x.shape.map((_, i) => i), [...x.shape]);
}

function reduce(b: TraceBackend, op: string, x: Value, axes: readonly number[], keepDims: boolean): Value {
  if (axes.length === 0) return x;
  const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
  const shape = keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis));
  return b.emit(op, [x, b.int64(axes)], {
    shape,
    dtype: x.dtype,
    attributes: { keepdims: keepDims ? 1 : 0 },
  });
}

for (const [kernel, op] of [
  ['Sum', 'ReduceSum'],
  ['Mean', 'ReduceMean'],
  ['Max', 'ReduceMax'],
  ['Min', 'ReduceMin'],
  ['Prod', 'ReduceProd'],
] as const) {
  lower<ReduceAttrs>(kernel, ({ b, inputs, attrs }) => {
    const x = b.value(inputs.x);
    const axes = axesOf(attrs, x);
    const numbers = x.dtype === 'bool' ? cast(b, x, 'int32') : x;
    if (kernel === 'Sum' && numbers.fill !== undefined && numbers.dtype === 'float32') {
      const kept = x.shape.map((size, axis) => (axes.includes(axis) ? 1 : size));
      const shape = attrs.keepDims ? kept : kept.filter((_, axis) => !axes.includes(axis));
      return b.filled(numbers.fill * sizeOf(axes.map((axis) => x.shape[axis])), shape, 'float32');
    }
    return reduce(b, op, kernel === 'Mean' ? cast(b, numbers, 'float32') : numbers, axes, attrs.keepDims);
  });
}
// ONNX has no boolean reductions: take the minimum or maximum of 0 and 1.
for (const [kernel, op] of [
  ['All', 'ReduceMin'],
  ['Any', 'ReduceMax'],
] as const) {
  lower<ReduceAttrs>(kernel, ({ b, inputs, attrs }) => {
    const x = b.value(inputs.x);
    const axes = axesOf(attrs, x);
    return cast(b, reduce(b, op, cast(b, x, 'int32'), axes, attrs.keepDims), 'bool');
  });
}
for (const kernel of ['ArgMax', 'ArgMin'] as const) {
  lower<{ axis: number }>(kernel, ({ b, inputs, attrs }) => {
    const x = b.value(inputs.x);
    const [axis] = tf.util.parseAxisParam(attrs.axis, [...x.shape]);
    const shape = x.shape.filter((_, i) => i !== axis);
    const index = b.emit(kernel, [x], { shape, dtype: 'int64', attributes: { axis, keepdims: 0 } });
    return cast(b, index, 'int32');
  });
}
lower<{ axis: number; exclusive: boolean; reverse: boolean }>('Cumsum', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const [axis] = tf.util.parseAxisParam(attrs.axis, [...x.shape]);
  return b.emit('CumSum', [x, b.scalar(axis, 'int32')], {
    shape: x.shape,
    dtype: x.dtype,
    attributes: { exclusive: attrs.exclusive ? 1 : 0, reverse: attrs.reverse ? 1 : 0 },
  });
});
// ONNX has no cumulative product: each is the product of a copy of the row whose later factors are one.
lower<{ axis: number; exclusive: boolean; reverse: boolean }>('Cumprod', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const [axis] = tf.util.parseAxisParam(attrs.axis, [...x.shape]);
  const size = x.shape[axis];
  const taken = (to: number, from: number): boolean => {
    const distance = attrs.reverse ? from - to : to - from;
    return attrs.exclusive ? distance > 0 : distance >= 0;
  };
  const mask = Uint8Array.from({ length: size * size }, (_, i) =>
    taken(Math.floor(i / size), i % size) ? 1 : 0,
  );
  const after = x.shape.slice(axis + 1);
  const rows = reshape(b, x, [...x.shape.slice(0, axis), 1, size, ...after]);
  const chosen = b.hostConstant(mask, [size, size, ...after.map(() => 1)], 'bool');
  const factors = b.emit('Where', [chosen, rows, b.scalar(1, x.dtype === 'int32' ? 'int32' : 'float32')], {
    shape: [...x.shape.slice(0, axis), size, size, ...after],
    dtype: x.dtype,
  });
  return reduce(b, 'ReduceProd', factors, [axis + 1], false);
});
lower<{ dim: number }>('Softmax', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.logits);
  return b.emit('Softmax', [x], { shape: x.shape, dtype: 'float32', attributes: { axis: attrs.dim } });
});
