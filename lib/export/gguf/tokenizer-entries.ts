/**
 * A tokenizer as llama.cpp reads it: byte-level BPE (model 'gpt2', with the name of its pre-tokenizer) or SentencePiece's
 * kind (model 'llama', with scores). Anything else is refused: it would split texts otherwise, and nobody would see it.
 */
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { isJsonObject, readJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import { firstToken } from '../../prompts';
import type { PretrainedTokenizer } from '../../tokenizer';
import { TunebookError } from '../../types';
import { renderingTemplate } from '../source/chat-template';
import { text, truth } from './types/format';
import type { GgufEntries } from './types/format';

/** Numbers of llama.cpp's kinds of tokens. */
const KINDS = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 };

/** The contractions, and what words, numbers and marks follow, of the splitting patterns of Llama 3 and Qwen. */
const WORDS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+`;
const REST = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** A word of GPT-4o's pattern: upper case before lower case, marks in it, a contraction after it. */
const CASED = [
  String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+`,
  String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*`,
].map((word) => String.raw`[^\r\n\p{L}\p{N}]?${word}(?i:'s|'t|'re|'ve|'m|'ll|'d)?`);
const CASED_REST = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+`;
/** llama.cpp has GPT-4o's pattern whole under this name; under gpt-4o it leaves marks out of words. */
const CASED_NAME = 'granite-embed-multi-97m';
/**
 * Patterns that split a text before byte-level BPE -> llama.cpp's names, where merges are passed over for texts that are
 * tokens and where they are not. GPT-2's pattern is what ByteLevel does by itself. Mistral Nemo's is not here: under
 * llama.cpp's name for it, tekken, words with combining marks are split otherwise.
 */
const SPLIT_NAMES: ReadonlyMap<string, { readonly ignoresMerges?: string; readonly merges?: string }> =
  new Map([
    [`${WORDS}|\\p{N}{1,3}|${REST}`, { ignoresMerges: 'llama-bpe', merges: 'glm4' }],
    [`${WORDS}|\\p{N}|${REST}`, { merges: 'qwen2' }],
    [`${CASED.join('|')}|\\p{N}{1,3}|${CASED_REST}`, { merges: CASED_NAME }],
  ]);

/** SentencePiece merges the pair of the largest score first; what no merge makes comes last. */
const NO_MERGE_SCORE = -1e6;

/**
 * The tokenizer's metadata.
 * @param vocabSize rows of the model's embedding; those without a token become unused ones
 * @throws {TunebookError} For kinds that llama.cpp has no name for, a template that does not render, and too many tokens.
 */
export async function tokenizerEntries(
  tokenizer: PretrainedTokenizer,
  vocabSize: number,
): Promise<{ readonly entries: GgufEntries; readonly notes: readonly string[] }> {
  const json = await tokenizerJson(tokenizer);
  const model = isJsonObject(json.model) ? json.model : {};
  const wrong = (got: string): TunebookError =>
    new TunebookError(
      `exportGguf: ${tokenizer.name}: expected a tokenizer of byte-level BPE or of SentencePiece's kind (BPE with ` +
        `byte_fallback), got ${got}. llama.cpp would split texts otherwise: export to ONNX.`,
    );
  if (model.type !== 'BPE' && model.type !== undefined) throw wrong(String(model.type));
  const isSentencePiece = model.byte_fallback === true;
  const pre = isSentencePiece
    ? 'default'
    : preTokenizerName(json.pre_tokenizer, model.ignore_merges === true);
  if (pre === undefined) throw wrong('one that splits texts by rules of its own');
  const table = tokenTable(tokenizer, json, { vocabSize, isSentencePiece });
  const entries: GgufEntries = [
    ['tokenizer.ggml.model', text(isSentencePiece ? 'llama' : 'gpt2')],
    ['tokenizer.ggml.pre', text(pre)],
    ['tokenizer.ggml.tokens', { type: 'strings', value: table.tokens }],
    ...(isSentencePiece ? [['tokenizer.ggml.scores', { type: 'f32s', value: table.scores }] as const] : []),
    ['tokenizer.ggml.token_type', { type: 'i32s', value: table.kinds }],
    ...(isSentencePiece
      ? []
      : [['tokenizer.ggml.merges', { type: 'strings', value: mergesOf(model).map(joined) }] as const]),
    ...specialEntries(tokenizer),
    ...(isSentencePiece ? [['tokenizer.ggml.add_space_prefix', truth(prependsSpace(json))] as const] : []),
    ...chatTemplateEntries(tokenizer),
  ];
  return { entries, notes: [...nameWords(pre), ...normalizerWords(json), ...endWords(table)] };
}

function nameWords(pre: string): string[] {
  if (pre !== CASED_NAME) return [];
  return [
    `The tokenizer's rule is written as ${CASED_NAME}: a llama.cpp that does not know it yet refuses the file.`,
  ];
}

/** What llama.cpp does with texts that the tokenizer does not. */
function normalizerWords({ normalizer }: JsonObject): string[] {
  const [, form] = /"type":"(NFK?[CD]|Precompiled)"/.exec(JSON.stringify(normalizer ?? {})) ?? [];
  if (form === undefined) return [];
  return [
    `llama.cpp does not normalize texts (${form}): a letter and a mark of its own (e + U+0301) are other tokens there. ` +
      'Compose texts before you ask.',
  ];
}

/** What llama.cpp takes for an end, whatever the file says of it. Qwen 3's vocabulary has it as an ordinary token. */
const END_TEXT = '</s>';

function endWords({ tokens, kinds }: TokenTable): string[] {
  if (kinds[tokens.indexOf(END_TEXT)] !== KINDS.normal) return [];
  return [
    `llama.cpp reads ${END_TEXT} in a text as one token, an end, where this tokenizer reads ordinary text: leave it out ` +
      'of prompts.',
  ];
}

