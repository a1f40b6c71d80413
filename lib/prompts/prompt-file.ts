/** tunebook_prompt.json: the prompt that a model was tuned with, and the template that it describes. */
import { lazySchema, prettifyError } from '../schema';
import { TunebookError } from '../types';
import type { PretrainedTokenizer } from '../tokenizer';
import { chatTemplate, instructionTemplate } from './templates';
import type { PromptDescription, PromptTemplate } from './types';

const schema = lazySchema((z) =>
  z.object({
    version: z.literal(1, 'expected version 1. Update tunebook, or save the model again with this one'),
    form: z.enum(['instruction', 'chat']),
    system: z.string().optional(),
    prompt: z.string().optional(),
    user: z.string().optional(),
    response: z.string().default('{response}'),
    fields: z.array(z.string()).default([]),
    defaults: z.record(z.string(), z.string()).default({}),
    stop_strings: z.array(z.string().min(1)).default([]),
  }),
);

/**
 * Checks what a file says of a prompt.
 * @param where the file, for errors
 * @throws TunebookError where it says something else
 */
export function parseDescription(content: unknown, where: string): PromptDescription {
  const parsed = schema().safeParse(content);
  if (!parsed.success)
    throw new TunebookError(
      `${where}: ${prettifyError(parsed.error)}. Save the model again, or remove the file and give the prompt.`,
    );
  return parsed.data;
}

/** The template that a description describes. @throws TunebookError where the tokenizer has no chat template for it */
export function templateOf(description: PromptDescription, tokenizer: PretrainedTokenizer): PromptTemplate {
  const { form, system, prompt, user, response, defaults, stop_strings: stopStrings } = description;
  return form === 'instruction'
    ? instructionTemplate({ system, prompt, response, defaults, stopStrings })
    : chatTemplate({ tokenizer, user, system, response, stopStrings });
}
