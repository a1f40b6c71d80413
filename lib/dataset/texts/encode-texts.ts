/** Plain texts as examples: every token is learned, as in a model's first training. */
import type { Tokenizer } from '../../types';
import type { DataRecord } from '../files/row';
import { nothingEncoded } from '../conversations/types';
import type { Encoded } from '../conversations/types';

/** @param options.truncation 'right': a longer text loses its end; 'drop': it is left out */
export function encodeTexts(
  records: readonly DataRecord[],
  options: {
    tokenizer: Tokenizer;
    maxLength: number;
    truncation: 'right' | 'drop';
    end: () => readonly number[];
  },
): Encoded {
  const { tokenizer, maxLength, truncation, end } = options;
  const encoded = nothingEncoded();
  for (const [index, { text }] of records.entries()) {
    const own = typeof text === 'string' && text.trim() !== '' ? tokenizer.encode(text) : [];
    if (own.length === 0) {
      encoded.dropped.push({ index, tokens: 0, reason: 'the text is empty' });
      continue;
    }
    const [last] = end();
    const whole = last === undefined || own.at(-1) === last ? own : [...own, last];
    if (whole.length > maxLength && truncation === 'drop') {
      encoded.dropped.push({
        index,
        tokens: whole.length,
        reason: `${whole.length} tokens, ${maxLength} allowed`,
      });
      continue;
    }
    const inputIds = whole.slice(0, maxLength);
    if (inputIds.length < whole.length)
      encoded.truncated.push({ index, removedTokens: whole.length - inputIds.length });
    encoded.examples.push({ inputIds, labels: inputIds });
    encoded.sourceIndex.push(index);
    encoded.responseLengths.push(inputIds.length);
  }
  return encoded;
}
