/** Records that are conversations, as examples: which turns are learned, what is too long, what is wrong. */
import { MessageFault } from '../../prompts';
import type { Conversation, TemplateChat } from '../../prompts';
import type { PretrainedTokenizer } from '../../tokenizer';
import { firstOf, IGNORED, TunebookError } from '../../types';
import { placeOf } from '../files/places';
import type { DataRecord } from '../files/row';
import { encodeTurns } from './encode-turns';
import type { EncodedTurn, EncodedTurns } from './encode-turns';
import { nothingEncoded } from './types';
import type { ConversationReport, Encoded } from './types';

/** Records that an error names. */
const NAMED = 3;

/** How conversations become examples. */
export interface ConversationSettings {
  readonly tokenizer: PretrainedTokenizer;
  readonly chat: TemplateChat;
  readonly maxLength: number;
  readonly labels: 'response' | 'all';
  readonly trainOn: 'assistant' | 'last';
  readonly truncation: 'turns' | 'right' | 'drop';
  readonly invalidRecords: 'refuse' | 'drop';
  /** The end-of-text token, where a template ends no turn. */
  end(): readonly number[];
}

type Counts = { -readonly [K in keyof ConversationReport]: number };

/** @throws TunebookError naming the records that are wrong, unless they are dropped */
export function encodeConversations(
  records: readonly DataRecord[],
  settings: ConversationSettings,
): Encoded & { readonly conversations: ConversationReport } {
  const encoded = nothingEncoded();
  const counts: Counts = {
    ...{ trainedTurns: 0, untrainedTurns: 0, splitRecords: 0 },
    ...{ droppedTurns: 0, emptyMasks: 0, openTurns: 0 },
  };
  const faults: { place: string; message: string }[] = [];
  for (const [index, record] of records.entries()) {
    try {
      addRecord(record, index, { encoded, counts, settings });
    } catch (error) {
      if (!(error instanceof TunebookError)) throw error;
      faults.push({ place: placeOf(record, index), message: error.message });
      encoded.dropped.push({ index, tokens: 0, reason: error.message });
    }
  }
  if (faults.length > 0 && settings.invalidRecords === 'refuse') throw refusal(faults, records.length);
  return { ...encoded, conversations: counts };
}

function refusal(faults: readonly { place: string; message: string }[], total: number): TunebookError {
  const [{ place, message }, ...others] = faults;
  const named = firstOf(
    others.map((fault) => `${fault.place}: ${fault.message}`),
    { most: NAMED },
  );
  const rest =
    others.length === 0 ? '' : ` ${faults.length} of ${total} records are wrong; the others: ${named}.`;
  return new TunebookError(
    `encodeRecords, ${place}: ${message}.${rest} Fix the records, or leave them out with invalidRecords: 'drop'.`,
  );
}

interface Work {
  readonly encoded: Encoded;
  readonly counts: Counts;
  readonly settings: ConversationSettings;
}

function addRecord(record: DataRecord, index: number, { encoded, counts, settings }: Work): void {
  const { tokenizer, chat, end } = settings;
  const conversation = chat.conversationOf(record);
  if (conversation === undefined) throw new MessageFault('expected a conversation, got another record');
  if (!conversation.messages.some(({ role }) => role === 'assistant'))
    throw new MessageFault('expected a turn of the assistant, got none: nothing could be learned');
  const all = encodeTurns(conversation, { tokenizer, chatTemplate: chat.source, end });
  const learned = all.map((one) => ({
    ...one,
    turns: one.turns.filter(wants(conversation, settings.trainOn)),
  }));
  const found = count(all);
  if (found === 0) {
    counts.emptyMasks++;
    drop('the chat template marks nothing as written by the assistant', all[0]);
    return;
  }
  if (all.length > 1) counts.splitRecords++;
  counts.untrainedTurns += found - count(learned);
  if (count(learned) === 0) drop('none of its turns is to be learned (train: false)', all[0]);
  for (const example of learned) if (example.turns.length > 0) addExample(example);

  function drop(reason: string, example: EncodedTurns | undefined): void {
    encoded.dropped.push({ index, tokens: example?.inputIds.length ?? 0, reason });
  }

  function addExample(example: EncodedTurns): void {
    const fitted = fit(example, settings);
    const tokens = example.inputIds.length;
    counts.droppedTurns += example.turns.length - fitted.turns.length;
    if (fitted.turns.length === 0) {
      drop(`${tokens} tokens, ${settings.maxLength} allowed, and its first answer does not fit`, example);
      return;
    }
    if (fitted.inputIds.length < tokens)
      encoded.truncated.push({ index, removedTokens: tokens - fitted.inputIds.length });
    counts.trainedTurns += fitted.turns.length;
    counts.openTurns += fitted.turns.filter(({ end: at }) => endsTurn(fitted.inputIds[at], tokenizer)).length;
    encoded.examples.push({ inputIds: fitted.inputIds, labels: labelsOf(fitted, settings.labels) });
    encoded.sourceIndex.push(index);
    encoded.responseLengths.push(fitted.turns.reduce((sum, turn) => sum + turn.end - turn.start, 0));
  }
}

const count = (examples: readonly EncodedTurns[]): number =>
  examples.reduce((sum, { turns }) => sum + turns.length, 0);

function wants({ messages }: Conversation, trainOn: 'assistant' | 'last'): (turn: EncodedTurn) => boolean {
  const last = messages.findLastIndex(({ role }) => role === 'assistant');
  return ({ message }) => {
    if (trainOn === 'last' && message !== last && messages[message]?.role === 'assistant') return false;
    return messages[message]?.train !== false;
  };
}

function endsTurn(id: number | undefined, { eosTokenId, endOfTurnTokenId }: PretrainedTokenizer): boolean {
  return id !== undefined && (id === eosTokenId || id === endOfTurnTokenId);
}

/** A conversation within `maxLength`: without its last turns, or cut as TRL cuts it. */
function fit(
  { inputIds, turns }: EncodedTurns,
  { maxLength, truncation }: ConversationSettings,
): EncodedTurns {
  if (inputIds.length <= maxLength) return { inputIds, turns };
  if (truncation === 'drop') return { inputIds, turns: [] };
  if (truncation === 'right')
    return {
      inputIds: inputIds.slice(0, maxLength),
      turns: turns.flatMap((turn) =>
        turn.start < maxLength ? [{ ...turn, end: Math.min(turn.end, maxLength) }] : [],
      ),
    };
  const whole = turns.filter(({ end }) => end <= maxLength);
  return { inputIds: inputIds.slice(0, whole.at(-1)?.end ?? 0), turns: whole };
}

function labelsOf({ inputIds, turns }: EncodedTurns, labels: 'response' | 'all'): readonly number[] {
  if (labels === 'all') return inputIds;
  const learned = inputIds.map(() => IGNORED);
  for (const { start, end } of turns) for (let i = start; i < end; i++) learned[i] = inputIds[i] ?? IGNORED;
  return learned;
}
