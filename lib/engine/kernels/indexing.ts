/** Recorded forms of kernels that gather and scatter by index. */
import type { Value } from '../graph/graph';
import { tf } from '../graph/tf';
import type { TraceBackend } from '../graph/trace-backend';
import { cast, reshape } from './elementwise';
import { lower } from './registry';
import { sizeOf } from '../../tensor';

lower<{ axis: number; batchDims: number }>('GatherV2', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  // ONNX takes no bytes as indices.
  const given = b.value(inputs.indices);
  const indices = given.dtype === 'uint8' ? cast(b, given, 'int32') : given;
  const [axis] = tf.util.parseAxisParam(attrs.axis, [...x.shape]);
  if (attrs.batchDims) throw new Error('internal: GatherV2 with batchDims has no recorded form');
  const shape = [...x.shape.slice(0, axis), ...indices.shape, ...x.shape.slice(axis + 1)];
  return b.emit('Gather', [x, indices], { shape, dtype: x.dtype, attributes: { axis } });
});
lower('GatherNd', ({ b, inputs }) => {
  const [x, indices] = [b.value(inputs.params), b.value(inputs.indices)];
  const depth = indices.shape[indices.shape.length - 1];
  const shape = [...indices.shape.slice(0, -1), ...x.shape.slice(depth)];
  return b.emit('GatherND', [x, cast(b, indices, 'int64')], { shape, dtype: x.dtype });
});
lower<{ shape: number[] }>('ScatterNd', ({ b, inputs, attrs }) => {
  const [indices, updates] = [b.value(inputs.indices), b.value(inputs.updates)];
  return scatterAdd(b, indices, updates, attrs.shape);
});
lower<{ numSegments: number }>('UnsortedSegmentSum', ({ b, inputs, attrs }) => {
  const [x, ids] = [b.value(inputs.x), b.value(inputs.segmentIds)];
  const rows = sizeOf(ids.shape);
  const tail = x.shape.slice(ids.shape.length);
  const updates = reshape(b, x, [rows, ...tail]);
  return scatterAdd(b, reshape(b, ids, [rows, 1]), updates, [attrs.numSegments, ...tail]);
});

/** Sums rows that share an index. */
function scatterAdd(b: TraceBackend, indices: Value, updates: Value, shape: readonly number[]): Value {
  const dtype = updates.dtype === 'int32' ? 'int32' : 'float32';
  const zeros = b.filled(0, shape, dtype);
  return b.emit('ScatterND', [zeros, cast(b, indices, 'int64'), updates], {
    shape,
    dtype,
    attributes: { reduction: 'add' },
  });
}
