/** What the encoding of conversations takes and gives. */
import type { PretrainedTokenizer } from '../../tokenizer';
import type { EncodedExample } from '../../types';

/** What renders and encodes conversations. */
export interface ChatTools {
  readonly tokenizer: PretrainedTokenizer;
  /** A Jinja template instead of the tokenizer's own. */
  readonly chatTemplate?: string;
}

/** What was learned of conversations. */
export interface ConversationReport {
  /** Turns of the assistant that the loss sees. */
  readonly trainedTurns: number;
  /** Turns of the assistant that it does not see: `train: false`, or all but the last with `trainOn: 'last'`. */
  readonly untrainedTurns: number;
  /** Records that became an example for each turn, as the template writes earlier turns otherwise later on. */
  readonly splitRecords: number;
  /** Turns of the assistant that were left out at the end of conversations longer than `maxLength`. */
  readonly droppedTurns: number;
  /** Records in which the template marks nothing as written by the assistant; they are dropped. */
  readonly emptyMasks: number;
  /** Turns whose ending token the template leaves outside of `{% generation %}`: the model does not learn to stop. */
  readonly openTurns: number;
}

/** Examples, and what became of the records. */
export interface Encoded {
  readonly examples: EncodedExample[];
  readonly truncated: { index: number; removedTokens: number }[];
  readonly dropped: { index: number; tokens: number; reason: string }[];
  /** The record of each example. */
  readonly sourceIndex: number[];
  /** Tokens of each example that are learned. */
  readonly responseLengths: number[];
}

/** Before the first record. */
export function nothingEncoded(): Encoded {
  return { examples: [], truncated: [], dropped: [], sourceIndex: [], responseLengths: [] };
}
