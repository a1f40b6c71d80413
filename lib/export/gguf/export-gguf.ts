/** A model as one GGUF file: the main path of the room. */
import type { HasRuntime } from '../../models';
import { requireOptions } from '../../options';
import { requireText, TunebookError } from '../../types';
import type { ExportOutcome } from '../proof/outcome';
import type { AgreementBound } from '../proof/agreement';
import { LLAMA_CPP_ADVICE, openLlamaCpp } from '../proof/llama-cpp';
import { prove } from '../proof/prove';
import type { CheckOptions } from '../proof/prove';
import { writeExportReport } from '../proof/report';
import { openModelSource } from '../source/open-source';
import type { ModelSource, SourceOptions } from '../source/open-source';
import { linearPlace, pieces } from '../source/weight-source';
import type { WeightSource } from '../source/weight-source';
import { cardEntries } from './card-entries';
import { architectureEntries, contextLength, ggufFamily, ggufName, ropeFactors, text, u32 } from './families';
import type { GgufEntries } from './families';
import { FILE_TYPES, requireGgufType } from './format';
import type { GgufType } from './format';
import { readBack } from './read-back';
import { fallbackWords, tensorType } from './tensor-types';
import { tokenizerEntries } from './tokenizer-entries';
import { stageGguf } from './write';
import type { GgufTensor } from './write';

/** How a model is written as GGUF. */
export interface ExportGgufOptions extends SourceOptions {
  /** How numbers are stored; default 'f16'. */
  readonly type?: GgufType;
  /** Name in the file; default: the folder's. */
  readonly name?: string;
  /** What answers are compared by; false: the file is neither read back nor compared. */
  readonly check?: CheckOptions | false;
  /** Called before each tensor. */
  readonly onProgress?: (done: number, total: number, tensor: string) => void;
}

/** How far llama.cpp may be off: its own rounding of activations and of keys and values is in it. */
const BOUNDS: Readonly<Record<GgufType, AgreementBound>> = {
  f32: { meanKl: 1e-3, sameTop: 0.97 },
  f16: { meanKl: 1e-3, sameTop: 0.97 },
  bf16: { meanKl: 1e-2, sameTop: 0.95 },
  q8_0: { meanKl: 1e-2, sameTop: 0.95 },
  q4_k_m: { meanKl: 0.2, sameTop: 0.8 },
  q4_0: { meanKl: 0.3, sameTop: 0.75 },
};

export const NOT_COMPARED =
  'Answers were not compared: llama.cpp is not installed here. To compare them: ' + LLAMA_CPP_ADVICE;

/**
 * Writes a model as GGUF for llama.cpp, an adapter merged; reads the file back, and compares answers where llama.cpp is
 * installed (node-llama-cpp). Nothing takes the file's name before it has been read back.
 * @param model a model at work, a built-in name, a folder or a hub id; undefined: the adapter's base
 * @param file where to write
 * @throws {TunebookError} For families, tokenizers and values that the format has no place for, before anything is written.
 * @example
 * ```ts
 * import { exportGguf } from 'tunebook';
 *
 * const { words } = await exportGguf('gpt2-mini', 'gpt2-mini.gguf', { type: 'q8_0', check: false });
 * console.log(words.join('\n'));
 * ```
 */
export async function exportGguf(
  model: HasRuntime | string | undefined,
  file: string,
  options: ExportGgufOptions = {},
): Promise<ExportOutcome> {
  const where = 'exportGguf';
  requireText(file, { where, what: 'the path of a file' });
  requireOptions<ExportGgufOptions>(options, {
    where,
    names: {
      ...{ type: true, name: true, check: true, onProgress: true },
      ...{ adapter: true, tokenizer: true, quantizationConfig: true },
    },
  });
  const type = requireGgufType(options.type ?? 'f16', where);
  const source = await openModelSource(model, options, where);
  try {
    return await writeModel(source, file, { ...options, type });
  } finally {
    await source.close();
  }
}

