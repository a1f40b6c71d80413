/**
 * A loaded tokenizer: the library's encoder behind the names that the rest of tunebook uses.
 */
import { join } from 'node:path';
import { isFile, readTextIfPresent, writeFileAtomic } from '../files';
import type { JsonObject } from '../files';
import { requireOptions } from '../options';
import { kindOf, messageOf, requireText, TunebookError } from '../types';
import { assistantMask } from './assistant-mask';
import { chatTemplateOf, renderChatTemplate, renderMarkedChat } from './chat-template';
import { configForLibrary, forLibrary } from './transformers-js/library-files';
import { cleansUpSpaces, fixLibraryTokenizer } from './transformers-js/library-fixes';
import { installTables } from './transformers-js/library-tables';
import { wholeJson } from './tables/read-tables';
import type { Vocabulary } from './tables/token-table';
import { addedTokens, CHAT_TEMPLATE, SAVED_PROMPT } from './tokenizer-files';
import type { TokenizerFiles } from './tokenizer-files';
import { transformersLibrary } from './transformers-js/load';
import type { LibraryTokenizer } from './transformers-js/load';
import type {
  BatchEncodeOptions,
  BatchEncoding,
  ChatMessage,
  ChatTemplateOptions,
  MaskedConversation,
  PretrainedTokenizer,
} from './types';
import { vocabularyOf } from './vocabulary';

/** Lengths above this are "no limit" in the files (they write 1e30). */
const LARGEST_LENGTH = 1e9;

const TOKEN_NAMES = ['bos', 'eos', 'unk', 'sep', 'pad', 'cls', 'mask'];

const CHAT_OPTIONS: ReadonlySet<string> = new Set([
  'tokenize',
  'addGenerationPrompt',
  'returnAssistantTokensMask',
  'chatTemplate',
  'variables',
]);

/** UTF-8 cannot hold half a surrogate pair; it becomes U+FFFD, as in a file. */
const LONE_SURROGATE = /\p{Surrogate}/gu;

interface Source {
  name: string;
  files: TokenizerFiles;
  padToken: string | undefined;
  paddingSide: 'left' | 'right' | undefined;
}

/**
 * Builds a tokenizer from its files.
 *
 * @throws {TunebookError} If the library rejects them, or a special token is not in the vocabulary.
 */
export async function createPretrainedTokenizer(source: Source): Promise<PretrainedTokenizer> {
  const { PreTrainedTokenizer } = await transformersLibrary();
  const vocabulary = vocabularyOf(source.files);
  let library: LibraryTokenizer;
  try {
    const { tokenizerJson, tables, config } = source.files;
    library = new PreTrainedTokenizer(forLibrary(tokenizerJson), configForLibrary(tokenizerJson, config));
    if (tables !== undefined) installTables(library, tables, vocabulary);
    fixLibraryTokenizer(library);
  } catch (error) {
    throw new TunebookError(
      `AutoTokenizer: ${source.name} is not a tokenizer that @xenova/transformers can load (${messageOf(error)}).`,
    );
  }
  return new LoadedTokenizer(library, { ...source, vocabulary });
}

/** Internal to the room. */
export class LoadedTokenizer implements PretrainedTokenizer {
  readonly name: string;
  readonly vocabSize: number;
  readonly addedTokenIds: readonly number[];
  readonly modelMaxLength: number;
  readonly paddingSide: 'left' | 'right';
  readonly chatTemplate: string | undefined;
  readonly savedPrompt: JsonObject | undefined;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  readonly padToken: string | undefined;
  readonly unkToken: string | undefined;
  readonly bosTokenId: number | undefined;
  readonly eosTokenId: number | undefined;
  readonly padTokenId: number | undefined;
  readonly unkTokenId: number | undefined;
  private readonly library: LibraryTokenizer;
  private readonly cleansUpSpaces: boolean;
  private readonly files: TokenizerFiles;
  private readonly vocabulary: Vocabulary;
  private turnEnd: { readonly id: number | undefined } | undefined;

