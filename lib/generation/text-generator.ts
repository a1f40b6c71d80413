/**
 * Generation from text to text: what evaluation and notebooks call.
 */
import type { HasRuntime } from '../models';
import { checkTokenizerFits, promptIds } from '../tokenizer';
import type { ChatMessage } from '../tokenizer';
import { requireOptions } from '../options';
import { requireList, TunebookError } from '../types';
import type { Tokenizer } from '../types';
import { chatIds, turnEnd } from './chat-ids';
import type { Chat } from './chat-ids';
import { generate } from './generate';
import { modelDefaults } from './model-defaults';
import { modelEndTokens } from './options';
import type { GenerateOptions, TokenEvent } from './options';
import { beforeStop } from './stop-strings';

/** `generate`'s options, with a tokenizer in place of token ids. */
export interface TextGeneratorOptions extends Omit<
  GenerateOptions,
  'inputIds' | 'attentionMask' | 'tokenizer'
> {
  model: HasRuntime;
  tokenizer: Tokenizer;
  /** Prompts that run together; default 32, and 1 with `promptLookupNumTokens`. */
  batchSize?: number;
  /** The Jinja template of conversations. Default: the tokenizer's own. */
  chatTemplate?: string;
}

/** Asks a model: texts and conversations get texts, one each; a conversation by itself gets the assistant's message. */
export interface TextGenerator {
  (prompts: readonly (string | Chat)[]): Promise<string[]>;
  (chat: Chat): Promise<ChatMessage>;
}

/**
 * Makes a function from prompts to answers, one each, in order. A prompt is a text, which is continued as it is, or a
 * conversation `{ messages }`, which the chat template asks; one conversation by itself is answered by a message that
 * can be pushed to its messages. Answers are without special tokens and end before a stop string. The end-of-sequence tokens of tokenizer, config.json and generation_config.json end them, and
 * the token that ends a turn in the tokenizer's chat template, unless `eosTokenId` says otherwise; sampling and lengths
 * that are not given are those of generation_config.json. The rows of `prefixAllowedTokensFn` are those of the prompts.
 * @throws TunebookError where the tokenizer is another model's; as `generate`, when the function is called
 * @example
 * ```ts
 * import { AutoModelForCausalLM, AutoTokenizer, textGenerator } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const answer = textGenerator({ model, tokenizer, maxNewTokens: 10 });
 * const [first] = await answer(['The race was']);
 * console.log(first);
 * await model.dispose();
 *
 * const mistral = await AutoModelForCausalLM.fromPretrained('mistral-mini');
 * const chat = textGenerator({
 *   model: mistral,
 *   tokenizer: await AutoTokenizer.fromPretrained('mistral-mini'),
 *   maxNewTokens: 10,
 * });
 * const messages = [
 *   { role: 'system', content: 'You are a coach.' },
 *   { role: 'user', content: 'How was it?' },
 * ];
 * messages.push(await chat({ messages })); // { role: 'assistant', content: '...' }
 * await mistral.dispose();
 * ```
 */
