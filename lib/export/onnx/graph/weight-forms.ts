/**
 * The forms that a model's matrices take in a file, and the operators that multiply by each: float32, float16, blocks of
 * 4 or 8 bits, and blocks that plain operators unpack, for runtimes older than MatMulNBits.
 */
import { float32ToFloat16 } from '../../../checkpoint';
import { transposed } from '../../../models';
import { TunebookError } from '../../../types';
import { BLOCK_SIZE, toBlocks } from './blocks';
import type { BlockBits, Blocks } from './blocks';
import type { OnnxGraph, OnnxWeight } from './onnx-graph';

/** A matrix of the model; its rows [out, in] are made when they are asked for. */
export interface Matrix {
  readonly name: string;
  readonly outSize: number;
  readonly inSize: number;
  readonly rows: () => Promise<Float32Array>;
}

/** A matrix over the vocabulary: token embedding, head, or both at once. */
export interface Table {
  /** Rows of ids [B, T]: float32 [B, T, in]. */
  rows(ids: string): string;
  /** x [B, T, in] times all rows: float32 [B, T, out]. */
  product(x: string): string;
}

/** How matrices are kept. */
export interface WeightForm {
  /** x [B, T, in] times a matrix: float32 [B, T, out]. */
  product(x: string, matrix: Matrix): string;
  table(matrix: Matrix): Table;
}

/** The form in which a graph keeps its matrices. */
export type FormName = 'float32' | 'float16' | 'blocks4' | 'blocks8' | 'unpackedBlocks8';

/** Makes the operators of a form. */
export function weightForm(graph: OnnxGraph, form: FormName): WeightForm {
  if (form === 'float32' || form === 'float16') return floatForm(graph, form);
  if (form === 'unpackedBlocks8') return unpackedForm(graph);
  return packedForm(graph, form === 'blocks4' ? 4 : 8);
}

function floatForm(graph: OnnxGraph, dtype: 'float32' | 'float16'): WeightForm {
  const narrow = (x: string): string => (dtype === 'float16' ? graph.cast(x, 'float16') : x);
  const wide = (x: string): string => (dtype === 'float16' ? graph.cast(x, 'float32') : x);
  return {
    product: (x, { name, outSize, inSize, rows }) => {
      const bytes = async (): Promise<Uint8Array> =>
        floatBytes(transposed(await rows(), outSize, inSize), dtype);
      const weight = graph.weight({ name, dtype, shape: [inSize, outSize], bytes });
      return wide(graph.op('MatMul', [narrow(x), weight]));
    },
    table: ({ name, outSize, inSize, rows }) => {
      const bytes = async (): Promise<Uint8Array> => floatBytes(await rows(), dtype);
      const weight = graph.weight({ name, dtype, shape: [outSize, inSize], bytes });
      return {
        rows: (ids) => wide(graph.op('Gather', [weight, ids], { attributes: { axis: 0 } })),
        product: (x) => wide(rowsProduct(graph, narrow(x), weight, { inSize, outSize })),
      };
    },
  };
}

/** x [B, T, in] times rows [out, in]: Gemm reads them as they are, MatMul would need a transposed copy. */
function rowsProduct(
  graph: OnnxGraph,
  x: string,
  rows: string,
  { inSize, outSize }: Pick<Matrix, 'inSize' | 'outSize'>,
): string {
  const flat = graph.op('Reshape', [x, graph.int64([-1, inSize])]);
  const y = graph.op('Gemm', [flat, rows], { attributes: { transB: 1 } });
  const sizes = graph.op('Slice', [graph.op('Shape', [x]), graph.int64([0]), graph.int64([2])]);
  const shape = graph.op('Concat', [sizes, graph.int64([outSize])], { attributes: { axis: 0 } });
  return graph.op('Reshape', [y, shape]);
}

/** Activations are rounded to 8 bits for the product, which is several times as fast. */
const INT8_PRODUCTS = 4;

/** Blocks that MatMulNBits reads. */
function packedForm(graph: OnnxGraph, bits: BlockBits): WeightForm {
  return blockForm(graph, {
    ...{ bits, isPlain: false },
    multiply: (x, { inSize, outSize }, [codes, scales]) =>
      graph.op('MatMulNBits', [x, codes, scales], {
        domain: 'com.microsoft',
        attributes: { K: inSize, N: outSize, bits, block_size: BLOCK_SIZE, accuracy_level: INT8_PRODUCTS },
      }),
  });
}

/**
 * Blocks of 8 bits that plain operators unpack as the file loads. A runtime that folds them keeps what each operator makes
 * until all are folded, in float32: there are as few as can be.
 */
function unpackedForm(graph: OnnxGraph): WeightForm {
  return blockForm(graph, {
    ...{ bits: 8, isPlain: true },
    multiply: (x, { outSize, inSize }, [codes, scales]) => {
      const values = graph.op('Mul', [graph.cast(codes, 'float32'), scales]);
      const rows = graph.op('Reshape', [values, graph.int64([outSize, inSize])]);
      return rowsProduct(graph, x, rows, { outSize, inSize });
    },
  });
}

