/** Cases of the element-by-element kernels: shapes, dtypes, broadcasts and the constants that are simplified. */
import { bool, f, full, given, int, positive } from './kernel-case';
import type { InputSpec, KernelCase, KernelCases } from './kernel-case';

/** Broadcasts of two float inputs. */
const pairs = (a: (...shape: number[]) => InputSpec, b: (...shape: number[]) => InputSpec): KernelCase[] => [
  { inputs: { a: a(2, 3), b: b(2, 3) } },
  { inputs: { a: a(2, 3), b: b() } },
  { inputs: { a: a(), b: b(4) } },
  { inputs: { a: a(2, 1, 4), b: b(3, 1) } },
  { inputs: { a: a(3), b: b(2, 5, 3) } },
];
const sameShapeGradients = (cases: KernelCase[]): KernelCase[] =>
  cases.map((test, i) =>
    i === 0
      ? test
      : { ...test, noGradient: 'TensorFlow.js does not sum this gradient over a broadcast axis' },
  );
const intPairs: KernelCase[] = [
  { inputs: { a: int(2, 3), b: int(2, 3) } },
  { inputs: { a: int(4), b: int(3, 1) } },
];
const boolPairs: KernelCase[] = [
  { inputs: { a: bool(2, 3), b: bool(2, 3) } },
  { inputs: { a: bool(4), b: bool(3, 1) } },
];
const equalSome: KernelCase = { inputs: { a: given([1, -2, 0, 3]), b: given([1, 2, 0, -3]) } };
const floats: KernelCase[] = [{ inputs: { x: f() } }, { inputs: { x: f(5) } }, { inputs: { x: f(2, 3, 4) } }];
const positives: KernelCase[] = [{ inputs: { x: positive() } }, { inputs: { x: positive(2, 3, 4) } }];
const ints: KernelCase[] = [{ inputs: { x: int(2, 3) } }];
const halves: KernelCase = { inputs: { x: given([-2.5, -1.5, -0.5, -0.2, 0, 0.5, 1.5, 2.5, 3.7]) } };
const edges: KernelCase = { inputs: { x: given([-30, -8, -1, 0, 1e-6, 1, 6, 8, 30]) } };

