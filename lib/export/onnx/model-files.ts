/** What lies beside the `.onnx` files: config.json, generation_config.json, the tokenizer, the prompt. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, isJsonObject, readJsonObject, readJsonObjectIfPresent, writeFileAtomic } from '../../files';
import type { JsonObject } from '../../files';
import { configText } from '../../pretrained';
import { withPatterns } from '../../tokenizer';
import { writeExportCard } from '../source/card';
import type { ModelSource } from '../source/open-source';
import type { OnnxTarget } from './onnx-types';
import type { WrittenOnnx } from './write-onnx';

/** Files of a saved model that say how it is asked. */
const PROMPT_FILES = ['chat_template.jinja', 'tunebook_prompt.json'];

/**
 * Writes them into a folder.
 * @returns paths of the files
 */
export async function writeModelFiles(
  source: ModelSource,
  folder: string,
  { written, target }: { readonly written: readonly WrittenOnnx[]; readonly target: OnnxTarget },
): Promise<string[]> {
  const { weights, tokenizer, generationConfig, folders } = source;
  const ids = specialTokens(source);
  const config = { ...weights.architecture.toJson(), ...ids, use_cache: true };
  const text = configText({ ...config, ...(await externalData(folder, written)) });
  const generation = JSON.stringify({ ...generationConfig, ...ids }, null, 2);
  const files = [
    await writeText(path.join(folder, 'config.json'), text),
    await writeText(path.join(folder, 'generation_config.json'), `${generation}\n`),
    ...(await tokenizer.savePretrained(folder)),
    ...(await writeExportCard(source, folder, 'onnx')),
  ];
  await rewriteTokenizer(path.join(folder, 'tokenizer.json'), target);
  for (const name of PROMPT_FILES) {
    const places = folders.map((place) => path.join(place, name));
    for (const place of places) {
      if (!(await isFile(place)) || path.resolve(place) === path.resolve(folder, name)) continue;
      await writeFileAtomic(path.join(folder, name), await fs.readFile(place));
      files.push(path.join(folder, name));
      break;
    }
  }
  return files;
}

/** tokenizer.json as transformers.js reads it like the tokenizer itself, as far as it can be said in that file. */
async function rewriteTokenizer(file: string, target: OnnxTarget): Promise<void> {
  const json = withPatterns(await readJsonObject(file));
  await writeFileAtomic(
    file,
    `${JSON.stringify(target === 'transformers.js-2' ? withJoinedMerges(json) : json)}\n`,
  );
}

/**
 * transformers.js 2 reads merges as texts alone ('a b'), which later ones read too. Left as they are where a part has a
 * space: no text says that.
 */
function withJoinedMerges(json: JsonObject): JsonObject {
  const model = isJsonObject(json.model) ? json.model : {};
  const merges: unknown[] = Array.isArray(model.merges) ? model.merges : [];
  const isPair = (merge: unknown): merge is string[] =>
    Array.isArray(merge) && merge.every((part) => typeof part === 'string' && !part.includes(' '));
  if (merges.length === 0 || !merges.every(isPair)) return json;
  return { ...json, model: { ...model, merges: merges.map((merge) => merge.join(' ')) } };
}

/** Tokens that begin, end and fill rows; an answer ends where it ends in tunebook. */
function specialTokens({ weights, tokenizer, generationConfig }: ModelSource): Record<string, unknown> {
  const { vocabSize } = weights.architecture;
  const { bosTokenId, eosTokenId, endOfTurnTokenId, padTokenId } = tokenizer;
  const isId = (id: unknown): id is number => typeof id === 'number' && id < vocabSize;
  const own = [generationConfig?.eos_token_id, weights.architecture.toJson().eos_token_id].flat();
  const ends = [...new Set([eosTokenId, endOfTurnTokenId, ...own].filter(isId))];
  return {
    ...(isId(bosTokenId) ? { bos_token_id: bosTokenId } : {}),
    ...(ends.length === 0 ? {} : { eos_token_id: ends.length === 1 ? ends[0] : ends }),
    ...(isId(padTokenId) ? { pad_token_id: padTokenId } : {}),
  };
}

/** transformers.js reads in config.json how many files of weights lie beside each `.onnx` file. */
async function externalData(
  folder: string,
  written: readonly WrittenOnnx[],
): Promise<Record<string, unknown>> {
  const before = await readJsonObjectIfPresent(path.join(folder, 'config.json'));
  const own = before?.['transformers.js_config'];
  const known = isJsonObject(own) ? own.use_external_data_format : undefined;
  const counts: Record<string, unknown> = isJsonObject(known) ? { ...known } : {};
  for (const { path: file, dataFiles } of written) {
    const name = path.basename(file);
    delete counts[name];
    if (dataFiles > 0) counts[name] = dataFiles;
  }
  if (Object.keys(counts).length === 0) return {};
  return { 'transformers.js_config': { use_external_data_format: counts } };
}

async function writeText(file: string, text: string): Promise<string> {
  await writeFileAtomic(file, text);
  return file;
}