/** How blocks are kept, and multiplied by. */
interface BlockKind {
  readonly bits: BlockBits;
  /** For plain operators: codes with a sign, and scales [N, K / 32, 1]. MatMulNBits has none, and scales [N * K / 32]. */
  readonly isPlain: boolean;
  readonly multiply: (x: string, matrix: Matrix, weights: [codes: string, scales: string]) => string;
}

function blockForm(graph: OnnxGraph, kind: BlockKind): WeightForm {
  const { multiply } = kind;
  return {
    product: (x, matrix) => multiply(x, matrix, blockWeights(graph, matrix, kind)),
    table: (matrix) => {
      const weights = blockWeights(graph, matrix, kind);
      return {
        rows: (ids) => gatheredBlocks(graph, ids, { matrix, kind, weights }),
        product: (x) => multiply(x, matrix, weights),
      };
    },
  };
}

/** From a code around 128 to one around 0, as a byte. */
const SIGN = 0x80;

/** A matrix in blocks as two weights, rounded once for both. */
function blockWeights(
  graph: OnnxGraph,
  { name, outSize, inSize, rows }: Matrix,
  { bits, isPlain }: BlockKind,
): [string, string] {
  const count = inSize / BLOCK_SIZE;
  let made: Promise<Blocks> | undefined;
  const blocks = (): Promise<Blocks> => (made ??= rows().then((values) => toBlocks(values, bits)));
  const codes: OnnxWeight = {
    name: `${name}.codes`,
    dtype: isPlain ? 'int8' : 'uint8',
    shape: [outSize, count, (BLOCK_SIZE * bits) / 8],
    bytes: async () => {
      const { codes } = await blocks();
      return isPlain ? codes.map((code) => code ^ SIGN) : codes;
    },
  };
  const scales: OnnxWeight = {
    name: `${name}.scales`,
    dtype: 'float32',
    shape: isPlain ? [outSize, count, 1] : [outSize * count],
    bytes: async () => {
      const found = await blocks();
      made = undefined; // they are written one after the other: nothing of this matrix is needed any more
      return bytesOf(found.scales);
    },
  };
  return [graph.weight(codes), graph.weight(scales)];
}

/** Rows of ids, unpacked by plain operators: ONNX Runtime's GatherBlockQuantized is missing in browsers. */
function gatheredBlocks(
  graph: OnnxGraph,
  ids: string,
  table: { matrix: Matrix; kind: BlockKind; weights: [string, string] },
): string {
  const { matrix, kind, weights } = table;
  const { bits, isPlain } = kind;
  const count = matrix.inSize / BLOCK_SIZE;
  const axis = { attributes: { axis: 0 } };
  const bytes = graph.cast(graph.op('Gather', [weights[0], ids], axis), 'float32'); // [B, T, count, 4 * bits]
  const codes = bits === 8 ? bytes : halves(graph, bytes);
  const shaped = graph.op('Reshape', [weights[1], graph.int64([matrix.outSize, count, 1])]);
  const scales = graph.op('Gather', [shaped, ids], axis); // [B, T, count, 1]
  const values = graph.op('Mul', [isPlain ? codes : centred(graph, codes, bits), scales]);
  return graph.op('Reshape', [values, graph.int64([0, 0, matrix.inSize])]);
}

/** Bytes as numbers [B, T, n, 16] to their two halves in order, [B, T, n, 32]. */
function halves(graph: OnnxGraph, bytes: string): string {
  const high = graph.op('Floor', [graph.op('Mul', [bytes, graph.float(1 / 16)])]);
  const low = graph.op('Sub', [bytes, graph.op('Mul', [high, graph.float(16)])]);
  const apart = [low, high].map((half) => graph.op('Unsqueeze', [half, graph.int64([4])]));
  const pairs = graph.op('Concat', apart, { attributes: { axis: 4 } });
  return graph.op('Reshape', [pairs, graph.int64([0, 0, 0, BLOCK_SIZE])]);
}

function centred(graph: OnnxGraph, codes: string, bits: BlockBits): string {
  return graph.op('Sub', [codes, graph.float(2 ** (bits - 1))]);
}

/** The exponent's bits of a float16 that is infinite. */
const INFINITE_HALF = 0x7c00;

/** Values as a file has them. @throws TunebookError for those that float16 does not reach */
export function floatBytes(values: Float32Array, dtype: 'float32' | 'float16'): Uint8Array {
  if (dtype === 'float32') return bytesOf(values);
  const halfs = new Uint16Array(values.length);
  float32ToFloat16(values, halfs);
  const at = halfs.findIndex((half) => (half & INFINITE_HALF) === INFINITE_HALF);
  if (at >= 0)
    throw new TunebookError(
      `export: expected weights up to 65504 for fp16, got ${values[at]}. Choose type fp32 or q8.`,
    );
  return bytesOf(halfs);
}

function bytesOf({ buffer, byteOffset, byteLength }: Float32Array | Uint16Array): Uint8Array {
  return new Uint8Array(buffer, byteOffset, byteLength);
}
