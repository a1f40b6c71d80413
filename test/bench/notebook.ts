/**
 * What a notebook costs before it computes anything: the kernel's start, the first `import ... from 'tunebook'` with
 * its type-check, and a cell's overhead afterwards. To reach: an import under 2 s, a cell under 150 ms.
 */
import path from 'node:path';
import { KernelClient } from '../../lib/notebook/client/kernel-client';
import { ROOT } from '../support/paths';

/** Figures of one kernel. */
export interface NotebookBench {
  /** From the start of the process to its first answer. */
  startSeconds: number;
  /** The first cell of all: TypeScript's start. */
  firstCellSeconds: number;
  /** The cell with `import * as tb from 'tunebook'`, compiling included, right after that one: as `tunebook run` goes. */
  importSeconds: number;
  /** The same as the first cell of a kernel that has idled for two seconds: as a person meets it. */
  importFirstSeconds: number;
  /** The first cell after the one with the import: what the names mean is worked out once more for later cells. */
  afterImportMs: number;
  /** Median of small cells that use the library, each different, after that one. */
  cellMs: number;
  /** The slowest of them. */
  slowestCellMs: number;
  /** Completion after `tb.`, median. */
  completionMs: number;
  /** Both limits held. */
  reached: boolean;
}

const LIMIT_IMPORT_SECONDS = 2;
const LIMIT_CELL_MS = 150;

const median = (values: readonly number[]): number =>
  [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)];

const notebooks = path.join(ROOT, 'notebooks');
const IMPORT_CELL = "import * as tb from 'tunebook';";

async function timed(task: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await task();
  return performance.now() - start;
}

async function runCell(client: KernelClient, code: string): Promise<void> {
  const { content } = await client.execute(code).done;
  if (content.status !== 'ok') throw new Error(`bench notebook: ${code}: ${JSON.stringify(content.evalue)}`);
}

async function timeFirstImport(): Promise<number> {
  const client = await KernelClient.start({ cwd: notebooks });
  try {
    await new Promise((resolve) => setTimeout(resolve, 2000));
    return await timed(() => runCell(client, IMPORT_CELL));
  } finally {
    await client.shutdown();
  }
}

/** Starts two kernels, one after the other, and measures them. */
export async function benchNotebook(cells: number = 20): Promise<NotebookBench> {
  const importFirstSeconds = (await timeFirstImport()) / 1000;
  let kernel: KernelClient | undefined;
  const startMs = await timed(async () => {
    kernel = await KernelClient.start({ cwd: notebooks });
  });
  if (!kernel) throw new Error('bench notebook: no kernel');
  const client = kernel;
  try {
    const run = (code: string): Promise<void> => runCell(client, code);
    const firstMs = await timed(() => run('const first: number = 1;'));
    const importMs = await timed(() => run(IMPORT_CELL));
    const afterImportMs = await timed(() => run("tb.projectPath('first').length;"));
    const cellTimes: number[] = [];
    const completionTimes: number[] = [];
    for (let i = 0; i < cells; i++) {
      cellTimes.push(
        await timed(() => run(`const note${i}: string = tb.projectPath('${i}'); note${i}.length;`)),
      );
      const code = `tb.Train // ${i}`;
      const request = { code, cursor_pos: 'tb.Train'.length };
      completionTimes.push(await timed(() => client.request('shell', 'complete_request', request).done));
    }
    const importSeconds = importMs / 1000;
    const cellMs = median(cellTimes);
    return {
      startSeconds: startMs / 1000,
      firstCellSeconds: firstMs / 1000,
      importSeconds,
      importFirstSeconds,
      afterImportMs,
      cellMs,
      slowestCellMs: Math.max(...cellTimes),
      completionMs: median(completionTimes),
      reached: Math.max(importSeconds, importFirstSeconds) < LIMIT_IMPORT_SECONDS && cellMs < LIMIT_CELL_MS,
    };
  } finally {
    await client.shutdown();
  }
}
