/** Loads a model and generates answers: a way to try what a training run saved from any program. */
import path from 'node:path';
import { zod } from '../schema';
import { isFile, readJson, readJsonObject } from '../files';
import { restrictToTexts, textGenerator } from '../generation';
import type { GenerateOptions } from '../generation';
import { peakMemoryBytes } from '../models';
import { BitsAndBytesConfig } from '../quantization';
import type { QUANTIZATIONS } from '../quantization';
import { AutoTokenizer } from '../tokenizer';
import { requireOptions } from '../options';
import type { OptionNames } from '../options';
import { requireList, requireObject, TunebookError } from '../types';
import { ADAPTER_CONFIG, isAdapterFolder } from './adapter-config';
import { loadAdapter } from './adapter-files';
import { AutoModelForCausalLM } from './auto';
import type { CausalLM } from './causal-lm';

const MAX_NEW_TOKENS = 64;

const OPTIONS: OptionNames<GenerateAnswersOptions> = {
  ...{ model: true, adapter: true, prompts: true, allowedTexts: true, quantize: true },
  ...{ maxMemory: true, maxGpuMemory: true, offloadFolder: true },
  ...{ maxNewTokens: true, doSample: true, temperature: true, topK: true, topP: true },
  ...{ repetitionPenalty: true, seed: true, stopStrings: true, useModelDefaults: true },
};

/** Generation settings of a call; the others come from the model's generation_config.json. */
type GenerationSettings = Pick<
  GenerateOptions,
  | 'doSample'
  | 'temperature'
  | 'topK'
  | 'topP'
  | 'repetitionPenalty'
  | 'seed'
  | 'stopStrings'
  | 'useModelDefaults'
>;

/** The model that answers, and how it generates. */
export interface GenerateAnswersOptions extends GenerationSettings {
  /** Built-in model, folder or hub id; a folder may be a saved adapter's. Default: the adapter's base. */
  readonly model?: string;
  /** Folder of a saved LoRA adapter. */
  readonly adapter?: string;
  /** A JSON file with an array of prompts; they follow the given ones. */
  readonly prompts?: string;
  /** The answers allowed, one list for each prompt. Default: any answer. */
  readonly allowedTexts?: readonly (readonly string[])[];
  readonly quantize?: (typeof QUANTIZATIONS)[number];
  /** Most memory for weights, such as '3GB'; the rest goes to `offloadFolder`. */
  readonly maxMemory?: string;
  /** Most GPU memory for frozen weights; without it they stay off the GPU. */
  readonly maxGpuMemory?: string;
  readonly offloadFolder?: string;
  /** Longest answer, in tokens. Default: what the model's generation_config.json says, else 64. */
  readonly maxNewTokens?: number;
}

/** @throws {TunebookError} Where prompts are no list, or an option is unknown. */
export function requireQuestion(
  where: string,
  prompts: readonly string[],
  options: GenerateAnswersOptions,
): void {
  requireList(prompts, { where, what: 'a list of prompts' });
  requireObject(options, { where, what: 'options { model } or { adapter }' });
  requireOptions<GenerateAnswersOptions>(options, { where, names: OPTIONS });
}

/** The answers, with time and memory. */
export interface GeneratedAnswers {
  readonly answers: readonly string[];
  /** Time to load the model, in ms. */
  readonly loadMs: number;
  readonly generateMs: number;
  /** Peak memory of the process. */
  readonly peakMemoryBytes: number;
}

/**
 * Loads a model, optionally with an adapter and in 4 or 8 bits, and answers prompts.
 * @throws TunebookError where there is no model or no prompt, and as loading and generation do
 */
