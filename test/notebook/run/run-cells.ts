/** Runs cells as a notebook, in this process; and the command in its own, while this one goes on. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { joinText, readNotebook, validateNotebook } from '../../../lib/notebook/format/nbformat';
import type { NotebookCell } from '../../../lib/notebook/format/nbformat';
import { runNotebook } from '../../../lib/notebook/run/runner';
import type { RunNotebookOptions, RunResult } from '../../../lib/notebook/run/run-types';
import type { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';

/** A run of cells. */
export interface CellsRun {
  readonly result: RunResult;
  /** The executed notebook's file. */
  readonly output: string;
  readonly cells: readonly NotebookCell[];
  /** Of each executed cell, what its streams say. */
  readonly text: readonly string[];
}

let runs = 0;

/** Runs cells, and checks what holds for every run: the source stays, what is written is valid, and nothing else is left. */
export async function runCells(
  place: Workplace,
  sources: readonly string[],
  options: Partial<RunNotebookOptions> = {},
): Promise<CellsRun> {
  const name = `n${runs++}`;
  const notebook = place.write(`${name}.ipynb`, sources);
  const before = fs.readFileSync(notebook, 'utf8');
  const output = place.file(`${name}-out/executed.ipynb`);
  const result = await runNotebook({ notebook, output, ...options });
  assert.equal(fs.readFileSync(notebook, 'utf8'), before, 'the source is not changed');
  const executed = readNotebook(output);
  assert.deepEqual(validateNotebook(executed), []);
  assert.deepEqual(
    fs.readdirSync(path.dirname(output)).filter((file) => file.endsWith('.tmp')),
    [],
  );
  const text = executed.cells.map((cell) =>
    (cell.outputs ?? []).map((out) => (out.output_type === 'stream' ? joinText(out.text) : '')).join(''),
  );
  return { result, output, cells: executed.cells, text };
}

/** Runs `tunebook` in a folder. Not in the way of runs beside it: their kernels are timed by this process. */
export async function runCommand(
  folder: string,
  ...args: string[]
): Promise<{ status: number | null; out: string }> {
  const child = spawn(process.execPath, [CLI, ...args], {
    cwd: folder,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (out += text));
  const status = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject).once('close', resolve);
  });
  return { status, out };
}
