/** `tunebook sweep`: a notebook over a grid of parameters; a folder for each run, one table and figure to compare. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../../types';
import { cellText, renderTable, saveFigure } from '../../display';
import type { Figure } from '../../display';
import { isJsonObject, requireLocalPath, writeFileAtomicSync } from '../../files';
import { readNotebook } from '../format/nbformat';
import { checkParameters, notebookParameters } from '../parameters/parameters';
import type { GivenParameters } from '../parameters/parameters';
import type { ParameterValue } from '../parameters/parameter-types';
import { safeName } from '../run/output-places';
import { NothingLeftError, ResumeError } from '../run/resume';
import { inParallel } from '../run/in-parallel';
import { runNotebook } from '../run/runner';
import type { RunNotebookOptions, RunResult, RunStatus } from '../run/run-types';

/** Settings of a sweep. */
export interface SweepOptions {
  readonly notebook: string;
  /** For each swept parameter its values, as texts of a command line. */
  readonly grid: Readonly<Record<string, readonly string[]>>;
  /** Parameters that all runs share; texts are read by type. */
  readonly parameters?: GivenParameters;
  /** Folder of the sweep: one folder for each run, and the comparison. */
  readonly folder: string;
  /** Runs at a time. Default 1. */
  readonly jobs?: number;
  /** Metric to draw, a name in the runs' metrics.json. Default: the first that all runs have. */
  readonly metric?: string;
  /** Keeps the runs of an earlier sweep that went well, and goes on with those that did not. */
  readonly resume?: boolean;
  readonly run?: Partial<
    Omit<RunNotebookOptions, 'notebook' | 'output' | 'outputFolder' | 'parameters' | 'resume'>
  >;
  readonly onRun?: (run: SweepRun) => void;
}

/** One point of a grid. */
export interface SweepPoint {
  /** Name of its folder. */
  readonly name: string;
  readonly parameters: Readonly<Record<string, ParameterValue>>;
}

/** One run of a sweep. */
export interface SweepRun extends SweepPoint {
  /** `missing`: a task of a cluster that has not ended. */
  readonly status: RunStatus | 'missing';
  readonly durationMs: number;
  /** For a failure: which cell, and what happened. */
  readonly message?: string;
  /** Whether it is the result of an earlier sweep. */
  readonly kept?: boolean;
  /** Numbers of the run's metrics.json; nested ones as `a.b`. */
  readonly metrics: Readonly<Record<string, number>>;
}

