/** A LoRA adapter as GGUF: llama.cpp puts it on a base as it loads it. */
import path from 'node:path';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import type { LoraAdapter, ModelWeights } from '../../models';
import { requireOptions } from '../../options';
import { requireText, TunebookError } from '../../types';
import type { ExportOutcome } from '../proof/outcome';
import { findLlamaCpp, openLlamaCpp } from '../proof/llama-cpp';
import { prove } from '../proof/prove';
import type { CheckOptions } from '../proof/prove';
import { writeExportReport } from '../proof/report';
import { openAdapter } from '../source/open-adapter';
import { openModelSource } from '../source/open-source';
import type { SourceOptions } from '../source/open-source';
import { exportGguf, NOT_COMPARED, rotaryRows } from './export-gguf';
import { cardEntries } from './card-entries';
import { contextLength, f32, ggufFamily, ggufName, text, u32 } from './families';
import type { GgufEntries } from './families';
import { FILE_TYPES } from './format';
import { readBack } from './read-back';
import { stageGguf } from './write';
import type { GgufTensor } from './write';

/** How an adapter is written as GGUF. */
export interface ExportGgufAdapterOptions extends Omit<SourceOptions, 'adapter'> {
  /** The base: built-in name, folder or hub id; default: what the adapter names. */
  readonly base?: string;
  /** How numbers are stored; default 'f32'. */
  readonly type?: 'f32' | 'f16';
  /** What answers are compared by; false: the file is neither read back nor compared. */
  readonly check?: CheckOptions | false;
}

/** An adapter is small; its rounding is below that of the base. */
const BOUND = { meanKl: 2e-3, sameTop: 0.97 };

/**
 * Writes a saved LoRA adapter as GGUF-LoRA, for llama.cpp's `--lora`.
 * @param adapter folder of the adapter
 * @param file where to write
 * @throws {TunebookError} For what GGUF-LoRA cannot hold (DoRA, whole modules, trained tokens, biases): merge it instead.
 * @example
 * ```ts
 * import { AutoModelForCausalLM, exportGgufAdapter, getPeftModel, LoraConfig, saveAdapter } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * await saveAdapter(getPeftModel(model, new LoraConfig({ r: 8 })), 'adapter', 'gpt2-mini');
 * await exportGgufAdapter('adapter', 'adapter.gguf', { check: false });
 * await model.dispose();
 * ```
 */
export async function exportGgufAdapter(
  adapter: string,
  file: string,
  options: ExportGgufAdapterOptions = {},
): Promise<ExportOutcome> {
  const where = 'exportGgufAdapter';
  requireText(adapter, { where, what: 'the folder of an adapter' });
  requireText(file, { where, what: 'the path of a file' });
  requireOptions<ExportGgufAdapterOptions>(options, {
    where,
    names: { base: true, type: true, check: true, tokenizer: true, quantizationConfig: true },
  });
  const { base, type = 'f32', check = {}, tokenizer, quantizationConfig } = options;
  const opened = await openAdapter(adapter, base);
  let tensors: GgufTensor[];
  let entries: GgufEntries;
  try {
    requirePlain(opened.weights, opened.adapter, adapter);
    tensors = adapterTensors(opened.weights, opened.adapter, type);
    entries = [
      ['general.architecture', text(ggufFamily(opened.weights.architecture).architecture)],
      ['general.type', text('adapter')],
      ...(await cardEntries(path.basename(path.resolve(adapter)), [adapter])),
      ['general.file_type', u32(FILE_TYPES[type])],
      ['adapter.type', text('lora')],
      ['adapter.lora.alpha', f32(alphaOf(opened.adapter))],
    ];
  } finally {
    await opened.close();
  }
  const staged = await stageGguf(file, entries, tensors);
  try {
    if (check !== false) await readBack(staged.temporaryPath, tensors, file);
    await staged.commit();
  } catch (error) {
    await staged.discard();
    throw error;
  }
  if (check === false)
    return {
      files: [file],
      words: ['Neither read back nor compared, as asked.'],
      agreement: undefined,
      isProven: true,
    };
  const source = await openModelSource(base, { adapter, tokenizer, quantizationConfig }, where);
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-gguf-'));
  try {
    const { architecture } = source.weights;
    const proof = await prove({
      ...{ source, check, bound: BOUND, missing: `Read back: every tensor is as it was. ${NOT_COMPARED}.` },
      contextLength: contextLength(architecture),
      open: async () => {
        if ((await findLlamaCpp()) === undefined) return undefined;
        const whole = path.join(folder, 'base.gguf');
        await exportGguf(base ?? opened.base, whole, {
          type: 'f16',
          check: false,
          quantizationConfig,
          tokenizer,
        });
        return openLlamaCpp(whole, {
          contextSize: Math.min(contextLength(architecture), 2048),
          ...{ vocabSize: architecture.vocabSize, lora: file },
        });
      },
    });
    const { agreement, isProven, words } = proof;
    const report = await writeExportReport(file, {
      ...{ target: 'gguf-lora', type, model: source.name, isReadBack: true, isProven, words },
      agreement: agreement ?? null,
    });
    return { files: [file, report], words, agreement, isProven };
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
    await source.close();
  }
}

