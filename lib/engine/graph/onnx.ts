/**
 * Writes a recorded graph as the bytes of an ONNX model (opset 18), which ONNX Runtime loads.
 * Format: https://github.com/onnx/onnx/blob/main/docs/IR.md
 */
import { createRequire } from 'node:module';
import type { onnx } from 'onnx-proto';
import { GraphBuilder, nodesFor } from './graph';
import type { Attribute, ConstantData, Graph, GraphDtype, Value } from './graph';

const ELEMENT_TYPE: Record<GraphDtype, number> = { float32: 1, uint8: 2, int32: 6, int64: 7, bool: 9 };
/** The first output of every graph, a sequence, which has no JavaScript type: see `GraphSession.run`. */
export const STOPPER = 'stopper';
const OPSET = 18;
const IR_VERSION = 8;

/** ONNX's protobuf messages, loaded at their first use. */
export const onnxProtobuf = (): typeof onnx =>
  (createRequire(__filename)('onnx-proto') as typeof import('onnx-proto')).onnx;

/** A model, and the large constants that its file refers to. */
export interface OnnxModel {
  readonly file: Uint8Array;
  /** Views of the graph's own arrays: in the file they would be copied twice, as it is written and as it is read. */
  readonly externalData: { readonly path: string; readonly data: Uint8Array }[];
}

/** Constants of fewer bytes lie in the file: they are many, and the runtime folds them. */
const EXTERNAL_BYTES = 1 << 16;

/**
 * A graph's model. Inputs and outputs keep their names.
 * @param externalBytes size from which on constants stay out of the file
 */
export function writeOnnx(graph: Graph, externalBytes = EXTERNAL_BYTES): OnnxModel {
  const names = new Map<Value, string>();
  const initializers: onnx.ITensorProto[] = [];
  const externalData: OnnxModel['externalData'] = [];
  for (const [name, value] of graph.inputs) names.set(value, name);
  // A computed value that is an output gets the output's name.
  for (const [name, value] of graph.outputs) {
    if (value.producer !== undefined && !names.has(value)) names.set(value, outputName(name));
  }

  const constantOf = (name: string, value: Value, data: ConstantData): onnx.ITensorProto => {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    if (bytes.length < externalBytes) return { ...tensorProto(name, value), rawData: bytes };
    externalData.push({ path: name, data: bytes });
    const place = Object.entries({ location: name, offset: 0, length: bytes.length });
    return {
      ...tensorProto(name, value),
      dataLocation: onnxProtobuf().TensorProto.DataLocation.EXTERNAL,
      externalData: place.map(([key, number]) => ({ key, value: String(number) })),
    };
  };
  const nameOf = (value: Value): string => {
    const known = names.get(value);
    if (known !== undefined) return known;
    const name = `${value.constant ? 'c' : 't'}${value.id}`;
    names.set(value, name);
    if (value.constant !== undefined) initializers.push(constantOf(name, value, value.constant));
    return name;
  };

  const nodes = nodesFor(graph.outputs.values(), new Set(graph.inputs.values())).map((node) => ({
    opType: node.op,
    domain: node.domain,
    input: node.inputs.map(nameOf),
    output: node.outputs.map(nameOf),
    attribute: Object.entries(node.attributes).map(([name, value]) => attributeProto(name, value)),
  }));
  // An output may also be an input, a constant or another output: each gets a node of its own.
  for (const [name, value] of graph.outputs) {
    if (names.get(value) === outputName(name)) continue;
    nodes.push({
      opType: 'Identity',
      domain: '',
      input: [nameOf(value)],
      output: [outputName(name)],
      attribute: [],
    });
  }
  const file = onnxProtobuf()
    .ModelProto.encode({
      irVersion: IR_VERSION,
      producerName: 'tunebook',
      opsetImport: [
        { domain: '', version: OPSET },
        { domain: 'com.microsoft', version: 1 },
      ],
      graph: {
        name: 'tunebook',
        node: [...nodes, { opType: 'SequenceConstruct', domain: '', input: ['c'], output: [STOPPER] }],
        initializer: [
          ...initializers,
          { name: 'c', dataType: ELEMENT_TYPE.float32, dims: [], floatData: [0] },
        ],
        input: [...graph.inputs].map(([name, value]) => valueInfo(name, value, graph.dynamicSizes)),
        output: [
          {
            name: STOPPER,
            type: { sequenceType: { elemType: { tensorType: { elemType: ELEMENT_TYPE.float32 } } } },
          },
          ...[...graph.outputs].map(([name, value]) =>
            valueInfo(outputName(name), value, graph.dynamicSizes),
          ),
        ],
      },
    })
    .finish();
  return { file, externalData };
}

