/** What the metrics of race feedback take and give. */

/** A class of answer, and the words by which it is known. */
export interface VerdictRule {
  label: string;
  pattern: RegExp;
}

/** How well the verdicts in answers agree with those in truths. */
export interface VerdictScores {
  /** [0, 1] over the truths that have a verdict; null where none has. */
  accuracy: number | null;
  correct: number;
  total: number;
  /** truth label -> answer label ('none' where the answer has no verdict) -> count */
  confusion: Record<string, Record<string, number>>;
}

/** Where an answer lists its segments. */
export interface SegmentOptions {
  /** The list begins after this. Default /improve:/i. */
  marker?: RegExp;
  /** Names that count. Default: whatever is listed. */
  segments?: readonly string[];
}

/** How well the segments in answers agree with those in truths. */
export interface F1Scores {
  /** Over all names of all answers together, [0, 1]; null where no truth and no answer names any. */
  micro: number | null;
  /** Share of the names in answers that the truth has too; null where the answers name none. */
  microPrecision: number | null;
  /** Share of the names in truths that the answer has too; null where the truths name none. */
  microRecall: number | null;
  /** Mean of each name's own F1, over the names that occur, [0, 1]; null where none does. */
  macro: number | null;
  perSegment: Record<string, { f1: number; precision: number; recall: number; support: number }>;
}
