/** `tunebook run` as a script calls it: `-` for a notebook, outputs named by parameters, signals, exit statuses. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { cellSource, joinText, validateNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { onStopSignals } from '../../../lib/notebook/run/stop-signals';
import { isRunning, sleep } from '../../notebook/kernel/kernel-session';
import { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';

describe('the command run', { timeout: 120_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const call = (args: readonly string[], input?: string): SpawnSyncReturns<string> =>
    spawnSync(process.execPath, [CLI, 'run', ...args], {
      cwd: place.folder,
      encoding: 'utf8',
      ...(input === undefined ? {} : { input }),
    });
  const texts = (notebook: Notebook): string[] =>
    notebook.cells.flatMap(({ outputs = [] }) =>
      outputs.map((out) => ('text' in out ? joinText(out.text) : out.output_type)),
    );
  const pipes = (): string[] =>
    fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('tunebook-pipe-'));

  it('"-" is standard input and standard output, where only the notebook goes', () => {
    const before = pipes();
    const notebook = place.write('piped.ipynb', [
      '@parameters\nconst n: number = 1;',
      'console.log(n, process.cwd()); if (n > 2) throw new Error("n")',
    ]);
    const source = fs.readFileSync(notebook, 'utf8');
    const good = call(['-', '-o', '-', '-p', 'n=2'], source);
    assert.equal(good.status, 0, good.stderr);
    const executed = JSON.parse(good.stdout) as Notebook;
    assert.deepEqual(validateNotebook(executed), []);
    assert.deepEqual(
      texts(executed),
      [`2 ${fs.realpathSync(place.folder)}\n`],
      'it runs where the command does',
    );
    assert.match(good.stderr, /\[3\/3\] ok/, 'the progress goes to the standard error');
    const bad = call([notebook, '-o', '-', '-p', 'n=3', '--summary', 'piped.json']);
    assert.equal(bad.status, 1);
    assert.ok(texts(JSON.parse(bad.stdout) as Notebook).includes('error'));
    assert.match(bad.stderr, /error: code cell 3 .*Error: n/);
    const { runs } = JSON.parse(fs.readFileSync(place.file('piped.json'), 'utf8')) as {
      runs: { output: string }[];
    };
    assert.equal(runs[0].output, '-');
    const kept = call(['-'], source);
    assert.equal(kept.status, 0);
    assert.ok(fs.existsSync(place.file('outputs/stdin/stdin.ipynb')));
    const none = call(['-'], '');
    assert.deepEqual([none.status, none.stderr.includes('got an empty file')], [1, true]);
    assert.deepEqual(
      pipes().filter((name) => !before.includes(name)),
      [],
      'what it made for this is gone',
    );
  });

  it('-o may hold parameters', () => {
    place.write('named.ipynb', ['@parameters\nconst rate: number = 0.5;\nconst tag: string = "a b";', '1']);
    const { status, stdout } = call([
      'named.ipynb',
      '-p',
      'rate=2',
      '-o',
      'runs/{rate}/{tag}.ipynb',
      '--html',
    ]);
    assert.equal(status, 0);
    assert.match(stdout, /runs\/2\/a_b\.ipynb .*\(the executed notebook\)/);
    assert.ok(fs.existsSync(place.file('runs/2/a_b.html')));
    const wrong = call(['named.ipynb', '-o', '{no}.ipynb']);
    assert.deepEqual([wrong.status, wrong.stderr.includes('{no} is no parameter')], [1, true]);
  });

  it('--prepare-only writes what would run; limits from the command line are applied', () => {
    place.write('limits.ipynb', ['@parameters\nconst n: number = 1;', 'await new Promise(() => {});']);
    const prepared = call(['limits.ipynb', '--prepare-only', '-p', 'n=4', '-o', 'prepared.ipynb']);
    assert.equal(prepared.status, 0, prepared.stderr);
    const { cells } = JSON.parse(fs.readFileSync(place.file('prepared.ipynb'), 'utf8')) as Notebook;
    assert.match(cellSource(cells[1]), /n: number = 4/);
    const limits: [string[], RegExp][] = [
      [['--cell-timeout', '0.5'], /timeout: code cell 2 .*the cell took longer than 0\.5 s/],
      [['--timeout', '1'], /timeout: code cell 2 .*the run took longer than 1 s/],
      [
        ['--start-timeout', '0.001'],
        /kernel-died: kernel: could not be started in 3 tries: .*no answer within 0\.001 s/,
      ],
    ];
    for (const [args, message] of limits) {
      const { status, stderr } = call(['limits.ipynb', ...args]);
      assert.equal(status, 1);
      assert.match(stderr, message);
    }
  });

  it('lists what the run has created or changed, twenty files at most', () => {
    const root = place.file('project');
    for (const folder of ['node_modules/x', '.git', 'data'])
      fs.mkdirSync(path.join(root, folder), { recursive: true });
    for (let i = 0; i < 50; i++) fs.writeFileSync(path.join(root, 'node_modules/x', `${i}.js`), '');
    for (const name of ['old.txt', 'changed.txt', 'same size.txt', 'data/old.csv'])
      fs.writeFileSync(path.join(root, name), 'old');
    place.write('project/n.ipynb', [
      '@parameters\nconst files: number = 0;',
      `import fs from 'fs';
fs.mkdirSync('made/deep', { recursive: true }); fs.writeFileSync('made/deep/new.txt', 'x');
fs.writeFileSync('changed.txt', 'changed'); fs.writeFileSync('same size.txt', 'new');
fs.writeFileSync('node_modules/x/new.js', ''); fs.utimesSync('made/deep/new.txt', 0, 0);
for (let i = 0; i < files; i++) fs.writeFileSync(\`made/\${String(i).padStart(3, '0')}.bin\`, 'y'.repeat(1000));`,
    ]);
    const listed = (...args: string[]): string[] => {
      const { status, stdout } = spawnSync(
        process.execPath,
        [CLI, 'run', 'n.ipynb', '-o', 'run.ipynb', ...args],
        {
          cwd: root,
          encoding: 'utf8',
        },
      );
      assert.equal(status, 0, stdout);
      return stdout
        .slice(stdout.indexOf('Written:'))
        .split('\n')
        .slice(1)
        .filter((line) => line.startsWith('  '))
        .map((line) => line.trim());
    };
    const few = listed();
    assert.match(few[0], /^run\.ipynb +[\d.]+ kB +\(the executed notebook\)$/);
    assert.deepEqual(
      few.slice(1).map((line) => line.replace(/ {2,}.*/, '')),
      ['changed.txt', 'made/deep/new.txt', 'same size.txt'],
    );
    const many = listed('-p', 'files=100');
    assert.equal(many.length, 21);
    assert.match(many[20], /^and 84 more, [\d.]+ kB$/);
  });

  it('what a killed runner leaves behind, the next run cleans up', async () => {
    const temporary = place.file('tmp');
    fs.mkdirSync(temporary);
    const env = { ...process.env, TMPDIR: temporary };
    const stays = path.join(temporary, 'tunebook-kernel-other');
    fs.mkdirSync(stays); // of nobody that is known
    place.write('killed.ipynb', [
      'console.log("begun"); while (!require("fs").existsSync("go-on")) await new Promise((r) => setTimeout(r, 50));',
    ]);
    const child = spawn(process.execPath, [CLI, 'run', 'killed.ipynb'], { cwd: place.folder, env });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => (out += text));
    for (let i = 0; i < 900 && !out.includes('begun'); i++) await sleep(50);
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('close', resolve));
    const folder = place.file('outputs/killed');
    const half = path.join(folder, `.killed.ipynb.${child.pid}-0123abcd.tmp`);
    fs.writeFileSync(half, 'half');
    assert.equal(fs.readdirSync(temporary).length, 2);
    assert.ok(fs.existsSync(path.join(folder, '.killed.ipynb.lock')));
    fs.writeFileSync(place.file('go-on'), '');
    const next = spawnSync(process.execPath, [CLI, 'run', 'killed.ipynb'], {
      cwd: place.folder,
      env,
      encoding: 'utf8',
    });
    assert.equal(next.status, 0, next.stderr);
    assert.deepEqual(fs.readdirSync(folder), ['killed.ipynb']);
    assert.deepEqual(fs.readdirSync(temporary), [path.basename(stays)]);
  });

  const wrongCalls: [string, string[], RegExp][] = [
    ['no notebook', [], /missing required argument/],
    ['a parameter without a value', ['x.ipynb', '-p', 'a'], /^a: expected name=value/],
    ['one output for two', ['x.ipynb', 'y.ipynb', '-o', 'z.ipynb'], /-o and - are for one notebook/],
    ['the standard input among others', ['x.ipynb', '-'], /-o and - are for one notebook/],
    ['two notebooks of one name', ['a/x.ipynb', 'b/x.ipynb'], /would both write outputs\/x\/x\.ipynb/],
    ['a page beside the standard output', ['x.ipynb', '-o', '-', '--html'], /need a file/],
    ['resuming the standard output', ['x.ipynb', '-o', '-', '--resume'], /need a file/],
    ['a limit that is none', ['x.ipynb', '--timeout', '-1'], /expected a number of seconds above 0/],
    ['a job count that is none', ['x.ipynb', '-j', '1.5'], /expected a whole number above 0/],
    ['an unknown option', ['x.ipynb', '--no-such'], /unknown option/],
  ];
  it('a wrong call exits with 2 and says what is wrong', () => {
    for (const [name, args, message] of wrongCalls) {
      const { status, stderr } = call(args);
      assert.equal(status, 2, name);
      assert.match(stderr, message, name);
      assert.doesNotMatch(stderr, /\n\s+at /, `${name}: no stack`);
    }
  });

  it('an unwritable report is reported without a stack trace', () => {
    place.write('fine.ipynb', ['1']);
    fs.writeFileSync(place.file('file'), '');
    for (const option of ['--junit', '--summary']) {
      const { status, stderr } = call(['fine.ipynb', option, 'file/report']);
      assert.equal(status, 1);
      assert.match(stderr, /^file\/report: cannot be written \((?:ENOTDIR|EEXIST)\)\n$/);
    }
  });

  /** Runs a notebook of two cells, and sends signals once the second runs. */
  async function signalled(
    cell: string,
    signals: readonly NodeJS.Signals[],
  ): Promise<{ code: number | null; out: string; pid: number }> {
    const name = `signal-${runs++}`;
    place.write(`${name}.ipynb`, ['console.log("pid", process.pid)', cell, '3']);
    const child = spawn(process.execPath, [CLI, 'run', `${name}.ipynb`], { cwd: place.folder });
    let out = '';
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding('utf8').on('data', (text: string) => (out += text));
    const closed = new Promise<number | null>((resolve) => child.once('close', resolve));
    for (let i = 0; i < 900 && !out.includes('begun'); i++) await sleep(50);
    for (const signal of signals) {
      child.kill(signal);
      for (let i = 0; i < 200 && !out.includes('Interrupted'); i++) await sleep(50);
    }
    const code = await closed;
    const saved = JSON.parse(
      fs.readFileSync(place.file(`outputs/${name}/${name}.ipynb`), 'utf8'),
    ) as Notebook;
    assert.deepEqual(validateNotebook(saved), []);
    assert.equal((saved.metadata.tunebook as { status: unknown }).status, 'interrupted');
    return { code, out, pid: Number(/pid (\d+)/.exec(out)?.[1]) };
  }
  let runs = 0;

  const stops: [string, string, NodeJS.Signals[], RegExp][] = [
    [
      'Ctrl-C ends a loop',
      'console.log("begun"); for (;;);',
      ['SIGINT'],
      /interrupted: code cell 2 .*: interrupted\n/,
    ],
    [
      'SIGTERM ends a wait',
      'console.log("begun"); await new Promise(() => {});',
      ['SIGTERM'],
      /cleanly, in 30 s at most;[^]*interrupted: code cell 2/,
    ],
    [
      'a terminal that is closed ends a wait',
      'console.log("begun"); await new Promise(() => {});',
      ['SIGHUP'],
      /cleanly, in 30 s at most;[^]*interrupted: code cell 2/,
    ],
    [
      'a second Ctrl-C ends a cell that does not listen',
      'process.on("SIGINT", () => {}); console.log("begun"); await new Promise(() => {});',
      ['SIGINT', 'SIGINT'],
      /interrupted: code cell 2/,
    ],
  ];
  for (const [name, cell, signals, message] of stops)
    it(`${name}: saved, named, status 130, nothing left running`, async () => {
      const { code, out, pid } = await signalled(cell, signals);
      assert.equal(code, 130, out);
      assert.match(out, message);
      assert.ok(pid > 0);
      assert.equal(isRunning(pid), false);
    });

  it('SIGTERM kills after a delay, Ctrl-C when repeated; without them nothing happens', async () => {
    const said: string[] = [];
    const term = onStopSignals((text) => said.push(text), 5);
    const killed = new Promise((resolve) => term.kill.addEventListener('abort', resolve));
    process.emit('SIGTERM', 'SIGTERM');
    assert.deepEqual([term.interrupt.aborted, term.kill.aborted], [true, false]);
    await killed;
    term.off();
    const closed = onStopSignals(() => undefined, 5);
    process.emit('SIGHUP', 'SIGHUP');
    assert.deepEqual([closed.interrupt.aborted, closed.kill.aborted], [true, false]);
    await sleep(50);
    assert.equal(closed.kill.aborted, true);
    closed.off();
    assert.equal(process.listenerCount('SIGHUP'), 0);
    const hand = onStopSignals((text) => said.push(text), 5);
    process.emit('SIGINT', 'SIGINT');
    await sleep(50);
    assert.deepEqual([hand.interrupt.aborted, hand.kill.aborted], [true, false]);
    process.emit('SIGINT', 'SIGINT');
    assert.equal(hand.kill.aborted, true);
    hand.off();
    const over = onStopSignals(() => undefined, 20);
    process.emit('SIGTERM', 'SIGTERM');
    over.off();
    await sleep(60);
    assert.equal(over.kill.aborted, false, 'nothing is left that would keep the process alive');
    assert.deepEqual(said, [
      'Interrupted: the running cell may stop cleanly, in 0.005 s at most; Ctrl-C again kills it.',
      'Interrupted: the running cell may stop cleanly; Ctrl-C again kills it.',
    ]);
    assert.deepEqual([process.listenerCount('SIGTERM'), process.listenerCount('SIGINT')], [0, 0]);
  });

  it('parameters arrive unchanged, whatever they contain', () => {
    const values: Record<string, unknown> = {
      quotes: `'"\`\${process.exit(9)}\\ */ // <!-- </script>`,
      lines: 'a\nb\r\u2028c\u0000\ud83d\ude00\n});process.exit(9);({',
      list: ['"];process.exit(9);["', '__proto__'],
      number: -1e-300,
      nothing: null,
    };
    place.write('data.ipynb', [
      `@parameters
const quotes: string = '';
const lines: string = '';
const list: string[] = [];
const number: number = 0;
const nothing: string | null = '';`,
      'import fs from "fs"; fs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/got.json", JSON.stringify({ quotes, lines, list, number, nothing }));',
    ]);
    fs.writeFileSync(place.file('values.json'), JSON.stringify(values));
    const { status, stderr } = call(['data.ipynb', '--params-file', 'values.json']);
    assert.equal(status, 0, stderr);
    assert.deepEqual(JSON.parse(fs.readFileSync(place.file('outputs/data/got.json'), 'utf8')), values);
  });

  it('a reader that closes the pipe early does not end the run', async () => {
    place.write('long.ipynb', [
      'for (let i = 0; i < 50; i++) { console.log("line", i); await new Promise((r) => setTimeout(r, 20)); }',
    ]);
    const child = spawn(process.execPath, [CLI, 'run', 'long.ipynb'], { cwd: place.folder });
    let said = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
    child.stdout.once('data', () => child.stdout.destroy());
    const code = await new Promise((resolve) => child.once('close', resolve));
    assert.deepEqual([code, said], [0, '']);
    const saved = JSON.parse(fs.readFileSync(place.file('outputs/long/long.ipynb'), 'utf8')) as Notebook;
    assert.match(texts(saved)[0], /line 49\n$/);
  });
});
