/** What cells leave behind: a run waits for it or names it, and what fails late fails the run and names its cell. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { joinText } from '../../../lib/notebook/format/nbformat';
import { runCells } from './run-cells';
import { junitReport } from '../../../lib/notebook/run/run-summary';
import type { RunNotebookOptions, RunResult } from '../../../lib/notebook/run/run-types';
import { Workplace } from '../../support/make-notebook';

const TRAIN = `async function train(ms: number, fails = true): Promise<void> {
  await new Promise((r) => setTimeout(r, ms));
  if (fails) throw new Error('training failed');
  console.log('trained');
}`;
const PAUSE = 'await new Promise((r) => setTimeout(r, 300));';

describe('what cells leave behind', { timeout: 240_000, concurrency: 2 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  /** Of each given cell, its streams, and the kinds of its other outputs. */
  async function run(
    sources: readonly string[],
    options: Partial<RunNotebookOptions> = {},
  ): Promise<{ result: RunResult; text: string[] }> {
    const { result, cells } = await runCells(place, sources, { timeoutMs: 60_000, ...options });
    const text = sources.map((_, i) =>
      (cells.find(({ id }) => id === `cell-${i}`)?.outputs ?? [])
        .map((out) => (out.output_type === 'stream' ? joinText(out.text) : `<${out.output_type}>`))
        .join(''),
    );
    return { result, text };
  }

  /** The cells, the code cell that must be named, and what is said of it. */
  const failures: [name: string, sources: string[], cell: number, message: RegExp][] = [
    [
      'a forgotten await, whose cell and all later ones have ended',
      [TRAIN, 'train(300); 1', 'console.log("report")'],
      2,
      /: Error: training failed$/,
    ],
    [
      'a forgotten await, which rejects in a later cell',
      [TRAIN, 'void train(100);', 'await new Promise((r) => setTimeout(r, 60_000));'],
      2,
      /: Error: training failed$/,
    ],
    [
      'a promise in a variable that nobody awaits',
      [TRAIN, 'const p = train(10); 1', PAUSE],
      2,
      /: Error: training failed$/,
    ],
    ['a rejection at once', ['Promise.reject(new Error("now")); 1', '1'], 1, /: Error: now$/],
    [
      'a rejection that no cell has a frame of',
      ['import fs from "fs"; fs.promises.readFile("/no"); 1', PAUSE],
      1,
      /: Error: ENOENT/,
    ],
    [
      'the callback of an array method',
      ['[1].forEach(async () => { await null; throw new Error("each"); }); 1', PAUSE],
      1,
      /: Error: each$/,
    ],
    [
      'a rejection that is no error',
      ['void (async () => { await null; throw "odd"; })(); 1', PAUSE],
      1,
      /: ThrownValue: odd$/,
    ],
    [
      'a timer of an earlier cell',
      [
        'setTimeout(() => { throw new RangeError("timer"); }, 100); 1',
        'await new Promise((r) => setTimeout(r, 60_000));',
      ],
      1,
      /: RangeError: timer$/,
    ],
    [
      'an emitter without a listener for errors',
      [
        'import { EventEmitter } from "events"; setTimeout(() => new EventEmitter().emit("error", new Error("emitted")), 50); 1',
        PAUSE,
      ],
      1,
      /: Error: emitted$/,
    ],
    [
      'a rejection in a worker',
      [
        'import { Worker } from "worker_threads"; new Worker("Promise.reject(new Error(\'in a worker\'))", { eval: true }); await new Promise((r) => setTimeout(r, 60_000));',
      ],
      1,
      /: Error: in a worker$/,
    ],
    [
      'an exit status that a cell sets',
      ['1', 'process.exitCode = 3; 1', '1'],
      2,
      /: ProcessExit: process\.exitCode was set to 3$/,
    ],
    [
      'process.exit after the last cell',
      ['void (async () => { await new Promise((r) => setTimeout(r, 100)); process.exit(0); })();', '1'],
      1,
      /ProcessExit: process\.exit\(0\) was called/,
    ],
  ];
  for (const [name, sources, cell, message] of failures)
    it(`the run fails for ${name}`, async () => {
      const start = Date.now();
      const { result, text } = await run(sources);
      assert.notEqual(result.status, 'ok');
      assert.equal(result.exitStatus, 1);
      assert.match(String(result.message), new RegExp(`^code cell ${cell} `));
      assert.match(String(result.message), message);
      assert.match(junitReport([result]), new RegExp(`name="cell ${cell}: [^>]*>\\s*<failure`));
      assert.match(text[cell - 1], /<error>/, 'the executed notebook shows it with its cell');
      assert.ok(Date.now() - start < 30_000, 'a running cell is stopped');
    });

  it('the run waits for a promise that nobody awaits, in every form of a statement', async () => {
    const forms = [
      'train(400, false); 1',
      'void train(400, false)',
      'true && train(400, false); 1',
      'train(400, false).then(() => console.log("then")); 1',
      'new Promise((r) => setTimeout(r, 400)).then(() => console.log("trained")); 1',
      'async function main() { train(400, false); }\nawait main();',
    ];
    const { result, text } = await run([TRAIN, ...forms]);
    assert.equal(result.status, 'ok');
    assert.equal(text.join('').match(/trained/g)?.length, forms.length, text.join('|'));
  });

  it('a rejection that is handled late does not count: in the same cell, or in a later one', async () => {
    const late = 'try { await p; } catch (error) { console.log("handled", (error as Error).message); }';
    for (const sources of [
      [TRAIN, `const p = train(10); ${PAUSE} ${late}`],
      [TRAIN, 'const p = train(10); 1', PAUSE, late],
    ]) {
      const { result, text } = await run(sources);
      assert.equal(result.status, 'ok');
      assert.equal(text.at(-1)?.includes('handled training failed'), true);
    }
  });

  it('a cell that may fail may do so late', async () => {
    const { result } = await run([
      '@raises-exception\nsetTimeout(() => { throw new Error("timer"); }, 50); 1',
      PAUSE,
    ]);
    assert.equal(result.status, 'ok');
  });

  it('what never ends is stopped by a limit or an interrupt, and named', async () => {
    const endless = 'void (async () => { for (;;) await new Promise((r) => setTimeout(r, 20)); })(); 1';
    const timed = await run([endless, '1'], { timeoutMs: 5000 });
    assert.equal(timed.result.status, 'timeout');
    assert.match(
      String(timed.result.message),
      /^code cell 1 .*the run took longer than 5 s; PendingWork: what this cell left running/,
    );
    assert.match(timed.text[0], /The run waits for what this cell left running\./);
    const limited = await run([endless, '1'], { cellTimeoutMs: 1500 });
    assert.match(
      String(limited.result.message),
      /^code cell 1 .*what the cells left running took longer than 1\.5 s; PendingWork/,
    );
    const control = new AbortController();
    const interrupted = await run([endless, '1'], {
      interrupt: control.signal,
      onEvent: (event) =>
        event.type === 'cell-end' && event.number === 2 && setTimeout(() => control.abort(), 500),
    });
    assert.equal(interrupted.result.exitStatus, 130);
    assert.match(String(interrupted.result.message), /^code cell 1 .*: interrupted; PendingWork/);
  });

  it('a promise that can never settle is not waited for; one in a variable is named', async () => {
    const never = await run([
      'void new Promise(() => {}); void (async () => { await new Promise(() => {}); })(); 1',
    ]);
    assert.equal(never.result.status, 'ok');
    const held = await run([TRAIN, 'const p = train(60_000); 1', '1']);
    assert.equal(held.result.status, 'ok');
    assert.match(
      held.text[1],
      /The promise "p" is still pending at the end of the run, which does not wait for it: await it\./,
    );
  });

  it('one-shot timers and files written with callbacks are waited for, also a chain of them', async () => {
    const { result, text } = await run([
      'setTimeout(() => console.log("once"), 700); 1',
      'let left = 3; const step = () => { if (left-- > 0) setTimeout(step, 200); else console.log("chain"); }; step();',
      'import fs from "fs"; fs.writeFile("big", Buffer.alloc(5e7), () => fs.unlink("big", () => console.log("file"))); 1',
    ]);
    assert.equal(result.status, 'ok');
    assert.deepEqual(
      text.map((all) => all.replace(/The run waits for .*\n|1\n/g, '').replace(/<execute_result>/g, '')),
      ['once\n', 'chain\n', 'file\n'],
    );
  });

  it('timers that hold no process are not waited for; intervals, servers, connections and children are named', async () => {
    const start = Date.now();
    const { result, text } = await run([
      'setTimeout(() => console.log("late"), 100_000).unref(); clearTimeout(setTimeout(() => {}, 100_000)); 1',
      'setInterval(() => {}, 50); setInterval(() => {}, 50); setInterval(() => {}, 50).unref(); 1',
      'const quick = setInterval(() => clearInterval(quick), 10); const soon = setTimeout(() => {}, 5); 1',
      [
        'import http from "http"; import net from "net"; import cp from "child_process"; cp.spawn("sleep", ["100"]);',
        'const server = http.createServer().listen(0);',
        'await new Promise((done) => server.once("listening", done));',
        'await new Promise<void>((done) => void net.connect({ port: (server.address() as net.AddressInfo).port }, () => done())); 1',
      ].join('\n'),
    ]);
    assert.equal(result.status, 'ok');
    assert.ok(Date.now() - start < 90_000);
    const still = (name: string): string =>
      `${name} still runs at the end of the run, which does not wait for it`;
    assert.deepEqual(
      text.map((all) => all.replace(/<execute_result>/g, '')),
      [
        '',
        `${still('An interval (setInterval)')}: clear it.\n`,
        '',
        `${still('A child process')}.\n${still('A server')}.\n${still('A connection')}.\n`,
      ],
    );
  });

  it('a timer that the limit ends is named with its cell', async () => {
    const { result } = await run(['setTimeout(() => {}, 100_000); 1', '1'], { cellTimeoutMs: 1500 });
    assert.equal(result.status, 'timeout');
    assert.match(
      String(result.message),
      /^code cell 1 .*took longer than 1\.5 s; PendingWork: what this cell left/,
    );
  });

  it('process.exitCode that a later cell resets does not count', async () => {
    const { result } = await run(['process.exitCode = 3; 1', 'process.exitCode = 0; 1']);
    assert.equal(result.status, 'ok');
  });
});
