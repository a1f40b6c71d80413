/**
 * Filled-in forms as examples: only where a form leaves a choice is there anything to learn.
 * Where it stands: beside `encodeRecords`, for answers that `restrictToForms` generates.
 */
import { requireOptions } from '../options';
import { fillForm, formPicks, promptIds, requireForm } from '../tokenizer';
import type { AnswerForm } from '../tokenizer';
import { IGNORED, TunebookError, requireList, requireObject } from '../types';
import type { EncodedExample, Tokenizer } from '../types';

/** A prompt, the form of its answer, and the answer. */
export interface FormRecord {
  readonly prompt: string;
  readonly form: AnswerForm;
  /** The form filled in. */
  readonly response: string;
}

/** How they are encoded. */
export interface EncodeFormsOptions {
  readonly tokenizer: Tokenizer;
}

/**
 * Encodes filled-in forms for training. Labelled are the tokens in which another option would have differed; the fixed
 * texts are read, and given when the model answers, so that no step is spent on them.
 * @returns an example for each record: ids [T] and labels [T]
 * @throws TunebookError where a response does not fill in its form
 * @example
 * ```ts
 * import { AutoTokenizer, encodeForms } from 'tunebook';
 *
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const form = ['3:', [' more', ' less'], ' than 2'];
 * const [{ labels }] = encodeForms([{ prompt: 'Compare. ', form, response: '3: more than 2' }], { tokenizer });
 * console.log(labels.filter((label) => label !== -100).length); // 1
 * ```
 */
export function encodeForms(records: readonly FormRecord[], options: EncodeFormsOptions): EncodedExample[] {
  const where = 'encodeForms';
  requireList(records, { where, what: 'a list of records { prompt, form, response }' });
  requireObject(options, { where, what: 'options { tokenizer }', fields: ['tokenizer'] });
  requireOptions<EncodeFormsOptions>(options, { where, names: { tokenizer: true } });
  const { tokenizer } = options;
  return records.map((record, index) => {
    requireObject(record, {
      where,
      what: `a record { prompt, form, response }, record ${index}`,
      fields: ['prompt', 'form', 'response'],
    });
    const { prompt, form, response } = record;
    requireForm(form, where);
    const picks = formPicks(form, response);
    if (picks === undefined)
      throw new TunebookError(
        `${where}: expected a response that fills in its form, got "${response.slice(0, 80)}" in record ${index}.`,
      );
    const before = promptIds(tokenizer, prompt);
    const { ids, others } = fillForm(tokenizer, form, picks);
    const labels = ids.map((id, at) => (others.has(at) ? id : IGNORED));
    return { inputIds: [...before, ...ids], labels: [...before.map(() => IGNORED), ...labels] };
  });
}
