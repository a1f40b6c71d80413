/**
 * From records to text. One template makes both forms: the inference form is the prompt, the training form is
 * the same prompt and then the response. They are encoded apart and joined as ids (see encode.ts), so the two
 * agree token for token up to the response whatever the response begins with.
 */
import { requireOptions } from '../options';
import type { ChatMessage, PretrainedTokenizer } from '../tokenizer';
import { TunebookError, kindOf, requireObject } from '../types';
import type { DataRecord } from '../types';
import {
  askedMessages,
  lastAnswer,
  templateChat,
  variablesOf,
  withoutMarks,
} from './conversations/template-chat';
import { instructionJinja, withoutSystem, withSystem } from './jinja';
import { aroundFields, fieldsOf, fill, refuseLeak, SYSTEM } from './places';
import type {
  ChatPromptOptions,
  FormattedTurn,
  InstructionTemplateOptions,
  PromptDescription,
  PromptTemplate,
  PromptTravel,
} from './types';

const INSTRUCTION_PROMPT =
  '### Instruction:\n{system}\n\n### Input:\n{input}\n\n### Context:\n{context}\n\n### Response:\n';

const USER_TURN = '{input}\n\n{context}';

const DEFAULT_SYSTEM = 'Answer from the given context.';

const PASS_TOKENIZER = 'Pass { tokenizer: await AutoTokenizer.fromPretrained(...) }.';

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
    names: { system: true, prompt: true, response: true, defaults: true, stopStrings: true },
  });
  const { system = DEFAULT_SYSTEM, prompt = INSTRUCTION_PROMPT, response = '{response}' } = options;
  const stopStrings = checkedStops('instructionTemplate', options.stopStrings);
  for (const [name, text] of Object.entries({ system, prompt, response })) {
    if (typeof text !== 'string')
      throw new TunebookError(`instructionTemplate: expected a text for ${name}, got ${kindOf(text)}.`);
  }
  const values: Record<string, string> = { system, context: '', ...options.defaults };
  refuseLeak(prompt, response);
  return {
    formatPrompt: (record) => fill(prompt, record, values),
    formatResponse: (record) => fill(response, record, values),
    travel: instructionTravel({ prompt, response, values, stopStrings }),
  };
}

/** The instruction form as turns: the user's turn is what stands between the first and the last field. */
function instructionTravel(parts: {
  prompt: string;
  response: string;
  values: Readonly<Record<string, string>>;
  stopStrings: readonly string[];
}): PromptTravel {
  const { prompt, response, values, stopStrings } = parts;
  const { [SYSTEM]: system, ...defaults } = values;
  const around = aroundFields(prompt);
  const before = fill(around.before, {}, values);
  const after = fill(around.after, {}, values);
  const description: PromptDescription = {
    ...{ version: 1, form: 'instruction', system, prompt, response },
    ...{ fields: fieldsOf(prompt), defaults, stop_strings: stopStrings },
  };
  return {
    description,
    messages: (record) => {
      if (fill(around.before + around.after, record, values) !== before + after)
        throw new TunebookError(
          'prompt template: expected records without a system text of their own, since the chat template has that of ' +
            'the training in it, got one with. Use render(record), which takes it.',
        );
      return [{ role: 'user', content: fill(around.body, record, values) }];
    },
    chatTemplate: (bos) => instructionJinja({ before, after }, bos),
  };
}

/** @throws {TunebookError} Where stop strings are no texts. */
function checkedStops(where: string, stops: readonly string[] | undefined): readonly string[] {
  if (stops === undefined) return [];
  const isList = Array.isArray(stops) && stops.every((stop) => typeof stop === 'string' && stop !== '');
  if (isList) return stops;
  throw new TunebookError(`${where}: expected a list of texts in stopStrings, got ${kindOf(stops)}.`);
}

