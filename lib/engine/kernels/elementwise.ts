/**
 * Recorded forms of elementwise kernels, with the few simplifications that keep autodiff's graphs small: times one, plus
 * zero, broadcasts of a constant.
 */
import type { GraphDtype, Value } from '../graph/graph';
import type { TraceBackend } from '../graph/trace-backend';
import { broadcastShape, lower, sameShape } from './registry';

function binary(b: TraceBackend, op: string, x: Value, y: Value, dtype: GraphDtype = x.dtype): Value {
  return b.emit(op, [x, y], { shape: broadcastShape(x.shape, y.shape), dtype });
}

function unary(b: TraceBackend, op: string, x: Value, dtype: GraphDtype = x.dtype): Value {
  return b.emit(op, [x], { shape: x.shape, dtype });
}

const CAST_TO: Record<'float32' | 'int32' | 'bool' | 'int64', number> = {
  float32: 1,
  int32: 6,
  int64: 7,
  bool: 9,
};

/** A value in another type; itself if it has it. */
export function cast(b: TraceBackend, x: Value, dtype: 'float32' | 'int32' | 'bool' | 'int64'): Value {
  if (x.dtype === dtype) return x;
  return b.emit('Cast', [x], { shape: x.shape, dtype, attributes: { to: CAST_TO[dtype] } });
}

/** `x` if it already has the result's shape, so that x + 0 and x * 1 leave no node. */
function unchanged(x: Value, other: Value, neutral: number): Value | undefined {
  return other.fill === neutral && sameShape(broadcastShape(x.shape, other.shape), x.shape) ? x : undefined;
}

function expand(b: TraceBackend, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  return b.emit('Expand', [x, b.int64(shape)], { shape, dtype: x.dtype });
}

lower('Add', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  return unchanged(x, y, 0) ?? unchanged(y, x, 0) ?? binary(b, 'Add', x, y);
});
lower('Sub', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  return unchanged(x, y, 0) ?? binary(b, 'Sub', x, y);
});
lower('Multiply', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  if (x.dtype === 'bool') return binary(b, 'And', x, y);
  const shape = broadcastShape(x.shape, y.shape);
  if (y.fill === 1) return expand(b, x, shape);
  if (x.fill === 1) return expand(b, y, shape);
  return binary(b, 'Mul', x, y);
});
lower('RealDiv', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  return unchanged(x, y, 1) ?? binary(b, 'Div', x, y);
});
lower('FloorDiv', ({ b, inputs }) => {
  const [x, y] = [cast(b, b.value(inputs.a), 'float32'), cast(b, b.value(inputs.b), 'float32')];
  return cast(b, unary(b, 'Floor', binary(b, 'Div', x, y)), 'int32');
});
// ONNX's Mod with fmod=0 follows the divisor's sign, as FloorMod does, but takes integers only.
lower('Mod', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  if (x.dtype === 'int32') return binary(b, 'Mod', x, y);
  return binary(b, 'Sub', x, binary(b, 'Mul', y, unary(b, 'Floor', binary(b, 'Div', x, y))));
});
for (const [kernel, op] of [
  ['Maximum', 'Max'],
  ['Minimum', 'Min'],
] as const) {
  lower(kernel, ({ b, inputs }) => binary(b, op, b.value(inputs.a), b.value(inputs.b)));
}
lower('Pow', ({ b, inputs }) => {
  const [x, y] = [b.value(inputs.a), b.value(inputs.b)];
  const shape = broadcastShape(x.shape, y.shape);
  // ONNX Runtime's WebGPU fails on broadcast exponents other than single numbers (as of 1.30).
  return binary(b, 'Pow', x, y.shape.length === 0 ? y : expand(b, y, shape));
});
lower('SquaredDifference', ({ b, inputs }) => {
  const difference = binary(b, 'Sub', b.value(inputs.a), b.value(inputs.b));
  return binary(b, 'Mul', difference, difference);
});
lower('AddN', ({ b, inputs }) => {
  const values = Object.values(inputs).map((tensor) => b.value(tensor));
  return values.reduce((sum, value) => binary(b, 'Add', sum, value));
});
for (const [kernel, op] of [
  ['Greater', 'Greater'],
  ['GreaterEqual', 'GreaterOrEqual'],
  ['Less', 'Less'],
  ['LessEqual', 'LessOrEqual'],
  ['Equal', 'Equal'],
  ['LogicalAnd', 'And'],
  ['LogicalOr', 'Or'],
] as const) {
  lower(kernel, ({ b, inputs }) => binary(b, op, b.value(inputs.a), b.value(inputs.b), 'bool'));
}
lower('NotEqual', ({ b, inputs }) =>
  unary(b, 'Not', binary(b, 'Equal', b.value(inputs.a), b.value(inputs.b), 'bool')),
);
lower('LogicalNot', ({ b, inputs }) => unary(b, 'Not', b.value(inputs.x)));

