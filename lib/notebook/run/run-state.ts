/** A run in progress: its results so far, and the executed notebook, saved as it fills. */
import fs from 'node:fs';
import type { Launch } from '../../distributed';
import { messageOf, TunebookError } from '../../types';
import { OutputCollector, savedOutputs } from './cell-outputs';
import { anchorCell, failureNote } from './executed-copy';
import { writeNotebook } from '../format/nbformat';
import type { Notebook, NotebookCell } from '../format/nbformat';
import { DEFAULT_MAX_OUTPUT_BYTES } from './run-types';
import type { CellResult, RunEvent, RunNotebookOptions, RunStatus } from './run-types';

const SAVE_EVERY_MS = 2000;
/** Saving takes at most this part of the time: a large notebook is written less often. */
const SAVE_SHARE = 1 / 10;

/** State of a run that its parts share. */
export class Run {
  startMs = Date.now();
  readonly results: CellResult[] = [];
  /** The cells of `results`. */
  readonly ran: NotebookCell[] = [];
  /** What the kernel said to have failed after the end of its cell: in a callback, or in a promise that nobody awaits. */
  readonly lateErrors = new Map<NotebookCell, { readonly message: string; readonly traceback: string[] }>();
  readonly collector: OutputCollector;
  stop: { status: RunStatus; message: string } | undefined;
  current: NotebookCell | undefined;
  notes: NotebookCell[] = [];
  failedCell: NotebookCell | undefined;
  /** Why the notebook on disk is out of date. */
  unsaved: string | undefined;
  /** Status of the whole run in the saved notebook. */
  status: RunStatus | 'running' | 'prepared' = 'running';
  private nextSaveMs = 0;
  private saveTimer: NodeJS.Timeout | undefined;
  private said = '';

  /** @param record what the notebook's metadata say of the run from its start */
  constructor(
    readonly options: RunNotebookOptions,
    readonly notebook: Notebook,
    readonly record: () => Record<string, unknown>,
    /** The launch that this run is a rank of; rank 0 alone writes. */
    readonly launch: Launch | undefined,
  ) {
    this.collector = new OutputCollector(options.maxOutputBytes ?? DEFAULT_MAX_OUTPUT_BYTES);
  }

  emit(event: RunEvent): void {
    this.options.onEvent?.(event);
  }

  /** Adds the error to the cell where the kernel could not, so that the file shows it. */
  recordFailure(cell: NotebookCell, { number, message, status }: CellResult): void {
    this.failedCell = cell;
    const text = message ?? status;
    this.notes = [failureNote(number, text)];
    const outputs = (cell.outputs ??= []);
    if (outputs.some(({ output_type: type }) => type === 'error')) return;
    outputs.push({ output_type: 'error', ename: status, evalue: text, traceback: [text] });
  }

  /** Why the run must stop where a cell failed after its end; undefined: none did. */
  otherFailed(): { status: RunStatus; message: string } | undefined {
    for (const cell of this.lateErrors.keys()) {
      const result = this.results[this.ran.indexOf(cell)];
      if (result?.status === 'ok')
        return { status: 'error', message: `stopped, as code cell ${result.number} failed after its end` };
    }
    return undefined;
  }

  /** Turns what failed late into the results of its cells, and stops the run. */
  takeLateErrors(): void {
    for (const [cell, { message: said, traceback }] of this.lateErrors) {
      const i = this.ran.indexOf(cell);
      const result = this.results[i];
      if (result?.status !== 'ok') continue;
      const status = this.stop?.status ?? 'error';
      const message = status === 'error' ? said : `${this.stop?.message}; ${said}`;
      const failed: CellResult = { ...result, status, message, traceback };
      this.results[i] = failed;
      this.recordFailure(cell, failed);
      this.stop ??= { status, message };
      this.emit({ type: 'note', text: `Code cell ${result.number} failed after its end: ${said}` });
    }
    this.lateErrors.clear();
  }

  /**
   * Writes the notebook as it is now.
   * @throws TunebookError when that is not possible; the file stays as it was
   */
  save(): void {
    if (this.saveTimer) clearTimeout(this.saveTimer);
    this.saveTimer = undefined;
    if (this.launch !== undefined && this.launch.rank > 0) return;
    const start = Date.now();
    const cells = this.notebook.cells.flatMap((cell) => {
      const saved = cell.outputs ? { ...cell, outputs: savedOutputs(cell.outputs) } : cell;
      return cell === this.failedCell ? [anchorCell(), saved] : [saved];
    });
    const tunebook = {
      ...this.record(),
      status: this.status,
      ...(this.stop ? { message: this.stop.message } : {}),
      durationMs: Date.now() - this.startMs,
      cells: this.results,
    };
    const metadata = { ...this.notebook.metadata, tunebook };
    const { output } = this.options;
    try {
      writeNotebook(output, { ...this.notebook, metadata, cells: [...this.notes, ...cells] });
    } catch (error) {
      throw new TunebookError(`${output}: cannot be written (${(error as NodeJS.ErrnoException).code})`);
    } finally {
      this.nextSaveMs = Date.now() + Math.max(SAVE_EVERY_MS, (Date.now() - start) / SAVE_SHARE);
    }
  }

  /**
   * Writes the notebook; where that fails the run is to stop.
   * @param shrink makes what is to be written smaller, for a second try
   */
  saveOrStop(shrink?: (message: string) => void): void {
    try {
      this.save();
      this.unsaved = undefined;
    } catch (error) {
      const { message } = error as Error;
      this.stop ??= { status: 'not-saved', message };
      if (shrink) {
        shrink(message);
        this.saveOrStop();
      } else {
        const earlier = fs.existsSync(this.options.output) ? '; what it holds is of an earlier moment' : '';
        this.unsaved = `${message}${earlier}`;
      }
    }
  }

  /** Writes the notebook soon: at once at first, then every two seconds. */
  saveSoon(): void {
    if (this.saveTimer) return;
    const wait = Math.max(0, this.nextSaveMs - Date.now());
    this.saveTimer = setTimeout(() => {
      this.saveTimer = undefined;
      try {
        this.save();
      } catch (error) {
        const text = messageOf(error);
        if (text !== this.said) this.emit({ type: 'note', text });
        this.said = text;
      }
    }, wait);
  }
}
