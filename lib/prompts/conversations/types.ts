/** Conversations as records hold them, whatever the format of the file. */
import type { ChatMessage } from '../../tokenizer';
import type { DataRecord, JsonValue } from '../../types';

/** What a record is: how its fields are read. */
export type RecordKind =
  'messages' | 'sharegpt' | 'alpaca' | 'prompt-completion' | 'text' | 'preference' | 'fields';

/** One message; what is not named here goes to the chat template as it stands. */
export interface ConversationMessage extends ChatMessage {
  /** Whether the loss sees an assistant's turn. Default true. */
  readonly train?: boolean;
  /** Calls of tools, as OpenAI's and Hugging Face's messages have them. */
  readonly tool_calls?: readonly JsonValue[];
}

/** A conversation to train on. */
export interface Conversation {
  readonly messages: readonly ConversationMessage[];
  /**
   * How many messages at the beginning are asked and never learned; all that follows them is learned, as of a record with
   * `prompt` and `completion`. Undefined: the assistant's turns are learned.
   */
  readonly promptMessages?: number;
  /** Descriptions of tools that the template shows to the model. */
  readonly tools?: readonly JsonValue[];
  /** More variables for the template (`chat_template_kwargs` of a record), such as `enable_thinking`. */
  readonly variables?: DataRecord;
}