export async function generateAnswers(
  given: readonly string[],
  options: GenerateAnswersOptions,
): Promise<GeneratedAnswers> {
  requireQuestion('generateAnswers', given, options);
  const { maxMemory, maxGpuMemory, offloadFolder } = options;
  const prompts = [...given, ...(options.prompts === undefined ? [] : await readPrompts(options.prompts))];
  if (prompts.length === 0) {
    throw new TunebookError('tunebook generate: expected a prompt, got none. Give one, or --prompts FILE.');
  }
  const started = performance.now();
  const { adapter, base } = await placesOf(options);
  const tokenizer = await AutoTokenizer.fromPretrained(await tokenizerFolder(adapter, base));
  const model = await AutoModelForCausalLM.fromPretrained(base, {
    quantizationConfig: quantizationOf(options.quantize),
    ...(maxMemory === undefined && maxGpuMemory === undefined
      ? {}
      : { deviceMap: 'auto' as const, maxMemory: { cpu: maxMemory, gpu: maxGpuMemory }, offloadFolder }),
    onPlan: (table) => console.error(table),
  });
  try {
    if (adapter !== undefined) await loadAdapter(model, adapter);
    const loaded = performance.now();
    const { allowedTexts: texts } = options;
    const allowed =
      texts === undefined ? {} : { prefixAllowedTokensFn: restrictToTexts({ tokenizer, prompts, texts }) };
    const answers = await textGenerator({ model, tokenizer, ...settingsOf(options, model), ...allowed })(
      prompts,
    );
    return {
      answers,
      loadMs: Math.round(loaded - started),
      generateMs: Math.round(performance.now() - loaded),
      peakMemoryBytes: peakMemoryBytes(),
    };
  } finally {
    await model.dispose();
  }
}

function settingsOf(
  options: GenerateAnswersOptions,
  model: CausalLM,
): GenerationSettings & Pick<GenerateOptions, 'maxNewTokens'> {
  const { doSample, temperature, topK, topP, repetitionPenalty, seed, stopStrings, useModelDefaults } =
    options;
  const own = useModelDefaults === false ? undefined : model.runtime.generationConfig;
  const hasLength = typeof (own?.max_new_tokens ?? own?.max_length) === 'number';
  const { maxNewTokens = hasLength ? undefined : MAX_NEW_TOKENS } = options;
  return {
    ...{ doSample, temperature, topK, topP, repetitionPenalty, seed, stopStrings, useModelDefaults },
    maxNewTokens,
  };
}

function quantizationOf(type: GenerateAnswersOptions['quantize']): BitsAndBytesConfig | undefined {
  if (type === undefined) return undefined;
  if (type === 'int8') return new BitsAndBytesConfig({ loadIn8bit: true });
  return new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: type, bnb4bitUseDoubleQuant: true });
}

/** A folder given as the model may hold an adapter, whose base is then the model. */
async function placesOf({
  model,
  adapter,
}: GenerateAnswersOptions): Promise<{ adapter: string | undefined; base: string }> {
  if (adapter === undefined && model !== undefined && (await isAdapterFolder(model)))
    return { adapter: model, base: await baseModelOf(model) };
  return { adapter, base: model ?? (await baseModelOf(adapter)) };
}

async function baseModelOf(adapter: string | undefined): Promise<string> {
  if (adapter === undefined) {
    throw new TunebookError('tunebook generate: expected --model or --adapter, got neither.');
  }
  const file = path.join(adapter, ADAPTER_CONFIG);
  const { base_model_name_or_path: name } = await readJsonObject(file);
  if (typeof name === 'string' && name !== '') return name;
  throw new TunebookError(`${file}: expected base_model_name_or_path, got none. Name the base with --model.`);
}

/** A tokenizer saved with the adapter takes precedence. */
async function tokenizerFolder(adapter: string | undefined, base: string): Promise<string> {
  if (adapter === undefined) return base;
  return (await isFile(path.join(adapter, 'tokenizer.json'))) ? adapter : base;
}

async function readPrompts(file: string): Promise<string[]> {
  const prompts = await readJson(file, { schema: zod().unknown() });
  if (Array.isArray(prompts) && prompts.every((prompt) => typeof prompt === 'string')) return prompts;
  throw new TunebookError(`${file}: expected a JSON array of texts, got something else.`);
}
