/** What lies beside the `.onnx` files: config.json, generation_config.json, the tokenizer, the prompt. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import {
  isFile,
  isJsonObject,
  readJsonObject,
  readJsonObjectIfPresent,
  readTextIfPresent,
  writeFileAtomic,
} from '../../files';
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
 * Writes them into a folder. In the model's own, as the hub lays them out, its card and all fields of config.json stay, and
 * files that say the same keep their bytes.
 * @returns paths of the files
 */
export async function writeModelFiles(
  source: ModelSource,
  folder: string,
  { written, target }: { readonly written: readonly WrittenOnnx[]; readonly target: OnnxTarget },
): Promise<string[]> {
  const { weights, tokenizer, generationConfig, folders } = source;
  const ids = specialTokens(source);
  const isOwn = await isOneOf(folders, folder);
  const before = isOwn ? await readJsonObjectIfPresent(path.join(folder, 'config.json')) : undefined;
  const config = { ...before, ...weights.architecture.toJson(), ...ids, use_cache: true };
  const text = configText({ ...config, ...(await externalData(folder, written)) });
  const generation = JSON.stringify({ ...generationConfig, ...ids }, null, 2);
  const tokenizerFile = path.join(folder, 'tokenizer.json');
  const tokenizerBefore = await readTextIfPresent(tokenizerFile);
  const files = [
    await writeJson(path.join(folder, 'config.json'), text),
    await writeJson(path.join(folder, 'generation_config.json'), `${generation}\n`),
    ...(await tokenizer.savePretrained(folder)),
    ...(isOwn ? [] : await writeExportCard(source, folder, 'onnx')),
  ];
  await rewriteTokenizer(tokenizerFile, { target, before: tokenizerBefore });
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

/** Whether a folder is one of these, by whatever name. */
async function isOneOf(folders: readonly string[], folder: string): Promise<boolean> {
  const real = (place: string): Promise<string> => fs.realpath(place).catch(() => path.resolve(place));
  return (await Promise.all(folders.map(real))).includes(await real(folder));
}

/**
 * tokenizer.json as transformers.js reads it like the tokenizer itself, as far as it can be said in that file.
 * @param options.before the text that was there, which stays where it says the same
 */
async function rewriteTokenizer(
  file: string,
  { target, before }: { readonly target: OnnxTarget; readonly before: string | undefined },
): Promise<void> {
  const json = withPatterns(await readJsonObject(file));
  const text = `${JSON.stringify(target === 'transformers.js-2' ? withJoinedMerges(json) : json)}\n`;
  await writeFileAtomic(file, before !== undefined && saysTheSame(before, text) ? before : text);
}

function saysTheSame(before: string, text: string): boolean {
  try {
    return isDeepStrictEqual(JSON.parse(before), JSON.parse(text));
  } catch {
    return false; // it was no JSON
  }
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

/** A file that says the same already keeps its bytes. */
async function writeJson(file: string, text: string): Promise<string> {
  const before = await readTextIfPresent(file);
  if (before === undefined || !saysTheSame(before, text)) await writeFileAtomic(file, text);
  return file;
}