for (const op of [
  'Neg',
  'Exp',
  'Log',
  'Sqrt',
  'Tanh',
  'Sigmoid',
  'Abs',
  'Sign',
  'Cos',
  'Sin',
  'Erf',
  'Floor',
  'Ceil',
  'Round',
  'Reciprocal',
  'Relu',
  'Softplus',
] as const) {
  lower(op, ({ b, inputs }) => unary(b, op, b.value(inputs.x)));
}
lower('Square', ({ b, inputs }) => {
  const x = b.value(inputs.x);
  return binary(b, 'Mul', x, x);
});
lower('Rsqrt', ({ b, inputs }) => unary(b, 'Reciprocal', unary(b, 'Sqrt', b.value(inputs.x))));
lower('Expm1', ({ b, inputs }) => binary(b, 'Sub', unary(b, 'Exp', b.value(inputs.x)), b.scalar(1)));
lower('Log1p', ({ b, inputs }) => unary(b, 'Log', binary(b, 'Add', b.value(inputs.x), b.scalar(1))));
lower('IsNan', ({ b, inputs }) => unary(b, 'IsNaN', b.value(inputs.x), 'bool'));
lower('Relu6', ({ b, inputs }) => clip(b, b.value(inputs.x), 0, 6));
lower<{ alpha: number }>('LeakyRelu', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  return b.emit('LeakyRelu', [x], {
    shape: x.shape,
    dtype: 'float32',
    attributes: { alpha: { float: attrs.alpha } },
  });
});
lower('Elu', ({ b, inputs }) => unary(b, 'Elu', b.value(inputs.x)));
lower('EluGrad', ({ b, inputs }) => {
  // dy where y >= 0, else dy * (y + 1): dy * (min(y, 0) + 1).
  const y = b.value(inputs.y);
  const slope = binary(b, 'Add', binary(b, 'Min', y, b.scalar(0)), b.scalar(1));
  return binary(b, 'Mul', b.value(inputs.dy), slope);
});
lower<{ alpha: number }>('Step', ({ b, inputs, attrs }) => {
  const x = b.value(inputs.x);
  const positive = binary(b, 'Greater', x, b.scalar(0), 'bool');
  return where(b, positive, b.scalar(1), b.scalar(attrs.alpha));
});
lower<{ clipValueMin: number; clipValueMax: number }>('ClipByValue', ({ b, inputs, attrs }) =>
  clip(b, b.value(inputs.x), attrs.clipValueMin, attrs.clipValueMax),
);
lower('Identity', ({ b, inputs }) => b.value(inputs.x));
lower<{ dtype: 'float32' | 'int32' | 'bool' }>('Cast', ({ b, inputs, attrs }) =>
  cast(b, b.value(inputs.x), attrs.dtype),
);
lower('Select', ({ b, inputs }) => where(b, b.value(inputs.condition), b.value(inputs.t), b.value(inputs.e)));
lower('ZerosLike', ({ b, inputs }) => filledLike(b, b.value(inputs.x), 0));
lower('OnesLike', ({ b, inputs }) => filledLike(b, b.value(inputs.x), 1));

function filledLike(b: TraceBackend, x: Value, value: number): Value {
  return b.filled(value, x.shape, x.dtype === 'int32' || x.dtype === 'bool' ? x.dtype : 'float32');
}

function clip(b: TraceBackend, x: Value, min: number, max: number): Value {
  const dtype = x.dtype === 'int32' ? 'int32' : 'float32';
  return b.emit('Clip', [x, b.scalar(min, dtype), b.scalar(max, dtype)], { shape: x.shape, dtype });
}

function where(b: TraceBackend, condition: Value, t: Value, e: Value): Value {
  const shape = broadcastShape(condition.shape, broadcastShape(t.shape, e.shape));
  return b.emit('Where', [condition, t, e], { shape, dtype: t.dtype });
}

/** A value in another shape of the same size; shared with the shape kernels. */
export function reshape(b: TraceBackend, x: Value, shape: readonly number[]): Value {
  if (sameShape(x.shape, shape)) return x;
  if (x.fill !== undefined && x.dtype !== 'int64' && x.dtype !== 'uint8')
    return b.filled(x.fill, shape, x.dtype);
  return b.emit('Reshape', [x, b.int64(shape)], { shape, dtype: x.dtype });
}
