/**
 * `tunebook generate`: asks a model in a process of its own, with an adapter on it and in 4 bits where wanted.
 * What a training run saved can be tried with it at once, and from any other program.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { textGenerator } from '../generation';
import { AutoModelForCausalLM, loadAdapter, peakMemoryBytes } from '../models';
import { BitsAndBytesConfig } from '../quantization';
import { AutoTokenizer } from '../tokenizer';
import { TunebookError } from '../types';

const QUANTIZATIONS = ['nf4', 'fp4', 'int8'] as const;

/** What the command line gives. */
export interface GenerateCommandOptions {
  readonly model?: string;
  readonly adapter?: string;
  /** A JSON file with an array of prompts; they follow those of the command line. */
  readonly prompts?: string;
  readonly quantize?: (typeof QUANTIZATIONS)[number];
  readonly maxMemory?: string;
  readonly maxGpuMemory?: string;
  readonly offloadFolder?: string;
  readonly maxNewTokens: number;
  readonly json?: boolean;
}

/** What `--json` prints. */
export interface GenerateCommandResult {
  readonly answers: readonly string[];
  /** From the start of loading to the model in memory. */
  readonly loadMs: number;
  readonly generateMs: number;
  /** Most memory that the process has had. */
  readonly peakMemoryBytes: number;
}

/**
 * Loads, generates, and tells what it took.
 * @throws TunebookError where there is nothing to load or to ask, or as loading and generating do
 */
export async function generateAnswers(
  given: readonly string[],
  options: GenerateCommandOptions,
): Promise<GenerateCommandResult> {
  const { adapter, maxMemory, maxGpuMemory, offloadFolder } = options;
  const prompts = [...given, ...(options.prompts === undefined ? [] : await readPrompts(options.prompts))];
  if (prompts.length === 0) {
    throw new TunebookError('tunebook generate: expected a prompt, got none. Give one, or --prompts FILE.');
  }
  const started = performance.now();
  const base = options.model ?? (await baseModelOf(adapter));
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
    const answers = await textGenerator({ model, tokenizer, maxNewTokens: options.maxNewTokens })(prompts);
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

/** Adds the command to the program. @param count reads a whole number above 0 */
export function addGenerateCommand(program: Command, count: (text: string) => number): void {
  program
    .command('generate')
    .description('ask a model, with an adapter where wanted')
    .argument('[prompts...]', 'texts to go on from')
    .option('-m, --model <model>', "built-in model, folder or hub id (default: the adapter's base)")
    .option('-a, --adapter <folder>', 'a saved LoRA adapter')
    .option('--prompts <file>', 'a JSON file with an array of prompts')
    .addOption(
      new Option('-q, --quantize <type>', 'quantize the weights as they load').choices(QUANTIZATIONS),
    )
    .option('--max-memory <size>', 'most memory for weights, for instance 3GB; the rest goes to disk')
    .option(
      '--max-gpu-memory <size>',
      'most memory of a GPU for frozen weights; without it they stay off the GPU',
    )
    .option('--offload-folder <folder>', 'where layers go that memory does not hold')
    .option('-n, --max-new-tokens <count>', 'longest answer, in tokens', count, 64)
    .option('--json', 'answers, times and peak memory as JSON')
    .action(async (prompts: string[], options: GenerateCommandOptions) => {
      const result = await generateAnswers(prompts, options);
      console.log(options.json === true ? JSON.stringify(result, null, 2) : result.answers.join('\n---\n'));
    });
}

function quantizationOf(type: GenerateCommandOptions['quantize']): BitsAndBytesConfig | undefined {
  if (type === undefined) return undefined;
  if (type === 'int8') return new BitsAndBytesConfig({ loadIn8bit: true });
  return new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: type, bnb4bitUseDoubleQuant: true });
}

async function baseModelOf(adapter: string | undefined): Promise<string> {
  if (adapter === undefined) {
    throw new TunebookError('tunebook generate: expected --model or --adapter, got neither.');
  }
  const file = path.join(adapter, 'adapter_config.json');
  const config = await readJson(file);
  const name: unknown =
    typeof config === 'object' && config !== null && 'base_model_name_or_path' in config
      ? config.base_model_name_or_path
      : undefined;
  if (typeof name === 'string' && name !== '') return name;
  throw new TunebookError(`${file}: expected base_model_name_or_path, got none. Name the base with --model.`);
}

/** An adapter's own tokenizer wins, where one was saved with it. */
async function tokenizerFolder(adapter: string | undefined, base: string): Promise<string> {
  if (adapter === undefined) return base;
  const hasOwn = await fs.access(path.join(adapter, 'tokenizer.json')).then(
    () => true,
    () => false,
  );
  return hasOwn ? adapter : base;
}

async function readPrompts(file: string): Promise<string[]> {
  const parsed = await readJson(file);
  if (Array.isArray(parsed) && parsed.every((prompt) => typeof prompt === 'string')) return parsed;
  throw new TunebookError(`${file}: expected a JSON array of texts, got something else.`);
}

async function readJson(file: string): Promise<unknown> {
  try {
    return JSON.parse(await fs.readFile(file, 'utf8'));
  } catch (cause) {
    throw new TunebookError(`${file}: expected a JSON file, but it cannot be read: ${String(cause)}.`, {
      cause,
    });
  }
}
