/**
 * The door of `prompts`: from a record to the text that a model is asked with, in training and ever after.
 * Where it stands: above the tokenizer; training, saving, generation, servers and exports take their prompts here.
 */
export { MessageFault, readMessages } from './conversations/check-messages';
export { fieldsOf, isConversation, isOfKind, kindOfRecord, RECORD_KINDS } from './conversations/record-kinds';
export { extras, toConversation } from './conversations/to-conversation';
export type { Conversation, ConversationMessage, RecordKind } from './conversations/types';
export { variablesOf } from './conversations/template-chat';
export type { TemplateChat } from './conversations/template-chat';
export { loadPrompt, promptOf } from './model-prompt';
export type { ModelPrompt } from './model-prompt';
export { requirePrompt, savePrompt } from './save-prompt';
export { chatTemplate, firstToken, formatPrompt, instructionTemplate, requireTemplate } from './templates';
export type {
  ChatPromptOptions,
  FormattedTurn,
  InstructionTemplateOptions,
  PromptDescription,
  PromptOptions,
  PromptTemplate,
  PromptTravel,
} from './types';