/** tokenizer.json as the tokenizer saves it. */
async function tokenizerJson(tokenizer: PretrainedTokenizer): Promise<JsonObject> {
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-tokenizer-'));
  try {
    await tokenizer.savePretrained(folder);
    return await readJsonObject(path.join(folder, 'tokenizer.json'));
  } finally {
    await fs.rm(folder, { recursive: true, force: true });
  }
}

/** llama.cpp's name of a byte-level pre-tokenizer; undefined where it has none. */
function preTokenizerName(given: unknown, ignoresMerges: boolean): string | undefined {
  if (!isJsonObject(given)) return undefined;
  const steps: unknown[] = given.type === 'Sequence' ? listOf(given.pretokenizers) : [given];
  const [first, last] = [steps[0], steps.at(-1)];
  if (!isJsonObject(last) || last.type !== 'ByteLevel' || last.add_prefix_space === true) return undefined;
  if (steps.length === 1) return last.use_regex === false ? undefined : 'gpt-2';
  if (steps.length !== 2 || !isJsonObject(first)) return undefined;
  if (first.type === 'Digits')
    return first.individual_digits === true && last.use_regex !== false ? 'smollm' : undefined;
  const pattern = first.type === 'Split' && isJsonObject(first.pattern) ? first.pattern.Regex : undefined;
  if (typeof pattern !== 'string' || last.use_regex !== false || !keepsMatches(first)) return undefined;
  return SPLIT_NAMES.get(pattern)?.[ignoresMerges ? 'ignoresMerges' : 'merges'];
}

/** Whether a Split makes a piece of each match: these patterns match every character, so that nothing is left between. */
function keepsMatches({ behavior, invert }: JsonObject): boolean {
  return invert === true ? behavior === 'Removed' : behavior === 'Isolated';
}

interface TokenTable {
  readonly tokens: string[];
  readonly kinds: number[];
  readonly scores: number[];
}

function tokenTable(
  tokenizer: PretrainedTokenizer,
  json: JsonObject,
  { vocabSize, isSentencePiece }: { readonly vocabSize: number; readonly isSentencePiece: boolean },
): TokenTable {
  const ids = Array.from({ length: vocabSize }, (_, id) => id);
  const tokens = ids.map((id) => tokenizer.idToToken(id) ?? `[PAD${id}]`);
  const kinds = ids.map((id) => (tokenizer.idToToken(id) === undefined ? KINDS.unused : KINDS.normal));
  const scores = ids.map(() => NO_MERGE_SCORE);
  if (isSentencePiece) {
    const model = isJsonObject(json.model) ? json.model : {};
    const ranks = new Map<string, number>();
    for (const [rank, merge] of mergesOf(model).entries()) {
      const made = merge.join('');
      if (!ranks.has(made)) ranks.set(made, rank);
    }
    for (const [id, token] of tokens.entries()) {
      const rank = ranks.get(token);
      if (/^<0x[0-9A-F]{2}>$/.test(token)) [kinds[id], scores[id]] = [KINDS.byte, 0];
      else if (rank !== undefined) scores[id] = -rank;
    }
    if (tokenizer.unkTokenId !== undefined) kinds[tokenizer.unkTokenId] = KINDS.unknown;
  }
  for (const added of listOf(json.added_tokens)) {
    if (!isJsonObject(added) || typeof added.id !== 'number' || added.id >= vocabSize) continue;
    scores[added.id] = 0;
    if (kinds[added.id] === KINDS.unknown) continue;
    kinds[added.id] = added.special === true ? KINDS.control : KINDS.userDefined;
  }
  return { tokens, kinds, scores };
}

/** Pairs that are merged, in order. */
function mergesOf(model: JsonObject): [string, string][] {
  return listOf(model.merges).map((merge): [string, string] => {
    if (Array.isArray(merge)) return [String(merge[0]), String(merge[1])];
    const [left = '', right = ''] = String(merge).split(' ');
    return [left, right];
  });
}

const joined = (merge: readonly [string, string]): string => merge.join(' ');

function specialEntries(tokenizer: PretrainedTokenizer): GgufEntries {
  const { bosTokenId, eosTokenId, unkTokenId, padTokenId, endOfTurnTokenId } = tokenizer;
  const named = {
    bos_token_id: bosTokenId,
    eos_token_id: eosTokenId,
    unknown_token_id: unkTokenId,
    padding_token_id: padTokenId,
    eot_token_id: endOfTurnTokenId === eosTokenId ? undefined : endOfTurnTokenId,
  };
  return [
    ...Object.entries(named).flatMap(([name, id]) =>
      id === undefined ? [] : [[`tokenizer.ggml.${name}`, { type: 'u32', value: id } as const] as const],
    ),
    ['tokenizer.ggml.add_bos_token', truth(firstToken(tokenizer) !== '')],
    // As in tunebook a prompt never ends in the end-of-text token: it would end before the answer.
    ['tokenizer.ggml.add_eos_token', truth(false)],
  ];
}

/** Whether the tokenizer puts a space before a text. */
function prependsSpace({ normalizer, pre_tokenizer: preTokenizer }: JsonObject): boolean {
  return /"Prepend"|"prepend_scheme":"(?:first|always)"|"add_prefix_space":true/.test(
    JSON.stringify([normalizer, preTokenizer]),
  );
}

/** @throws {TunebookError} Where the template does not render a question. */
function chatTemplateEntries(tokenizer: PretrainedTokenizer): GgufEntries {
  const template = renderingTemplate(tokenizer);
  return template === undefined ? [] : [['tokenizer.chat_template', text(template)]];
}

function listOf(value: unknown): unknown[] {
  return Array.isArray(value) ? value : [];
}
