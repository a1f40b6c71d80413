/** A paragraph's text in parts, so that each form of a page can mark the sentences that the evidence does not bear out. */
import type { FeedbackParagraph } from '../feedback/types';
import { fillWords } from './page-words';
import type { PageWords } from './page-words';

/** A part of a paragraph's text. */
export interface TextPart {
  readonly text: string;
  /** What is wrong with it, in words; undefined where nothing is. */
  readonly mark?: string;
}

/** The text in order, in parts with and without a mark. */
export function partsOf({ text, unsupported = [] }: FeedbackParagraph, words: PageWords): TextPart[] {
  const parts: TextPart[] = [];
  let at = 0;
  for (const { start, end, reason } of unsupported) {
    parts.push({ text: text.slice(at, start) });
    parts.push({ text: text.slice(start, end), mark: fillWords(words.unsupported, { reason }) });
    at = end;
  }
  parts.push({ text: text.slice(at) });
  return parts.filter((part) => part.text !== '');
}