/**
 * A model for arrays of any length: 'identity' returns its input x [n] as y, 'zeros' returns a y [n] of zeros, with n its
 * input `size` (int64 [1]).
 */
export function writeMover(dtype: 'float32' | 'int32' | 'uint8', op: 'identity' | 'zeros'): Uint8Array {
  const vector = (
    name: string,
    type: GraphDtype,
    dim: onnx.TensorShapeProto.IDimension,
  ): onnx.IValueInfoProto => ({
    name,
    type: { tensorType: { elemType: ELEMENT_TYPE[type], shape: { dim: [dim] } } },
  });
  const isZeros = op === 'zeros';
  const zero = {
    name: 'zero',
    dataType: ELEMENT_TYPE[dtype],
    dims: [],
    rawData: new Uint8Array(dtype === 'uint8' ? 1 : 4),
  };
  return onnxProtobuf()
    .ModelProto.encode({
      irVersion: IR_VERSION,
      producerName: 'tunebook',
      opsetImport: [{ domain: '', version: OPSET }],
      graph: {
        name: 'tunebook',
        node: [
          {
            opType: isZeros ? 'Expand' : 'Identity',
            input: isZeros ? ['zero', 'size'] : ['x'],
            output: ['y'],
          },
        ],
        initializer: isZeros ? [zero] : [],
        input: [isZeros ? vector('size', 'int64', { dimValue: 1 }) : vector('x', dtype, { dimParam: 'n' })],
        output: [vector('y', dtype, { dimParam: 'n' })],
      },
    })
    .finish();
}

/** A model that splits x [n] into y0, y1, ... of the given lengths, which sum to n. */
export function writeSlicer(dtype: 'float32' | 'int32', lengths: readonly number[]): Uint8Array {
  const builder = new GraphBuilder();
  const total = lengths.reduce((sum, length) => sum + length, 0);
  const x = builder.input('x', [total], dtype);
  let offset = 0;
  const outputs = lengths.map((length, i): [string, Value] => {
    // Gather: WebGPU cannot slice integers (as of 1.30), which would then go through the host.
    const places = builder.constant(
      Int32Array.from({ length }, (_, at) => offset + at),
      [length],
      'int32',
    );
    offset += length;
    const [y] = builder.node('Gather', [x, places], {
      outputs: [{ shape: [length], dtype }],
      attributes: { axis: 0 },
    });
    return [`y${i}`, y];
  });
  return writeOnnx({ inputs: new Map([['x', x]]), outputs: new Map(outputs) }, Infinity).file;
}

/** An output's name in the file; differs from inputs', since a function may take and return the same name. */
export function outputName(name: string): string {
  return `out.${name}`;
}

function valueInfo(name: string, value: Value, dynamicSizes?: ReadonlySet<number>): onnx.IValueInfoProto {
  return {
    name,
    type: {
      tensorType: {
        elemType: ELEMENT_TYPE[value.dtype],
        shape: {
          dim: value.shape.map((size) =>
            dynamicSizes?.has(size) === true ? { dimParam: `size${size}` } : { dimValue: size },
          ),
        },
      },
    },
  };
}

function tensorProto(name: string, { dtype, shape }: Value): onnx.ITensorProto {
  return { name, dataType: ELEMENT_TYPE[dtype], dims: [...shape] };
}

/** An operator's attribute as a file has it. */
export function attributeProto(name: string, value: Attribute): onnx.IAttributeProto {
  const type = onnxProtobuf().AttributeProto.AttributeType;
  if (typeof value === 'number') return { name, type: type.INT, i: value };
  if (typeof value === 'string') return { name, type: type.STRING, s: Buffer.from(value) };
  if ('float' in value) return { name, type: type.FLOAT, f: value.float };
  return { name, type: type.INTS, ints: [...value] };
}
