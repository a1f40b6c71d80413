/** How the records of a call are read: their kind, and the template that goes with it. */
import { chatTemplate, instructionTemplate, isConversation, kindOfRecord } from '../prompts';
import type { PromptTemplate, RecordKind, TemplateChat } from '../prompts';
import type { PretrainedTokenizer } from '../tokenizer';
import { TunebookError } from '../types';
import type { Tokenizer } from '../types';
import { kindOfRecords } from './conversations/kinds-of-records';
import type { DataRecord } from './files/row';

/** How records are read. */
export interface Reading {
  readonly kind: RecordKind;
  /** What writes prompts and responses; undefined for plain texts. */
  readonly template: PromptTemplate | undefined;
  /** Of conversations: what renders them. */
  readonly chat?: { readonly chat: TemplateChat; readonly tokenizer: PretrainedTokenizer };
}

interface Request {
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate | undefined;
  readonly format: RecordKind | 'auto';
}

/** @throws TunebookError where records are of several kinds or of none, or the template cannot write them */
export function readingOf(records: readonly DataRecord[], { tokenizer, template, format }: Request): Reading {
  const [first] = records;
  if (
    first === undefined ||
    format === 'fields' ||
    (template !== undefined && !isTaken(first, template, format))
  )
    return { kind: 'fields', template: template ?? instructionTemplate() };
  const kind = kindOfRecords(records, { where: 'encodeRecords', format });
  if (kind === 'preference')
    throw new TunebookError(
      'encodeRecords: expected records with one answer each, got pairs (chosen + rejected). Train on pairs with DPOTrainer ' +
        'or ORPOTrainer.',
    );
  if (kind === 'text') return { kind, template: undefined };
  const chosen = template ?? defaultTemplate(first, tokenizer);
  const { chat } = chosen;
  if (chat?.takes(first) === true)
    return { kind, template: chosen, chat: { chat, tokenizer: pretrained(tokenizer) } };
  if (!isConversation(first)) return { kind, template: chosen };
  throw new TunebookError(
    `encodeRecords: expected a chat template for conversations (${kind}), got another template. ` +
      'Pass chatTemplate({ tokenizer }), or none.',
  );
}

/** Whether a template given by the caller is for the whole of such a record, not for some fields of it. */
function isTaken(record: DataRecord, template: PromptTemplate, format: RecordKind | 'auto'): boolean {
  return format !== 'auto' || isConversation(record) || template.chat?.takes(record) === true;
}

/** The template for records of which the caller says nothing else. */
export function defaultTemplate(record: DataRecord, tokenizer: Tokenizer): PromptTemplate {
  const kind = kindOfRecord(record);
  if (isConversation(record)) return chatTemplate({ tokenizer: pretrained(tokenizer) });
  if (kind === 'prompt-completion')
    return instructionTemplate({ prompt: '{prompt}', response: '{completion}' });
  if (kind !== 'alpaca') return instructionTemplate();
  if (isPretrained(tokenizer) && tokenizer.chatTemplate !== undefined) return chatTemplate({ tokenizer });
  return instructionTemplate({
    prompt: '### Instruction:\n{instruction}\n\n### Input:\n{input}\n\n### Response:\n',
    ...{ response: '{output}', defaults: { input: '' } },
  });
}

function isPretrained(tokenizer: Tokenizer): tokenizer is PretrainedTokenizer {
  return 'applyChatTemplate' in tokenizer;
}

function pretrained(tokenizer: Tokenizer): PretrainedTokenizer {
  if (isPretrained(tokenizer)) return tokenizer;
  throw new TunebookError(
    'encodeRecords: expected a tokenizer with applyChatTemplate for conversations, got one without. ' +
      "Pass { tokenizer: await AutoTokenizer.fromPretrained('...') }.",
  );
}
