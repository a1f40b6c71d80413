/** The types of prompts: what a template does with a record, and what of it travels with a model. */
import type { ChatMessage, PretrainedTokenizer } from '../tokenizer';
import type { TemplateChat } from './conversations/template-chat';
import type { DataRecord } from '../types';

/** How a record becomes text: the same prompt in training and at inference. */
export interface PromptTemplate {
  /** What a saved model needs to ask in this form again. Default: nobody knows, and the form does not travel. */
  readonly travel?: PromptTravel;
  /** How records that are conversations are taken. Default: not at all. */
  readonly chat?: TemplateChat;
  /** Text up to the place where the model begins to write; encoded with the tokenizer's special tokens. */
  formatPrompt(record: DataRecord): string;
  /** The text that the model shall write, without the end-of-text token. */
  formatResponse(record: DataRecord): string;
  /**
   * Prompt and response as the model reads them in training, where more than the response follows the prompt: a chat
   * template ends the turn in its own way. Default: the prompt, the response, the end-of-text token.
   */
  formatTurn?(record: DataRecord): FormattedTurn;
}

/** A conversation with its answer. */
export interface FormattedTurn {
  /** As `formatPrompt` gives it. */
  readonly prompt: string;
  /** All of it; encoded with the tokenizer's special tokens. */
  readonly text: string;
  /** What follows the prompt, up to the end of the turn and what the template writes after it. */
  readonly continuation: string;
  /** Whether the template ends the turn; the end-of-text token follows where it does not. */
  readonly isEnded: boolean;
}

/** A template as it travels with a model. */
export interface PromptTravel {
  /** Content of tunebook_prompt.json. */
  readonly description: PromptDescription;
  /** The turns that a chat client sends for a record. @throws TunebookError where turns cannot say what the record says */
  messages(record: DataRecord): ChatMessage[];
  /**
   * A Jinja chat template that makes the training prompt of those turns; it begins with `bos`, another Jinja
   * expression, where that is given.
   */
  chatTemplate(bos: string | undefined): string;
}

/** What tunebook_prompt.json says of the prompt that a model was tuned with. */
export interface PromptDescription {
  /** Of this format. */
  readonly version: 1;
  /** 'instruction': `prompt` is the whole text. 'chat': `user` is the user's turn in the tokenizer's chat template. */
  readonly form: 'instruction' | 'chat';
  /** The system text; a record's own field `system` wins in the instruction form. */
  readonly system?: string;
  /** Instruction form: text with `{field}` places, up to the response. */
  readonly prompt?: string;
  /** Chat form: the user's turn, with `{field}` places. */
  readonly user?: string;
  /** What the model writes, with `{field}` places. */
  readonly response: string;
  /** Fields that a record brings, in their order. */
  readonly fields: readonly string[];
  /** Values for fields that a record lacks. */
  readonly defaults: Readonly<Record<string, string>>;
  /** Texts that end an answer, beside the tokens that do. */
  readonly stop_strings: readonly string[];
}

/** A tokenizer and the template that a model is tuned with: what a saved folder carries beside the weights. */
export interface PromptOptions {
  tokenizer: PretrainedTokenizer;
  template: PromptTemplate;
}

/** What `instructionTemplate` takes. */
export interface InstructionTemplateOptions {
  /** Text for `{system}` where a record has no `system` field. */
  system?: string;
  /** Text with `{field}` places, up to the response. */
  prompt?: string;
  /** Default '{response}'. */
  response?: string;
  /** Values for fields that a record lacks. A field with neither is an error. */
  defaults?: Readonly<Record<string, string>>;
  /** Texts that end an answer; they travel with the model. Default: none, its end-of-text token ends it. */
  stopStrings?: readonly string[];
}

/** What `chatTemplate` takes. */
export interface ChatPromptOptions {
  tokenizer: PretrainedTokenizer;
  /** A Jinja template instead of the tokenizer's own, such as one that marks answers by `{% generation %}`. */
  chatTemplate?: string;
  /** The user's turn, with `{field}` places. */
  user?: string;
  /** A system turn. Default: none. */
  system?: string;
  /** Default '{response}'. */
  response?: string;
  /** Texts that end an answer; they travel with the model. Default: none, the token after a turn ends it. */
  stopStrings?: readonly string[];
}
