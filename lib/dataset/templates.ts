/**
 * From records to text. One template makes both forms: the inference form is the prompt, the training form is
 * the same prompt and then the response. They are encoded apart and joined as ids (see encode.ts), so the two
 * agree token for token up to the response whatever the response begins with.
 */
import { requireOptions } from '../options';
import { TunebookError, kindOf, requireObject } from '../types';
import type { DataRecord, JsonValue } from './files/row';
import type { ChatPromptOptions, FormattedTurn, InstructionTemplateOptions, PromptTemplate } from './types';

const INSTRUCTION_PROMPT =
  '### Instruction:\n{system}\n\n### Input:\n{input}\n\n### Context:\n{context}\n\n### Response:\n';

const DEFAULT_SYSTEM = 'Answer from the given context.';

const PASS_TOKENIZER = 'Pass { tokenizer: await AutoTokenizer.fromPretrained(...) }.';

const PLACE = /\{([A-Za-z_]\w*)\}/g;

/**
 * The instruction / input / context / response prompt of the original experiments, or one of your own.
 *
 * @throws TunebookError where the prompt would give the response away.
 * @example
 * ```ts
 * import { instructionTemplate } from 'tunebook';
 *
 * const template = instructionTemplate({ system: 'You are a coach.' });
 * console.log(template.formatPrompt({ input: 'How was it?', context: 'time: 61', response: 'Fine.' }));
 * ```
 */
export function instructionTemplate(options: InstructionTemplateOptions = {}): PromptTemplate {
  requireObject(options, {
    where: 'instructionTemplate',
    what: 'options { system, prompt, response, defaults }',
  });
  requireOptions<InstructionTemplateOptions>(options, {
    where: 'instructionTemplate',
    names: { system: true, prompt: true, response: true, defaults: true },
  });
  const { system = DEFAULT_SYSTEM, prompt = INSTRUCTION_PROMPT, response = '{response}' } = options;
  for (const [name, text] of Object.entries({ system, prompt, response })) {
    if (typeof text !== 'string')
      throw new TunebookError(`instructionTemplate: expected a text for ${name}, got ${kindOf(text)}.`);
  }
  const values = { system, context: '', ...options.defaults };
  refuseLeak(prompt, response);
  return {
    formatPrompt: (record) => fill(prompt, record, values),
    formatResponse: (record) => fill(response, record, values),
  };
}

/**
 * The tokenizer's own chat template around one user turn, ready for the assistant to answer. In training the answer
 * is followed by what the template writes after it: the token that ends a turn, be it the end-of-text token or another.
 *
 * @throws TunebookError where the tokenizer has no chat template, or the turn would give the response away.
 * @example
 * ```ts
 * import { AutoTokenizer, chatTemplate } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('mistral');
 * const template = chatTemplate({ tokenizer, user: '{input}' });
 * console.log(template.formatPrompt({ input: 'How was it?' })); // [INST] How was it? [/INST]
 * ```
 */
export function chatTemplate(options: ChatPromptOptions): PromptTemplate {
  requireObject(options, { where: 'chatTemplate', what: 'options with a tokenizer', remedy: PASS_TOKENIZER });
  requireOptions<ChatPromptOptions>(options, {
    where: 'chatTemplate',
    names: { tokenizer: true, user: true, system: true, response: true },
  });
  requireObject(options.tokenizer, {
    ...{ where: 'chatTemplate', what: 'a tokenizer', remedy: PASS_TOKENIZER },
    fields: ['encode', 'applyChatTemplate'],
  });
  const { tokenizer, user = '{input}\n\n{context}', system, response = '{response}' } = options;
  if (tokenizer.chatTemplate === undefined) {
    throw new TunebookError(
      `chatTemplate: ${tokenizer.name} has no chat template. Use instructionTemplate() with this tokenizer.`,
    );
  }
  refuseLeak(user + (system ?? ''), response);
  // Prompts are encoded with the tokenizer's special tokens; where it adds its own first token, the
  // template's must go, or there would be two.
  const addsBos = tokenizer.bosTokenId !== undefined && tokenizer.encode('')[0] === tokenizer.bosTokenId;
  const bos = addsBos ? (tokenizer.bosToken ?? '') : '';
  const values = { context: '' };
  const render = (record: DataRecord, answer?: string): string => {
    const turns = [{ role: 'user', content: fill(user, record, values).trim() }];
    if (system !== undefined) turns.unshift({ role: 'system', content: fill(system, record, values) });
    if (answer !== undefined) turns.push({ role: 'assistant', content: answer });
    const text = tokenizer.applyChatTemplate(turns, {
      tokenize: false,
      addGenerationPrompt: answer === undefined,
    });
    return text.startsWith(bos) ? text.slice(bos.length) : text;
  };
  const formatResponse = (record: DataRecord): string => fill(response, record, values);
  let ending: string | undefined; // what the template writes after an answer, once a record has shown it
  return {
    formatPrompt: (record) => render(record),
    formatResponse,
    formatTurn: (record) => {
      const answer = formatResponse(record);
      ending ??= afterLast(render(record, SAMPLE_ANSWER), SAMPLE_ANSWER);
      const { name } = tokenizer;
      return turnOf({ prompt: render(record), text: render(record, answer), answer, ending, name });
    },
  };
}

