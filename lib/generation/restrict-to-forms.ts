/**
 * Answers that fill in a form: fixed texts are given, blanks are filled in with the option that the model finds likely.
 * Where it stands: makes a `prefixAllowedTokensFn` for `generate` and `textGenerator`, beside `restrictToTexts`.
 */
import { requireOptions } from '../options';
import { fillForm, promptIds, requireForm } from '../tokenizer';
import type { AnswerForm, FilledForm } from '../tokenizer';
import { TunebookError, requireList, requireObject } from '../types';
import type { Tokenizer } from '../types';
import type { PrefixAllowedTokensFn } from './options';

/** Which answers are allowed. */
export interface RestrictToFormsOptions {
  readonly tokenizer: Tokenizer;
  /** The prompts that will be answered, as they are given to `textGenerator`. */
  readonly prompts: readonly string[];
  /** The form of each prompt's answer: fixed texts, and lists of options. */
  readonly forms: readonly AnswerForm[];
  /** Token that ends an answer. Default: the tokenizer's. */
  readonly eosTokenId?: number;
}

/**
 * A `prefixAllowedTokensFn` with which each prompt is answered by its form, filled in, and the end-of-sequence token. A
 * form of ten blanks with two options stands for 1,024 answers, none of which has to be written out.
 * @throws TunebookError where a form has a blank without options, or the tokenizer no end-of-sequence token
 * @example
 * ```ts
 * import { AutoModelForCausalLM, AutoTokenizer, restrictToForms, textGenerator } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
 * const prompts = ['Which are more than 2?'];
 * const forms = [['\n3:', [' yes', ' no'], '\n1:', [' yes', ' no']]];
 * const prefixAllowedTokensFn = restrictToForms({ tokenizer, prompts, forms });
 * const [answer] = await textGenerator({ model, tokenizer, prefixAllowedTokensFn })(prompts);
 * console.log(/^\n3: (yes|no)\n1: (yes|no)$/.test(answer)); // true
 * await model.dispose();
 * ```
 */
export function restrictToForms(options: RestrictToFormsOptions): PrefixAllowedTokensFn {
  const where = 'restrictToForms';
  requireObject(options, { where, what: 'options', fields: ['tokenizer', 'prompts', 'forms'] });
  requireOptions<RestrictToFormsOptions>(options, {
    where,
    names: { tokenizer: true, prompts: true, forms: true, eosTokenId: true },
  });
  const { tokenizer, prompts, forms, eosTokenId = tokenizer.eosTokenId } = options;
  requireList(prompts, { where, what: 'a list of prompts' });
  requireList(forms, { where, what: 'a form for each prompt' });
  for (const form of forms) requireForm(form, where);
  if (forms.length !== prompts.length)
    throw new TunebookError(
      `${where}: expected a form for each of ${prompts.length} prompts, got ${forms.length}.`,
    );
  if (eosTokenId === undefined)
    throw new TunebookError(
      `${where}: expected a tokenizer with an end-of-sequence token, got one without. Pass eosTokenId.`,
    );
  const starts = prompts.map((prompt) => promptIds(tokenizer, prompt).length);
  const filled = forms.map(() => new Map<string, FilledForm>());
  const fill = (row: number, picks: readonly number[]): FilledForm => {
    const key = picks.join();
    const made = filled[row].get(key) ?? fillForm(tokenizer, forms[row], picks);
    filled[row].set(key, made);
    return made;
  };
  return (row, inputIds) => {
    const given = inputIds.slice(starts[row]);
    let path = fill(row, []);
    for (const [at, id] of given.entries()) {
      if (path.ids[at] === id) continue;
      const picks = path.others.get(at)?.get(id);
      if (picks === undefined) return [];
      path = fill(row, picks);
    }
    const at = given.length;
    if (at > path.ids.length) return [];
    return [path.ids[at] ?? eosTokenId, ...(path.others.get(at)?.keys() ?? [])];
  };
}
