/** What a page knows of a file's results, so that it sees a GPU that computes wrongly. */
import path from 'node:path';
import { readJsonObject } from '../../files';
import { architectureOf } from '../../models';
import { openOnnxResponder, transformersTokenizer } from '../onnx/onnx-responder';
import { PROBE_SENTENCE } from '../onnx/prove-onnx';
import { argMax } from '../../tensor';
import type { PageProbe } from './page-types';

const DIGITS = 4;

/**
 * Asks a written file on this machine's processor for the likeliest tokens after each one of a sentence.
 * @param file the `.onnx` file
 * @param folder of the model that it belongs to
 */
export async function pageProbe(file: string, folder: string): Promise<PageProbe> {
  const architecture = architectureOf(await readJsonObject(path.join(folder, 'config.json')));
  const tokenizer = await transformersTokenizer(folder);
  const ids = tokenizer.encode(PROBE_SENTENCE).slice(0, architecture.maxPositions);
  const there = await openOnnxResponder({ file, tokenizer, architecture, endTokens: [] });
  try {
    const rows = await there.logProbabilities(ids, ids.length);
    const next = rows.map(argMax);
    const logProbabilities = rows.map((row, at) => Number(row[next[at]].toFixed(DIGITS)));
    return { ids, next, logProbabilities };
  } finally {
    await there.close();
  }
}
