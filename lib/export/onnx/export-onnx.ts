/**
 * ONNX as transformers.js loads it: the main path of an export, from a model to files that are proven.
 */
import { requireOptions } from '../../options';
import { requireText } from '../../types';
import type { HasRuntime } from '../../models';
import type { ExportOutcome, ExportProgress } from '../proof/outcome';
import { requireCheck } from '../proof/prove';
import type { CheckOptions } from '../proof/prove';
import { promptOf } from '../../prompts';
import { renderingTemplate } from '../source/chat-template';
import { openModelSource } from '../source/open-source';
import type { SourceOptions } from '../source/open-source';
import { writeModelFiles } from './model-files';
import { tableWords } from './graph/positions-graph';
import { onnxVariants, requireBlocks } from './onnx-types';
import type { OnnxDtypeName, OnnxTarget } from './onnx-types';
import { proveOnnx } from './prove-onnx';
import type { OnnxProof } from './prove-onnx';
import { requireKnownFamily } from './runtimes';
import { writeOnnxFiles } from './write-onnx';
import type { WrittenOnnx } from './write-onnx';

/** How a model is exported to ONNX. */
export interface ExportOnnxOptions extends SourceOptions {
  /** Types of the files; default: fp32, q8 and, where the runtime has it, q4. */
  readonly dtypes?: readonly OnnxDtypeName[];
  /**
   * What loads them: 'transformers.js' (versions 3 and 4, the default) or 'transformers.js-2' (`@xenova/transformers` 2).
   * Their files have different names: both may lie in one folder.
   */
  readonly target?: OnnxTarget;
  /** What answers are compared by; false: the files are written only. */
  readonly check?: CheckOptions | false;
  /** Most bytes of weights in one file; the others lie beside it. Default 2e9: a larger message is none. */
  readonly maxFileBytes?: number;
  /** Called with bytes written, and of each file whose answers are compared. */
  readonly onProgress?: ExportProgress;
}

/** What an export to ONNX wrote. */
export interface OnnxOutcome extends ExportOutcome {
  /** The `.onnx` files, with what was found of each. */
  readonly models: readonly OnnxModelFile[];
}

/** A file of a model. */
export interface OnnxModelFile {
  readonly path: string;
  readonly dtype: OnnxDtypeName;
  /** With the weights beside it. */
  readonly sizeBytes: number;
  /** Undefined where nothing was asked. */
  readonly proof: OnnxProof | undefined;
}

/** Names of the options that a page has as well. */
export const ONNX_OPTION_NAMES = {
  ...({ adapter: true, tokenizer: true, quantizationConfig: true } as const),
  ...({ dtypes: true, check: true, maxFileBytes: true, onProgress: true } as const),
} as const;

/**
 * Writes a model for the browser and Node: `onnx/model*.onnx`, config.json, generation_config.json, the tokenizer, and
 * export-report.json with what the comparison of its answers with tunebook's gave. An adapter in use is merged; on a
 * quantized base into the restored weights, which it was trained on.
 *
 * @param model a model at work, a folder, a built-in name or a hub id; undefined: the adapter's base
 * @throws TunebookError for families and widths that have no ONNX form, a tokenizer that is missing, a disk without room;
 *   nothing is written then
 * @example
 * ```ts
 * import { exportOnnx } from 'tunebook';
 *
 * const { words, isProven } = await exportOnnx('gpt2-mini', 'for-the-browser', { dtypes: ['q8'] });
 * console.log(isProven, words.at(-1));
 * ```
 */
export async function exportOnnx(
  model: HasRuntime | string | undefined,
  folder: string,
  options: ExportOnnxOptions = {},
): Promise<OnnxOutcome> {
  return exportOnnxBeside(model, folder, { options });
}

/** @param besideBytes what else is written to that disk afterwards: room for it is asked for before the first byte */
export async function exportOnnxBeside(
  model: HasRuntime | string | undefined,
  folder: string,
  { options, besideBytes = 0 }: { readonly options: ExportOnnxOptions; readonly besideBytes?: number },
): Promise<OnnxOutcome> {
  const where = 'exportOnnx';
  requireText(folder, { where: `${where}, folder`, what: 'the path of a folder' });
  requireOptions<ExportOnnxOptions>(options, { where, names: { ...ONNX_OPTION_NAMES, target: true } });
  const { dtypes, target = 'transformers.js', check = {}, maxFileBytes, onProgress, ...from } = options;
  requireCheck(check, where);
  const variants = onnxVariants(target, dtypes, where);
  const source = await openModelSource(model, from, where);
  try {
    const { architecture } = source.weights;
    requireKnownFamily(architecture, target, where);
    requireBlocks(
      architecture,
      variants.map(({ dtype }) => dtype),
      where,
    );
    renderingTemplate(source.tokenizer);
    if (source.tokenizer.savedPrompt !== undefined) promptOf(source.tokenizer); // a damaged one is an error
    const written = await writeOnnxFiles(source.weights, folder, {
      ...{ variants, maxFileBytes, onProgress, besideBytes },
    });
    const files = await writeModelFiles(source, folder, { written, target });
    const notes = tableWords(architecture);
    if (check === false) return outcome(written, files, { notes, proofs: new Map() });
    const { proofs, report } = await proveOnnx(source, folder, { written, check, onProgress });
    return outcome(written, [...files, report], { notes, proofs });
  } finally {
    await source.close();
  }
}

function outcome(
  written: readonly WrittenOnnx[],
  files: readonly string[],
  { notes, proofs }: { readonly notes: readonly string[]; readonly proofs: ReadonlyMap<string, OnnxProof> },
): OnnxOutcome {
  const models = written.map(({ path, variant, sizeBytes }) => ({
    ...{ path, sizeBytes, dtype: variant.dtype },
    proof: proofs.get(path),
  }));
  return {
    models,
    files: [...new Set([...written.map(({ path }) => path), ...files])],
    words: [...models.flatMap(({ proof }) => proof?.words ?? []), ...notes],
    agreement: models.at(-1)?.proof?.agreement, // of the coarsest type
    isProven: models.every(({ proof }) => proof?.isProven !== false),
  };
}
