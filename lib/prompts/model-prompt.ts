/**
 * The prompt of a saved model, read from its folder: what generation, servers and exports ask it with.
 */
import { AutoTokenizer } from '../tokenizer';
import type { ChatMessage, PretrainedTokenizer } from '../tokenizer';
import { kindOf, requireObject, TunebookError } from '../types';
import type { DataRecord } from '../types';
import { parseDescription, templateOf } from './prompt-file';
import { chatTemplate, firstToken } from './templates';
import type { PromptDescription, PromptTemplate, PromptTravel } from './types';

/** Stands for a user's turn where the texts around it are looked for. */
const MARK = 'turn-5b0e';

/** How a model is to be asked: the prompt that it was tuned with, or its own chat template. */
export interface ModelPrompt {
  /** Where it is from, in words: `the instruction prompt of outputs/run/model/tunebook_prompt.json`. */
  readonly source: string;
  /** Whether the model was tuned with it (tunebook_prompt.json says so); else it is the tokenizer's own chat template. */
  readonly isSaved: boolean;
  /** Content of tunebook_prompt.json. */
  readonly description: PromptDescription;
  /** From records to text. */
  readonly template: PromptTemplate;
  readonly tokenizer: PretrainedTokenizer;
  /** The Jinja chat template, as chat_template.jinja has it: it writes the first token (`<s>`) itself. */
  readonly chatTemplate: string;
  /** What stands before and after one user's turn, the system text in it; without the tokenizer's first token. */
  readonly frame: { readonly before: string; readonly after: string };
  /** Texts that end an answer, beside the tokenizer's end-of-text and end-of-turn tokens. */
  readonly stopStrings: readonly string[];
  /**
   * The prompt: of a record, of a conversation, or of a user's text; a text that is a whole prompt already stays as it
   * is. Encode it with the tokenizer's special tokens, as `promptIds` does.
   * @throws TunebookError where a record lacks a field, or the template refuses the turns
   */
  render(asked: string | DataRecord | readonly ChatMessage[]): string;
  /**
   * The turns that a chat client sends for a record; `chatTemplate` makes the same prompt of them.
   * @throws TunebookError where a record lacks a field, or has a system text of its own
   */
  messages(record: DataRecord): ChatMessage[];
}

/**
 * The prompt that a saved model or adapter was tuned with; else the tokenizer's own chat template; undefined where there
 * is neither, as with GPT-2.
 *
 * @param idOrFolder a folder, a built-in name or a hub id; of an adapter, its own folder
 * @throws TunebookError where there is no tokenizer, or tunebook_prompt.json is damaged
 * @example
 * ```ts
 * import { AutoModelForCausalLM, AutoTokenizer, instructionTemplate, loadPrompt, savePretrained } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
 * const template = instructionTemplate({ system: 'You are a coach.' });
 * await savePretrained(model, 'tuned', { prompt: { tokenizer, template } });
 * const prompt = await loadPrompt('tuned');
 * console.log(prompt?.render({ input: 'How was it?', context: 'time: 61' }));
 * await model.dispose();
 * ```
 */
export async function loadPrompt(idOrFolder: string): Promise<ModelPrompt | undefined> {
  return promptOf(await AutoTokenizer.fromPretrained(idOrFolder));
}

/** As `loadPrompt`, of a tokenizer that is loaded already. */
export function promptOf(tokenizer: PretrainedTokenizer): ModelPrompt | undefined {
  requireObject(tokenizer, { where: 'promptOf', what: 'a tokenizer', fields: ['encode', 'name'] });
  const { name, savedPrompt, chatTemplate: own } = tokenizer;
  if (savedPrompt !== undefined) {
    const description = parseDescription(savedPrompt, `${name}/tunebook_prompt.json`);
    const template = templateOf(description, tokenizer);
    const source = `the ${description.form} prompt of ${name}/tunebook_prompt.json`;
    return modelPrompt({ source, isSaved: true, tokenizer, template });
  }
  if (own === undefined) return undefined;
  return modelPrompt({
    ...{ source: `the chat template of ${name}`, isSaved: false, tokenizer },
    template: chatTemplate({ tokenizer }),
  });
}

/** The Jinja template of a tokenizer's conversations in a template's form. */
export function jinjaOf(travel: PromptTravel, tokenizer: PretrainedTokenizer): string {
  return travel.chatTemplate(firstToken(tokenizer) === '' ? undefined : 'bos_token');
}

/** @throws TunebookError where the template does not travel */
export function modelPrompt(parts: {
  source: string;
  isSaved: boolean;
  tokenizer: PretrainedTokenizer;
  template: PromptTemplate;
}): ModelPrompt {
  const { source, isSaved, tokenizer, template } = parts;
  const { travel } = template;
  if (travel === undefined)
    throw new TunebookError(
      'prompt: expected a template that says its form, as instructionTemplate() and chatTemplate() do, got one without ' +
        'travel.',
    );
  const jinja = jinjaOf(travel, tokenizer);
  const bos = firstToken(tokenizer);
  const renderTurns = (turns: readonly ChatMessage[]): string => {
    const text = tokenizer.applyChatTemplate(turns, {
      ...{ tokenize: false, addGenerationPrompt: true, chatTemplate: jinja },
    });
    return text.startsWith(bos) ? text.slice(bos.length) : text;
  };
  let around: { before: string; after: string } | undefined;
  const frame = (): { before: string; after: string } => (around ??= frameOf(renderTurns));
  return {
    ...{ source, isSaved, tokenizer, template, chatTemplate: jinja },
    description: travel.description,
    stopStrings: travel.description.stop_strings,
    get frame() {
      return frame();
    },
    messages: (record) => travel.messages(record),
    render: (asked) => {
      if (typeof asked === 'string') {
        const { before, after } = frame();
        const isWhole = before + after !== '' && asked.startsWith(before) && asked.endsWith(after);
        return isWhole ? asked : renderTurns([{ role: 'user', content: asked }]);
      }
      if (isConversation(asked)) return renderTurns(asked);
      requireObject(asked, { where: 'prompt.render', what: 'a text, a record or a list of messages' });
      return template.formatPrompt(asked);
    },
  };
}

function isConversation(asked: DataRecord | readonly ChatMessage[]): asked is readonly ChatMessage[] {
  if (!Array.isArray(asked)) return false;
  for (const turn of asked as readonly unknown[])
    if (typeof turn !== 'object' || turn === null || !('role' in turn) || !('content' in turn))
      throw new TunebookError(
        `prompt.render: expected messages { role, content }, got ${kindOf(turn)} among them.`,
      );
  return true;
}

function frameOf(renderTurns: (turns: readonly ChatMessage[]) => string): { before: string; after: string } {
  const [before, ...rest] = renderTurns([{ role: 'user', content: MARK }]).split(MARK);
  return { before, after: rest.join(MARK) };
}
