/**
 * Cost against work, each point in a process of its own: tokens a second and memory of a training step over the length of
 * its sequences and over their number; label files over their rows; notebooks over their cells. Straight lines on double
 * logarithmic axes mean that work costs what it did before; where a curve bends, the room's README says why.
 */
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { lineFigure, saveFigure } from '../../lib/display';
import { peakMemoryBytes } from '../../lib/models';
import { runNotebook } from '../../lib/notebook/run';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import { Workplace } from '../support/make-notebook';
import { ROOT } from '../support/paths';
import { benchDataset } from './data/dataset';
import { steps } from './gpt2';
import { median } from './median';

/** One training step of so many sequences of so many tokens. */
export interface StepPoint {
  readonly batch: number;
  readonly length: number;
  readonly tokensPerSecond: number;
  /** Tokens in a second of processor time, which says the same on a busy machine. */
  readonly perProcessorSecond: number;
  readonly peakBytes: number;
}

/** A label file of so many rows. */
export interface RowsPoint {
  readonly rows: number;
  readonly rowsPerSecond: number;
  /** Rows in a second of processor time. */
  readonly perProcessorSecond: number;
  readonly peakBytes: number;
}

/** A notebook of so many cells. */
export interface CellsPoint {
  readonly cells: number;
  /** Of the whole run, over its cells. */
  readonly msPerCell: number;
  /** Median of the last tenth of them, ms. */
  readonly lastCellMs: number;
}

/** Every curve. */
export interface ScaleBench {
  readonly overLength: readonly StepPoint[];
  readonly overBatch: readonly StepPoint[];
  readonly overRows: readonly RowsPoint[];
  readonly overCells: readonly CellsPoint[];
  /** Files of figures. */
  readonly figures: readonly string[];
}

/** The curves by name, so that one can be measured alone. */
export const CURVES = ['length', 'batch', 'rows', 'cells'] as const;

const LENGTHS = [128, 256, 512, 1024, 2048, 4096];
const BATCHES = [1, 2, 4, 8, 16];
const BATCH_LENGTH = 256;
const ROWS = [1e3, 1e4, 1e5, 1e6];
const CELLS = [10, 30, 100, 300, 1000];
/** GPT-2's architecture, small enough for 4,096 tokens within seconds. */
const SHAPE = { model_type: 'gpt2', vocab_size: 8192, n_positions: 4096, n_embd: 256, n_layer: 4, n_head: 4 };

/** @param only one of CURVES, or more with commas; default all */
export async function benchScale(
  only: string | undefined,
  note: (text: string) => void = console.error,
): Promise<ScaleBench> {
  const wanted = only?.split(',') ?? CURVES;
  const has = (curve: (typeof CURVES)[number]): boolean => wanted.includes(curve);
  const result = {
    overLength: has('length') ? LENGTHS.map((length) => stepPoint(1, length, note)) : [],
    overBatch: has('batch') ? BATCHES.map((batch) => stepPoint(batch, BATCH_LENGTH, note)) : [],
    overRows: [] as RowsPoint[],
    overCells: [] as CellsPoint[],
  };
  if (has('rows'))
    for (const rows of ROWS) {
      const { records, seconds, processorSeconds, peakBytes } = await benchDataset(rows);
      const perProcessorSecond = records / processorSeconds;
      result.overRows.push({
        rows: records,
        rowsPerSecond: records / seconds,
        perProcessorSecond,
        peakBytes,
      });
      note(`${records} rows: ${seconds.toFixed(1)} s`);
    }
  if (has('cells')) for (const cells of CELLS) result.overCells.push(await cellsPoint(cells, note));
  return { ...result, figures: await saveFigures(result) };
}

