/** Prompts of records, in the form that a saved model was tuned with. */
import { loadRecords } from '../../dataset';
import { loadPrompt } from '../../prompts';
import { TunebookError } from '../../types';

/** Whose prompts, and how many. */
export interface RecordPromptsOptions {
  readonly model: string | undefined;
  readonly adapter: string | undefined;
  /** The first so many records. */
  readonly count: number;
}

/**
 * The prompts that a saved model is asked with, made from the first records of a file.
 * @param file records, in any of the formats that `loadRecords` reads
 * @throws {TunebookError} Where nothing says how the model is asked, or a record lacks a field.
 */
export async function promptsOfRecords(
  file: string,
  { model, adapter, count }: RecordPromptsOptions,
): Promise<string[]> {
  const folder = adapter ?? model ?? '';
  const prompt = await loadPrompt(folder);
  if (prompt === undefined)
    throw new TunebookError(
      `${folder}: expected a prompt that travels with the model (tunebook_prompt.json or a chat template), got none. ` +
        'Save the model again with { prompt }, or give whole prompts: --prompts FILE.',
    );
  const { records } = await loadRecords(file);
  return records.slice(0, count).map((record) => prompt.render(record));
}
