/**
 * Going on after a failed run. The kernel's memory is gone, so the cells that the rest depends on run again, and
 * the others keep their saved outputs: what depends on what is read from the names that cells declare and use.
 */
import { TunebookError } from '../../types';
import { namesOfCells } from '../typescript/cell-names';
import { changedFiles } from './input-files';
import type { FileState } from './input-files';
import { loadTypescript } from '../typescript/load-typescript';
import { cellSource, cellTags, readNotebook } from '../format/nbformat';
import type { Notebook, NotebookCell } from '../format/nbformat';
import type { ParameterValue } from '../parameters/parameter-types';
import type { CellResult } from './run-types';

/** Which cells of the new run are left out, and why the others are not. */
export interface ResumePoint {
  /** Cells that were done and that nothing below needs; their outputs are filled in. */
  readonly skip: ReadonlySet<NotebookCell>;
  /** One line for each done cell that runs again, and one for where the run goes on. */
  readonly notes: readonly string[];
}

/** Going on is not possible; the message says why. */
export class ResumeError extends TunebookError {
  override name = 'ResumeError';
}

/** The earlier run went through to its end. */
export class NothingLeftError extends ResumeError {
  override name = 'NothingLeftError';

  /** @param record what its notebook says of it */
  constructor(readonly record: { readonly durationMs?: number }) {
    super('resume: the earlier run went through to its end; nothing is left to run');
  }
}

/**
 * Reads what an earlier run has left.
 * @throws ResumeError when there is nothing that can be read
 */
export function readEarlier(file: string): Notebook {
  try {
    return readNotebook(file);
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    throw new ResumeError(`resume: ${error.message}; run without --resume`);
  }
}

const runs = (cell: NotebookCell): boolean =>
  cell.cell_type === 'code' && cellSource(cell).trim() !== '' && !cellTags(cell).includes('skip-execution');

/** What the notebook of an earlier run says of it. */
interface RunRecord {
  readonly durationMs?: number;
  readonly cells?: readonly CellResult[];
  readonly partial?: boolean;
  readonly parameters?: Readonly<Record<string, ParameterValue>>;
  readonly files?: Readonly<Record<string, FileState>>;
}

function changedParameters(
  before: Readonly<Record<string, ParameterValue>>,
  now: Readonly<Record<string, ParameterValue>>,
): string[] {
  const shown = (value: ParameterValue | undefined): string =>
    value === undefined ? 'its default' : JSON.stringify(value);
  return [...new Set([...Object.keys(before), ...Object.keys(now)])]
    .filter((name) => shown(before[name]) !== shown(now[name]))
    .map((name) => `${name} was ${shown(before[name])} and is now ${shown(now[name])}`);
}

/**
 * Where a run resumes: which cells run again.
 * @param previous the notebook that the failed run left
 * @param next the prepared notebook of the new run; skipped cells get their earlier outputs
 * @param parameters the values given to the new run
 * @throws ResumeError where going on is not possible: no failed run, other cells, parameters or data
 */
export function resumePoint(
  previous: Notebook,
  next: Notebook,
  parameters: Readonly<Record<string, ParameterValue>>,
): ResumePoint {
  const record = previous.metadata.tunebook as RunRecord | undefined;
  if (!record?.cells)
    throw new ResumeError('resume: the output is of no run of tunebook; run without --resume');
  if (record.partial)
    throw new ResumeError(
      'resume: the earlier run was of a part of the notebook (--from, --until); run without --resume',
    );
  const firstBad = record.cells.findIndex(({ status }) => status !== 'ok');
  const done = firstBad < 0 ? record.cells.length : firstBad;
  const before = previous.cells.filter(runs);
  const after = next.cells.filter(runs);
  const changed = changedParameters(record.parameters ?? {}, parameters);
  if (done > 0 && changed.length > 0)
    throw new ResumeError(`resume: the parameter ${changed.join(', ')}; run without --resume`);
  for (let i = 0; i < done; i++) {
    if (before[i] && after[i] && cellSource(before[i]) === cellSource(after[i])) continue;
    throw new ResumeError(
      `resume: code cell ${i + 1} was done, and is now ${after[i] ? 'another' : 'gone'}; run without --resume`,
    );
  }
  const [otherFile] = done > 0 ? changedFiles(record.files ?? {}) : [];
  if (otherFile !== undefined)
    throw new ResumeError(
      `resume: ${otherFile} since the earlier run, whose results would be mixed with new ones; run without --resume`,
    );
  if (done === after.length) throw new NothingLeftError(record);
  const parts = namesOfCells(loadTypescript(), after.map(cellSource));
  const needed = new Set(parts.slice(done).flatMap(({ used }) => [...used]));
  const again = new Map<number, string>();
  // Upwards until nothing changes: a cell that names what is needed may also change it.
  for (let changed = true; changed;) {
    changed = false;
    for (let i = done - 1; i >= 0; i--) {
      if (again.has(i)) continue;
      const { declared, used, imports, changes } = parts[i];
      const shared = parts.slice(0, i).flatMap((part) => [...part.changeable]);
      const because =
        [...declared, ...imports].find((name) => needed.has(name)) ??
        [...used].find((name) => needed.has(name) && shared.includes(name));
      if (because === undefined && changes === undefined) continue;
      again.set(i, because === undefined ? `it sets ${changes}` : `"${because}" is needed below`);
      used.forEach((name) => needed.add(name));
      changed = true;
    }
  }
  const skip = new Set<NotebookCell>();
  for (let i = 0; i < done; i++) {
    if (again.has(i)) continue;
    skip.add(after[i]);
    after[i].outputs = before[i].outputs ?? [];
    after[i].execution_count = before[i].execution_count ?? null;
  }
  const notes = [...again]
    .sort(([a], [b]) => a - b)
    .map(([i, why]) => `code cell ${i + 1} runs again: ${why}`);
  return {
    skip,
    notes: [`resume: from code cell ${done + 1} of ${after.length}, ${skip.size} cell(s) left out`, ...notes],
  };
}