/** @throws {TunebookError} For what llama.cpp would pass over. */
function requirePlain(weights: ModelWeights, adapter: LoraAdapter, folder: string): void {
  const { config, head, embedding, copiedNames, embeddingTokens, headTokens } = adapter;
  const found = [
    ...(config.useDora ? ['DoRA'] : []),
    ...(config.modulesToSave.length > 0 ? ['modules_to_save'] : []),
    ...(config.loraBias ? ['lora_bias'] : []),
    ...(config.bias === 'none' ? [] : [`bias '${config.bias}'`]),
    ...((embeddingTokens ?? headTokens) === undefined ? [] : ['trainable tokens']),
    ...((head ?? embedding) === undefined ? [] : ['an adapter on head or token embedding']),
    ...(weights.isResized ? ['added tokens'] : []),
  ];
  if (found.length === 0 && copiedNames.length === 0) return;
  throw new TunebookError(
    `${folder}: expected a plain LoRA adapter for GGUF-LoRA, got one with ${found.join(', ') || copiedNames.join(', ')}, ` +
      'which llama.cpp does not read. Merge it: tunebook export -a ADAPTER --to gguf.',
  );
}

/** llama.cpp scales by alpha over the rank of each pair; the first module's scale counts, others are in their B. */
function alphaOf(adapter: LoraAdapter): number {
  const [first] = adapter.modulesOf(0).length > 0 ? adapter.modulesOf(0) : anyModules(adapter);
  return first.scale * first.r;
}

function anyModules(adapter: LoraAdapter): ReturnType<LoraAdapter['modulesOf']> {
  for (let layer = 0; ; layer++) {
    const modules: ReturnType<LoraAdapter['modulesOf']> | undefined = adapter.modulesOf(layer);
    if (modules === undefined)
      throw new TunebookError('exportGgufAdapter: expected adapted modules, got none.');
    if (modules.length > 0) return modules;
  }
}

/** A [r, in] as it is, B [out, r] with the rows of rotary modules in llama.cpp's order. GPT-2's need no transpose. */
function adapterTensors(weights: ModelWeights, adapter: LoraAdapter, type: 'f32' | 'f16'): GgufTensor[] {
  const { architecture } = weights;
  const family = ggufFamily(architecture);
  const alpha = alphaOf(adapter);
  const stored = type === 'f32' ? 'F32' : 'F16';
  return Array.from({ length: architecture.layers }, (_, layer) =>
    adapter.modulesOf(layer).flatMap((module): GgufTensor[] => {
      const own = architecture.layerPrefix(layer) + module.name;
      const name = ggufName(family, architecture, `${own}.weight`);
      const A = adapter.get(`${own}.lora_A`).data;
      const factor = (module.scale * module.r) / alpha;
      const scaled = adapter.get(`${own}.lora_B`).data.map((value) => value * factor);
      const size = { rowLength: module.r, headSize: architecture.headSize };
      const B = family.rotaryModules.includes(module.name) ? rotaryRows(scaled, size) : scaled;
      const tensor = (suffix: string, shape: readonly number[], values: Float32Array): GgufTensor => ({
        ...{ name: `${name}.${suffix}`, shape, type: stored },
        pieces: async function* () {
          yield values;
        },
      });
      return [
        tensor('lora_a', [module.r, module.inSize], A),
        tensor('lora_b', [module.outSize, module.r], B),
      ];
    }),
  ).flat();
}