  constructor(
    library: LibraryTokenizer,
    { name, files, padToken, paddingSide, vocabulary }: Source & { vocabulary: Vocabulary },
  ) {
    const { config } = files;
    this.library = library;
    this.cleansUpSpaces = cleansUpSpaces(files.tokenizerJson, config);
    this.files = files;
    this.name = name;
    this.vocabulary = vocabulary;
    this.vocabSize = vocabulary.size;
    this.addedTokenIds = addedTokens(files.tokenizerJson).map(({ id }) => id);
    const limit = config.model_max_length;
    this.modelMaxLength =
      typeof limit === 'number' && limit > 0 && limit < LARGEST_LENGTH ? limit : Number.POSITIVE_INFINITY;
    this.paddingSide = paddingSide ?? (config.padding_side === 'left' ? 'left' : 'right');
    this.chatTemplate = chatTemplateOf(config.chat_template);
    this.savedPrompt = files.savedPrompt;
    this.bosToken = textOf(config.bos_token);
    this.eosToken = textOf(config.eos_token);
    this.unkToken = textOf(config.unk_token);
    // As in GPT-2's original code, the end-of-text token pads where there is no pad token. Masks and labels go by
    // length, not by id, so a real end of text stays in the loss.
    this.padToken = padToken ?? textOf(config.pad_token) ?? this.eosToken;
    this.bosTokenId = this.specialId('bos', this.bosToken);
    this.eosTokenId = this.specialId('eos', this.eosToken);
    this.unkTokenId = this.specialId('unk', this.unkToken);
    this.padTokenId = this.specialId('pad', this.padToken);
  }

  withTokens(tokens: readonly string[], special: boolean): Promise<PretrainedTokenizer> {
    const { tokenizerJson } = this.files;
    const known = addedTokens(tokenizerJson).map(({ content }) => content);
    const fresh = [...new Set(tokens)].filter((token) => !known.includes(token));
    let next = this.vocabSize;
    const added = fresh.map((content) => ({
      ...{ id: this.vocabulary.idOf(content) ?? next++, content },
      ...{ single_word: false, lstrip: false, rstrip: false, normalized: !special, special },
    }));
    const before: unknown = tokenizerJson.added_tokens;
    const json = { ...tokenizerJson, added_tokens: [...(Array.isArray(before) ? before : []), ...added] };
    const { name, padToken, paddingSide } = this;
    return createPretrainedTokenizer({
      ...{ name, padToken, paddingSide },
      files: { ...this.files, tokenizerJson: json },
    });
  }

  /** Found out at the first use: the first special token that the chat template writes after an answer. */
  get endOfTurnTokenId(): number | undefined {
    this.turnEnd ??= { id: this.findTurnEnd() };
    return this.turnEnd.id;
  }

  encode(text: string, { addSpecialTokens = true }: { addSpecialTokens?: boolean } = {}): number[] {
    requireString('encode', text);
    return this.library.encode(text.replace(LONE_SURROGATE, '\ufffd'), {
      add_special_tokens: addSpecialTokens,
    });
  }

  decode(
    ids: readonly number[],
    { skipSpecialTokens = false }: { skipSpecialTokens?: boolean } = {},
  ): string {
    requireList('decode', 'a list of token ids', ids);
    const known = ids.filter((id) => {
      if (!Number.isInteger(id) || id < 0) {
        throw new TunebookError(
          `tokenizer.decode: expected token ids, got ${id}. Labels hold -100 where the loss ignores a token: filter it out.`,
        );
      }
      // A model may have more rows than tokens; such an id decodes to nothing, as in Hugging Face.
      return this.vocabulary.tokenOf(id) !== undefined;
    });
    if (known.length === 0) return '';
    return this.library.decode(known, {
      skip_special_tokens: skipSpecialTokens,
      clean_up_tokenization_spaces: this.cleansUpSpaces,
    });
  }

