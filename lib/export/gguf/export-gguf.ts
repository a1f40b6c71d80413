/** A model as one GGUF file: the main path of the room. */
import { isTied } from '../../models';
import type { Architecture, HasRuntime } from '../../models';
import { requireOptions } from '../../options';
import { requireText } from '../../types';
import type { AgreementBound } from '../proof/agreement';
import type { ExportOutcome, ExportProgress } from '../proof/outcome';
import { requireCheck } from '../proof/prove';
import type { CheckOptions } from '../proof/prove';
import { openModelSource } from '../source/open-source';
import type { ModelSource, SourceOptions } from '../source/open-source';
import { pieces } from '../source/weight-source';
import type { WeightSource } from '../source/weight-source';
import { cardEntries } from './card-entries';
import {
  architectureEntries,
  contextLength,
  firstTable,
  ggufFamily,
  ggufName,
  layerPlace,
  orderedRows,
  ropeFactors,
} from './families';
import type { GgufFamily, RowOrder } from './families';
import { FILE_TYPES, GGUF_TYPES, requireType, text, u32 } from './types/format';
import type { GgufEntries, GgufType } from './types/format';
import { fallbackWords, tensorType } from './types/tensor-types';
import { tokenizerEntries } from './tokenizer-entries';
import { tensorOf } from './write';
import type { GgufTensor } from './write';
import { proveInLlamaCpp, writeProven } from './write-proven';

/** How a model is written as GGUF. */
export interface ExportGgufOptions extends SourceOptions {
  /** How numbers are stored; default 'f16'. */
  readonly type?: GgufType;
  /** Name in the file; default: the folder's. */
  readonly name?: string;
  /** What answers are compared by; false: the file is neither read back nor compared. */
  readonly check?: CheckOptions | false;
  /** Called before each tensor. */
  readonly onProgress?: ExportProgress;
}

const DEFAULT_TYPE: GgufType = 'f16';

/** How far llama.cpp may be off: its own rounding of activations and of keys and values is in it. */
const BOUNDS: Readonly<Record<GgufType, AgreementBound>> = {
  f32: { meanKl: 1e-3, sameTop: 0.97 },
  f16: { meanKl: 1e-3, sameTop: 0.97 },
  bf16: { meanKl: 1e-2, sameTop: 0.95 },
  q8_0: { meanKl: 1e-2, sameTop: 0.95 },
  q4_k_m: { meanKl: 0.2, sameTop: 0.8 },
  q4_0: { meanKl: 0.3, sameTop: 0.75 },
};

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
  requireText(file, { where: 'exportGguf', what: 'the path of a file' });
  return withGgufSource(model, options, {
    where: 'exportGguf',
    task: (source) => writeModel(source, file, options),
  });
}

/**
 * Opens what is exported for as long as a task takes.
 * @throws {TunebookError} For options that there are not, and what cannot be opened.
 */
export async function withGgufSource<Result>(
  model: HasRuntime | string | undefined,
  options: ExportGgufOptions,
  { where, task }: { readonly where: string; readonly task: (source: ModelSource) => Promise<Result> },
): Promise<Result> {
  requireOptions<ExportGgufOptions>(options, {
    where,
    names: {
      ...{ type: true, name: true, check: true, onProgress: true },
      ...{ adapter: true, tokenizer: true, quantizationConfig: true },
    },
  });
  requireType(options.type ?? DEFAULT_TYPE, { where, known: GGUF_TYPES });
  requireCheck(options.check, where);
  const source = await openModelSource(model, options, where);
  try {
    return await task(source);
  } finally {
    await source.close();
  }
}

/** The way from an open model to its file. */
export async function writeModel(
  source: ModelSource,
  file: string,
  { type = DEFAULT_TYPE, check = {}, name = source.name, onProgress }: ExportGgufOptions,
): Promise<ExportOutcome> {
  const { architecture } = source.weights;
  const tensors = modelTensors(source.weights, type);
  const tokenizer = await tokenizerEntries(source.tokenizer, architecture.vocabSize);
  const entries: GgufEntries = [
    ['general.architecture', text(ggufFamily(architecture).architecture)],
    ['general.type', text('model')],
    ...(await cardEntries(name, source.folders)),
    ['general.file_type', u32(FILE_TYPES[type])],
    ['general.quantization_version', u32(2)],
    ...architectureEntries(architecture, contextLength(architecture)),
    ...tokenizer.entries,
  ];
  return writeProven(file, {
    ...{ entries, tensors, target: 'gguf', type, model: name },
    onTensor: (done, tensor) => onProgress?.(done, tensors.length, tensor),
    notes: [...fallbackWords(tensors, type), ...windowWords(architecture), ...tokenizer.notes],
    prove:
      check === false
        ? undefined
        : () => proveInLlamaCpp({ source, architecture, check, bound: BOUNDS[type], file: async () => file }),
  });
}

/** @throws {TunebookError} Where the family has no tensor of a parameter's name. */
export function modelTensors(source: WeightSource, type: GgufType): GgufTensor[] {
  const { architecture } = source;
  const family = ggufFamily(architecture);
  const { layers, headSize } = architecture;
  const tensors = architecture.parameters.map(({ name: own }): GgufTensor => {
    const name = ggufName(family, architecture, own);
    const shape = source.shapeOf(own);
    const order = rowOrder(family, architecture, own);
    const rowLength = shape.length === 1 ? 1 : shape[1];
    const change = (values: Float32Array): Float32Array => {
      if (order !== undefined) return orderedRows(values, order, { rowLength, headSize });
      return isGain(own) && family.addsOneToGains === true ? values.map((gain) => gain + 1) : values;
    };
    // Heads stay whole; of what is interleaved over all heads, everything comes together.
    const rows = { pairs: headSize, thirds: shape[0], none: 1 }[order ?? 'none'];
    return {
      ...{ name, shape, type: tensorType({ name, shape, type, layers, isTied: isTied(architecture) }) },
      pieces: () => changed(pieces(source, own, rows), change),
    };
  });
  const factors = [...ropeFactors(architecture)].map(([name, values]) =>
    tensorOf({ name, shape: [values.length], type: 'F32' }, values),
  );
  return [...tensors, ...factors];
}

const isGain = (name: string): boolean => /norm\.weight$/.test(name);

/** Of a weight or a bias. */
function rowOrder(family: GgufFamily, architecture: Architecture, name: string): RowOrder | undefined {
  const place = layerPlace(architecture, name.slice(0, name.lastIndexOf('.')));
  return place === undefined ? undefined : family.rowOrders[place.module];
}

async function* changed(
  parts: AsyncIterable<Float32Array>,
  change: (values: Float32Array) => Float32Array,
): AsyncGenerator<Float32Array, void, undefined> {
  for await (const values of parts) yield change(values);
}

function windowWords(architecture: Architecture): string[] {
  const { maxPositions } = architecture;
  const context = contextLength(architecture);
  if (context < maxPositions)
    return [
      `The context is ${context} tokens, the model's sliding window, in place of ${maxPositions}: llama.cpp has no ` +
        'window and would look back further than the model did.',
    ];
  const border = firstTable(architecture);
  if (border >= maxPositions) return [];
  return [
    `llama.cpp turns positions by the size of its context (-c): up to ${border} tokens as the model does; in a larger one ` +
      'short texts too are turned as long ones.',
  ];
}
