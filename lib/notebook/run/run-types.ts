/** Settings of a run, its events, and its result. */
import type { GivenParameters } from '../parameters/parameters';

/** Default of `maxOutputBytes`. */
export const DEFAULT_MAX_OUTPUT_BYTES = 64 * 2 ** 20;

/** Settings of a run. */
export interface RunNotebookOptions {
  /** Notebook file to run; it is never changed. */
  readonly notebook: string;
  /** Where the executed notebook is written. */
  readonly output: string;
  /** Folder for what the run makes, given to the notebook as TUNEBOOK_OUTPUT. Default: the folder of `output`. */
  readonly outputFolder?: string;
  readonly parameters?: GivenParameters;
  /** Whether `parameters` are texts of a command line, read by type. Default false. */
  readonly parametersAsText?: boolean;
  /** For the whole run, from its first cell on; no limit by default. */
  readonly timeoutMs?: number;
  /** For each cell; no limit by default. */
  readonly cellTimeoutMs?: number;
  /** Time that a cell stopped by a limit gets before it is interrupted again, then killed. Default 10,000 ms. */
  readonly stopPatienceMs?: number;
  /** For each of three attempts to start the kernel. Default 10,000 ms. */
  readonly startTimeoutMs?: number;
  /** Writes the notebook with its parameters, and runs nothing. */
  readonly prepareOnly?: boolean;
  /** Folder that the code runs in. Default: the notebook's own. */
  readonly cwd?: string;
  /** A cell that prints more than this is stopped. Default 64 MiB. */
  readonly maxOutputBytes?: number;
  /** A text file whose lines answer `prompt()` and what reads `process.stdin`, in order; without it both are refused. */
  readonly stdin?: string;
  /** Number of the first cell to run, counting all cells from 1; those before, but for parameters, are left out. */
  readonly from?: number;
  /** Number of the last cell to run. */
  readonly until?: number;
  /**
   * Goes on from the failed cell of the run that `output` holds: done cells that nothing below needs are left out.
   * The notebook finds TUNEBOOK_RESUME=1 in its environment, so that a trainer can go on from its checkpoint.
   */
  readonly resume?: boolean;
  readonly env?: Record<string, string>;
  readonly kernelArgv?: readonly string[];
  /** First abort: the running cell is interrupted (a training run stops cleanly), then the run ends. */
  readonly interrupt?: AbortSignal;
  /** Abort: the kernel is killed, the notebook saved. */
  readonly kill?: AbortSignal;
  readonly onEvent?: (event: RunEvent) => void;
}

/** What happens during a run, for live views. */
export type RunEvent =
  | { readonly type: 'start'; readonly cells: number }
  | { readonly type: 'cell-start'; readonly number: number; readonly of: number; readonly source: string }
  | { readonly type: 'output'; readonly kind: string; readonly content: Record<string, unknown> }
  | { readonly type: 'cell-end'; readonly number: number; readonly of: number; readonly cell: CellResult }
  | { readonly type: 'note'; readonly text: string };

/**
 * How a cell or a run ended. `not-saved`: the notebook could no longer be written (a full disk); `refused`: nothing
 * was run (another language, a wrong parameter, no place to write).
 */
export type RunStatus =
  | 'ok'
  | 'error'
  | 'timeout'
  | 'kernel-died'
  | 'kernel-hangs'
  | 'too-much-output'
  | 'interrupted'
  | 'not-saved'
  | 'refused';

/** The result of one code cell. */
export interface CellResult {
  /** Number among the code cells that are run, from 1. */
  readonly number: number;
  /** First line of the source that is no comment. */
  readonly title: string;
  readonly status: RunStatus;
  readonly durationMs: number;
  /** `ename: evalue`, or what happened to the kernel. */
  readonly message?: string;
  readonly traceback?: readonly string[];
}

/** The result of a run. */
export interface RunResult {
  readonly status: RunStatus;
  /** 0 for ok, 1 for a failure, 130 for an interrupt. */
  readonly exitStatus: number;
  readonly notebook: string;
  readonly output: string;
  readonly outputFolder: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly durationMs: number;
  readonly cells: readonly CellResult[];
  /** For a failure: which cell, and what happened. */
  readonly message?: string;
}
