/** Loads a model and generates answers: a way to try what a training run saved from any program. */
import path from 'node:path';
import { zod } from '../schema';
import { isFile, readJson, readJsonObject } from '../files';
import { restrictToForms, restrictToTexts, textGenerator } from '../generation';
import type { GenerateOptions } from '../generation';
import { peakMemoryBytes } from '../models';
import { quantizationConfigOf } from '../quantization';
import type { QUANTIZATIONS } from '../quantization';
import { promptOf } from '../prompts';
import type { ModelPrompt, PromptTemplate } from '../prompts';
import { AutoTokenizer } from '../tokenizer';
import type { AnswerForm, ChatMessage, PretrainedTokenizer } from '../tokenizer';
import { requireOptions } from '../options';
import type { OptionNames } from '../options';
import { requireList, requireObject, TunebookError } from '../types';
import type { DataRecord } from '../types';
import { ADAPTER_CONFIG, isAdapterFolder } from './adapters/adapter-config';
import { loadAdapter } from './adapters/adapter-files';
import { baseQuantization } from './adapters/base-file';
import { AutoModelForCausalLM } from './auto';
import type { CausalLM } from './causal-lm';

const MAX_NEW_TOKENS = 64;

const OPTIONS: OptionNames<GenerateAnswersOptions> = {
  ...{ model: true, adapter: true, prompts: true, isRaw: true, template: true },
  ...{ allowedTexts: true, allowedForms: true, quantize: true },
  ...{ maxMemory: true, maxGpuMemory: true, offloadFolder: true },
  ...{ maxNewTokens: true, doSample: true, temperature: true, topK: true, topP: true },
  ...{ repetitionPenalty: true, seed: true, stopStrings: true, useModelDefaults: true, dtype: true },
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
  | 'dtype'
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
  /** The form of each prompt's answer, fixed texts and lists of options (see `restrictToForms`). Default: any answer. */
  readonly allowedForms?: readonly AnswerForm[];
  /** Texts are continued as they are, even where the model says which prompt it was tuned with. Default false. */
  readonly isRaw?: boolean;
  /** The prompt of records where the model's folder has none of its own. Default: its chat template. */
  readonly template?: PromptTemplate;
  readonly quantize?: (typeof QUANTIZATIONS)[number];
  /** Most memory for weights, such as '3GB'; the rest goes to `offloadFolder`. */
  readonly maxMemory?: string;
  /** Most GPU memory for frozen weights; without it they stay off the GPU. */
  readonly maxGpuMemory?: string;
  /** Where layers go that memory, or `maxMemory` of it, does not hold. */
  readonly offloadFolder?: string;
  /** Longest answer, in tokens. Default: what the model's generation_config.json says, else 64. */
  readonly maxNewTokens?: number;
}

/** What a model can be asked: a text, a record or a conversation. */
export type Asked = string | DataRecord | readonly ChatMessage[];

/** @throws {TunebookError} Where prompts are no list, an option is unknown, or answers are restricted in two ways. */
export function requireQuestion(
  where: string,
  prompts: readonly Asked[],
  options: GenerateAnswersOptions,
): void {
  requireList(prompts, { where, what: 'a list of prompts' });
  requireObject(options, { where, what: 'options { model } or { adapter }' });
  requireOptions<GenerateAnswersOptions>(options, { where, names: OPTIONS });
  if (options.allowedForms !== undefined && options.allowedTexts !== undefined)
    throw new TunebookError(
      `${where}: expected allowedTexts or allowedForms, got both. A text is a form too: [text], without a list of options.`,
    );
}

/** The answers, with time and memory. */
export interface GeneratedAnswers {
  readonly answers: readonly string[];
  /** The prompt that was used, in words; undefined where texts were continued as they are. */
  readonly prompt?: string;
  /** Time to load the model, in ms. */
  readonly loadMs: number;
  readonly generateMs: number;
  /** Peak memory of the process. */
  readonly peakMemoryBytes: number;
}

/**
 * Loads a model, optionally with an adapter and in 4 or 8 bits, and answers prompts. Records and conversations are asked
 * in the prompt that the model was tuned with, or in its chat template; texts in the prompt that it was tuned with where
 * its folder says so (tunebook_prompt.json) and they are not whole prompts already, else they are continued as they are.
 * @throws TunebookError where there is no model or no prompt, and as loading and generation do
 */