/**
 * The tokenizer's own chat template around one user turn, ready for the assistant to answer. In training the answer
 * is followed by what the template writes after it: the token that ends a turn, be it the end-of-text token or another.
 * Records that are conversations (`messages`, ShareGPT, Alpaca) go to the template with their own turns.
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
    names: {
      tokenizer: true,
      user: true,
      system: true,
      response: true,
      stopStrings: true,
      chatTemplate: true,
    },
  });
  requireObject(options.tokenizer, {
    ...{ where: 'chatTemplate', what: 'a tokenizer', remedy: PASS_TOKENIZER },
    fields: ['encode', 'applyChatTemplate'],
  });
  const { tokenizer, user = USER_TURN, system, response = '{response}' } = options;
  const own = options.chatTemplate ?? tokenizer.chatTemplate;
  if (own === undefined) {
    throw new TunebookError(
      `chatTemplate: ${tokenizer.name} has no chat template. Use instructionTemplate() with this tokenizer, or give a ` +
        'Jinja template as chatTemplate.',
    );
  }
  refuseLeak(user + (system ?? ''), response);
  // A tuned model's template has its own system text, which a new one replaces.
  const chat = system === undefined ? own : withoutSystem(own);
  const plain = withoutMarks(chat);
  const bos = firstToken(tokenizer);
  const values = { context: '' };
  const inChat = templateChat({
    ...{ source: chat, takesAlpaca: options.user === undefined },
    systemOf: system === undefined ? undefined : (record) => fill(system, record, values),
  });
  const messages = (record: DataRecord): ChatMessage[] => {
    const conversation = inChat.conversationOf(record);
    if (conversation !== undefined) return [...askedMessages(conversation)];
    const turns: ChatMessage[] = [{ role: 'user', content: fill(user, record, values).trim() }];
    if (system !== undefined) turns.unshift({ role: 'system', content: fill(system, record, values) });
    return turns;
  };
  const render = (record: DataRecord, answer?: string): string => {
    const turns = messages(record);
    if (answer !== undefined) turns.push({ role: 'assistant', content: answer });
    const text = tokenizer.applyChatTemplate(turns, {
      ...{ tokenize: false, chatTemplate: chat, variables: variablesOf(inChat.conversationOf(record)) },
      addGenerationPrompt: answer === undefined,
    });
    return text.startsWith(bos) ? text.slice(bos.length) : text;
  };
  const formatResponse = (record: DataRecord): string => {
    const conversation = inChat.conversationOf(record);
    return conversation === undefined ? fill(response, record, values) : lastAnswer(conversation);
  };
  let ending: string | undefined; // what the template writes after an answer, once a record has shown it
  return {
    chat: inChat,
    formatPrompt: (record) => render(record),
    formatResponse,
    formatTurn: (record) => {
      const answer = formatResponse(record);
      ending ??= afterLast(render(record, SAMPLE_ANSWER), SAMPLE_ANSWER);
      const { name } = tokenizer;
      return turnOf({ prompt: render(record), text: render(record, answer), answer, ending, name });
    },
    travel: {
      description: {
        ...{ version: 1, form: 'chat', system, user, response, fields: fieldsOf(user + (system ?? '')) },
        ...{ defaults: values, stop_strings: checkedStops('chatTemplate', options.stopStrings) },
      },
      messages,
      // A system text with fields in it is another one in each record, and comes with the turns.
      chatTemplate: () =>
        system === undefined || fieldsOf(system).length > 0 ? plain : withSystem(plain, fill(system, {}, {})),
    },
  };
}

/**
 * The token that a tokenizer begins texts with, or no text. Prompts are encoded with the tokenizer's special tokens;
 * where it adds its own first token, the chat template's must go, or there would be two.
 */
export function firstToken(tokenizer: PretrainedTokenizer): string {
  const { bosTokenId, bosToken = '' } = tokenizer;
  return bosTokenId !== undefined && tokenizer.encode('')[0] === bosTokenId ? bosToken : '';
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

/**
 * Refuses what is not a template.
 * @throws {TunebookError} Where a template is none.
 */
export function requireTemplate(template: unknown, where: string): void {
  requireObject(template, {
    ...{ where, what: 'a template', remedy: 'Pass { template: instructionTemplate() } or none.' },
    fields: ['formatPrompt', 'formatResponse'],
  });
}
