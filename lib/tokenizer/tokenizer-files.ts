/**
 * Reads a tokenizer's files from a folder and settles what they leave open: special tokens that only another
 * file names, a chat template of its own file, older formats. Where it stands: between the folder (local,
 * built-in or downloaded) and the library that encodes.
 */
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { TunebookError } from '../types';
import { byteLevelTokenizerJson, parseMerges, parseVocabulary } from './gpt2-files';
import { isJsonObject, isMissing, readJsonObject } from './json';
import type { JsonObject } from './json';

/** A tokenizer as its files describe it. */
export interface TokenizerFiles {
  tokenizerJson: JsonObject;
  /** tokenizer_config.json, special tokens as plain strings. */
  config: JsonObject;
}

const SPECIAL_NAMES = ['bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'] as const;

/** True where a folder has files that this room can load. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  if (await isFile(join(folder, 'tokenizer.json'))) return true;
  return (await isFile(join(folder, 'vocab.json'))) && isFile(join(folder, 'merges.txt'));
}

/**
 * Reads a folder that holds `tokenizer.json`, or the `vocab.json` and `merges.txt` of GPT-2's time.
 *
 * @throws TunebookError where a file is missing, damaged, or is not a tokenizer.
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const tokenizerJson = await readTokenizerJson(folder);
  const config: Record<string, unknown> = {
    ...(await readJsonObject(join(folder, 'tokenizer_config.json'))),
  };
  const specialMap = (await readJsonObject(join(folder, 'special_tokens_map.json'))) ?? {};
  const modelConfig = (await readJsonObject(join(folder, 'config.json'))) ?? {};
  for (const name of SPECIAL_NAMES) {
    const key = `${name}_token`;
    const token =
      tokenText(config[key]) ??
      tokenText(specialMap[key]) ??
      tokenById(tokenizerJson, modelConfig[`${key}_id`]);
    if (token === null) delete config[key];
    else config[key] = token;
  }
  const only = onlySpecialToken(tokenizerJson);
  // GPT-2's own files on the hub name no special token at all; it has just one.
  if (config.eos_token === undefined && only !== null) {
    config.eos_token = only;
    config.bos_token ??= only;
  }
  // The library would tidy decoded text by default ("it 's" -> "it's"); Hugging Face no longer does.
  config.clean_up_tokenization_spaces ??= false;
  if (config.chat_template === undefined) {
    const template = await readOptionalText(join(folder, 'chat_template.jinja'));
    if (template !== null) config.chat_template = template;
  }
  return { tokenizerJson, config };
}

/** Id of every token, added tokens included. */
export function vocabularyOf(tokenizerJson: JsonObject): Map<string, number> {
  const vocabulary = new Map<string, number>();
  const model = isJsonObject(tokenizerJson.model) ? tokenizerJson.model : {};
  if (isJsonObject(model.vocab)) {
    for (const [token, id] of Object.entries(model.vocab))
      if (typeof id === 'number') vocabulary.set(token, id);
  } else if (Array.isArray(model.vocab)) {
    // Unigram: a list of [token, score].
    for (const [id, entry] of model.vocab.entries()) {
      if (Array.isArray(entry) && typeof entry[0] === 'string') vocabulary.set(entry[0], id);
    }
  }
  for (const { content, id } of addedTokens(tokenizerJson)) vocabulary.set(content, id);
  return vocabulary;
}

async function readTokenizerJson(folder: string): Promise<JsonObject> {
  const path = join(folder, 'tokenizer.json');
  const json = await readJsonObject(path);
  if (json !== null) {
    if (!isJsonObject(json.model)) {
      throw new TunebookError(
        `${path}: expected a tokenizer with a "model", got the keys ${Object.keys(json).join(', ') || '(none)'}. ` +
          'Is it another file under that name?',
      );
    }
    return json;
  }
  const vocabularyPath = join(folder, 'vocab.json');
  const mergesPath = join(folder, 'merges.txt');
  const vocabulary = await readJsonObject(vocabularyPath);
  const merges = await readOptionalText(mergesPath);
  if (vocabulary === null || merges === null) {
    throw new TunebookError(
      `${folder}: expected tokenizer.json (or vocab.json and merges.txt), found neither.` +
        ((await isFile(join(folder, 'tokenizer.model')))
          ? ' It has a SentencePiece tokenizer.model: load it once in Python with AutoTokenizer and save it again,' +
            ' which writes tokenizer.json.'
          : ' Give the folder that the tokenizer was saved to.'),
    );
  }
  return byteLevelTokenizerJson(parseVocabulary(vocabulary, vocabularyPath), parseMerges(merges, mergesPath));
}

/** A special token is a plain string or, in some files, an object with its content. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return isJsonObject(value) && typeof value.content === 'string' ? value.content : null;
}

function tokenById(tokenizerJson: JsonObject, id: unknown): string | null {
  if (typeof id !== 'number') return null;
  return addedTokens(tokenizerJson).find((token) => token.id === id)?.content ?? null;
}

function onlySpecialToken(tokenizerJson: JsonObject): string | null {
  const special = addedTokens(tokenizerJson).filter((token) => token.special);
  return special.length === 1 ? (special[0]?.content ?? null) : null;
}

function addedTokens(tokenizerJson: JsonObject): { content: string; id: number; special: boolean }[] {
  const list: unknown[] = Array.isArray(tokenizerJson.added_tokens) ? tokenizerJson.added_tokens : [];
  return list.flatMap((token) =>
    isJsonObject(token) && typeof token.content === 'string' && typeof token.id === 'number'
      ? [{ content: token.content, id: token.id, special: token.special === true }]
      : [],
  );
}

async function readOptionalText(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8');
  } catch (error) {
    if (isMissing(error)) return null;
    throw error;
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile();
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}
