/**
 * Reads a tokenizer's files from a folder and fills their gaps: special tokens that only another file
 * names, a chat template in its own file, older formats. Where it stands: between the folder (local,
 * built-in or downloaded) and the library that encodes.
 */
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { isFile, isJsonObject, readJsonObjectIfPresent, readTextIfPresent } from '../files';
import type { JsonObject } from '../files';
import { TunebookError } from '../types';
import { byteLevelTokenizerJson, parseMerges, parseVocabulary } from './gpt2-files';
import { readBpeTables } from './tables/read-tables';
import type { BpeTables } from './tables/read-tables';

/** A tokenizer as its files describe it. */
export interface TokenizerFiles {
  /** Without vocabulary and merges where there are tables of them. */
  tokenizerJson: JsonObject;
  /** Of a BPE model. */
  tables: BpeTables | undefined;
  /** tokenizer_config.json, special tokens as plain strings. */
  config: JsonObject;
  /** tunebook_prompt.json, where there is one. */
  savedPrompt: JsonObject | undefined;
}

/** The chat template in a file of its own; it counts before the one in tokenizer_config.json, as in transformers. */
export const CHAT_TEMPLATE = 'chat_template.jinja';
/** The prompt that a model was tuned with. */
export const SAVED_PROMPT = 'tunebook_prompt.json';

const SPECIAL_NAMES = ['bos', 'eos', 'unk', 'pad', 'sep', 'cls', 'mask'] as const;

/** Whether a folder has a tokenizer that can be loaded. */
export async function hasTokenizer(folder: string): Promise<boolean> {
  if (await isFile(join(folder, 'tokenizer.json'))) return true;
  return (await isFile(join(folder, 'vocab.json'))) && isFile(join(folder, 'merges.txt'));
}

/**
 * Reads a folder that holds `tokenizer.json`, or the `vocab.json` and `merges.txt` of GPT-2's time.
 *
 * @throws {TunebookError} If a file is missing, damaged, or not a tokenizer.
 */
export async function readTokenizerFiles(folder: string): Promise<TokenizerFiles> {
  const { rest: tokenizerJson, tables } = await readTokenizerJson(folder);
  const config: Record<string, unknown> = {
    ...(await readObject(join(folder, 'tokenizer_config.json'))),
  };
  const specialMap = (await readObject(join(folder, 'special_tokens_map.json'))) ?? {};
  const modelConfig = (await readObject(join(folder, 'config.json'))) ?? {};
  for (const name of SPECIAL_NAMES) {
    const key = `${name}_token`;
    const token =
      tokenText(config[key]) ??
      tokenText(specialMap[key]) ??
      tokenById(tokenizerJson, modelConfig[`${key}_id`]);
    if (token === undefined) delete config[key];
    else config[key] = token;
  }
  const only = onlySpecialToken(tokenizerJson);
  // GPT-2's files on the hub name no special token; its vocabulary has just one.
  if (config.eos_token === undefined && only !== undefined) {
    config.eos_token = only;
    config.bos_token ??= only;
  }
  // The library cleans decoded text up by default ("it 's" -> "it's"); Hugging Face no longer does.
  config.clean_up_tokenization_spaces ??= false;
  const template = await readTextIfPresent(join(folder, CHAT_TEMPLATE));
  if (template !== undefined) config.chat_template = template;
  const savedPrompt = await readObject(join(folder, SAVED_PROMPT));
  return { tokenizerJson, tables, config, savedPrompt };
}

async function readTokenizerJson(folder: string): Promise<Parsed> {
  const path = join(folder, 'tokenizer.json');
  const read = (await isFile(path)) ? readBpeTables(await readFile(path)) : undefined;
  if (read !== undefined) return read;
  const json = await readObject(path);
  if (json !== undefined) {
    if (!isJsonObject(json.model)) {
      throw new TunebookError(
        `${path}: expected a tokenizer with a "model", got the keys ${Object.keys(json).join(', ') || '(none)'}. ` +
          'Is it another file of that name?',
      );
    }
    return parsed(json);
  }
  const vocabularyPath = join(folder, 'vocab.json');
  const mergesPath = join(folder, 'merges.txt');
  const vocabulary = await readObject(vocabularyPath);
  const merges = await readTextIfPresent(mergesPath);
  if (vocabulary === undefined || merges === undefined) {
    throw new TunebookError(
      `${folder}: expected tokenizer.json (or vocab.json and merges.txt), found neither.` +
        ((await isFile(join(folder, 'tokenizer.model')))
          ? ' It has a SentencePiece tokenizer.model: load it once in Python with AutoTokenizer and save it again,' +
            ' which writes tokenizer.json.'
          : ' Give the folder that the tokenizer was saved to.'),
    );
  }
  return parsed(
    byteLevelTokenizerJson(parseVocabulary(vocabulary, vocabularyPath), parseMerges(merges, mergesPath)),
  );
}

type Parsed = Pick<TokenizerFiles, 'tables'> & { readonly rest: JsonObject };

/** Tables also of a BPE model that is written in a rare way. */
function parsed(json: JsonObject): Parsed {
  const isBpe = isJsonObject(json.model) && json.model.type === 'BPE';
  const read = isBpe ? readBpeTables(Buffer.from(JSON.stringify(json))) : undefined;
  return read ?? { rest: json, tables: undefined };
}

/** A special token is a string or, in some files, an object with its content. */
function tokenText(value: unknown): string | undefined {
  if (typeof value === 'string') return value;
  return isJsonObject(value) && typeof value.content === 'string' ? value.content : undefined;
}

function tokenById(tokenizerJson: JsonObject, id: unknown): string | undefined {
  return addedTokens(tokenizerJson).find((token) => token.id === id)?.content;
}

function onlySpecialToken(tokenizerJson: JsonObject): string | undefined {
  const special = addedTokens(tokenizerJson).filter((token) => token.special);
  return special.length === 1 ? special[0].content : undefined;
}

/** The tokens beside the model's own vocabulary. */
export function addedTokens(tokenizerJson: JsonObject): { content: string; id: number; special: boolean }[] {
  const list: unknown[] = Array.isArray(tokenizerJson.added_tokens) ? tokenizerJson.added_tokens : [];
  return list.flatMap((token) =>
    isJsonObject(token) && typeof token.content === 'string' && typeof token.id === 'number'
      ? [{ content: token.content, id: token.id, special: token.special === true }]
      : [],
  );
}

function readObject(file: string): Promise<JsonObject | undefined> {
  return readJsonObjectIfPresent(file, { remedy: 'The file is damaged or cut short: fetch it again.' });
}
