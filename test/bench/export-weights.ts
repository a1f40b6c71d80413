/**
 * The weights of an export as tunebook computes with them: whether a text differs by the file's rounding of the weights, or
 * by the runtime's own arithmetic.
 */
import type { GgufType, OnnxDtypeName } from '../../lib/export';
import { modelTensors } from '../../lib/export/gguf/export-gguf';
import { encode } from '../../lib/export/gguf/types/blocks';
import { decode } from '../../lib/export/gguf/types/decode';
import { BLOCK_SIZE, toBlocks } from '../../lib/export/onnx/graph/blocks';
import type { BlockBits } from '../../lib/export/onnx/graph/blocks';
import { linearPlace } from '../../lib/export/source/weight-source';
import type { WeightSource } from '../../lib/export/source/weight-source';
import { transposed } from '../../lib/models';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';

/** A parameter's values as a file gives them back. */
export type RoundTrip = (name: string, values: Float32Array) => Float32Array;

/** What a GGUF file of a type makes of the weights. */
export function ggufRoundTrip(weights: WeightSource, type: GgufType): RoundTrip {
  const tensors = modelTensors(weights, type);
  const types = new Map(weights.architecture.parameters.map(({ name }, i) => [name, tensors[i].type]));
  // Rows may stand in another order there: blocks are parts of rows, and the same.
  return (name, values) => {
    const stored = types.get(name);
    return stored === undefined ? values : decode(stored, encode(stored, values));
  };
}

/** What an ONNX file of a type makes of the weights. */
export function onnxRoundTrip({ architecture }: WeightSource, dtype: OnnxDtypeName): RoundTrip {
  const bits = ({ q8: 8, q4: 4 } as Partial<Record<OnnxDtypeName, BlockBits>>)[dtype];
  const tables = new Set([architecture.tokenEmbedding, architecture.head]);
  return (name, values) => {
    if (bits === undefined || (linearPlace(architecture, name) === undefined && !tables.has(name)))
      return values;
    const { codes, scales } = toBlocks(values, bits);
    const codeAt = (i: number): number => (bits === 8 ? codes[i] : (codes[i >> 1] >> (4 * (i & 1))) & 15);
    return values.map((_, i) => scales[Math.floor(i / BLOCK_SIZE)] * (codeAt(i) - 2 ** (bits - 1)));
  };
}

/** A model of the weights that a file gives back; `dispose` it. */
export async function modelOf(weights: WeightSource, roundTrip: RoundTrip): Promise<CausalLM> {
  const { architecture } = weights;
  const model = await AutoModelForCausalLM.fromConfig(architecture.toJson());
  for (const { name } of architecture.parameters) {
    const values = roundTrip(name, await weights.read(name));
    const module = linearPlace(architecture, name)?.module;
    const isTurned = module?.conv1d === true;
    model.weights
      .parameter(name)
      .data.set(isTurned ? transposed(values, module.outSize, module.inSize) : values);
  }
  return model;
}
