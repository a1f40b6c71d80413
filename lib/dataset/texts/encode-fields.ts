/**
 * Records with a prompt and a response, as a template writes them. Prompt and response are encoded apart and joined as ids,
 * for two reasons: at inference the model gets exactly the prompt's ids, and no token can span the border (where a
 * response begins with a space or a line break, encoding the joined text would merge it with the prompt's last
 * character, and the model would be trained on a border that it never meets).
 */
import { promptIds } from '../../tokenizer';
import type { FormattedTurn, PromptTemplate } from '../../prompts';
import { IGNORED, TunebookError } from '../../types';
import type { Tokenizer } from '../../types';
import { nothingEncoded } from '../conversations/types';
import type { Encoded } from '../conversations/types';
import { placeOf } from '../files/places';
import type { DataRecord } from '../files/row';

const EMPTY = 'the response is empty';

/** How the records' texts become examples. */
interface FieldSettings {
  readonly tokenizer: Tokenizer;
  readonly template: PromptTemplate;
  readonly maxLength: number;
  readonly labels: 'response' | 'all';
  readonly truncation: PromptCut;
  /** The end-of-text token, where one is wanted. */
  end(): number[];
}

/** Where a prompt that is too long is cut, or that its example is dropped. */
export type PromptCut = 'left' | 'middle' | 'drop';

/** @throws TunebookError where a record lacks a field of the template */
export function encodeFields(records: readonly DataRecord[], settings: FieldSettings): Encoded {
  const { tokenizer, template, maxLength, labels, truncation, end } = settings;
  const encoded = nothingEncoded();
  const { examples, truncated, dropped, sourceIndex, responseLengths } = encoded;
  for (const [index, record] of records.entries()) {
    const texts = textsOf(record, { index, template });
    const full = promptIds(tokenizer, texts.prompt);
    if (texts.response.trim() === '') {
      dropped.push({ index, tokens: full.length, reason: EMPTY });
      continue;
    }
    const response = responseIds(texts, { tokenizer, prompt: full, end });
    const tokens = full.length + response.length;
    const limit = maxLength - response.length;
    if (response.length === 0 || limit < 1) {
      const reason =
        response.length === 0 ? EMPTY : `the response alone has ${response.length} tokens of ${maxLength}`;
      dropped.push({ index, tokens, reason });
      continue;
    }
    if (full.length > limit && truncation === 'drop') {
      dropped.push({ index, tokens, reason: `${tokens} tokens, ${maxLength} allowed` });
      continue;
    }
    const prompt = shorten(full, limit, { side: truncation, bosTokenId: tokenizer.bosTokenId });
    if (prompt.length < full.length) truncated.push({ index, removedTokens: full.length - prompt.length });
    const inputIds = [...prompt, ...response];
    examples.push({
      inputIds,
      labels: labels === 'all' ? inputIds : [...prompt.map(() => IGNORED), ...response],
    });
    sourceIndex.push(index);
    responseLengths.push(response.length);
  }
  return encoded;
}

interface RecordTexts {
  prompt: string;
  response: string;
  /** Undefined where prompt and response are all there is. */
  turn: FormattedTurn | undefined;
}

/** The texts of a record; an error says which record it is. */
function textsOf(
  record: DataRecord,
  { index, template }: { index: number; template: PromptTemplate },
): RecordTexts {
  try {
    const turn = template.formatTurn?.(record);
    const prompt = turn?.prompt ?? template.formatPrompt(record);
    return { prompt, response: template.formatResponse(record), turn };
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    throw new TunebookError(`encodeRecords, ${placeOf(record, index)}: ${error.message}`, { cause: error });
  }
}

/**
 * What follows a prompt, as ids: the response and the end of the text, or of the turn where the template has its own.
 */
export function responseIds(
  { response, turn }: Pick<RecordTexts, 'response' | 'turn'>,
  { tokenizer, prompt, end }: { tokenizer: Tokenizer; prompt: readonly number[]; end: () => number[] },
): number[] {
  const apart = (text: string): number[] => tokenizer.encode(text, { addSpecialTokens: false });
  if (turn === undefined) return [...apart(response), ...end()];
  // The ids of the whole, as the template's model was trained on them, unless a token spans the border.
  const whole = promptIds(tokenizer, turn.text);
  const isPrefix = prompt.every((id, i) => whole[i] === id);
  return [
    ...(isPrefix ? whole.slice(prompt.length) : apart(turn.continuation)),
    ...(turn.isEnded ? [] : end()),
  ];
}

/** Cuts ids to `limit`, keeping the beginning-of-text token: 'left' keeps the end, 'middle' both ends. */
export function shorten(
  ids: readonly number[],
  limit: number,
  { side, bosTokenId }: { side: PromptCut; bosTokenId: number | undefined },
): number[] {
  if (ids.length <= limit) return [...ids];
  const keptStart = side === 'middle' ? Math.ceil(limit / 2) : ids[0] === bosTokenId ? 1 : 0;
  const keptEnd = limit - keptStart;
  return [...ids.slice(0, keptStart), ...ids.slice(ids.length - keptEnd)];
}
