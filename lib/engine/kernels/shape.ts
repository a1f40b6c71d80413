/** Recorded forms of kernels that move data without computing. */
import { tf } from '../graph/tf';
import { cast, reshape } from './elementwise';
import { lower, requireShapes, sameShape } from './registry';
import { sizeOf } from '../../tensor';

lower<{ shape: number[] }>('Reshape', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  return reshape(b, x, tf.util.inferFromImplicitShape(attrs.shape, sizeOf(x.shape)));
});
lower<{ dim: number }>('ExpandDims', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.input);
  const shape = [...x.shape];
  shape.splice(attrs.dim < 0 ? attrs.dim + shape.length + 1 : attrs.dim, 0, 1);
  return reshape(b, x, shape);
});
lower<{ perm: number[] }>('Transpose', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const shape = attrs.perm.map((axis) => x.shape[axis]);
  if (attrs.perm.every((axis, i) => axis === i)) return x;
  return b.emit('Transpose', [x], { shape, dtype: x.dtype, attributes: { perm: attrs.perm } });
});
lower<{ begin: number[]; size: number[] }>('Slice', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const [begin, size] = tf.slice_util.parseSliceParams(inputs.x, attrs.begin, attrs.size);
  tf.slice_util.assertParamsValid(inputs.x, begin, size);
  if (sameShape(size, x.shape)) return x;
  const end = begin.map((start, axis) => start + size[axis]);
  return b.emit('Slice', [x, b.int64(begin), b.int64(end)], { shape: size, dtype: x.dtype });
});
interface StridedSliceAttrs {
  begin: number[];
  end: number[];
  strides: number[];
  beginMask: number;
  endMask: number;
  ellipsisMask: number;
  newAxisMask: number;
  shrinkAxisMask: number;
}
lower<StridedSliceAttrs>('StridedSlice', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const slice = tf.slice_util.sliceInfo(
    [...x.shape],
    attrs.begin,
    attrs.end,
    attrs.strides,
    attrs.beginMask,
    attrs.endMask,
    attrs.ellipsisMask,
    attrs.newAxisMask,
    attrs.shrinkAxisMask,
  );
  // For a backward slice ONNX reads an end of -1 as "before the last"; "past the start" needs a very negative number.
  const end = slice.end.map((stop, axis) =>
    slice.strides[axis] < 0 && stop < 0 ? -x.shape[axis] - 1 : stop,
  );
  const axes = x.shape.map((_, axis) => axis);
  const sliced = b.emit(
    'Slice',
    [x, b.int64(slice.begin), b.int64(end), b.int64(axes), b.int64(slice.strides)],
    {
      shape: tf.slice_util.computeOutShape(slice.begin, slice.end, slice.strides),
      dtype: x.dtype,
    },
  );
  return reshape(b, sliced, slice.finalShape);
});
lower<{ axis: number }>('Concat', ({ b, inputs, attrs }) => {
  const values = Object.values(inputs).map((tensor) => b.value(tensor));
  const [axis] = tf.util.parseAxisParam(attrs.axis, [...values[0].shape]);
  const shape = [...values[0].shape];
  for (const value of values) {
    const fits = sameShape(value.shape.toSpliced(axis, 1), shape.toSpliced(axis, 1));
    requireShapes(fits, `concat: expected equal sizes except on axis ${axis}`, shape, value.shape);
  }
  shape[axis] = values.reduce((total, value) => total + value.shape[axis], 0);
  return b.emit('Concat', values, { shape, dtype: values[0].dtype, attributes: { axis } });
});
lower<{ axis: number }>('Pack', ({ b, inputs, attrs }) => {
  const values = Object.values(inputs).map((tensor) => b.value(tensor));
  const rank = values[0].shape.length + 1;
  const axis = attrs.axis < 0 ? attrs.axis + rank : attrs.axis;
  const one = [...values[0].shape];
  one.splice(axis, 0, 1);
  const shape = one.map((size, i) => (i === axis ? values.length : size));
  const expanded = values.map((value) => reshape(b, value, one));
  return b.emit('Concat', expanded, { shape, dtype: values[0].dtype, attributes: { axis } });
});
lower<{ axis: number }>('Unpack', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.value);
  const axis = attrs.axis < 0 ? attrs.axis + x.shape.length : attrs.axis;
  const one = x.shape.map((size, i) => (i === axis ? 1 : size));
  const without = x.shape.filter((_, i) => i !== axis);
  const parts = b.emitMany('Split', [x, b.int64(Array(x.shape[axis]).fill(1))], {
    outputs: Array.from({ length: x.shape[axis] }, () => ({ shape: one, dtype: x.dtype })),
    attributes: { axis },
  });
  return parts.map((part) => reshape(b, part, without));
});
lower<{ numOrSizeSplits: number | number[]; axis: number }>('SplitV', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const [axis] = tf.util.parseAxisParam(attrs.axis, [...x.shape]);
  const sizes = tf.backend_util.prepareSplitSize(inputs.x as never, attrs.numOrSizeSplits, axis);
  return b.emitMany('Split', [x, b.int64(sizes)], {
    outputs: sizes.map((size) => ({ shape: x.shape.map((s, i) => (i === axis ? size : s)), dtype: x.dtype })),
    attributes: { axis },
  });
});
lower<{ paddings: [number, number][]; constantValue: number }>('PadV2', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const shape = x.shape.map((size, axis) => size + attrs.paddings[axis][0] + attrs.paddings[axis][1]);
  const pads = [...attrs.paddings.map(([before]) => before), ...attrs.paddings.map(([, after]) => after)];
  const fill = b.scalar(attrs.constantValue, x.dtype === 'int32' ? 'int32' : 'float32');
  return b.emit('Pad', [x, b.int64(pads), fill], { shape, dtype: x.dtype });
});
lower<{ reps: number[] }>('Tile', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  if (attrs.reps.every((count) => count === 1)) return x;
  const shape = x.shape.map((size, axis) => size * attrs.reps[axis]);
  return b.emit('Tile', [x, b.int64(attrs.reps)], { shape, dtype: x.dtype });
});
lower<{ dims: number[] }>('Reverse', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const axes = tf.util.parseAxisParam(attrs.dims, [...x.shape]);
  if (axes.length === 0) return x;
  const starts = b.int64(axes.map(() => -1));
  const ends = b.int64(axes.map((axis) => -x.shape[axis] - 1));
  const steps = b.int64(axes.map(() => -1));
  return b.emit('Slice', [x, starts, ends, b.int64(axes), steps], { shape: x.shape, dtype: x.dtype });
});
lower<{ shape: number[]; value: number; dtype?: 'float32' | 'int32' | 'bool' }>('Fill', ({ b, attrs }) =>
  b.filled(attrs.value, attrs.shape, attrs.dtype ?? 'float32'),
);
lower<{ start: number; stop: number; step: number; dtype: 'float32' | 'int32' }>('Range', ({ b, attrs }) => {
  const count = Math.max(0, Math.ceil((attrs.stop - attrs.start) / attrs.step));
  const numbers = Array.from({ length: count }, (_, i) => attrs.start + i * attrs.step);
  return b.hostConstant(Float32Array.from(numbers), [count], attrs.dtype);
});
lower<{ depth: number; onValue: number; offValue: number; dtype: 'float32' | 'int32' | 'bool' }>(
  'OneHot',
  ({ b, inputs, attrs }) => {
    const indices = b.value(inputs.indices);
    const ladder = Int32Array.from({ length: attrs.depth }, (_, i) => i);
    const classes = b.hostConstant(ladder, [attrs.depth], 'int32');
    const shape = [...indices.shape, attrs.depth];
    const hit = b.emit('Equal', [reshape(b, indices, [...indices.shape, 1]), classes], {
      shape,
      dtype: 'bool',
    });
    const dtype = attrs.dtype === 'int32' ? 'int32' : 'float32';
    const value = b.emit('Where', [hit, b.scalar(attrs.onValue, dtype), b.scalar(attrs.offValue, dtype)], {
      shape,
      dtype,
    });
    return attrs.dtype === 'bool' ? cast(b, value, 'bool') : value;
  },
);
