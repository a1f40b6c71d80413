/** What every export gives back: files, and what the comparison with tunebook's own answers gave. */
import type { Agreement } from './agreement';

/**
 * Called with how far an export is: so much of so much, and what that is now. A GGUF file counts tensors, ONNX files count bytes;
 * what comes after the last of them, such as comparing answers, is reported with all done.
 */
export type ExportProgress = (done: number, total: number, what: string) => void;

/** What an export wrote, and whether it is proven. */
export interface ExportOutcome {
  /** Paths of the files written. */
  readonly files: readonly string[];
  /** What was found, a sentence each: fallbacks of types, agreement, what could not be compared and why. */
  readonly words: readonly string[];
  /** Answers there against answers here; undefined where they were not compared. */
  readonly agreement: Agreement | undefined;
  /** False where the comparison stayed below its bound. */
  readonly isProven: boolean;
}
