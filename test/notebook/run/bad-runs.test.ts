/** Runs that go wrong in rarer ways: each is saved, named, told, ends with a status, and leaves nothing behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { cellSource, joinText, readNotebook } from '../../../lib/notebook/format/nbformat';
import { runNotebook } from '../../../lib/notebook/run/runner';
import type { RunNotebookOptions, RunResult } from '../../../lib/notebook/run/run-types';
import { runCells, runCommand } from './run-cells';
import type { CellsRun } from './run-cells';
import { isRunning, sleep } from '../kernel/kernel-session';
import { makeNotebook, Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';
import { LONG } from '../../support/long';

describe('bad runs', { timeout: 120_000, concurrency: 2 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const run = (sources: readonly string[], options: Partial<RunNotebookOptions> = {}): Promise<CellsRun> =>
    runCells(place, sources, options);
  const command = (...args: string[]): ReturnType<typeof runCommand> => runCommand(place.folder, ...args);

  it('out of memory: the cell is named, what was done before is saved', async () => {
    const { result, output } = await run(
      ['console.log("kept")', 'const hog: number[][] = []; for (;;) hog.push(new Array(100000).fill(1));'],
      { env: { NODE_OPTIONS: '--max-old-space-size=300' } },
    );
    assert.equal(result.status, 'kernel-died');
    assert.match(String(result.message), /code cell 2 .*it ran out of memory .*--max-old-space-size/);
    const text = readNotebook(output).cells.flatMap(({ outputs = [] }) =>
      outputs.map((out) => (out.output_type === 'stream' ? joinText(out.text) : out.output_type)),
    );
    assert.equal(text[0], 'kept\n');
    assert.equal(text.at(-1), 'error');
  });

  const floods: [string, string[], RegExp][] = [
    [
      'a child process',
      [
        'import cp from "node:child_process";',
        'cp.spawn("yes", { stdio: "inherit" }); await new Promise(() => {});',
      ],
      /code cell 2 .*the cell put out more than 2 MiB/,
    ],
    [
      'one line without end',
      ['for (;;) process.stdout.write("x".repeat(1e6));'],
      /code cell 1 .*the cell put out more than 2 MiB/,
    ],
    [
      'figures',
      ['import * as tslab from "tslab";', 'for (;;) tslab.display.html("y".repeat(1e5));'],
      /code cell 2 .*the cell put out more than 2 MiB/,
    ],
    [
      'the timer of an earlier cell',
      ['setInterval(() => console.log("z".repeat(1e5)), 1);', 'await new Promise(() => {});'],
      /code cell 2 .*an earlier cell, by a timer, put out more than 2 MiB/,
    ],
  ];
  for (const [name, sources, message] of floods)
    it(`a flood from ${name} is stopped, and the saved notebook stays small`, async () => {
      const start = Date.now();
      const { result, output } = await run(['console.log(process.pid)', ...sources].slice(1), {
        maxOutputBytes: 2e6,
      });
      assert.equal(result.status, 'too-much-output');
      assert.match(String(result.message), message);
      assert.ok(fs.statSync(output).size < 16e6, `${fs.statSync(output).size} bytes`);
      assert.ok(Date.now() - start < 60_000);
    });

  const stubborn: [string, string][] = [
    ['hears the interrupt and goes on', 'process.on("SIGINT", () => {}); await new Promise(() => {});'],
    ['hears it and computes on', 'process.on("SIGINT", () => {}); for (;;);'],
    ['waits in native code', 'require("child_process").execSync("sleep 600");'],
  ];
  for (const [name, code] of stubborn)
    it(`a cell over its time that ${name} is ended all the same`, async () => {
      const { result, output } = await run(['console.log(process.pid)', code, '3'], {
        cellTimeoutMs: 3000,
        stopPatienceMs: 200,
      });
      assert.equal(result.status, 'timeout');
      assert.match(String(result.message), /^code cell 2 .*: the cell took longer than 3 s$/);
      const [out] = readNotebook(output).cells.find(({ id }) => id === 'cell-0')?.outputs ?? [];
      assert.equal(isRunning(Number(out.output_type === 'stream' && joinText(out.text))), false);
    });

  it('a cell that is interrupted by hand may take its time to stop', async () => {
    const control = new AbortController();
    const { result, output } = await run(
      [
        `let stop = false; process.once('SIGINT', () => { stop = true; });
console.log('begun'); while (!stop) await new Promise((r) => setTimeout(r, 20));
await new Promise((r) => setTimeout(r, 2000)); console.log('checkpoint saved');`,
      ],
      {
        interrupt: control.signal,
        stopPatienceMs: 100,
        onEvent: (event) => event.type === 'output' && control.abort(),
      },
    );
    assert.equal(result.status, 'interrupted');
    const [out] = readNotebook(output).cells.at(-1)?.outputs ?? [];
    assert.equal(out.output_type === 'stream' && joinText(out.text), 'begun\ncheckpoint saved\n');
  });

  it('many small outputs are not each a save', async () => {
    const { renameSync } = fs;
    let saves = 0;
    fs.renameSync = (...places) => {
      saves++;
      renameSync(...places);
    };
    try {
      await run([
        'for (let i = 0; i < 200; i++) { console.log(i); await new Promise((r) => setTimeout(r, 10)); }',
      ]);
    } finally {
      fs.renameSync = renameSync;
    }
    assert.ok(saves < 60, `${saves} saves`);
  });

  it(
    '10 GB of output by the default limit: little of it is kept, and little memory is taken',
    LONG,
    async () => {
      const before = process.memoryUsage().rss;
      let most = 0;
      const watch = setInterval(() => (most = Math.max(most, process.memoryUsage().rss)), 50);
      const { result, output } = await run([
        'const lines = ("x".repeat(1023) + "\\n").repeat(1024); let written = 0;',
        'for (; written < 10 * 2 ** 30; written += lines.length) process.stdout.write(lines);',
      ]);
      clearInterval(watch);
      assert.equal(result.status, 'too-much-output');
      assert.match(String(result.message), /code cell 2 .*the cell put out more than 64 MiB/);
      const { size } = fs.statSync(output);
      assert.ok(size > 64e6 && size < 130e6, `${size} bytes`);
      assert.ok(most - before < 1.5e9, `${most - before} bytes`);
    },
  );

  it('a kernel that cannot be started: the notebook is saved all the same', async () => {
    const { result, output } = await run(['1'], {
      kernelArgv: [process.execPath, '-e', 'console.error("no tslab here"); process.exit(7)'],
    });
    assert.equal(result.status, 'kernel-died');
    assert.equal(result.exitStatus, 1);
    assert.match(String(result.message), /could not be started in 3 tries.*exit status 7.*no tslab here/s);
    assert.deepEqual(readNotebook(output).cells.map(cellSource), ['1']);
    const missing = await run(['1'], { kernelArgv: ['/no/such/program'] });
    assert.match(String(missing.result.message), /could not be started in 3 tries.*ENOENT/s);
  });

  it('an unwritable output and an invalid folder are reported before anything runs', async () => {
    const notebook = place.write('w.ipynb', ['1']);
    fs.writeFileSync(place.file('file'), '');
    fs.mkdirSync(place.file('folder.ipynb'));
    await assert.rejects(
      runNotebook({ notebook, output: place.file('file/x.ipynb') }),
      /cannot be made \((?:ENOTDIR|EEXIST)\)/,
    );
    await assert.rejects(
      runNotebook({ notebook, output: place.file('folder.ipynb') }),
      /cannot be written \(EISDIR\)/,
    );
    const cwd = place.file('absent');
    await assert.rejects(
      runNotebook({ notebook, output: place.file('o.ipynb'), cwd }),
      /the folder .*absent does not exist/,
    );
  });

  it('one refused notebook of many stops no other, and is in the summaries', async () => {
    const good = place.write('good.ipynb', ['console.log(process.cwd())']);
    const python = {
      ...makeNotebook(['print(1)']),
      metadata: { kernelspec: { name: 'python3', display_name: 'P' } },
    };
    fs.writeFileSync(place.file('py.ipynb'), JSON.stringify(python));
    const args = [
      'py.ipynb',
      good,
      '-j',
      '2',
      '--junit',
      'j.xml',
      '--summary',
      's.json',
      '--html',
      '--cwd',
      '/',
    ];
    const { status, out } = await command('run', ...args);
    assert.equal(status, 1);
    assert.match(out, /py\.ipynb: refused in [^]*expected a TypeScript notebook, got one in python/);
    const { runs: all } = JSON.parse(fs.readFileSync(place.file('s.json'), 'utf8')) as { runs: RunResult[] };
    assert.deepEqual(
      all.map((one) => one.status),
      ['refused', 'ok'],
      out,
    );
    assert.match(
      fs.readFileSync(place.file('j.xml'), 'utf8'),
      /<failure type="refused" message="[^"]*python"\/>/,
    );
    const page = fs.readFileSync(place.file('outputs/good/good.html'), 'utf8');
    assert.match(page, /<pre class="stdout">\/\n<\/pre>/, 'the page has the output, and --cwd was obeyed');
    const single = await command('run', 'py.ipynb', '--summary', 'one.json');
    assert.equal(single.status, 1);
    assert.match(fs.readFileSync(place.file('one.json'), 'utf8'), /"ok": false/);
    assert.equal((await command('run')).status, 2, 'a wrong call has a status of its own');
  });

  it('a runner that is killed leaves a notebook that --resume goes on from', async () => {
    const sources = [
      'import fs from "node:fs";',
      'console.log("slow part done")',
      'while (!fs.existsSync("go")) await new Promise((r) => setTimeout(r, 50));\nconsole.log("end")',
    ];
    const notebook = place.write('resumed.ipynb', sources);
    const child = spawn(process.execPath, [CLI, 'run', notebook], {
      cwd: place.folder,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    for (let i = 0; i < 300 && !out.includes('[3/3]'); i++) await sleep(50);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    fs.writeFileSync(place.file('go'), '');
    const { status, out: said } = await command('run', notebook, '--resume');
    assert.equal(status, 0, said);
    assert.match(said, /from code cell 3 of 3, 1 cell\(s\) left out/);
    const { cells } = readNotebook(place.file('outputs/resumed/resumed.ipynb'));
    const texts = cells.flatMap(({ outputs = [] }) =>
      outputs.map((o) => (o.output_type === 'stream' ? joinText(o.text) : '')),
    );
    assert.deepEqual(texts, ['slow part done\n', 'end\n']);
  });

  it('a timeout can be resumed, and leaves no process', async () => {
    const sources = (wait: string): string[] => ['console.log(process.pid)', wait, 'console.log("end")'];
    const first = await run(sources('await new Promise(() => {});'), { cellTimeoutMs: 3000 });
    assert.equal(first.result.status, 'timeout');
    const output = readNotebook(first.output).cells.find(({ id }) => id === 'cell-0')?.outputs?.[0];
    const pid = output?.output_type === 'stream' ? Number(joinText(output.text)) : 0;
    assert.ok(pid > 0 && !isRunning(pid));
    const notebook = place.write('timed.ipynb', sources('await 1;'));
    const again = await runNotebook({ notebook, output: first.output, resume: true });
    assert.equal(again.status, 'ok');
    assert.equal(again.cells[0].durationMs, 0, 'the first cell was left out');
  });
});
