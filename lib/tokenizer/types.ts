/** The public types of tokenizers. */
import type { HubOptions } from '../hub';
import type { Tokenizer } from '../types';

/** Where a tokenizer comes from, and how it pads. */
export interface TokenizerOptions extends HubOptions {
  /** Replaces the pad token; must be in the vocabulary. */
  padToken?: string;
  /** The side that `batchEncode` pads. Default: the tokenizer's own, else 'right'. */
  paddingSide?: 'left' | 'right';
}

/** One turn of a conversation. */
export interface ChatMessage {
  /** Who speaks; templates may know other roles. */
  role: 'system' | 'user' | 'assistant' | (string & {});
  content: string;
}

/** How a conversation is rendered. */
export interface ChatTemplateOptions {
  /** Ends the prompt where the assistant's turn begins. Default false. */
  addGenerationPrompt?: boolean;
  /** A Jinja template instead of the tokenizer's own. */
  chatTemplate?: string;
  /** More variables for the template. */
  variables?: Readonly<Record<string, unknown>>;
}

/** A conversation as token ids, and which of them the model wrote. */
export interface MaskedConversation {
  /** Token ids, [T]. */
  inputIds: number[];
  /** 1 for each token within `{% generation %}`, 0 for the others, [T]. */
  assistantMasks: number[];
}

/** How a batch of texts is encoded. */
export interface BatchEncodeOptions {
  /** Add the tokenizer's special tokens (Mistral's `<s>`). Default true. */
  addSpecialTokens?: boolean;
  /** 'longest' pads to the longest text, 'maxLength' to `maxLength`, false not at all. Default 'longest'. */
  padding?: 'longest' | 'maxLength' | false;
  /** Cut texts longer than `maxLength`, which are an error otherwise. Default false. */
  truncation?: boolean;
  /** In tokens. Default: the tokenizer's `modelMaxLength`. */
  maxLength?: number;
  /** Default: the tokenizer's `paddingSide`. */
  paddingSide?: 'left' | 'right';
}

/** A batch of texts, row by row. */
export interface BatchEncoding {
  /** Token ids, [B][T]. */
  inputIds: number[][];
  /** 1 where a token is real, 0 where it is padding, [B][T]. */
  attentionMask: number[][];
}

/** A Hugging Face tokenizer, ready to use. */
export interface PretrainedTokenizer extends Tokenizer {
  /** Folder, built-in name or hub id that it was loaded from. */
  readonly name: string;
  /** Begins a text; undefined where there is none. */
  readonly bosToken: string | undefined;
  /** Ends a text; undefined where there is none. */
  readonly eosToken: string | undefined;
  /** Pads rows; the end-of-text token where the tokenizer has none of its own. */
  readonly padToken: string | undefined;
  /** Stands for what the vocabulary cannot say; undefined where there is none. */
  readonly unkToken: string | undefined;
  /** The id of `unkToken`. */
  readonly unkTokenId: number | undefined;
  /** The side that `batchEncode` pads by default. */
  readonly paddingSide: 'left' | 'right';
  /** The Jinja template of conversations; undefined where there is none. */
  readonly chatTemplate: string | undefined;
  /** The special token that the chat template writes after an answer; undefined where there is none. */
  readonly endOfTurnTokenId: number | undefined;
  /** Content of the tunebook_prompt.json beside it: the prompt that a model was tuned with. */
  readonly savedPrompt?: Readonly<Record<string, unknown>>;
  /**
   * The special token that a template of conversations writes after an answer; undefined where it writes none.
   * @throws {TunebookError} Where the template does not render a question with its answer.
   */
  turnEndOf(chatTemplate: string): number | undefined;
  /**
   * Token ids of several texts, padded to rows of one length.
   *
   * @throws {TunebookError} If a text is too long and not to be cut, or there is no pad token.
   */
  batchEncode(texts: readonly string[], options?: BatchEncodeOptions): BatchEncoding;
  /** The text of each row of ids. */
  batchDecode(rows: readonly (readonly number[])[], options?: { skipSpecialTokens?: boolean }): string[];
  /** The tokens of a text as the vocabulary spells them. */
  tokenize(text: string, options?: { addSpecialTokens?: boolean }): string[];
  /** The id of a token; undefined where it is not in the vocabulary. */
  tokenToId(token: string): number | undefined;
  /** The token of an id; undefined where it is not in the vocabulary. */
  idToToken(id: number): string | undefined;
  /**
   * A conversation in the model's own format: token ids, text with `tokenize: false`, or with
   * `returnAssistantTokensMask` ids and the mask of those that the model wrote: what the template encloses in
   * `{% generation %}`, token by token as transformers marks it.
   *
   * @throws {TunebookError} If there is no template, or it rejects the messages; for a mask, if it has no such tags or
   *   the tokenizer changes the text.
   */
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize?: true; returnAssistantTokensMask: true },
  ): MaskedConversation;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options: ChatTemplateOptions & { tokenize: false },
  ): string;
  applyChatTemplate(
    messages: readonly ChatMessage[],
    options?: ChatTemplateOptions & { tokenize?: true; returnAssistantTokensMask?: false },
  ): number[];
  /**
   * Writes tokenizer.json, tokenizer_config.json and special_tokens_map.json, and chat_template.jinja where there is a
   * chat template; returns their paths. In a folder that holds a tuned model's prompt, the chat template stays that prompt's.
   */
  savePretrained(folder: string, options?: { chatTemplate?: string }): Promise<string[]>;
}

/** A model for `checkTokenizerFits`, by `{ architecture: model.architecture }`: its rows, context and config.json. */
export interface ModelToFit {
  architecture: {
    readonly vocabSize: number;
    readonly maxPositions: number;
    toJson(): Record<string, unknown>;
  };
  /** The sequence length of the job, in tokens. */
  sequenceLength?: number;
}

/** What `checkTokenizerFits` compares a tokenizer with, where there is no model yet. */
export interface ModelLimits {
  /** Rows of the model's embedding. */
  vocabSize: number;
  /** The model's context, in tokens. */
  maxLength?: number;
  /** The sequence length of the job, in tokens. */
  sequenceLength?: number;
  /** Content of the model's config.json, as `model.architecture.toJson()` gives it. */
  config?: Readonly<Record<string, unknown>>;
}
