/**
 * What a saved folder carries beside the weights, so that other tools ask the model as it was trained: tokenizer, chat
 * template, prompt, generation_config.json. A model knows them from its training, or from the folder it came from.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, writeFileAtomic } from '../../files';
import { TOKENIZER_FILES } from '../../hub';
import type { HasRuntime } from '../../models';
import { requirePrompt, savePrompt } from '../../prompts';
import type { PromptOptions } from '../../prompts';
import { checkTokenizerFits } from '../../tokenizer';

/** Where a model is from. */
export interface Origin {
  /** Id or folder that it was loaded by. */
  readonly name?: string;
  /** The folder whose tokenizer and prompt are the model's: its own, or the adapter's that was put on it. */
  readonly folder?: string;
  /** The prompt that it is being trained with. */
  readonly prompt?: PromptOptions;
  /** How it is being trained, where that is not by the next token alone. */
  readonly method?: TrainingMethod;
}

/** A method of training, for the model card. */
export interface TrainingMethod {
  /** The hub's tag, such as 'dpo'. */
  readonly tag: string;
  /** In words, without a full stop. */
  readonly text: string;
}

const origins = new WeakMap<object, Origin>();

/** What is known of a model's origin. */
export function originOf({ runtime }: HasRuntime): Origin {
  return origins.get(runtime) ?? {};
}

/** Notes more of a model's origin. */
export function noteOrigin({ runtime }: HasRuntime, more: Origin): void {
  origins.set(runtime, { ...origins.get(runtime), ...more });
}

/**
 * Records the prompt that a model is trained with: every later save of it carries tokenizer, chat template and
 * tunebook_prompt.json. `Trainer` and the saving functions do so with their option `prompt`.
 * @throws TunebookError where the prompt is not a tokenizer and a template, or the tokenizer is another model's
 */
export function usePrompt(model: HasRuntime, prompt: PromptOptions): void {
  requirePrompt(prompt, 'usePrompt');
  checkTokenizerFits(prompt.tokenizer, model.runtime);
  noteOrigin(model, { prompt });
}

/** Records how a model is trained: the card of every later save says so. */
export function noteMethod(model: HasRuntime, method: TrainingMethod): void {
  noteOrigin(model, { method });
}

/** Takes over the tokenizer and prompt that were saved with an adapter. */
export async function noteAdapterFolder(model: HasRuntime, folder: string): Promise<void> {
  if (await isFile(path.join(folder, 'tokenizer.json'))) noteOrigin(model, { folder, prompt: undefined });
}

/**
 * Writes what is known of tokenizer, prompt and generation into a folder.
 * @returns names of the files
 */
export async function saveCompanions(model: HasRuntime, folder: string): Promise<string[]> {
  const { prompt, folder: source } = originOf(model);
  const files: string[] = [];
  if (prompt !== undefined) files.push(...(await savePrompt(folder, prompt)));
  else if (source !== undefined) files.push(...(await copyFiles(source, folder)));
  const config = generationConfig(model, prompt);
  if (config !== undefined) {
    const text = `${JSON.stringify(config, null, 2)}\n`;
    await writeFileAtomic(path.join(folder, 'generation_config.json'), text);
    files.unshift('generation_config.json');
  }
  return files;
}

async function copyFiles(source: string, folder: string): Promise<string[]> {
  if (path.resolve(source) === path.resolve(folder)) return [];
  const copied: string[] = [];
  for (const name of TOKENIZER_FILES) {
    const file = path.join(source, name);
    if (!(await isFile(file))) continue;
    await writeFileAtomic(path.join(folder, name), await fs.readFile(file));
    copied.push(name);
  }
  return copied;
}

/** The model's own, with the tokens that end an answer in its training among those that end one. */
function generationConfig(
  { runtime }: HasRuntime,
  prompt: PromptOptions | undefined,
): Record<string, unknown> | undefined {
  const own = runtime.generationConfig;
  if (prompt === undefined) return own;
  const { tokenizer, template } = prompt;
  const { bosTokenId, eosTokenId, padTokenId, endOfTurnTokenId } = tokenizer;
  const isChat = template.travel?.description.form === 'chat';
  const ends = [own?.eos_token_id, eosTokenId, ...(isChat ? [endOfTurnTokenId] : [])].flat();
  const exists = (id: unknown): id is number => typeof id === 'number' && id < runtime.architecture.vocabSize;
  const ids = [...new Set(ends.filter(exists))];
  return {
    ...(exists(bosTokenId) ? { bos_token_id: bosTokenId } : {}),
    ...(exists(padTokenId) ? { pad_token_id: padTokenId } : {}),
    ...own,
    ...(ids.length === 0 ? {} : { eos_token_id: ids.length === 1 ? ids[0] : ids }),
  };
}
