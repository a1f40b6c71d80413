/** The kernel under Jupyter's own Python client: nbclient, which nbconvert and papermill stand on. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { installKernelInto, jupyterEnvironment } from './jupyter-browser';
import { Workplace } from '../../support/make-notebook';
import { ROOT } from '../../support/paths';

const program = path.join(ROOT, 'test', 'notebook', 'kernel', 'nbclient_run.py');
const python = ['python3', '/usr/bin/python3'].find(
  (command) => spawnSync(command, ['-c', 'import nbclient, nbformat']).status === 0,
);

interface Answer {
  readonly error: string | null;
  readonly cells: { readonly count: number | null; readonly outputs: Record<string, unknown>[] }[];
  readonly kernel: boolean;
}

/** The first cell of each notebook. */
const PID = 'console.log(process.pid)';

const jobs = {
  outputs: {
    cells: [
      PID,
      'for (let i = 0; i < 20000; i++) console.log("line", i);',
      'console.log("a"); console.error("b"); console.log("c");\n6 * 7',
      'import * as tslab from "tslab"; const shown = tslab.newDisplay(); shown.text("first");',
      'shown.text("second"); console.log("x");',
      'console.log("gone"); globalThis[Symbol.for("tunebook.kernel")].clearOutput(true); console.log("kept");',
      'console.log("a" + "😀".repeat(70000)); console.log("half a 😀:", "😀".slice(0, 1));',
    ],
  },
  errors: {
    cells: [PID, 'function bad(): never { throw new RangeError("stop") }\nbad();', 'console.log("after")'],
    options: { allow_errors: true },
  },
  error: { cells: [PID, 'throw new RangeError("stop")', 'console.log("never")'] },
  timeouts: {
    cells: [
      PID,
      ['console.log("begun"); await new Promise(() => {})', 1],
      ['for (;;);', 1],
      ['setTimeout(() => { for (;;); }, 1); await new Promise(() => {})', 1],
      'console.log("alive")',
    ],
    options: { allow_errors: true },
  },
  exit: { cells: [PID, 'console.log("before"); process.exit(3)', 'console.log("never")'] },
} as const;

describe(
  'nbclient',
  { skip: python === undefined && 'no python3 with nbclient is installed', timeout: 120_000 },
  () => {
    const place = new Workplace();
    let answers: Record<keyof typeof jobs, Answer>;
    before(() => {
      installKernelInto(place.folder);
      const { stdout, stderr, status } = spawnSync(python ?? '', [program], {
        cwd: place.folder,
        env: jupyterEnvironment(place.folder),
        input: JSON.stringify(Object.values(jobs)),
        encoding: 'utf8',
        maxBuffer: 1e8,
      });
      assert.equal(status, 0, stderr);
      const all = JSON.parse(stdout) as Answer[];
      answers = Object.fromEntries(Object.keys(jobs).map((name, i) => [name, all[i]])) as typeof answers;
    });
    after(() => place.remove());

    /** What a cell put out, as short words. */
    const said = ({ cells }: Answer, cell: number): unknown[] =>
      cells[cell].outputs.map((output) => {
        const data = output.data as Record<string, string> | undefined;
        return output.text ?? data?.['text/plain'] ?? `${String(output.ename)}: ${String(output.evalue)}`;
      });

    it('gets every line in order, both streams, results and counts', () => {
      const { error, cells } = answers.outputs;
      assert.equal(error, null);
      assert.deepEqual(
        cells.map(({ count }) => count),
        [1, 2, 3, 4, 5, 6, 7],
      );
      const lines = Array.from({ length: 20000 }, (_, i) => `line ${i}\n`).join('');
      assert.equal(said(answers.outputs, 1).join(''), lines);
      assert.deepEqual(
        cells[2].outputs.map(({ output_type: type, name }) => name ?? type),
        ['stdout', 'stderr', 'stdout', 'execute_result'],
      );
      assert.deepEqual(said(answers.outputs, 2), ['a\n', 'b\n', 'c\n', '42']);
    });

    it('updates a display of an earlier cell, and clears output', () => {
      assert.deepEqual(said(answers.outputs, 3), ['second']);
      assert.deepEqual(said(answers.outputs, 4), ['x\n']);
      assert.deepEqual(said(answers.outputs, 5), ['kept\n']);
    });

    it('can save whatever is printed: no message ends within a character', () => {
      assert.equal(said(answers.outputs, 6).join(''), `a${'😀'.repeat(70000)}\nhalf a 😀: \ufffd\n`);
    });

    it('goes on after an error where that is allowed, and stops where it is not', () => {
      assert.equal(answers.errors.error, null);
      assert.deepEqual(said(answers.errors, 1), ['RangeError: stop']);
      assert.match((answers.errors.cells[1].outputs[0].traceback as string[]).join('\n'), /In\[2\]:1:\d+/);
      assert.deepEqual(said(answers.errors, 2), ['after\n']);
      assert.equal(answers.error.error, 'CellExecutionError');
      assert.deepEqual([said(answers.error, 1), said(answers.error, 2)], [['RangeError: stop'], []]);
    });

    it('interrupts cells that take too long, whatever they do', () => {
      const stopped = 'KeyboardInterrupt: the cell was interrupted';
      assert.equal(answers.timeouts.error, null);
      assert.deepEqual(
        [1, 2, 3, 4].map((cell) => said(answers.timeouts, cell)),
        [['begun\n', stopped], [stopped], [stopped], ['alive\n']],
      );
    });

    it('tells of a kernel that a cell ended', () => {
      assert.equal(answers.exit.error, 'DeadKernelError');
      assert.deepEqual(said(answers.exit, 1)[0], 'before\n');
    });

    it('leaves no kernel behind', () => {
      assert.deepEqual(
        Object.values(answers).map(({ kernel }) => kernel),
        Object.values(jobs).map(() => false),
      );
    });
  },
);