export const elementwiseCases: KernelCases = {
  Add: [
    ...pairs(f, f),
    ...intPairs,
    { inputs: { a: f(2, 3), b: full(0) } },
    { inputs: { a: full(0, 2, 1), b: f(2, 3) } },
    { inputs: { a: f(3), b: full(0, 2, 3) } },
    { inputs: { a: f(2, 3), b: full(1.5, 3) } },
  ],
  Sub: [
    ...pairs(f, f),
    ...intPairs,
    { inputs: { a: f(2, 3), b: full(0, 3) } },
    { inputs: { a: full(0), b: f(2, 3) } },
    { inputs: { a: f(3), b: full(0, 2, 3) } },
  ],
  Multiply: [
    ...pairs(f, f),
    ...intPairs,
    { inputs: { a: f(2, 3), b: full(1) } },
    { inputs: { a: full(1, 2, 3), b: f(3) } },
    { inputs: { a: f(2, 1), b: full(1, 2, 3) } },
    { inputs: { a: f(2, 3), b: full(0.5, 3) } },
    { inputs: { a: full(1, 2, 3), b: full(1, 3) } },
  ],
  RealDiv: [
    ...pairs(f, positive),
    { inputs: { a: f(2, 3), b: full(1) } },
    { inputs: { a: f(3), b: full(1, 2, 3) } },
    { inputs: { a: f(2, 3), b: given([0, 1, -2]) } },
  ],
  FloorDiv: [
    { inputs: { a: given([7, -7, 7, -7, 0], 'int32'), b: given([2, 2, -2, -2, 3], 'int32') } },
    { inputs: { a: f(2, 3), b: positive(3) } },
  ],
  Mod: [
    { inputs: { a: given([7, -7, 7, -7, 0], 'int32'), b: given([3, 3, -3, -3, 3], 'int32') } },
    { inputs: { a: given([7.5, -7.5, 7.5, -7.5]), b: given([2, 2, -2, -2]) } },
    { inputs: { a: f(2, 3), b: positive(3) } },
  ],
  Maximum: [...sameShapeGradients(pairs(f, f)), ...intPairs, equalSome],
  Minimum: [...sameShapeGradients(pairs(f, f)), ...intPairs, equalSome],
  Pow: [
    ...pairs(positive, f),
    { inputs: { a: f(2, 3), b: full(2) } },
    { inputs: { a: f(2, 3), b: full(3, 2, 3) } },
    { inputs: { a: int(2, 3), b: given([2, 3, 0], 'int32') } },
  ],
  SquaredDifference: [...sameShapeGradients(pairs(f, f)), ...intPairs],
  AddN: [{ inputs: [f(2, 3), f(2, 3), f(2, 3)] }, { inputs: [f(4)] }, { inputs: [int(2, 2), int(2, 2)] }],
  Greater: [...pairs(f, f), ...intPairs, equalSome],
  GreaterEqual: [...pairs(f, f), ...intPairs, equalSome],
  Less: [...pairs(f, f), ...intPairs, equalSome],
  LessEqual: [...pairs(f, f), ...intPairs, equalSome],
  Equal: [...pairs(f, f), ...intPairs, ...boolPairs, equalSome],
  NotEqual: [...pairs(f, f), ...intPairs, ...boolPairs, equalSome],
  LogicalAnd: boolPairs,
  LogicalOr: boolPairs,
  LogicalNot: [{ inputs: { x: bool(2, 3) } }, { inputs: { x: bool() } }],
  Neg: [...floats, ...ints],
  Exp: floats,
  Log: positives,
  Sqrt: positives,
  Rsqrt: positives,
  Tanh: [...floats, edges],
  Sigmoid: [...floats, edges],
  Abs: [...floats, ...ints],
  Sign: [...floats, halves],
  Cos: floats,
  Sin: floats,
  Erf: [...floats, edges],
  Floor: [...floats, halves],
  Ceil: [...floats, halves],
  Round: [...floats, halves],
  Reciprocal: positives,
  Relu: [...floats, edges, ...ints],
  Relu6: [...floats, edges],
  LeakyRelu: [
    { inputs: { x: f(2, 3) }, attrs: { alpha: 0.2 } },
    { inputs: { x: f(7) }, attrs: { alpha: 0 } },
  ],
  Elu: [...floats, edges],
  EluGrad: [{ inputs: { dy: f(2, 5), y: f(2, 5) } }],
  Softplus: [...floats, edges],
  Square: [...floats, ...ints],
  Expm1: floats,
  Log1p: positives,
  IsNan: [{ inputs: { x: given([1, NaN, -Infinity, 0]) } }],
  Step: [
    { inputs: { x: f(2, 3) }, attrs: { alpha: 0 } },
    { inputs: { x: given([-1, 0, 2]) }, attrs: { alpha: 0.3 } },
  ],
  ClipByValue: [
    { inputs: { x: f(2, 3) }, attrs: { clipValueMin: -0.5, clipValueMax: 0.7 } },
    { inputs: { x: int(2, 3) }, attrs: { clipValueMin: -2, clipValueMax: 2 } },
  ],
  Identity: [...floats, ...ints],
  Cast: [
    { inputs: { x: f(2, 3) }, attrs: { dtype: 'int32' } },
    { inputs: { x: given([0, -0.5, 2]) }, attrs: { dtype: 'bool' } },
    { inputs: { x: f(2, 3) }, attrs: { dtype: 'float32' } },
    { inputs: { x: int(2, 3) }, attrs: { dtype: 'float32' } },
    { inputs: { x: int(2, 3) }, attrs: { dtype: 'bool' } },
    { inputs: { x: bool(2, 3) }, attrs: { dtype: 'float32' } },
    { inputs: { x: bool(2, 3) }, attrs: { dtype: 'int32' } },
  ],
  Select: [
    { inputs: { condition: bool(2, 3), t: f(2, 3), e: f(2, 3) } },
    { inputs: { condition: bool(4), t: f(4), e: f(4) } },
    { inputs: { condition: bool(2, 2), t: int(2, 2), e: int(2, 2) } },
  ],
  ZerosLike: [...floats, ...ints, { inputs: { x: bool(3) } }],
  OnesLike: [...floats, ...ints, { inputs: { x: bool(3) } }],
};
