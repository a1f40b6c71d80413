/**
 * A graph as files: one `.onnx`, and the weights beside it where they are too large for one protobuf message. Written
 * piece by piece: no more than one weight is in memory.
 * Format: https://github.com/onnx/onnx/blob/main/docs/ExternalData.md
 */
import { onnxProtobuf } from '../../engine';
import { sizeOf } from '../../tensor';
import type { ByteSink } from '../../files';
import { elementType } from './graph/onnx-graph';
import type { OnnxGraph, OnnxWeight } from './graph/onnx-graph';

/** A file to write: its size is known before its first byte. */
export interface OnnxFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly write: (sink: ByteSink) => Promise<void>;
}

/** What a graph becomes. */
export interface OnnxFiles {
  /** The `.onnx` file last: where it is, the others are. */
  readonly files: readonly OnnxFile[];
  /** Number of files of weights beside it. */
  readonly dataFiles: number;
}

/** Most bytes of weights in a `.onnx` file, and in each file beside it: protobuf ends at 2 GiB. */
export const MAX_FILE_BYTES = 2e9;

const SIZE_BYTES = { float32: 4, uint8: 1, int8: 1, int64: 8, bool: 1, float16: 2 } as const;
const IR_VERSION = 8;
const OPSET = 17;
/** Field numbers of onnx.proto, each with the wire type of a message or of bytes. */
const TAG = { graph: 0x3a, initializer: 0x2a, rawData: 0x4a } as const;
const EXTERNAL = 1;
const ALIGNMENT = 64;

/** Bytes of a weight. */
export function weightBytes({ dtype, shape }: Pick<OnnxWeight, 'dtype' | 'shape'>): number {
  return sizeOf(shape) * SIZE_BYTES[dtype];
}

/**
 * Plans the files of a graph.
 * @param name of the model's file, 'model_q4.onnx'; weights beside it are 'model_q4.onnx_data', '..._data_1', ...
 */
export function onnxFilesOf(graph: OnnxGraph, name: string, maxFileBytes = MAX_FILE_BYTES): OnnxFiles {
  const total = graph.weights.reduce((sum, weight) => sum + weightBytes(weight), 0);
  const chunks = total > maxFileBytes ? chunksOf(graph.weights, maxFileBytes) : [];
  const places = new Map<string, ExternalPlace>();
  const dataFiles = chunks.map((weights, index): OnnxFile => {
    const location = `${name}_data${index === 0 ? '' : `_${index}`}`;
    let sizeBytes = 0;
    for (const weight of weights) {
      places.set(weight.name, { location, offset: sizeBytes, length: weightBytes(weight) });
      sizeBytes += weightBytes(weight) + paddingOf(weight);
    }
    return {
      name: location,
      sizeBytes,
      write: async (sink) => {
        for (const weight of weights) {
          await sink(await bytesOf(weight));
          await sink(new Uint8Array(paddingOf(weight)));
        }
      },
    };
  });
  return { files: [...dataFiles, modelFile(graph, name, places)], dataFiles: dataFiles.length };
}

/** Bytes after a weight, so that the next one begins where a processor reads it fast. */
function paddingOf(weight: OnnxWeight): number {
  return (ALIGNMENT - (weightBytes(weight) % ALIGNMENT)) % ALIGNMENT;
}

interface ExternalPlace {
  readonly location: string;
  readonly offset: number;
  readonly length: number;
}

/** Weights in order, each chunk up to the limit; a larger weight has one of its own. */
function chunksOf(weights: readonly OnnxWeight[], maxBytes: number): OnnxWeight[][] {
  const chunks: OnnxWeight[][] = [[]];
  let size = 0;
  for (const weight of weights) {
    const bytes = weightBytes(weight);
    if (size > 0 && size + bytes > maxBytes) {
      chunks.push([]);
      size = 0;
    }
    chunks[chunks.length - 1].push(weight);
    size += bytes;
  }
  return chunks;
}

/** A message of protobuf in pieces: what is there, and weights that are made when their turn comes. */
type Piece = Uint8Array | OnnxWeight;

function modelFile(graph: OnnxGraph, name: string, places: ReadonlyMap<string, ExternalPlace>): OnnxFile {
  const { GraphProto, ModelProto } = onnxProtobuf();
  const { nodes, inputs, outputs } = graph;
  const inner: Piece[] = [
    GraphProto.encode({ name: 'tunebook', node: nodes, input: inputs, output: outputs }).finish(),
  ];
  for (const { data, ...constant } of graph.constants) inner.push(...initializer(constant, data));
  for (const weight of graph.weights) inner.push(...initializer(weight, places.get(weight.name) ?? weight));
  const head = ModelProto.encode({
    irVersion: IR_VERSION,
    producerName: 'tunebook',
    opsetImport: [
      { domain: '', version: OPSET },
      { domain: 'com.microsoft', version: 1 },
    ],
  }).finish();
  const pieces: Piece[] = [head, prefix(TAG.graph, lengthOf(inner)), ...inner];
  return {
    name,
    sizeBytes: lengthOf(pieces),
    write: async (sink) => {
      for (const piece of pieces) await sink(piece instanceof Uint8Array ? piece : await bytesOf(piece));
    },
  };
}

/** One tensor of the graph, its values here or in a file beside it. */
function initializer(
  { name, dtype, shape }: Pick<OnnxWeight, 'name' | 'dtype' | 'shape'>,
  values: Piece | ExternalPlace,
): Piece[] {
  const described = { name, dataType: elementType(dtype), dims: [...shape] };
  const { TensorProto } = onnxProtobuf();
  if ('location' in values) {
    const externalData = Object.entries(values).map(([key, value]) => ({ key, value: String(value) }));
    const message = TensorProto.encode({ ...described, dataLocation: EXTERNAL, externalData }).finish();
    return [prefix(TAG.initializer, message.length), message];
  }
  const header = TensorProto.encode(described).finish();
  const inner: Piece[] = [header, prefix(TAG.rawData, lengthOf([values])), values];
  return [prefix(TAG.initializer, lengthOf(inner)), ...inner];
}

function lengthOf(pieces: readonly Piece[]): number {
  return pieces.reduce(
    (sum, piece) => sum + (piece instanceof Uint8Array ? piece.length : weightBytes(piece)),
    0,
  );
}

/** A field's tag and the length of what follows, in groups of seven bits. */
function prefix(tag: number, length: number): Uint8Array {
  const bytes = [tag];
  let rest = length;
  for (; rest > 127; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128);
  bytes.push(rest);
  return Uint8Array.from(bytes);
}

async function bytesOf(weight: OnnxWeight): Promise<Uint8Array> {
  const bytes = await weight.bytes();
  if (bytes.length !== weightBytes(weight))
    throw new Error(`internal: ${weight.name} has ${bytes.length} bytes, not ${weightBytes(weight)}`);
  return bytes;
}