/** @throws TunebookError where the answer cannot be found in what the template made of it */
function turnOf(parts: {
  prompt: string;
  text: string;
  answer: string;
  ending: string;
  name: string;
}): FormattedTurn {
  const { prompt, text, answer, ending, name } = parts;
  const bare = answer.trim();
  // A template may write the prompt otherwise once the answer is there (it opens a thought, say): the answer is found then.
  // It is looked for before the end of the turn, whose token may hold the answer's letters.
  const beforeEnding = text.slice(0, text.length - ending.length);
  const written = beforeEnding.endsWith(answer) ? answer : bare;
  const start = text.startsWith(prompt) ? prompt.length : beforeEnding.lastIndexOf(written);
  if (start < 0 || !text.slice(start).includes(bare)) {
    throw new TunebookError(
      `chatTemplate: expected the template of ${name} to write the answer after the prompt, got a conversation without it. ` +
        'Use instructionTemplate() with this tokenizer.',
    );
  }
  return { prompt, text, continuation: text.slice(start), isEnded: ending.trim() !== '' };
}

/** An answer that no template holds. */
const SAMPLE_ANSWER = 'Answer-7c1f';

/** The text after the last place of another; none where it does not hold it. */
function afterLast(text: string, part: string): string {
  const at = text.lastIndexOf(part);
  return at < 0 ? '' : text.slice(at + part.length);
}

/**
 * A record's prompt, its response, and the two together as the model reads them in training.
 *
 * @param template default: `instructionTemplate()`
 * @throws TunebookError where the record lacks a field that the template names.
 * @example
 * ```ts
 * import { formatPrompt } from 'tunebook';
 *
 * const { prompt, response } = formatPrompt({ input: 'How was it?', context: 'time: 61', response: 'Fine.' });
 * console.log(prompt, response);
 * ```
 */
export function formatPrompt(
  record: DataRecord,
  template: PromptTemplate = instructionTemplate(),
): { prompt: string; response: string; text: string } {
  requireObject(record, { where: 'formatPrompt', what: 'a record, an object with fields' });
  requireTemplate(template, 'formatPrompt');
  const prompt = template.formatPrompt(record);
  const response = template.formatResponse(record);
  return { prompt, response, text: template.formatTurn?.(record).text ?? prompt + response };
}

/** @throws {TunebookError} Where a template is none. */
export function requireTemplate(template: unknown, where: string): void {
  requireObject(template, {
    ...{ where, what: 'a template', remedy: 'Pass { template: instructionTemplate() } or none.' },
    fields: ['formatPrompt', 'formatResponse'],
  });
}

/** Puts a record's values in their places, in one pass: braces inside a value stay as they are. */
function fill(text: string, record: DataRecord, defaults: Readonly<Record<string, string>>): string {
  return text.replace(PLACE, (place, field: string) => {
    const own = Object.hasOwn(record, field) ? record[field] : null;
    if (own !== null && own !== undefined) return asText(own);
    if (Object.hasOwn(defaults, field)) return defaults[field] ?? '';
    throw new TunebookError(
      `prompt template: expected the field "${field}" for ${place}, got a record with ` +
        `${Object.keys(record).join(', ') || 'no field'}. Map it with fieldMapping, or give it a default.`,
    );
  });
}

function asText(value: JsonValue): string {
  return typeof value === 'object' ? JSON.stringify(value) : String(value);
}

/** A prompt that shows the response teaches the model to copy. */
function refuseLeak(prompt: string, response: string): void {
  const places = new Set([...prompt.matchAll(PLACE)].map(([, field]) => field));
  for (const [place, field] of response.matchAll(PLACE)) {
    if (places.has(field)) {
      throw new TunebookError(
        `prompt template: expected ${place} in the response only, got it in the prompt too: ` +
          'the model would see what it shall learn to write.',
      );
    }
  }
}