  batchEncode(texts: readonly string[], options: BatchEncodeOptions = {}): BatchEncoding {
    const { addSpecialTokens = true, padding = 'longest', truncation = false } = options;
    const { maxLength = this.modelMaxLength, paddingSide = this.paddingSide } = options;
    requireList('batchEncode', 'a list of texts', texts);
    const rows = texts.map((text, row) => {
      const ids = this.encode(text, { addSpecialTokens });
      if (ids.length <= maxLength) return ids;
      if (truncation) return ids.slice(0, maxLength);
      throw new TunebookError(
        `tokenizer.batchEncode: expected at most ${maxLength} tokens, got ${ids.length} in text ${row}. ` +
          'Shorten it, or set truncation: true.',
      );
    });
    const mask = rows.map((ids) => ids.map(() => 1));
    if (padding === false) return { inputIds: rows, attentionMask: mask };
    if (padding === 'maxLength' && !Number.isFinite(maxLength)) {
      throw new TunebookError(
        "tokenizer.batchEncode: padding 'maxLength' needs a maxLength; the tokenizer has none.",
      );
    }
    const length = padding === 'maxLength' ? maxLength : Math.max(0, ...rows.map((ids) => ids.length));
    const padId = this.padTokenId;
    if (padId === undefined) {
      throw new TunebookError(
        `tokenizer.batchEncode: ${this.name} has neither a pad nor an end-of-text token. ` +
          'Give fromPretrained a padToken, or set padding: false.',
      );
    }
    const pad = (row: number[], value: number): number[] => {
      const fill = new Array<number>(length - row.length).fill(value);
      return paddingSide === 'left' ? [...fill, ...row] : [...row, ...fill];
    };
    return {
      inputIds: rows.map((ids) => pad(ids, padId)),
      attentionMask: mask.map((row) => pad(row, 0)),
    };
  }

  batchDecode(rows: readonly (readonly number[])[], options: { skipSpecialTokens?: boolean } = {}): string[] {
    requireList('batchDecode', 'a list of rows of token ids', rows);
    return rows.map((ids) => this.decode(ids, options));
  }

  tokenize(text: string, { addSpecialTokens = false }: { addSpecialTokens?: boolean } = {}): string[] {
    requireString('tokenize', text);
    return this.library.tokenize(text.replace(LONE_SURROGATE, '\ufffd'), {
      add_special_tokens: addSpecialTokens,
    });
  }

  tokenToId(token: string): number | undefined {
    return this.vocabulary.idOf(token);
  }

