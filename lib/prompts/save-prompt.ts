/**
 * A prompt into a model's folder: the tokenizer, the chat template in the two places where tools look for it, and
 * tunebook_prompt.json.
 */
import path from 'node:path';
import { writeFileAtomic } from '../files';
import { promptIds } from '../tokenizer';
import { messageOf, requireObject } from '../types';
import { jinjaOf } from './model-prompt';
import { requireTemplate } from './templates';
import type { PromptOptions, PromptTravel } from './types';

/**
 * Refuses what is not a prompt.
 * @throws {TunebookError} Where a prompt is not a tokenizer and a template.
 */
export function requirePrompt(prompt: unknown, where: string): void {
  const remedy = 'Pass { prompt: { tokenizer, template } }, those of the training.';
  requireObject(prompt, { where, what: 'a prompt { tokenizer, template }', remedy });
  const { tokenizer, template } = prompt as Partial<PromptOptions>;
  requireObject(tokenizer, { where, what: 'a tokenizer in prompt', remedy, fields: ['savePretrained'] });
  requireTemplate(template, where);
}

/**
 * Writes tokenizer.json, tokenizer_config.json, special_tokens_map.json, chat_template.jinja and tunebook_prompt.json;
 * `loadPrompt` reads them. A template that does not say its form (one of your own) is named on the console and left out.
 *
 * @returns names of the files
 * @throws TunebookError where the prompt is not a tokenizer and a template
 */
export async function savePrompt(folder: string, prompt: PromptOptions): Promise<string[]> {
  requirePrompt(prompt, 'savePrompt');
  const { tokenizer, template } = prompt;
  const { travel } = template;
  if (travel === undefined) {
    console.warn(
      `${folder}: the prompt of the training is not saved with the model, since its template does not say its form. ` +
        'Use instructionTemplate({ prompt }) or chatTemplate(), or give the template a `travel`.',
    );
    return namesOf(await tokenizer.savePretrained(folder));
  }
  const jinja = jinjaOf(travel, tokenizer);
  const other = otherPrompt(prompt, travel, jinja);
  if (other !== undefined) console.warn(`${folder}/chat_template.jinja: ${other}`);
  const files = namesOf(await tokenizer.savePretrained(folder, { chatTemplate: jinja }));
  const text = `${JSON.stringify(travel.description, null, 2)}\n`;
  await writeFileAtomic(path.join(folder, 'tunebook_prompt.json'), text);
  return [...files, 'tunebook_prompt.json'];
}

const namesOf = (files: readonly string[]): string[] => files.map((file) => path.basename(file));

/** What other tools would make of a record, where that is not the prompt of the training, token for token. */
function otherPrompt(
  { tokenizer, template }: PromptOptions,
  travel: PromptTravel,
  jinja: string,
): string | undefined {
  const { fields, defaults } = travel.description;
  const record = { ...Object.fromEntries(fields.map((field) => [field, 'Words, 61.'])), ...defaults };
  try {
    const ours = promptIds(tokenizer, template.formatPrompt(record));
    const turns = travel.messages(record);
    const theirs = tokenizer.applyChatTemplate(turns, { chatTemplate: jinja, addGenerationPrompt: true });
    if (ours.join() === theirs.join()) return undefined;
    return (
      `expected the tokens of the training's prompt, got others (${theirs.length} for ${ours.length}): tools that ask ` +
      'through the chat template ask otherwise than the training did.'
    );
  } catch (error) {
    return `expected a template that writes the training's prompt, but: ${messageOf(error)}`;
  }
}
