/**
 * Recorded forms of matrix multiplication. Two matrices become Gemm, the fastest path of ONNX Runtime's CPU provider;
 * batches become FusedMatMul there and Transpose + MatMul elsewhere.
 */
import type { Value } from '../graph/graph';
import type { TraceBackend } from '../graph/trace-backend';
import { reshape } from './elementwise';
import { broadcastShape, lower, requireShapes } from './registry';

interface MatMulAttrs {
  transposeA: boolean;
  transposeB: boolean;
}

lower<MatMulAttrs>('BatchMatMul', ({ b, inputs, attrs }) =>
  matMul(b, b.value(inputs.a), b.value(inputs.b), attrs),
);

function matMul(b: TraceBackend, x: Value, y: Value, { transposeA, transposeB }: MatMulAttrs): Value {
  const inner = [
    x.shape[x.shape.length - (transposeA ? 2 : 1)],
    y.shape[y.shape.length - (transposeB ? 1 : 2)],
  ];
  requireShapes(inner[0] === inner[1], 'matMul: expected equal inner sizes', x.shape, y.shape);
  const rows = x.shape[x.shape.length - (transposeA ? 1 : 2)];
  const columns = y.shape[y.shape.length - (transposeB ? 2 : 1)];
  const shape = [...broadcastShape(x.shape.slice(0, -2), y.shape.slice(0, -2)), rows, columns];
  if (isOneMatrix(x) && isOneMatrix(y)) {
    const product = gemm(b, reshape(b, x, x.shape.slice(-2)), reshape(b, y, y.shape.slice(-2)), {
      transposeA,
      transposeB,
    });
    return reshape(b, product, shape);
  }
  if (b.target.contributedOps) {
    return b.emit('FusedMatMul', [x, y], {
      shape,
      dtype: 'float32',
      domain: 'com.microsoft',
      attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
    });
  }
  const left = transposeA ? swapLast(b, x) : x;
  const right = transposeB ? swapLast(b, y) : y;
  return b.emit('MatMul', [left, right], { shape, dtype: 'float32' });
}

/** The product of two matrices, plus a row vector [columns] if given. */
export function gemm(b: TraceBackend, x: Value, y: Value, options: MatMulAttrs & { bias?: Value }): Value {
  const { transposeA, transposeB, bias } = options;
  if (transposeB && !transposeA && !b.target.contributedOps) return timesTransposed(b, x, y, bias);
  if (transposeA && !transposeB && bias === undefined && b.target.contributedOps) {
    const isLarge = Math.min(x.shape[1], y.shape[1]) >= WORTH_TRANSPOSING;
    if (isLarge) return transposedTimes(b, x, y);
  }
  const shape = [x.shape[transposeA ? 1 : 0], y.shape[transposeB ? 0 : 1]];
  return b.emit('Gemm', bias ? [x, y, bias] : [x, y], {
    shape,
    dtype: 'float32',
    attributes: { transA: transposeA ? 1 : 0, transB: transposeB ? 1 : 0 },
  });
}

// Below it, copies take what they save, and ONNX Runtime's CPU provider adds in another order.
const WORTH_TRANSPOSING = 192;

/**
 * x^T y, a weight's gradient, by a plain product: ONNX Runtime's CPU provider transposes x anew for every 128 columns of y
 * and takes 15 to 25 % longer (as of 1.30); the sums are added in the same order. A tall result is computed as its
 * transpose: the provider is slower with many rows than with many columns.
 */
function transposedTimes(b: TraceBackend, x: Value, y: Value): Value {
  const [inner, rows] = x.shape;
  const [, columns] = y.shape;
  const isTall = rows > columns && inner >= columns;
  const [left, right] = isTall ? [y, x] : [x, y];
  const product = gemm(b, transposed(b, left), right, { transposeA: false, transposeB: false });
  return isTall ? transposed(b, product) : product;
}

/** A copy: the third axis keeps ONNX Runtime from making it a flag of the product. */
function transposed(b: TraceBackend, x: Value): Value {
  const [rows, columns] = x.shape;
  return reshape(b, swapLast(b, reshape(b, x, [1, rows, columns])), [columns, rows]);
}

/**
 * x y^T without a transposing product, which takes WebGPU three times as long (as of 1.30): the cheaper of x and y is
 * transposed instead.
 */
function timesTransposed(b: TraceBackend, x: Value, y: Value, bias: Value | undefined): Value {
  const [rows, inner] = x.shape;
  const [columns] = y.shape;
  // A third axis keeps ONNX Runtime from fusing this into the slow product again.
  const [x3, y3] = [x, y].map((matrix) => reshape(b, matrix, [1, ...matrix.shape]));
  const product = (left: Value, right: Value): Value => {
    const shape = [1, left.shape[1], right.shape[2]];
    return b.emit('MatMul', [left, right], { shape, dtype: 'float32' });
  };
  const result =
    columns * inner <= rows * (inner + columns)
      ? product(x3, swapLast(b, y3))
      : swapLast(b, product(y3, swapLast(b, x3)));
  const sum =
    bias === undefined
      ? result
      : b.emit('Add', [result, bias], { shape: [1, rows, columns], dtype: 'float32' });
  return reshape(b, sum, [rows, columns]);
}

function isOneMatrix(x: Value): boolean {
  return x.shape.slice(0, -2).every((size) => size === 1);
}

function swapLast(b: TraceBackend, x: Value): Value {
  const rank = x.shape.length;
  const perm = x.shape.map((_, axis) => axis);
  [perm[rank - 2], perm[rank - 1]] = [perm[rank - 1], perm[rank - 2]];
  const shape = perm.map((axis) => x.shape[axis]);
  return b.emit('Transpose', [x], { shape, dtype: x.dtype, attributes: { perm } });
}
