/** What a kernel asks of a compiler of cells. The kernel knows this, and nothing of the compiler behind it. */
import type { Place } from '../typescript/source-map';

/** One finding of the compiler; zero-based. */
export interface Finding {
  readonly line: number;
  readonly column: number;
  readonly message: string;
  /** The file it is in; undefined for the cell itself. */
  readonly file?: string;
}

/** A cell, compiled. */
export interface CompiledCell {
  /** Why it cannot run; empty for a cell that compiles. */
  readonly findings: readonly Finding[];
  /**
   * Runs the cell, up to its first await before it returns. Later cells see its names once it has ended.
   * @returns the value of its last expression (a promise's own), undefined where it ends with none. In a box: a promise
   *   would ask the value whether it has a `then`, and a proxy may answer anything
   * @throws what the cell throws
   */
  run(): Promise<{ readonly value: unknown } | undefined>;
  /** Ends a cell that failed or was abandoned: what it had defined until then stays, with its types. */
  keepDefined(): void;
}

/** What may stand at a place in a cell; `start` and `end` are where it would be put, in UTF-16 units. */
export interface Completion {
  readonly candidates: readonly string[];
  /** What each candidate is: `function`, `class`, `module`, `path` and so on, for icons. */
  readonly kinds: readonly string[];
  readonly start: number;
  readonly end: number;
}

/** Whether a text is a whole cell, and the indent of its next line if not. */
export interface Completeness {
  readonly isComplete: boolean;
  readonly indent: string;
}

/** Compiles the cells of one kernel, one after the other: each sees the names of those before it. */
export interface CellCompiler {
  /** @param key the cell's own number: its code runs as `In[key]` */
  compile(source: string, key: number): CompiledCell;
  /** @param position in UTF-16 units */
  complete(source: string, position: number): Completion;
  /** What is known of the name at a position (UTF-16 units); undefined for nothing. */
  inspect(source: string, position: number): string | undefined;
  isComplete(source: string): Completeness;
  /** From a place in the code that ran as cell `key` to the cell's own line; undefined where the cell did not write it. */
  locate(this: void, key: number, generated: Place): Place | undefined;
  /** The names of the cells so far, with their values. */
  values(): Iterable<[name: string, value: unknown]>;
  /**
   * Compiles an empty cell ahead of the first real one, so that no cell waits for the checker's start. With `library`
   * the package's declarations are read too. To be called before any cell.
   */
  warmUp(library: boolean): void;
  /** Takes every patch back and ends the compiler's watchers. */
  dispose(): void;
}

/** Settings of a compiler. */
export interface CellCompilerOptions {
  /** What `display` of package tslab calls. */
  readonly display?: (data: unknown, update: boolean) => void;
  /** Whether `inspect` gives the documentation of libraries, true unless said; a start without takes a quarter less. */
  readonly hasDocs?: boolean;
}
