/**
 * The types that this room gives to its users.
 */
import type { HubOptions } from '../hub';
import type { Tokenizer } from '../types';

/** Where a tokenizer comes from and how it is fetched. */
export interface TokenizerOptions extends HubOptions {
  /** Overrides the pad token; it must be a token of the vocabulary. */
  padToken?: string;
  /** Side that `batchEncode` pads. Default: the tokenizer's own, else 'right'. */
  paddingSide?: 'left' | 'right';
}

/** One turn of a conversation. */
export interface ChatMessage {
  role: 'system' | 'user' | 'assistant' | (string & {});
  content: string;
}

/** How a conversation is rendered. */
export interface ChatTemplateOptions {
  /** Ends the prompt where the assistant's answer begins. Default false. */
  addGenerationPrompt?: boolean;
  /** A Jinja template to use in place of the tokenizer's own. */
  chatTemplate?: string;
  /** Further variables for the template. */
  variables?: Readonly<Record<string, unknown>>;
}

/** How a batch of texts is encoded. */
export interface BatchEncodeOptions {
  /** Let the tokenizer add its own special tokens (Mistral's `<s>`). Default true. */
  addSpecialTokens?: boolean;
  /** 'longest' pads to the longest text, 'maxLength' to `maxLength`, false not at all. Default 'longest'. */
  padding?: 'longest' | 'maxLength' | false;
  /** Cut texts longer than `maxLength`; otherwise they are an error. Default false. */
  truncation?: boolean;
  /** Tokens; default the tokenizer's `modelMaxLength`. */
  maxLength?: number;
  /** Default: the tokenizer's `paddingSide`. */
  paddingSide?: 'left' | 'right';
}

/** Token ids and masks, row by row [B][T]. */
export interface BatchEncoding {
  inputIds: number[][];
  /** 1 where a token is real, 0 where it is padding. */
  attentionMask: number[][];
}

/** A Hugging Face tokenizer, ready to use. */
export interface PretrainedTokenizer extends Tokenizer {
  /** Folder, built-in name or hub id that it was loaded from. */
  readonly name: string;
  readonly bosToken: string | undefined;
  readonly eosToken: string | undefined;
  /** The end-of-text token where the tokenizer has none of its own. */
  readonly padToken: string | undefined;
  readonly unkToken: string | undefined;
  readonly unkTokenId: number | undefined;
  readonly paddingSide: 'left' | 'right';
  readonly chatTemplate: string | undefined;
  batchEncode(texts: readonly string[], options?: BatchEncodeOptions): BatchEncoding;
  batchDecode(rows: readonly (readonly number[])[], options?: { skipSpecialTokens?: boolean }): string[];
  tokenize(text: string, options?: { addSpecialTokens?: boolean }): string[];
  /** The id of a token; undefined where it is not in the vocabulary. */
  tokenToId(token: string): number | undefined;
  /** The token of an id; undefined where it is not in the vocabulary. */
  idToToken(id: number): string | undefined;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize: false },
  ): string;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: ChatTemplateOptions & { tokenize?: true },
  ): number[];
  /** Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json; gives their paths. */
  savePretrained(folder: string): Promise<string[]>;
}

/** What `checkTokenizerFits` compares with. */
export interface ModelLimits {
  /** Rows of the model's embedding. */
  vocabSize: number;
  /** The model's context, tokens. */
  maxLength?: number;
  /** The sequence length that the job wants, tokens. */
  sequenceLength?: number;
}
