/**
 * Generation from text to text: what evaluation and notebooks call.
 */
import type { HasRuntime } from '../models';
import { promptIds } from '../tokenizer';
import { requireOptions } from '../options';
import { TunebookError } from '../types';
import type { Tokenizer } from '../types';
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
  /** Prompts that run together; default 32. */
  batchSize?: number;
}

/**
 * Makes a function from prompts to answers, one each, in order. Answers are without special tokens and end
 * before a stop string. The end-of-sequence tokens of tokenizer, config.json and generation_config.json end them, and
 * the token that ends a turn in the tokenizer's chat template, unless `eosTokenId` says otherwise; sampling and lengths
 * that are not given are those of generation_config.json. The rows of `prefixAllowedTokensFn` are those of the prompts.
 * @throws TunebookError as `generate`, when the function is called
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
 * ```
 */
export function textGenerator(
  options: TextGeneratorOptions,
): (prompts: readonly string[]) => Promise<string[]> {
  requireOptions<TextGeneratorOptions>(options, {
    where: 'textGenerator',
    names: {
      model: true,
      tokenizer: true,
      batchSize: true,
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
      useCache: true,
      dtype: true,
      onToken: true,
      prefixAllowedTokensFn: true,
      signal: true,
    },
  });
  const { model, tokenizer, batchSize = 32, ...rest } = options;
  const allowed = rest.prefixAllowedTokensFn;
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new TunebookError(
      `textGenerator: expected batchSize to be an integer of at least 1, got ${batchSize}.`,
    );
  }
  const own = rest.useModelDefaults === false ? undefined : model.runtime.generationConfig;
  const stopStrings = [rest.stopStrings ?? modelDefaults(own).stopStrings ?? []].flat();
  const eosTokenId = rest.eosTokenId === undefined ? answerEndTokens(model, tokenizer) : rest.eosTokenId;
  return async (prompts) => {
    const answers: string[] = [];
    for (let start = 0; start < prompts.length; start += batchSize) {
      const inputIds = prompts.slice(start, start + batchSize).map((prompt) => promptIds(tokenizer, prompt));
      const { newTokens } = await generate(model, {
        ...rest,
        ...(allowed === undefined
          ? {}
          : { prefixAllowedTokensFn: (row: number, ids: readonly number[]) => allowed(start + row, ids) }),
        inputIds,
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