function stepPoint(batch: number, length: number, note: (text: string) => void): StepPoint {
  const child = spawnSync(process.execPath, [__filename, String(batch), String(length)], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  if (child.status !== 0) throw new Error(`bench scale: ${batch} x ${length} ended with ${child.status}`);
  const measured = JSON.parse(child.stdout) as Omit<StepPoint, 'batch' | 'length'>;
  note(`${batch} x ${length}: ${measured.tokensPerSecond.toFixed(0)} tokens/s`);
  return { batch, length, ...measured };
}

/** Steps of one size, in this process. */
async function measureStep(batch: number, length: number): Promise<void> {
  const model = await AutoModelForCausalLM.fromConfig(SHAPE, { engine: { provider: 'cpu' } });
  const rounds = batch * length > 2048 ? 3 : 7;
  const { stepMs, processorMs } = await steps(model, rounds, { shape: [batch, length] });
  const tokens = 1000 * batch * length;
  console.log(
    JSON.stringify({
      tokensPerSecond: tokens / stepMs,
      perProcessorSecond: tokens / processorMs,
      peakBytes: peakMemoryBytes(),
    }),
  );
  await model.dispose();
}

/** A notebook whose cells each define a name, use the one before and print. */
async function cellsPoint(cells: number, note: (text: string) => void): Promise<CellsPoint> {
  const place = new Workplace();
  try {
    const sources = Array.from({ length: cells }, (_, i) =>
      i === 0
        ? 'const value0: number = 0;\nconsole.log(value0);'
        : `const value${i}: number = value${i - 1} + 1;\nconsole.log(value${i});`,
    );
    const run = await runNotebook({
      notebook: place.write('cells.ipynb', sources),
      output: place.file('out.ipynb'),
    });
    if (run.status !== 'ok') throw new Error(`bench scale: ${cells} cells: ${run.message}`);
    const last = run.cells.slice(-Math.max(1, cells / 10)).map(({ durationMs }) => durationMs);
    const point = {
      cells,
      msPerCell: run.durationMs / cells,
      lastCellMs: median(last),
    };
    note(
      `${cells} cells: ${point.msPerCell.toFixed(1)} ms each, the last ones ${point.lastCellMs.toFixed(0)} ms`,
    );
    return point;
  } finally {
    place.remove();
  }
}

/** A figure for each curve that was measured. */
async function saveFigures(result: Omit<ScaleBench, 'figures'>): Promise<string[]> {
  const { overLength, overBatch, overRows, overCells } = result;
  const megabytes = (bytes: number): number => bytes / 1e6;
  const ofSteps = (points: readonly StepPoint[]): Record<string, number[]> => ({
    'tokens/s': points.map(({ tokensPerSecond }) => tokensPerSecond),
    'tokens in a second of processors': points.map(({ perProcessorSecond }) => perProcessorSecond),
    'peak memory, MB': points.map(({ peakBytes }) => megabytes(peakBytes)),
  });
  const curves = [
    {
      name: 'length',
      x: overLength.map(({ length }) => length),
      axis: 'tokens of a sequence, batch 1',
      lines: ofSteps(overLength),
    },
    {
      name: 'batch',
      x: overBatch.map(({ batch }) => batch),
      axis: `sequences of ${BATCH_LENGTH} tokens`,
      lines: ofSteps(overBatch),
    },
    {
      name: 'rows',
      x: overRows.map(({ rows }) => rows),
      axis: 'rows of a label file',
      lines: {
        'rows/s': overRows.map(({ rowsPerSecond }) => rowsPerSecond),
        'rows in a second of processors': overRows.map(({ perProcessorSecond }) => perProcessorSecond),
        'peak memory, MB': overRows.map(({ peakBytes }) => megabytes(peakBytes)),
      },
    },
    {
      name: 'cells',
      x: overCells.map(({ cells }) => cells),
      axis: 'cells of a notebook',
      lines: {
        'ms a cell': overCells.map(({ msPerCell }) => msPerCell),
        'ms of the last cells': overCells.map(({ lastCellMs }) => lastCellMs),
      },
    },
  ];
  const files: string[] = [];
  for (const { name, x, axis, lines } of curves) {
    if (x.length === 0) continue;
    const series = Object.entries(lines).map(([line, y]) => ({ name: line, x, y }));
    const { data, layout } = lineFigure(series, { title: `Cost against work: ${axis}`, x: axis, logY: true });
    const file = path.join(ROOT, 'outputs', 'bench', `scale-${name}.svg`);
    await saveFigure({ data, layout: { ...layout, xaxis: { title: { text: axis }, type: 'log' } } }, file);
    files.push(path.relative(ROOT, file));
  }
  return files;
}

/** The points as lines of a table. */
export function scaleRows(result: ScaleBench): [name: string, value: string][] {
  const memory = (bytes: number): string => `peak ${(bytes / 1e6).toFixed(0)} MB`;
  return [
    ...[...result.overLength, ...result.overBatch].map(
      ({ batch, length, tokensPerSecond, perProcessorSecond, peakBytes }): [string, string] => [
        `step of ${batch} x ${length} tokens`,
        `${tokensPerSecond.toFixed(0)} tokens/s, ${perProcessorSecond.toFixed(0)} in a second of processors, ` +
          memory(peakBytes),
      ],
    ),
    ...result.overRows.map(({ rows, rowsPerSecond, perProcessorSecond, peakBytes }): [string, string] => [
      `label file of ${rows} rows`,
      `${rowsPerSecond.toFixed(0)} rows/s, ${perProcessorSecond.toFixed(0)} in a second of processors, ` +
        memory(peakBytes),
    ]),
    ...result.overCells.map(({ cells, msPerCell, lastCellMs }): [string, string] => [
      `notebook of ${cells} cells`,
      `${msPerCell.toFixed(1)} ms a cell, the last ones ${lastCellMs.toFixed(0)} ms`,
    ]),
    ['figures', result.figures.join(', ')],
  ];
}

if (require.main === module) void measureStep(Number(process.argv[2]), Number(process.argv[3]));
