/** Runs of real notebooks through the real kernel: results, failures of every kind, nothing left behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { cellSource, cellTags, joinText, readNotebook } from '../../../lib/notebook/format/nbformat';
import { runNotebook } from '../../../lib/notebook/run/runner';
import type { RunNotebookOptions, RunResult } from '../../../lib/notebook/run/run-types';
import { runCells } from './run-cells';
import type { CellsRun } from './run-cells';
import { isRunning, sleep } from '../kernel/kernel-session';
import { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';

describe('runner', { timeout: 120_000, concurrency: 2 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const run = (sources: readonly string[], options: Partial<RunNotebookOptions> = {}): Promise<CellsRun> =>
    runCells(place, sources, options);

  it('runs cells with typed parameters and keeps their outputs', async () => {
    const { result, text, output } = await run(
      [
        '# Title',
        '@parameters\nconst epochs: number = 1;\nconst name: string = "a";\nconst total = epochs * 10;',
        'console.log(epochs, name, total);',
        'import fs from "fs";\nfs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/made.txt", "x");\n[1, 2]',
      ],
      { parameters: { epochs: '7', name: 'b c' }, parametersAsText: true },
    );
    assert.equal(result.status, 'ok');
    assert.equal(result.exitStatus, 0);
    assert.equal(text[3], '7 b c 70\n');
    assert.ok(fs.existsSync(path.join(path.dirname(output), 'made.txt')));
    const last = readNotebook(output).cells[4];
    assert.deepEqual(last.outputs?.[0], {
      output_type: 'execute_result',
      execution_count: 4,
      data: { 'text/plain': ['[ 1, 2 ]'] },
      metadata: {},
    });
  });

  it('refuses a wrong parameter before anything runs', async () => {
    const notebook = place.write('refused.ipynb', ['@parameters\nconst a: number = 1;', '1']);
    const output = place.file('refused/out.ipynb');
    await assert.rejects(
      runNotebook({ notebook, output, parameters: { b: 1 } }),
      /no parameter "b"[^]*a: number = 1/,
    );
    assert.equal(fs.existsSync(output), false);
  });

  it('saves a failing cell with its error and shows it at the top', async () => {
    const { result, output } = await run([
      'const a = 1;',
      'throw new RangeError("a < b");',
      'console.log("never")',
    ]);
    assert.equal(result.status, 'error');
    assert.equal(result.exitStatus, 1);
    assert.match(String(result.message), /code cell 2 .*RangeError: a < b/);
    const { cells } = readNotebook(output);
    assert.deepEqual(cellTags(cells[0]), ['tunebook-error']);
    assert.match(cellSource(cells[0]), /href="#tunebook-failed-cell">code cell 2<\/a>.*a &lt; b/);
    const failed = cells.findIndex((cell) => cell.id === 'cell-1');
    assert.match(cellSource(cells[failed - 1]), /id="tunebook-failed-cell"/);
    assert.equal(cells[failed].outputs?.[0].output_type, 'error');
    assert.deepEqual(cells.at(-1)?.outputs, []);
  });

  it('keeps the last state of a display that is updated, where it stands', async () => {
    const code = `import * as tslab from 'tslab';
const bar = tslab.newDisplay();
bar.text('0 %');
console.log('between');
bar.text('50 %');
bar.text('100 %');`;
    const { output } = await run([code]);
    const outputs = readNotebook(output).cells[0].outputs ?? [];
    assert.deepEqual(
      outputs.map((out) => (out.output_type === 'display_data' ? out.data : out.output_type)),
      [{ 'text/plain': ['100 %'] }, 'stream'],
    );
  });

  const failures: [string, string, Partial<RunNotebookOptions>, RunResult['status'], RegExp][] = [
    ['a cell that exits', 'process.exit(4);', {}, 'kernel-died', /ProcessExit.*exit status 4/s],
    [
      'a cell that kills the kernel',
      'process.kill(process.pid, "SIGKILL"); await new Promise(() => {});',
      {},
      'kernel-died',
      /SIGKILL/,
    ],
    [
      'a cell that never ends',
      'for (;;);',
      { cellTimeoutMs: 600 },
      'timeout',
      /the cell took longer than 0.6 s/,
    ],
    [
      'a run that takes too long',
      'await new Promise(() => {});',
      { timeoutMs: 4000 },
      'timeout',
      /the run took longer than 4 s/,
    ],
    [
      'a flood of output',
      'for (;;) console.log("x".repeat(1000));',
      { maxOutputBytes: 2e6 },
      'too-much-output',
      /more than 2 MiB/,
    ],
    ['a thrown string', 'throw "odd";', {}, 'error', /ThrownValue: odd/],
  ];
  for (const [name, code, options, status, message] of failures) {
    it(`ends on ${name}: saved, named, nothing left running`, async () => {
      const { result, text, output } = await run(['console.log(process.pid);', code, '1'], options);
      assert.equal(result.status, status);
      assert.equal(result.exitStatus, 1);
      assert.match(String(result.message), message);
      assert.match(String(result.message), /code cell 2/);
      const pid = Number(text.find((part) => /^\d+\n$/.test(part)));
      assert.ok(pid > 0);
      assert.equal(isRunning(pid), false);
      const failed = readNotebook(output).cells.find((cell) => cell.id === 'cell-1');
      assert.ok(failed?.outputs?.some((out) => out.output_type === 'error'));
    });
  }

  it('has saved each cell before the next one starts, so that a kernel may be killed at any time', async () => {
    const output = place.file('saved/executed.ipynb');
    const notebook = place.write('saved.ipynb', [
      'console.log("one")',
      'console.log("two")',
      'console.log("begun"); require("child_process").exec(`sleep 0.3; kill -9 ${process.pid}`); await new Promise(() => {});',
      'console.log("never")',
    ]);
    const onDisk: string[][] = [];
    const result = await runNotebook({
      notebook,
      output,
      onEvent: ({ type }) => {
        if (type !== 'cell-start') return;
        const { cells } = readNotebook(output);
        onDisk.push(
          cells.flatMap(({ outputs = [] }) => outputs.map((o) => ('text' in o ? joinText(o.text) : ''))),
        );
      },
    });
    assert.deepEqual(onDisk, [[], ['one\n'], ['one\n', 'two\n']]);
    assert.equal(result.status, 'kernel-died');
    assert.match(
      String(result.message),
      /code cell 3 .*it was killed \(SIGKILL\), by the system for lack of memory/,
    );
    const { cells } = readNotebook(output);
    const kinds = cells.map(({ outputs = [] }) =>
      outputs.map((o) => ('text' in o ? joinText(o.text) : o.output_type)),
    );
    assert.deepEqual(
      kinds.filter((list) => list.length > 0),
      [['one\n'], ['two\n'], ['begun\n', 'error']],
    );
  });

  it('counts the time of the whole run, not of one cell', async () => {
    const cell = 'await new Promise((r) => setTimeout(r, 700));';
    const { result } = await run([cell, cell, cell, cell], { timeoutMs: 2000 });
    assert.equal(result.status, 'timeout');
    assert.match(String(result.message), /the run took longer than 2 s/);
  });

  it('notices a kernel that hangs', async () => {
    // A stopped process answers no heartbeat.
    const code = 'process.kill(process.pid, "SIGSTOP"); await new Promise(() => {});';
    const start = Date.now();
    const { result } = await run([code]);
    assert.equal(result.status, 'kernel-hangs');
    assert.ok(Date.now() - start < 30_000);
  });

  it('runs the cells between --from and --until, and obeys tags', async () => {
    const { result, text } = await run(
      [
        'throw new Error("left out")',
        'console.log("run")',
        '@raises-exception\nthrow new Error("expected")',
        '@skip-execution\nthrow 1',
        'throw 2',
      ],
      { from: 2, until: 4 },
    );
    assert.equal(result.status, 'ok');
    assert.equal(text[1], 'run\n');
    assert.equal(result.cells.length, 2);
  });

  it('stops cleanly at the first interrupt and saves what is there', async () => {
    const control = new AbortController();
    const { result, text } = await run(
      [
        'let stop = false; process.once("SIGINT", () => { stop = true; });\nwhile (!stop) await new Promise((r) => setTimeout(r, 20));\nconsole.log("checkpoint saved");',
        'console.log("not run")',
      ],
      {
        interrupt: control.signal,
        onEvent: (event) => {
          if (event.type === 'cell-start') setTimeout(() => control.abort(), 800);
        },
      },
    );
    assert.equal(result.exitStatus, 130);
    assert.ok(text.includes('checkpoint saved\n'));
    assert.equal(result.cells.length, 1);
  });

  it('refuses notebooks of other languages, and files that are none', async () => {
    const python = place.write('python.ipynb', ['print(1)']);
    const notebook = readNotebook(python);
    notebook.metadata = { kernelspec: { name: 'python3', language: 'python', display_name: 'Python 3' } };
    fs.writeFileSync(python, JSON.stringify(notebook));
    const output = place.file('none.ipynb');
    await assert.rejects(
      runNotebook({ notebook: python, output }),
      /expected a TypeScript notebook, got one in python/,
    );
    await assert.rejects(runNotebook({ notebook: place.file('absent.ipynb'), output }), /no such notebook/);
    fs.writeFileSync(place.file('empty.ipynb'), '');
    await assert.rejects(runNotebook({ notebook: place.file('empty.ipynb'), output }), /got an empty file/);
    fs.writeFileSync(place.file('text.ipynb'), 'no json');
    await assert.rejects(runNotebook({ notebook: place.file('text.ipynb'), output }), /expected JSON/);
    const self = place.write('self.ipynb', ['1']);
    await assert.rejects(runNotebook({ notebook: self, output: self }), /would overwrite its source/);
  });

  it('is a command: names what it wrote, and its exit status says how it went', async () => {
    const notebook = place.write('cli.ipynb', [
      '@parameters\nconst n: number = 1;',
      'if (n > 1) throw new Error("n");',
    ]);
    const call = (...args: string[]): Promise<{ status: number | null; out: string }> =>
      new Promise((resolve) => {
        const child = spawn(process.execPath, [CLI, 'run', notebook, ...args], { cwd: place.folder });
        let out = '';
        child.stdout.on('data', (data) => (out += String(data)));
        child.stderr.on('data', (data) => (out += String(data)));
        child.on('close', (status) => resolve({ status, out }));
      });
    const good = await call();
    assert.equal(good.status, 0);
    assert.match(good.out, /outputs\/cli\/cli\.ipynb +\S+ kB +\(the executed notebook\)/);
    const bad = await call('-p', 'n=2', '-o', 'bad.ipynb');
    assert.equal(bad.status, 1);
    assert.match(bad.out, /error: code cell 3 .*Error: n/);
    assert.ok(fs.existsSync(place.file('bad.ipynb')));
    const refused = await call('-p', 'm=2');
    assert.equal(refused.status, 1);
    assert.match(refused.out, /no parameter "m"[^]*n: number = 1/);
  });

  it('leaves nothing running when it is itself killed', async () => {
    const notebook = place.write('killed.ipynb', ['console.log("pid", process.pid); for (;;);']);
    const child = spawn(process.execPath, [CLI, 'run', notebook], { cwd: place.folder });
    let out = '';
    child.stdout.on('data', (data) => (out += String(data)));
    for (let i = 0; i < 100 && !/pid \d+/.test(out); i++) await sleep(100);
    const pid = Number(/pid (\d+)/.exec(out)?.[1]);
    assert.ok(isRunning(pid));
    child.kill('SIGKILL');
    for (let i = 0; i < 40 && isRunning(pid); i++) await sleep(100);
    assert.equal(isRunning(pid), false);
  });
});