async function writeModel(
  source: ModelSource,
  file: string,
  options: ExportGgufOptions & { readonly type: GgufType },
): Promise<ExportOutcome> {
  const { type, check = {}, onProgress } = options;
  const { architecture } = source.weights;
  const name = options.name ?? source.name;
  const tensors = modelTensors(source.weights, type);
  const entries: GgufEntries = [
    ['general.architecture', text(ggufFamily(architecture).architecture)],
    ['general.type', text('model')],
    ...(await cardEntries(name, source.folders)),
    ['general.file_type', u32(FILE_TYPES[type])],
    ['general.quantization_version', u32(2)],
    ...architectureEntries(architecture, contextLength(architecture)),
    ...(await tokenizerEntries(source.tokenizer, architecture.vocabSize)),
  ];
  const staged = await stageGguf(file, entries, tensors, (done, tensor) =>
    onProgress?.(done, tensors.length, tensor),
  );
  try {
    if (check !== false) await readBack(staged.temporaryPath, tensors, file);
    await staged.commit();
  } catch (error) {
    await staged.discard();
    throw error;
  }
  const notes = [...fallbackWords(tensors, type), ...windowWords(source.weights)];
  if (check === false)
    return {
      files: [file],
      words: [...notes, 'Neither read back nor compared, as asked.'],
      agreement: undefined,
      isProven: true,
    };
  const proof = await prove({
    ...{
      source,
      check,
      bound: BOUNDS[type],
      missing: `Read back: every tensor is as it was. ${NOT_COMPARED}.`,
    },
    contextLength: contextLength(architecture),
    open: () =>
      openLlamaCpp(file, {
        contextSize: Math.min(contextLength(architecture), 2048),
        vocabSize: architecture.vocabSize,
      }),
  });
  const words = [...notes, ...proof.words];
  const { agreement, isProven } = proof;
  const report = await writeExportReport(file, {
    ...{ target: 'gguf', type, model: name, isReadBack: true, isProven, words },
    agreement: agreement ?? null,
  });
  return { files: [file, report], words, agreement, isProven };
}

/** @throws {TunebookError} Where the family has no tensor of a parameter's name. */
export function modelTensors(source: WeightSource, type: GgufType): GgufTensor[] {
  const { architecture } = source;
  const family = ggufFamily(architecture);
  const { layers, headSize } = architecture;
  const isTied = architecture.head === architecture.tokenEmbedding;
  const tensors = architecture.parameters.map(({ name: own }): GgufTensor => {
    const name = ggufName(family, architecture, own);
    const shape = source.shapeOf(own);
    const place = linearPlace(architecture, own);
    const isRotary = place !== undefined && family.rotaryModules.includes(place.module.name);
    return {
      ...{ name, shape, type: tensorType({ name, shape, type, layers, isTied }) },
      pieces: () =>
        isRotary
          ? permuted(pieces(source, own, headSize), { rowLength: shape[1], headSize })
          : pieces(source, own),
    };
  });
  const factors = ropeFactors(architecture);
  if (factors === undefined) return tensors;
  const rope: GgufTensor = {
    ...{ name: 'rope_freqs.weight', shape: [factors.length], type: 'F32' },
    pieces: async function* () {
      yield factors;
    },
  };
  return [...tensors, rope];
}

async function* permuted(
  parts: AsyncIterable<Float32Array>,
  size: { readonly rowLength: number; readonly headSize: number },
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const values of parts) yield rotaryRows(values, size);
}

/** Rows of whole heads: the two of each rotary pair, half a head apart, become neighbours. */
export function rotaryRows(
  values: Float32Array,
  { rowLength, headSize }: { readonly rowLength: number; readonly headSize: number },
): Float32Array {
  const out: Float32Array = new Float32Array(values.length);
  const rows = values.length / rowLength;
  if (rows % headSize !== 0) throw new TunebookError(`internal: ${rows} rows are no heads of ${headSize}`);
  for (let row = 0; row < rows; row++) {
    const inHead = row % headSize;
    const half = inHead < headSize / 2 ? 0 : 1;
    const to = row - inHead + 2 * (inHead - (half * headSize) / 2) + half;
    out.set(values.subarray(row * rowLength, (row + 1) * rowLength), to * rowLength);
  }
  return out;
}

function windowWords({ architecture }: WeightSource): string[] {
  const { slidingWindow, maxPositions } = architecture;
  if (slidingWindow === undefined || slidingWindow >= maxPositions) return [];
  return [
    `The context is ${slidingWindow} tokens, the model's sliding window, in place of ${maxPositions}: llama.cpp has no ` +
      'window and would look back further than the model did.',
  ];
}
