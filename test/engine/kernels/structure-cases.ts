/** Cases of the kernels that reduce, multiply matrices, move and index. */
import { bool, f, full, given, int, positive } from './kernel-case';
import type { InputSpec, KernelCase, KernelCases } from './kernel-case';

const reductions = (name: string, of: (...shape: number[]) => InputSpec = f): KernelCase[] => [
  { inputs: { x: of(2, 3, 4) }, attrs: { [name]: [2], keepDims: false } },
  { inputs: { x: of(2, 3, 4) }, attrs: { [name]: [1], keepDims: true } },
  { inputs: { x: of(2, 3, 4) }, attrs: { [name]: [0, 2], keepDims: false } },
  { inputs: { x: of(2, 3) }, attrs: { [name]: [0, 1], keepDims: false } },
  { inputs: { x: of(2, 3) }, attrs: { [name]: [-1], keepDims: true } },
  { inputs: { x: of(5) }, attrs: { [name]: [0], keepDims: false } },
];
const booleanReductions: KernelCase[] = [
  { inputs: { x: bool(2, 3, 4) }, attrs: { axis: [2], keepDims: false } },
  { inputs: { x: bool(2, 3) }, attrs: { axis: [0], keepDims: true } },
  {
    inputs: { x: given([1, 1, 0, 0, 0, 0, 1, 1, 1], 'bool', [3, 3]) },
    attrs: { axis: [1], keepDims: false },
  },
];
const arg: KernelCase[] = [
  { inputs: { x: f(2, 3, 4) }, attrs: { axis: 2 } },
  { inputs: { x: f(5, 3) }, attrs: { axis: 0 } },
  { inputs: { x: given([1, 3, 3, 0, 0]) }, attrs: { axis: 0 } },
];
const scans: KernelCase[] = [
  { inputs: { x: f(2, 5) }, attrs: { axis: 1, exclusive: false, reverse: false } },
  { inputs: { x: f(2, 5) }, attrs: { axis: 1, exclusive: true, reverse: false } },
  { inputs: { x: f(2, 5) }, attrs: { axis: 1, exclusive: false, reverse: true } },
  { inputs: { x: f(4) }, attrs: { axis: 0, exclusive: true, reverse: true } },
];
const stridedSlice = (attrs: Partial<Record<string, number[] | number>>): Record<string, unknown> => ({
  beginMask: 0,
  endMask: 0,
  ellipsisMask: 0,
  newAxisMask: 0,
  shrinkAxisMask: 0,
  ...attrs,
});

