/**
 * Answers that fill in a form: fixed texts with blanks, each filled in by one of its options. What is fixed need not be
 * learned, and cannot be answered otherwise. Where it stands: shared by what learns such answers and what generates them.
 */
import { requireList, requireString, TunebookError } from '../types';
import type { Tokenizer } from '../types';

/** Fixed texts, and blanks with the options that each may be filled in with. */
export type AnswerForm = readonly (string | readonly string[])[];

/** An answer as token ids, with what else each of its tokens could have been. */
export interface FilledForm {
  /** [A] */
  readonly ids: readonly number[];
  /** Place in `ids` -> the other tokens that may stand there, each with the picks that it leads to. */
  readonly others: ReadonlyMap<number, ReadonlyMap<number, readonly number[]>>;
}

const blanksOf = (form: AnswerForm): (readonly string[])[] =>
  form.filter((part): part is readonly string[] => typeof part !== 'string');

/**
 * Refuses what is no form.
 * @throws TunebookError where it is no list of texts and of lists of texts, or a blank has no options
 */
export function requireForm(form: unknown, where: string): asserts form is AnswerForm {
  requireList(form, { where, what: 'a form, a list of texts and of options' });
  const isText = (part: unknown): part is string => typeof part === 'string' && part !== '';
  const isPart = (part: unknown): boolean =>
    isText(part) || (Array.isArray(part) && part.length > 0 && part.every(isText));
  const wrong = (form as readonly unknown[]).findIndex((part) => !isPart(part));
  if (wrong >= 0)
    throw new TunebookError(
      `${where}: expected a text or a list of options for part ${wrong} of a form, got ${JSON.stringify((form as readonly unknown[])[wrong])}.`,
    );
}

/**
 * The text of a form whose blanks are filled in with these options, by number from 0; blanks beyond them with the first.
 * @throws TunebookError for what is no form
 */
export function formText(form: AnswerForm, picks: readonly number[]): string {
  requireForm(form, 'formText');
  requireList(picks, { where: 'formText', what: 'the numbers of the picked options' });
  return filledIn(form, picks);
}

function filledIn(form: AnswerForm, picks: readonly number[]): string {
  let blank = 0;
  return form.map((part) => (typeof part === 'string' ? part : part[picks[blank++] ?? 0])).join('');
}

/**
 * Numbers of the options in an answer, one for each blank; undefined where the answer does not fill in the form.
 * @param answer spaces around it do not count
 * @throws TunebookError for what is no form, or no text
 */
export function formPicks(form: AnswerForm, answer: string): number[] | undefined {
  requireForm(form, 'formPicks');
  requireString(answer, { where: 'formPicks', what: 'an answer, as text' });
  const search = (part: number, rest: string): number[] | undefined => {
    if (part === form.length) return rest.trim() === '' ? [] : undefined;
    const given = form[part];
    const options = typeof given === 'string' ? [given] : given;
    for (const [i, option] of options.entries()) {
      const text = part === 0 ? option.trimStart() : option;
      if (!rest.startsWith(text)) continue;
      const later = search(part + 1, rest.slice(text.length));
      if (later !== undefined) return typeof given === 'string' ? later : [i, ...later];
    }
    return undefined;
  };
  return search(0, answer.trimStart());
}

/**
 * Token ids of a filled-in form, as they follow a prompt, and where another option would have parted from them.
 * @throws TunebookError where an option of a blank cannot be told from another by its tokens
 */
export function fillForm(tokenizer: Tokenizer, form: AnswerForm, picks: readonly number[]): FilledForm {
  const encode = (of: readonly number[]): number[] =>
    tokenizer.encode(filledIn(form, of), { addSpecialTokens: false });
  const blanks = blanksOf(form);
  const full = blanks.map((_, blank) => picks[blank] ?? 0);
  const ids = encode(full);
  const others = new Map<number, Map<number, readonly number[]>>();
  for (const [blank, options] of blanks.entries())
    for (const option of options.keys()) {
      if (option === full[blank]) continue;
      // Blanks after this one are open again: what was picked there followed the other option.
      const path = [...full.slice(0, blank), option];
      const other = encode(path);
      const at = other.findIndex((id, i) => id !== ids[i]);
      if (at < 0 || at >= ids.length)
        throw new TunebookError(
          `fillForm: expected options that differ, got "${options[option]}" and "${options[full[blank]]}".`,
        );
      const there = others.get(at) ?? new Map<number, readonly number[]>();
      if (!there.has(other[at])) there.set(other[at], path);
      others.set(at, there);
    }
  return { ids, others };
}