export function textGenerator(options: TextGeneratorOptions): TextGenerator {
  requireOptions<TextGeneratorOptions>(options, {
    where: 'textGenerator',
    names: {
      model: true,
      tokenizer: true,
      batchSize: true,
      chatTemplate: true,
      doSample: true,
      temperature: true,
      topK: true,
      topP: true,
      repetitionPenalty: true,
      seed: true,
      stopStrings: true,
      useModelDefaults: true,
      maxNewTokens: true,
      minNewTokens: true,
      eosTokenId: true,
      padTokenId: true,
      topLogprobs: true,
      promptLookupNumTokens: true,
      maxMatchingNgramSize: true,
      useCache: true,
      dtype: true,
      onToken: true,
      prefixAllowedTokensFn: true,
      signal: true,
    },
  });
  const { model, tokenizer, batchSize: given, chatTemplate, ...rest } = options;
  const batchSize = given ?? (rest.promptLookupNumTokens === undefined ? 32 : 1);
  const allowed = rest.prefixAllowedTokensFn;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new TunebookError(
      `textGenerator: expected batchSize to be an integer of at least 1, got ${batchSize}.`,
    );
  }
  checkTokenizerFits(tokenizer, model.runtime);
  const own = rest.useModelDefaults === false ? undefined : model.runtime.generationConfig;
  const stopStrings = [rest.stopStrings ?? modelDefaults(own).stopStrings ?? []].flat();
  const turn = chatTemplate === undefined ? undefined : turnEnd(tokenizer, chatTemplate);
  // null: nothing ends an answer.
  const eosTokenId =
    rest.eosTokenId === undefined
      ? [...new Set([...answerEndTokens(model, tokenizer), turn ?? []].flat())]
      : rest.eosTokenId;
  const idsOf = (prompt: string | Chat): number[] =>
    typeof prompt === 'string' ? promptIds(tokenizer, prompt) : chatIds(prompt, { tokenizer, chatTemplate });
  const answersTo = async (prompts: readonly (string | Chat)[]): Promise<string[]> => {
    const answers: string[] = [];
    for (let start = 0; start < prompts.length; start += batchSize) {
      const { newTokens } = await generate(model, {
        ...rest,
        ...(allowed === undefined
          ? {}
          : { prefixAllowedTokensFn: (row: number, ids: readonly number[]) => allowed(start + row, ids) }),
        inputIds: prompts.slice(start, start + batchSize).map(idsOf),
        tokenizer,
        eosTokenId,
        padTokenId: rest.padTokenId ?? tokenizer.padTokenId ?? tokenizer.eosTokenId,
      });
      for (const tokens of newTokens) {
        answers.push(beforeStop(tokenizer.decode(tokens, { skipSpecialTokens: true }), stopStrings));
      }
    }
    return answers;
  };
  async function ask(chat: Chat): Promise<ChatMessage>;
  async function ask(prompts: readonly (string | Chat)[]): Promise<string[]>;
  async function ask(asked: Chat | readonly (string | Chat)[]): Promise<ChatMessage | string[]> {
    if (isChat(asked)) {
      const [content] = await answersTo([asked]);
      // Templates write what begins a turn (a space, a line break) themselves.
      return { role: 'assistant', content: content.trim() };
    }
    const where = 'textGenerator';
    requireList(asked, { where, what: 'a list of prompts, or { messages }' });
    return answersTo(asked);
  }
  return ask;
}

function isChat(asked: Chat | readonly (string | Chat)[]): asked is Chat {
  return typeof asked === 'object' && asked !== null && 'messages' in asked;
}

/** Tokens that end an answer, each once: the tokenizer's, those of its chat template's turns, and the model's. */
export function answerEndTokens(
  { runtime }: HasRuntime,
  { eosTokenId, endOfTurnTokenId }: Tokenizer,
): number[] {
  const own = [eosTokenId, endOfTurnTokenId].filter((id) => id !== undefined);
  return [...new Set([...own, ...modelEndTokens(runtime)])].filter(
    (id) => id < runtime.architecture.vocabSize,
  );
}

/**
 * An `onToken` that writes one row's text piece by piece; a character whose bytes come in several tokens is
 * written once it is whole.
 * @param write receives text that has not been written before
 */
export function textStreamer(
  tokenizer: Pick<Tokenizer, 'decode'>,
  write: (text: string) => void,
  options: { row?: number } = {},
): (event: TokenEvent) => void {
  requireOptions<{ row?: number }>(options, { where: 'textStreamer', names: { row: true } });
  const row = options.row ?? 0;
  const tokens: number[] = [];
  let written = 0;
  return (event) => {
    if (event.row !== row) return;
    tokens.push(event.token);
    const text = tokenizer.decode(tokens, { skipSpecialTokens: true });
    if (text.endsWith('\uFFFD') || text.length <= written) return;
    write(text.slice(written));
    written = text.length;
  };
}