export const structureCases: KernelCases = {
  Sum: [
    ...reductions('axis'),
    { inputs: { x: int(2, 3) }, attrs: { axis: [1], keepDims: false } },
    { inputs: { x: bool(2, 3) }, attrs: { axis: [1], keepDims: false } },
    { inputs: { x: full(0.5, 2, 3) }, attrs: { axis: [1], keepDims: false } },
    { inputs: { x: f(2, 3) }, attrs: { axis: [], keepDims: false } },
  ],
  Mean: [...reductions('axis'), { inputs: { x: int(2, 3) }, attrs: { axis: [1], keepDims: false } }],
  Max: [
    ...reductions('reductionIndices'),
    { inputs: { x: int(2, 3) }, attrs: { reductionIndices: [1], keepDims: false } },
    { inputs: { x: given([1, 3, 3, 0]) }, attrs: { reductionIndices: [0], keepDims: false } },
  ],
  Min: [
    ...reductions('axis'),
    { inputs: { x: int(2, 3) }, attrs: { axis: [0], keepDims: true } },
    { inputs: { x: given([1, 0, 3, 0]) }, attrs: { axis: [0], keepDims: false } },
  ],
  Prod: [
    ...reductions('axis').filter((test) => String(test.attrs?.axis) !== '-1'),
    { inputs: { x: given([2, 0, 3]) }, attrs: { axis: [0], keepDims: false } },
    { inputs: { x: int(2, 3) }, attrs: { axis: [1], keepDims: false } },
  ],
  All: booleanReductions,
  Any: booleanReductions,
  ArgMax: arg,
  ArgMin: arg,
  Cumsum: [...scans, { inputs: { x: int(2, 3) }, attrs: { axis: 1, exclusive: false, reverse: false } }],
  Cumprod: scans,
  Softmax: [
    { inputs: { logits: f(4, 9) }, attrs: { dim: 1 } },
    { inputs: { logits: f(2, 3, 5) }, attrs: { dim: 2 } },
    { inputs: { logits: given([-1e9, 0, 5, 90]) }, attrs: { dim: 0 } },
  ],
  BatchMatMul: [
    // As large as weights' gradients that are computed on a transposed copy: a wide, a square and a tall one.
    ...[
      [192, 40, 208],
      [192, 40, 192],
      [256, 200, 192],
      [256, 40, 192],
    ].map(([rows, inner, columns]) => ({
      inputs: { a: f(inner, rows), b: f(inner, columns) },
      attrs: { transposeA: true, transposeB: false },
      tolerance: 5e-5,
    })),
    ...[false, true].flatMap((transposeA) =>
      [false, true].flatMap((transposeB) => {
        const attrs = { transposeA, transposeB };
        const [a, b] = [transposeA ? [5, 4] : [4, 5], transposeB ? [3, 5] : [5, 3]];
        return [
          { inputs: { a: f(1, ...a), b: f(1, ...b) }, attrs },
          { inputs: { a: f(2, ...a), b: f(2, ...b) }, attrs },
          {
            inputs: { a: f(2, ...a), b: f(1, ...b) },
            attrs,
            noGradient: 'TensorFlow.js does not sum this gradient over a broadcast axis',
          },
          { inputs: { a: f(2, 3, ...a), b: f(2, 3, ...b) }, attrs },
        ];
      }),
    ),
  ],
  Reshape: [
    { inputs: { x: f(2, 6) }, attrs: { shape: [3, 4] } },
    { inputs: { x: f(2, 6) }, attrs: { shape: [-1, 2, 2] } },
    { inputs: { x: int(4) }, attrs: { shape: [2, 2] } },
    { inputs: { x: f(1, 1) }, attrs: { shape: [] } },
    { inputs: { x: full(3, 2, 3) }, attrs: { shape: [6] } },
  ],
  ExpandDims: [
    { inputs: { input: f(2, 3) }, attrs: { dim: 0 } },
    { inputs: { input: f(2, 3) }, attrs: { dim: 2 } },
    { inputs: { input: f(2, 3) }, attrs: { dim: -2 } },
    { inputs: { input: int() }, attrs: { dim: 0 } },
  ],
  Transpose: [
    { inputs: { x: f(2, 3, 4) }, attrs: { perm: [2, 0, 1] } },
    { inputs: { x: f(2, 3, 4, 5) }, attrs: { perm: [0, 2, 1, 3] } },
    { inputs: { x: f(2, 3) }, attrs: { perm: [0, 1] } },
    { inputs: { x: int(2, 3) }, attrs: { perm: [1, 0] } },
    { inputs: { x: bool(2, 3) }, attrs: { perm: [1, 0] } },
  ],
  Slice: [
    { inputs: { x: f(3, 8) }, attrs: { begin: [0, 2], size: [3, 4] } },
    { inputs: { x: f(3, 8) }, attrs: { begin: [1, 0], size: [-1, 8] } },
    { inputs: { x: f(3, 8) }, attrs: { begin: [0, 0], size: [3, 8] } },
    { inputs: { x: int(6) }, attrs: { begin: [2], size: [3] } },
    { inputs: { x: bool(6) }, attrs: { begin: [2], size: [3] } },
  ],
  StridedSlice: [
    { inputs: { x: f(4, 6) }, attrs: stridedSlice({ begin: [0, 1], end: [4, 6], strides: [2, 2] }) },
    { inputs: { x: f(4, 6) }, attrs: stridedSlice({ begin: [3, 5], end: [0, 0], strides: [-1, -2] }) },
    {
      inputs: { x: f(4, 6) },
      attrs: stridedSlice({ begin: [0, 0], end: [0, 0], strides: [-1, -1], beginMask: 3, endMask: 3 }),
    },
    {
      inputs: { x: f(4, 6) },
      attrs: stridedSlice({ begin: [1, 0], end: [2, 6], strides: [1, 1], shrinkAxisMask: 1 }),
    },
    {
      inputs: { x: f(2, 3, 4) },
      attrs: stridedSlice({ begin: [0, 1], end: [0, 3], strides: [1, 1], ellipsisMask: 1 }),
    },
    {
      inputs: { x: f(4) },
      attrs: stridedSlice({ begin: [0, 1], end: [0, 3], strides: [1, 1], newAxisMask: 1 }),
    },
  ],
  Concat: [
    { inputs: [f(2, 3), f(2, 1), f(2, 2)], attrs: { axis: 1 } },
    { inputs: [f(2, 3), f(1, 3)], attrs: { axis: 0 } },
    { inputs: [int(2), int(3)], attrs: { axis: 0 } },
    { inputs: [bool(2), bool(3)], attrs: { axis: 0 } },
    { inputs: [f(2, 3), full(1, 2, 2)], attrs: { axis: 1 } },
  ],
  Pack: [
    { inputs: [f(3), f(3)], attrs: { axis: 0 } },
    { inputs: [f(2, 3), f(2, 3), f(2, 3)], attrs: { axis: 2 } },
    { inputs: [int(2), int(2)], attrs: { axis: 1 } },
    { inputs: [f(), f()], attrs: { axis: 0 } },
  ],
  Unpack: [
    { inputs: { value: f(3, 2) }, attrs: { axis: 0 } },
    { inputs: { value: f(2, 3, 2) }, attrs: { axis: 1 } },
    { inputs: { value: int(2, 3) }, attrs: { axis: 1 } },
  ],
  SplitV: [
    { inputs: { x: f(3, 6) }, attrs: { numOrSizeSplits: 3, axis: 1 } },
    { inputs: { x: f(3, 6) }, attrs: { numOrSizeSplits: [1, 3, 2], axis: 1 } },
    { inputs: { x: f(5, 2) }, attrs: { numOrSizeSplits: [2, -1], axis: 0 } },
    { inputs: { x: int(4) }, attrs: { numOrSizeSplits: 2, axis: 0 } },
  ],
  PadV2: [
    {
      inputs: { x: f(2, 3) },
      attrs: {
        paddings: [
          [1, 0],
          [0, 2],
        ],
        constantValue: 0,
      },
    },
    { inputs: { x: f(4) }, attrs: { paddings: [[2, 1]], constantValue: -1.5 } },
    { inputs: { x: int(4) }, attrs: { paddings: [[2, 1]], constantValue: 7 } },
  ],
  Tile: [
    { inputs: { x: f(3, 1) }, attrs: { reps: [2, 4] } },
    { inputs: { x: f(2, 3) }, attrs: { reps: [1, 1] } },
    { inputs: { x: int(3) }, attrs: { reps: [2] } },
    { inputs: { x: bool(3) }, attrs: { reps: [2] } },
    { inputs: { x: full(2, 3, 2) }, attrs: { reps: [2, 1] } },
  ],
  Reverse: [
    { inputs: { x: f(2, 3) }, attrs: { dims: [1] } },
    { inputs: { x: f(2, 3) }, attrs: { dims: [0, 1] } },
    { inputs: { x: f(2, 3) }, attrs: { dims: [] } },
    { inputs: { x: int(4) }, attrs: { dims: [0] } },
  ],
  Fill: [
    { inputs: {}, attrs: { shape: [2, 3], value: 1.5, dtype: 'float32' } },
    { inputs: {}, attrs: { shape: [4], value: -2, dtype: 'int32' } },
    { inputs: {}, attrs: { shape: [], value: 3, dtype: 'float32' } },
    { inputs: {}, attrs: { shape: [2], value: 1, dtype: 'bool' } },
  ],
  Range: [
    { inputs: {}, attrs: { start: 0, stop: 5, step: 1, dtype: 'int32' } },
    { inputs: {}, attrs: { start: 1, stop: -1, step: -0.5, dtype: 'float32' } },
    { inputs: {}, attrs: { start: 2, stop: 2, step: 1, dtype: 'float32' } },
  ],
  OneHot: [
    {
      inputs: { indices: given([0, 2, 3, 1], 'int32') },
      attrs: { depth: 4, onValue: 1, offValue: 0, dtype: 'float32' },
    },
    {
      inputs: { indices: given([0, 2, -1, 9], 'int32', [2, 2]) },
      attrs: { depth: 3, onValue: 5, offValue: -1, dtype: 'int32' },
    },
  ],
  GatherV2: [
    { inputs: { x: f(5, 3), indices: given([4, 0, 0, 2], 'int32') }, attrs: { axis: 0, batchDims: 0 } },
    {
      inputs: { x: f(5, 3), indices: given([1, 1, 0, 4], 'int32', [2, 2]) },
      attrs: { axis: 0, batchDims: 0 },
    },
    { inputs: { x: f(2, 4, 3), indices: given([3, 0, 3], 'int32') }, attrs: { axis: 1, batchDims: 0 } },
    { inputs: { x: int(5), indices: given([4, 1], 'int32') }, attrs: { axis: 0, batchDims: 0 } },
  ],
  GatherNd: [
    { inputs: { params: f(3, 4), indices: given([0, 1, 2, 3], 'int32', [2, 2]) } },
    { inputs: { params: f(3, 4), indices: given([2, 0], 'int32', [2, 1]) } },
    { inputs: { params: int(5), indices: given([2, 0, 0], 'int32', [3, 1]) } },
  ],
  ScatterNd: [
    {
      inputs: { indices: given([1, 3, 1], 'int32', [3, 1]), updates: f(3, 2) },
      attrs: { shape: [4, 2] },
    },
    {
      inputs: { indices: given([0, 1, 2, 0, 0, 1], 'int32', [3, 2]), updates: f(3) },
      attrs: { shape: [3, 2] },
    },
    { inputs: { indices: given([1, 1], 'int32', [2, 1]), updates: int(2) }, attrs: { shape: [3] } },
  ],
  UnsortedSegmentSum: [
    { inputs: { x: f(4, 3), segmentIds: given([1, 0, 1, 4], 'int32') }, attrs: { numSegments: 6 } },
    { inputs: { x: f(5), segmentIds: given([2, 2, 2, 0, 1], 'int32') }, attrs: { numSegments: 3 } },
    { inputs: { x: positive(3, 2), segmentIds: given([0, 5, 1], 'int32') }, attrs: { numSegments: 6 } },
  ],
};
