/** A LoRA adapter as GGUF: llama.cpp puts it on a base as it loads it. */
import path from 'node:path';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import type { Architecture, LoraAdapter, ModelWeights } from '../../models';
import { requireOptions } from '../../options';
import { checkTokenizerFits } from '../../tokenizer';
import { requireText, TunebookError } from '../../types';
import type { ExportOutcome } from '../proof/outcome';
import { requireCheck } from '../proof/prove';
import type { CheckOptions, Proof } from '../proof/prove';
import { openAdapter } from '../source/open-adapter';
import { baseQuantization } from '../../pretrained';
import { namedModel } from '../source/open-source';
import type { OwnModel, SourceOptions } from '../source/open-source';
import { cardEntries } from './card-entries';
import { exportGguf } from './export-gguf';
import { ggufFamily, ggufName, orderedRows } from './families';
import { f32, FILE_TYPES, requireType, text, u32 } from './types/format';
import type { GgufEntries } from './types/format';
import { tensorOf } from './write';
import type { GgufTensor } from './write';
import { proveInLlamaCpp, writeProven } from './write-proven';

const TYPES = ['f32', 'f16'] as const;
type AdapterType = (typeof TYPES)[number];

/** How an adapter is written as GGUF. */
export interface ExportGgufAdapterOptions extends Omit<SourceOptions, 'adapter'> {
  /** The base: built-in name, folder or hub id; default: what the adapter names. */
  readonly base?: string;
  /** How numbers are stored; default 'f32'. */
  readonly type?: AdapterType;
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
  const { base, check = {}, tokenizer } = options;
  const quantizationConfig = await baseQuantization(adapter, options.quantizationConfig);
  const type = requireType(options.type ?? 'f32', { where, known: TYPES });
  requireCheck(check, where);
  const name = path.basename(path.resolve(adapter));
  const opened = await openAdapter(adapter, base);
  const { architecture } = opened.weights;
  let tensors: GgufTensor[];
  let entries: GgufEntries;
  let source: OwnModel | undefined; // asked for its answers alone: the file has no tokenizer
  try {
    if (check !== false) {
      source = (await namedModel(base, { adapter, tokenizer, quantizationConfig })).own;
      checkTokenizerFits(source.tokenizer, opened.weights);
    }
    requirePlain(opened.weights, opened.adapter, adapter);
    const alpha = alphaOf(opened.adapter, architecture);
    tensors = adapterTensors(architecture, opened.adapter, { alpha, type });
    entries = [
      ['general.architecture', text(ggufFamily(architecture).architecture)],
      ['general.type', text('adapter')],
      ...(await cardEntries(name, [adapter])),
      ['general.file_type', u32(FILE_TYPES[type])],
      ['adapter.type', text('lora')],
      ['adapter.lora.alpha', f32(alpha)],
    ];
  } finally {
    await opened.close();
  }
  const proveAdapter = async (source: OwnModel, check: CheckOptions): Promise<Proof> => {
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-gguf-'));
    const baseFile = async (): Promise<string> => {
      const whole = path.join(folder, 'base.gguf');
      await exportGguf(opened.base, whole, { type: 'f16', check: false, quantizationConfig, tokenizer });
      return whole;
    };
    try {
      return await proveInLlamaCpp({
        ...{ source, architecture, check, bound: BOUND, file: baseFile, lora: file },
      });
    } finally {
      await fs.rm(folder, { recursive: true, force: true });
    }
  };
  return writeProven(file, {
    ...{ entries, tensors, notes: [], target: 'gguf-lora', type, model: name },
    prove: check === false || source === undefined ? undefined : () => proveAdapter(source, check),
  });
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

/**
 * llama.cpp scales by alpha over the rank of each pair; the first module's scale counts, others are in their B.
 * @throws {TunebookError} Where nothing is adapted.
 */
function alphaOf(adapter: LoraAdapter, { layers }: Architecture): number {
  for (let layer = 0; layer < layers; layer++)
    for (const { scale, r } of adapter.modulesOf(layer)) return scale * r;
  throw new TunebookError('exportGgufAdapter: expected adapted modules, got none.');
}

/** A [r, in] as it is, B [out, r] with the rows of rotary modules in llama.cpp's order. GPT-2's need no transpose. */
function adapterTensors(
  architecture: Architecture,
  adapter: LoraAdapter,
  { alpha, type }: { readonly alpha: number; readonly type: AdapterType },
): GgufTensor[] {
  const family = ggufFamily(architecture);
  const stored = type === 'f32' ? 'F32' : 'F16';
  return Array.from({ length: architecture.layers }, (_, layer) =>
    adapter.modulesOf(layer).flatMap((module): GgufTensor[] => {
      const own = architecture.layerPrefix(layer) + module.name;
      const name = ggufName(family, architecture, `${own}.weight`);
      const A = adapter.get(`${own}.lora_A`).data;
      const factor = (module.scale * module.r) / alpha;
      const scaled = adapter.get(`${own}.lora_B`).data.map((value) => value * factor);
      const size = { rowLength: module.r, headSize: architecture.headSize };
      const order = family.rowOrders[module.name];
      const B = order === undefined ? scaled : orderedRows(scaled, order, size);
      return [
        tensorOf({ name: `${name}.lora_a`, shape: [module.r, module.inSize], type: stored }, A),
        tensorOf({ name: `${name}.lora_b`, shape: [module.outSize, module.r], type: stored }, B),
      ];
    }),
  ).flat();
}
