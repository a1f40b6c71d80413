/**
 * Answers that are one of some texts: token by token, what any of them goes on with.
 * Where it stands: makes a `prefixAllowedTokensFn` for `generate` and `textGenerator`.
 */
import { requireOptions } from '../options';
import { promptIds } from '../tokenizer';
import { TunebookError, requireList, requireObject } from '../types';
import type { Tokenizer } from '../types';
import type { PrefixAllowedTokensFn } from './options';

/** Which answers are allowed. */
export interface RestrictToTextsOptions {
  readonly tokenizer: Tokenizer;
  /** The prompts that will be answered, as they are given to `textGenerator`. */
  readonly prompts: readonly string[];
  /** The answers allowed, one list for each prompt. */
  readonly texts: readonly (readonly string[])[];
  /** Token that ends an answer. Default: the tokenizer's. */
  readonly eosTokenId?: number;
}

/** Token ids that may come next, and what may follow each. */
type Branch = Map<number, Branch>;

/**
 * A `prefixAllowedTokensFn` with which each prompt is answered by one of its texts, whichever the model finds likely
 * token by token, and then the end-of-sequence token.
 * @throws TunebookError where a prompt has no text, or the tokenizer no end-of-sequence token
 * @example
 * ```ts
 * import { AutoModelForCausalLM, AutoTokenizer, restrictToTexts, textGenerator } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
 * const prompts = ['Is 3 more than 2? Answer:'];
 * const prefixAllowedTokensFn = restrictToTexts({ tokenizer, prompts, texts: [[' yes', ' no']] });
 * const [answer] = await textGenerator({ model, tokenizer, prefixAllowedTokensFn })(prompts);
 * console.log([' yes', ' no'].includes(answer)); // true
 * await model.dispose();
 * ```
 */
export function restrictToTexts(options: RestrictToTextsOptions): PrefixAllowedTokensFn {
  const where = 'restrictToTexts';
  requireObject(options, { where, what: 'options', fields: ['tokenizer', 'prompts', 'texts'] });
  requireOptions<RestrictToTextsOptions>(options, {
    where,
    names: { tokenizer: true, prompts: true, texts: true, eosTokenId: true },
  });
  const { tokenizer, prompts, texts, eosTokenId = tokenizer.eosTokenId } = options;
  requireList(prompts, { where, what: 'a list of prompts' });
  requireList(texts, { where, what: 'a list of texts for each prompt' });
  if (texts.length !== prompts.length)
    throw new TunebookError(
      `${where}: expected texts for each of ${prompts.length} prompts, got ${texts.length} lists.`,
    );
  const empty = texts.findIndex((list) => !Array.isArray(list) || list.length === 0);
  if (empty >= 0)
    throw new TunebookError(
      `${where}: expected at least one text for prompt ${empty}, got none. Give what it may answer, or leave the prompt out.`,
    );
  if (eosTokenId === undefined)
    throw new TunebookError(
      `${where}: expected a tokenizer with an end-of-sequence token, got one without. Pass eosTokenId.`,
    );
  const made = new Map<readonly string[], Branch>();
  const branches = texts.map((list) => {
    const branch = made.get(list) ?? branchOf(list, tokenizer, eosTokenId);
    made.set(list, branch);
    return branch;
  });
  const starts = prompts.map((prompt) => promptIds(tokenizer, prompt).length);
  return (row, inputIds) => {
    let branch: Branch | undefined = branches[row];
    for (const id of inputIds.slice(starts[row])) branch = branch?.get(id);
    return branch === undefined ? [] : [...branch.keys()];
  };
}

/** A tree of the texts' tokens. */
function branchOf(texts: readonly string[], tokenizer: Tokenizer, eosTokenId: number): Branch {
  const root: Branch = new Map();
  for (const text of texts) {
    let at = root;
    for (const id of [...tokenizer.encode(text, { addSpecialTokens: false }), eosTokenId]) {
      const next: Branch = at.get(id) ?? new Map<number, Branch>();
      at.set(id, next);
      at = next;
    }
  }
  return root;
}
