/**
 * An ONNX graph whose sizes may be symbols, such as 'batch_size', and whose weights are made when they are written.
 * Where it stands: `decoder-graph.ts` fills it, `onnx-file.ts` writes it. The engine's own graphs have fixed sizes.
 */
import type { onnx } from 'onnx-proto';
import { attributeProto } from '../../../engine';
import type { Attribute } from '../../../engine';

/** Element types and their numbers in a file. */
const ELEMENT_TYPE = { float32: 1, uint8: 2, int8: 3, int64: 7, bool: 9, float16: 10 } as const;

export type OnnxDtype = keyof typeof ELEMENT_TYPE;

/** The number of an element type in a file. */
export function elementType(dtype: OnnxDtype): number {
  return ELEMENT_TYPE[dtype];
}

/** A weight: its bytes are made when they are written, so that a file may be larger than memory. */
export interface OnnxWeight {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  readonly bytes: () => Promise<Uint8Array>;
}

/** A small tensor that is there: a size, an axis, a factor. */
export interface OnnxConstant {
  readonly name: string;
  readonly dtype: OnnxDtype;
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

/** One axis: a number, or a symbol whose size is known when the graph runs. */
export type Axis = number | string;

/** How an operator is called. */
export interface CallOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** '' is ONNX's own domain. */
  readonly domain?: '' | 'com.microsoft';
  /** Names of its outputs; default: one new name. */
  readonly names?: readonly string[];
}

/** A graph as it is built; values are names. */
export class OnnxGraph {
  readonly nodes: onnx.INodeProto[] = [];
  readonly inputs: onnx.IValueInfoProto[] = [];
  readonly outputs: onnx.IValueInfoProto[] = [];
  readonly weights: OnnxWeight[] = [];
  readonly constants: OnnxConstant[] = [];
  private readonly known = new Map<string, string>();
  private count = 0;

  input(name: string, dtype: OnnxDtype, shape: readonly Axis[]): string {
    this.inputs.push(valueInfo(name, dtype, shape));
    return name;
  }

  output(name: string, dtype: OnnxDtype, shape: readonly Axis[]): void {
    this.outputs.push(valueInfo(name, dtype, shape));
  }

  weight(weight: OnnxWeight): string {
    this.weights.push(weight);
    return weight.name;
  }

  /** A constant of int64; `shape` [] makes a scalar. */
  int64(values: readonly number[], shape: readonly number[] = [values.length]): string {
    return this.constant('int64', shape, BigInt64Array.from(values, BigInt));
  }

  /** A scalar of float32. */
  float(value: number): string {
    return this.constant('float32', [], Float32Array.of(value));
  }

  /** A vector or matrix of float32 that is small enough to be kept. */
  floats(values: Float32Array, shape: readonly number[]): string {
    return this.constant('float32', shape, values);
  }

  /** Calls an operator with one output. */
  op(operator: string, inputs: readonly string[], options: CallOptions = {}): string {
    const [output] = this.ops(operator, inputs, options);
    return output;
  }

  /** Calls an operator with as many outputs as there are names. */
  ops(operator: string, inputs: readonly string[], options: CallOptions = {}): string[] {
    const { attributes = {}, domain = '', names = [this.newName()] } = options;
    this.nodes.push({
      opType: operator,
      domain,
      input: [...inputs],
      output: [...names],
      attribute: Object.entries(attributes).map(([name, value]) => attributeProto(name, value)),
    });
    return [...names];
  }

  /** The same numbers in another type. */
  cast(x: string, dtype: OnnxDtype): string {
    return this.op('Cast', [x], { attributes: { to: ELEMENT_TYPE[dtype] } });
  }

  /** Splits a value along an axis: into so many equal parts, or into parts of these sizes. */
  split(x: string, parts: number | readonly number[], axis: number): string[] {
    const sizes = typeof parts === 'number' ? [] : [this.int64(parts)];
    const length = typeof parts === 'number' ? parts : parts.length;
    const names = Array.from({ length }, () => this.newName());
    return this.ops('Split', [x, ...sizes], { attributes: { axis }, names });
  }

  private newName(): string {
    return `v${this.count++}`;
  }

  private constant(dtype: OnnxDtype, shape: readonly number[], values: Float32Array | BigInt64Array): string {
    const data = new Uint8Array(values.buffer, values.byteOffset, values.byteLength);
    const key = `${dtype} ${shape.join()} ${Buffer.from(data).toString('base64')}`;
    const known = this.known.get(key);
    if (known !== undefined) return known;
    const name = `c${this.constants.length}`;
    this.constants.push({ name, dtype, shape, data });
    this.known.set(key, name);
    return name;
  }
}

function valueInfo(name: string, dtype: OnnxDtype, shape: readonly Axis[]): onnx.IValueInfoProto {
  const dim = shape.map((axis) => (typeof axis === 'string' ? { dimParam: axis } : { dimValue: axis }));
  return { name, type: { tensorType: { elemType: ELEMENT_TYPE[dtype], shape: { dim } } } };
}