export async function generateAnswers(
  given: readonly Asked[],
  options: GenerateAnswersOptions,
): Promise<GeneratedAnswers> {
  requireQuestion('generateAnswers', given, options);
  const { maxMemory, maxGpuMemory, offloadFolder } = options;
  const asked = [...given, ...(options.prompts === undefined ? [] : await readPrompts(options.prompts))];
  if (asked.length === 0) {
    throw new TunebookError('tunebook generate: expected a prompt, got none. Give one, or --prompts FILE.');
  }
  const started = performance.now();
  const { adapter, base } = await modelPlaces(options);
  const tokenizer = await AutoTokenizer.fromPretrained(await tokenizerPlace(adapter, base));
  const { prompts, stopStrings, words } = promptsOf(asked, {
    ...{ tokenizer, isRaw: options.isRaw ?? false, template: options.template },
  });
  const model = await AutoModelForCausalLM.fromPretrained(base, {
    quantizationConfig: await baseQuantization(adapter, quantizationConfigOf(options.quantize)),
    ...([maxMemory, maxGpuMemory, offloadFolder].every((one) => one === undefined)
      ? {}
      : { deviceMap: 'auto' as const, maxMemory: { cpu: maxMemory, gpu: maxGpuMemory }, offloadFolder }),
    onDeviceMap: (table) => console.error(table),
  });
  try {
    if (adapter !== undefined) await loadAdapter(model, adapter);
    const loaded = performance.now();
    const { allowedTexts: texts, allowedForms: forms } = options;
    const prefixAllowedTokensFn =
      (forms && restrictToForms({ tokenizer, prompts, forms })) ??
      (texts && restrictToTexts({ tokenizer, prompts, texts }));
    const settings = settingsOf({ ...options, stopStrings: options.stopStrings ?? stopStrings }, model);
    const answers = await textGenerator({ model, tokenizer, ...settings, prefixAllowedTokensFn })(prompts);
    return {
      ...{ answers, prompt: words },
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
  const { doSample, temperature, topK, topP, repetitionPenalty, seed, stopStrings } = options;
  const { useModelDefaults, dtype } = options;
  const own = useModelDefaults === false ? undefined : model.runtime.generationConfig;
  const hasLength = typeof (own?.max_new_tokens ?? own?.max_length) === 'number';
  const { maxNewTokens = hasLength ? undefined : MAX_NEW_TOKENS } = options;
  return {
    ...{ doSample, temperature, topK, topP, repetitionPenalty, seed, stopStrings, useModelDefaults, dtype },
    maxNewTokens,
  };
}

/**
 * The base and the adapter; a folder given as the model may hold an adapter, whose base is then the model.
 * @throws TunebookError where neither is given, or the adapter names no base
 */
export async function modelPlaces({
  model,
  adapter,
}: {
  model?: string;
  adapter?: string;
}): Promise<{ adapter: string | undefined; base: string }> {
  if (adapter === undefined && model !== undefined && (await isAdapterFolder(model)))
    return { adapter: model, base: await baseModelOf(model) };
  return { adapter, base: model ?? (await baseModelOf(adapter)) };
}

/**
 * The model that a saved adapter names as its base.
 * @throws TunebookError where there is no adapter, or it names none
 */
export async function baseModelOf(adapter: string | undefined): Promise<string> {
  if (adapter === undefined) {
    throw new TunebookError('tunebook: expected --model or --adapter, got neither.');
  }
  const file = path.join(adapter, ADAPTER_CONFIG);
  const { base_model_name_or_path: name } = await readJsonObject(file);
  if (typeof name === 'string' && name !== '') return name;
  throw new TunebookError(`${file}: expected base_model_name_or_path, got none. Name the base with --model.`);
}

/** Where the tokenizer is: one saved with the adapter takes precedence. */
export async function tokenizerPlace(adapter: string | undefined, base: string): Promise<string> {
  if (adapter === undefined) return base;
  return (await isFile(path.join(adapter, 'tokenizer.json'))) ? adapter : base;
}

/** Each question as the model reads it, and which prompt that is. */
function promptsOf(
  asked: readonly Asked[],
  how: { tokenizer: PretrainedTokenizer; isRaw: boolean; template: PromptTemplate | undefined },
): { prompts: string[]; stopStrings?: readonly string[]; words?: string } {
  const { tokenizer, isRaw, template } = how;
  const prompt = promptOf(tokenizer);
  const isText = (one: Asked): one is string => typeof one === 'string';
  const isSaved = prompt?.isSaved === true;
  const isOurs = (one: Asked): boolean =>
    isText(one) ? isSaved && !isRaw : isSaved || template === undefined;
  const render = (one: Asked): string => {
    if (isOurs(one)) return requirePromptOf(prompt, tokenizer).render(one);
    if (isText(one)) return one;
    if (template !== undefined && !isList(one)) return template.formatPrompt(one);
    return requirePromptOf(prompt, tokenizer).render(one);
  };
  const prompts = asked.map(render);
  if (prompt === undefined || !asked.some(isOurs)) return { prompts };
  const { stopStrings, source } = prompt;
  return { prompts, words: source, ...(stopStrings.length > 0 ? { stopStrings } : {}) };
}

const isList = (one: Asked): one is readonly ChatMessage[] => Array.isArray(one);

function requirePromptOf(prompt: ModelPrompt | undefined, { name }: PretrainedTokenizer): ModelPrompt {
  if (prompt !== undefined) return prompt;
  throw new TunebookError(
    `generate: expected a model that says how records are asked, got ${name} without tunebook_prompt.json and without ` +
      'a chat template. Ask with whole prompts: template.formatPrompt(record).',
  );
}

async function readPrompts(file: string): Promise<Asked[]> {
  const prompts = await readJson(file, { schema: zod().unknown() });
  const isAsked = (one: unknown): one is Asked =>
    typeof one === 'string' || (typeof one === 'object' && one !== null);
  if (Array.isArray(prompts) && prompts.every(isAsked)) return prompts;
  throw new TunebookError(
    `${file}: expected a JSON array of texts, records or lists of messages, got something else.`,
  );
}
