/** What an export is compared by: prompts of a file, or records in the prompt that the model was tuned with. */
import type { CheckOptions } from '../../../export';
import { readJson } from '../../../files';
import { zod } from '../../../schema';
import { TunebookError } from '../../../types';
import { WrongCallError } from '../../terminal/call';
import { exportRoom } from './target';

/** What both models are asked after an export. */
export interface CheckCall {
  /** A JSON file with an array of prompts. */
  readonly prompts: string | undefined;
  /** A file of records; their prompts have the form that the model was tuned with. */
  readonly records: string | undefined;
  /** Most prompts asked. */
  readonly count: number;
  /** Longest answer, in tokens. */
  readonly maxNewTokens: number;
}

/** @throws {TunebookError} Where the files hold something else, or nothing says how the model is asked. */
export async function checkOf(
  check: CheckCall | undefined,
  { model, adapter }: { readonly model: string | undefined; readonly adapter: string | undefined },
): Promise<CheckOptions | false> {
  if (check === undefined) return false;
  const { prompts: file, records, count, maxNewTokens } = check;
  if (file !== undefined && records !== undefined)
    throw new WrongCallError('export: expected --prompts or --records, got both.');
  if (records !== undefined) {
    return { prompts: await exportRoom().promptsOfRecords(records, { model, adapter, count }), maxNewTokens };
  }
  if (file === undefined) return { maxNewTokens };
  const prompts = await readJson(file, { schema: zod().unknown() });
  if (!Array.isArray(prompts) || !prompts.every((prompt) => typeof prompt === 'string'))
    throw new TunebookError(`${file}: expected a JSON array of texts, got something else.`);
  return { prompts: prompts.slice(0, count), maxNewTokens };
}