  idToToken(id: number): string | undefined {
    return this.vocabulary.tokenOf(id);
  }

  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize: false },
  ): string;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize?: true; returnAssistantTokensMask: true },
  ): MaskedConversation;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: ChatTemplateOptions & { tokenize?: true; returnAssistantTokensMask?: false },
  ): number[];
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize?: boolean; returnAssistantTokensMask?: boolean } = {},
  ): string | number[] | MaskedConversation {
    requireList('applyChatTemplate', 'a list of messages { role, content }', messages);
    const unknown = Object.keys(options).find((name) => !CHAT_OPTIONS.has(name));
    if (unknown !== undefined)
      throw new TunebookError(
        `tokenizer.applyChatTemplate: expected the options ${[...CHAT_OPTIONS].join(', ')}, got ${unknown}. ` +
          'Variables of the template go into variables: { ... }.',
      );
    const template = options.chatTemplate ?? this.chatTemplate;
    if (template === undefined) {
      throw new TunebookError(
        `tokenizer.applyChatTemplate: ${this.name} has no chat template. Give one as chatTemplate, ` +
          'or use the instruction prompt.',
      );
    }
    const masked = options.returnAssistantTokensMask === true;
    if (masked && options.tokenize === false)
      throw new TunebookError(
        'tokenizer.applyChatTemplate: returnAssistantTokensMask marks tokens: leave tokenize: false out.',
      );
    const context = {
      ...{ tools: null, documents: null, ...this.templateTokens(), ...options.variables },
      messages,
      add_generation_prompt: options.addGenerationPrompt ?? false,
    };
    // The template writes the special tokens itself; adding them again would double the first.
    const idsOf = (text: string): number[] => this.encode(text, { addSpecialTokens: false });
    try {
      if (masked) {
        const chat = renderMarkedChat(template, context);
        const inputIds = idsOf(chat.text);
        const { tokenizerJson } = this.files;
        const tokenOf = (id: number): string | undefined => this.vocabulary.tokenOf(id);
        return { inputIds, assistantMasks: assistantMask(chat, inputIds, { tokenOf, tokenizerJson }) };
      }
      const text = renderChatTemplate(template, context);
      return options.tokenize === false ? text : idsOf(text);
    } catch (error) {
      throw new TunebookError(`tokenizer.applyChatTemplate: ${this.name}: ${messageOf(error)}`);
    }
  }

  async savePretrained(folder: string, options: { chatTemplate?: string } = {}): Promise<string[]> {
    const where = 'tokenizer.savePretrained';
    requireText(folder, { where, what: 'the path of a folder' });
    requireOptions<{ chatTemplate?: string }>(options, { where, names: { chatTemplate: true } });
    // The form that a model was tuned with is not undone by saving its tokenizer once more.
    const tuned = (await isFile(join(folder, SAVED_PROMPT)))
      ? await readTextIfPresent(join(folder, CHAT_TEMPLATE))
      : undefined;
    const given = options.chatTemplate ?? tuned;
    const template = given ?? this.chatTemplate;
    const special: Record<string, string> = {};
    const named = { bos: this.bosToken, eos: this.eosToken, unk: this.unkToken, pad: this.padToken };
    for (const [name, token] of Object.entries(named))
      if (token !== undefined) special[`${name}_token`] = token;
    const { tokenizerJson, tables } = this.files;
    const config: Record<string, unknown> = {
      ...{ ...this.files.config, ...special, padding_side: this.paddingSide },
      // As it decodes here: transformers.js would follow the flag for BPE too.
      clean_up_tokenization_spaces: this.cleansUpSpaces,
      ...(given === undefined ? {} : { chat_template: given }),
    };
    const contents: [string, string][] = [
      [
        'tokenizer.json',
        JSON.stringify(tables === undefined ? tokenizerJson : wholeJson(tokenizerJson, tables)),
      ],
      ['tokenizer_config.json', JSON.stringify(config, null, 2)],
      ['special_tokens_map.json', JSON.stringify(special, null, 2)],
    ].map(([name, text]): [string, string] => [name, `${text}\n`]);
    // As it is: a line break more would be a part of every prompt in some readers.
    if (template !== undefined) contents.push([CHAT_TEMPLATE, template]);
    if (this.savedPrompt !== undefined && given === undefined)
      contents.push([SAVED_PROMPT, `${JSON.stringify(this.savedPrompt, null, 2)}\n`]);
    const paths: string[] = [];
    for (const [file, text] of contents) {
      const path = join(folder, file);
      await writeFileAtomic(path, text);
      paths.push(path);
    }
    return paths;
  }

  /** What templates call `bos_token` and so on. */
  private templateTokens(): Record<string, string> {
    const { config } = this.files;
    const tokens: Record<string, string> = {};
    for (const name of TOKEN_NAMES) {
      const token = textOf(config[`${name}_token`]);
      if (token !== undefined) tokens[`${name}_token`] = token;
    }
    return tokens;
  }

  private findTurnEnd(): number | undefined {
    if (this.chatTemplate === undefined) return undefined;
    try {
      return this.turnEndOf(this.chatTemplate);
    } catch {
      return undefined; // a template that asks for more than a question and an answer ends turns as it likes
    }
  }

  turnEndOf(chatTemplate: string): number | undefined {
    const answer = 'answer';
    const turns = [
      { role: 'user', content: 'question' },
      { role: 'assistant', content: answer },
    ];
    const text = this.applyChatTemplate(turns, { tokenize: false, chatTemplate });
    const rest = text.slice(text.lastIndexOf(answer) + answer.length);
    const added = addedTokens(this.files.tokenizerJson);
    const special = new Set(added.filter((token) => token.special).map(({ id }) => id));
    return this.encode(rest, { addSpecialTokens: false }).find((id) => special.has(id));
  }

  private specialId(name: string, token: string | undefined): number | undefined {
    if (token === undefined) return undefined;
    const id = this.vocabulary.idOf(token);
    if (id === undefined) {
      throw new TunebookError(
        `AutoTokenizer: ${this.name}: expected the ${name} token to be in the vocabulary, got ${JSON.stringify(token)}. ` +
          'A new token would have no trained row in the model: take one that exists.',
      );
    }
    return id;
  }
}

function requireString(where: string, text: unknown): void {
  if (typeof text !== 'string') {
    throw new TunebookError(`tokenizer.${where}: expected a string, got ${kindOf(text)}.`);
  }
}

function requireList(where: string, what: string, list: unknown): void {
  if (!Array.isArray(list) && !ArrayBuffer.isView(list)) {
    throw new TunebookError(`tokenizer.${where}: expected ${what}, got ${kindOf(list)}.`);
  }
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined;
}