/** The values of one parameter as a command line gives them: commas in brackets, braces or quotes belong to a value. */
export function gridValues(text: string): string[] {
  const values: string[] = [];
  let value = '';
  let depth = 0;
  let quote = '';
  for (const character of text) {
    if (quote !== '') quote = character === quote ? '' : quote;
    else if (depth > 0 && /["']/.test(character)) quote = character;
    else if (/[[{]/.test(character)) depth++;
    else if (/[\]}]/.test(character)) depth--;
    if (character === ',' && depth <= 0 && quote === '') {
      values.push(value);
      value = '';
    } else value += character;
  }
  return [...values, value];
}

/** Every combination of the grid's values, the last name varying fastest. */
export function gridPoints(grid: Readonly<Record<string, readonly string[]>>): Record<string, string>[] {
  return Object.entries(grid).reduce<Record<string, string>[]>(
    (points, [name, values]) =>
      points.flatMap((point) => values.map((value) => ({ ...point, [name]: value }))),
    [{}],
  );
}

/** A folder's name for a point of the grid; characters that a path must not have are replaced. */
export function pointName(point: Readonly<Record<string, string>>): string {
  const text = Object.entries(point)
    .map(([name, value]) => `${name}=${value}`)
    .join(',');
  return safeName(text).slice(0, 120);
}

/** The points' folder names; where two would be the same, the later ones get a number. */
export function pointNames(points: readonly Readonly<Record<string, string>>[]): string[] {
  const taken = new Set<string>();
  return points.map((point) => {
    const name = pointName(point);
    let free = name;
    for (let i = 2; taken.has(free.toLowerCase()); i++) free = `${name}~${i}`; // folders may ignore case
    taken.add(free.toLowerCase());
    return free;
  });
}

/** The numbers of a JSON value by their path. */
export function flatNumbers(value: unknown, prefix = ''): Record<string, number> {
  if (typeof value === 'number') return { [prefix]: value };
  if (!isJsonObject(value)) return {};
  return Object.assign(
    {},
    ...Object.entries(value).map(([key, inner]) =>
      flatNumbers(inner, prefix === '' ? key : `${prefix}.${key}`),
    ),
  ) as Record<string, number>;
}

function readMetrics(folder: string): Record<string, number> {
  try {
    return flatNumbers(JSON.parse(fs.readFileSync(path.join(folder, 'metrics.json'), 'utf8')));
  } catch {
    return {};
  }
}

function comparisonFigure(runs: readonly SweepRun[], metric: string, swept: readonly string[]): Figure {
  const numeric =
    swept.length === 1 && runs.every(({ parameters }) => typeof parameters[swept[0]] === 'number');
  const done = runs.filter(({ metrics }) => metrics[metric] !== undefined);
  const y = done.map(({ metrics }) => metrics[metric]);
  const x = done.map(({ name, parameters }) => (numeric ? parameters[swept[0]] : name));
  return {
    data: [numeric ? { type: 'scatter', mode: 'lines+markers', x, y } : { type: 'bar', x, y }],
    layout: {
      title: { text: metric },
      xaxis: { title: { text: swept.join(', ') } },
      yaxis: { title: { text: metric } },
    },
  };
}

/** Writes table and figure of a sweep's runs into its folder. */
export async function writeComparison(
  options: Pick<SweepOptions, 'notebook' | 'grid' | 'metric' | 'folder'>,
  runs: readonly SweepRun[],
): Promise<void> {
  const swept = Object.keys(options.grid);
  const common = Object.keys(runs[0]?.metrics ?? {}).filter((name) =>
    runs.every(({ metrics }) => name in metrics),
  );
  const rows = runs.map((run) => ({
    ...Object.fromEntries(swept.map((name) => [name, run.parameters[name]])),
    status: run.status,
    seconds: Math.round(run.durationMs / 100) / 10,
    ...run.metrics,
  }));
  const columns = [...new Set(rows.flatMap((row) => Object.keys(row)))];
  const cells = rows.map((row) =>
    columns.map((column) => cellText((row as Record<string, unknown>)[column])),
  );
  const markdown = [columns, columns.map(() => '---'), ...cells]
    .map(
      (row) => `| ${row.map((text) => text.replace(/\|/g, '\\|').replace(/\s*\n\s*/g, ' ')).join(' | ')} |`,
    )
    .join('\n');
  const file = (name: string): string => path.join(options.folder, name);
  writeFileAtomicSync(
    file('sweep.json'),
    `${JSON.stringify({ notebook: options.notebook, runs }, null, 2)}\n`,
  );
  writeFileAtomicSync(file('sweep.md'), `${markdown}\n`);
  writeFileAtomicSync(
    file('sweep.html'),
    `<!DOCTYPE html><meta charset="utf-8">${renderTable(rows, { columns, maxRows: 10_000 }).html}\n`,
  );
  const metric = options.metric ?? common[0];
  if (metric !== undefined && runs.some(({ metrics }) => metric in metrics))
    await saveFigure(comparisonFigure(runs, metric, swept), file('sweep.svg'));
}

/** Runs one point; with `resume` goes on with what an earlier sweep has left of it, or keeps it if it is whole. */
export async function runPoint(
  options: Pick<SweepOptions, 'notebook' | 'grid' | 'folder' | 'resume' | 'run'>,
  { name, parameters }: SweepPoint,
): Promise<SweepRun> {
  const folder = path.join(options.folder, name);
  const output = path.join(folder, path.basename(options.notebook));
  const run: RunNotebookOptions = {
    ...options.run,
    notebook: options.notebook,
    output,
    outputFolder: folder,
    parameters,
  };
  const point = ({ status, durationMs, message, cells }: Partial<RunResult>): SweepRun => ({
    name,
    parameters,
    status: status ?? 'ok',
    durationMs: durationMs ?? 0,
    ...(message === undefined ? {} : { message }),
    metrics: cells?.length === 0 ? {} : readMetrics(folder),
  });
  try {
    if (options.resume && fs.existsSync(output)) {
      try {
        return point(await runNotebook({ ...run, resume: true }));
      } catch (error) {
        if (error instanceof NothingLeftError) return { ...point(error.record), kept: true };
        if (!(error instanceof ResumeError)) throw error; // where it cannot go on, it begins anew
      }
    }
    // Once it has begun, the metrics of an earlier run there are none of this one's.
    const onEvent: RunNotebookOptions['onEvent'] = (event) => {
      if (event.type === 'start') fs.rmSync(path.join(folder, 'metrics.json'), { force: true });
      options.run?.onEvent?.(event);
    };
    return point(await runNotebook({ ...run, onEvent }));
  } catch (error) {
    if (!(error instanceof TunebookError)) throw error;
    return point({ status: 'refused', message: error.message, cells: [] });
  }
}

/**
 * The points of a sweep, with the names of their folders and all parameters.
 * @throws TunebookError for an empty grid, an unknown parameter or an ill-typed value
 */
export function sweepPoints(options: Pick<SweepOptions, 'notebook' | 'grid' | 'parameters'>): SweepPoint[] {
  const points = gridPoints(options.grid);
  if (Object.keys(options.grid).length === 0 || points.length === 0)
    throw new TunebookError(
      'sweep: expected at least one parameter with values, such as -g learningRate=1e-4,1e-3',
    );
  const declared = notebookParameters(readNotebook(options.notebook));
  const shared = checkParameters(declared, options.parameters ?? {}, true);
  const values = points.map((point) => ({ ...shared, ...checkParameters(declared, point, true) }));
  return pointNames(points).map((name, i) => ({ name, parameters: values[i] }));
}

/**
 * Runs a notebook for each point of a grid and compares the runs. A run that fails does not stop the others.
 * @throws TunebookError for an empty grid, an unknown parameter or an ill-typed value, before anything runs
 */
export async function sweepNotebook(options: SweepOptions): Promise<SweepRun[]> {
  requireLocalPath(options.folder, 'sweep');
  const points = sweepPoints(options);
  const runs = await inParallel(points, options.jobs ?? 1, async (point): Promise<SweepRun> => {
    const run = await runPoint(options, point);
    options.onRun?.(run);
    return run;
  });
  await writeComparison(options, runs);
  return runs;
}
