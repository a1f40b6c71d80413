/** Interrupts, whatever the kernel does at that moment: the cell ends as interrupted, and the next one runs. */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { Session, sleep } from './kernel-session';
import type { CellRun } from './kernel-session';
import { ROOT } from '../../support/paths';

const notebooks = path.join(ROOT, 'notebooks');

/** Waits until a request has printed `go`. */
async function go(session: Session, id: string): Promise<void> {
  for (let i = 0; i < 1500 && !session.of(id).text.includes('go'); i++) await sleep(10);
  assert.match(session.of(id).text, /go/);
}

/** Runs a cell and interrupts it once it has printed `go`, `times` times. */
async function interruptAtGo(session: Session, code: string, times = 1): Promise<CellRun> {
  const { id, done } = session.kernel.execute(code);
  await go(session, id);
  for (let i = 0; i < times; i++) await session.kernel.interrupt();
  const { content } = await done;
  return { status: content.status, reply: content, ...session.of(id) };
}

describe('an interrupt', { timeout: 120_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start(notebooks);
  });
  after(() => session.kernel.shutdown());

  const loop = 'console.log("go"); for (;;);';
  const never = 'await new Promise(() => {});';
  const endless: Record<string, string> = {
    'a loop': loop,
    'a loop after an await': `await new Promise((r) => setTimeout(r, 5)); ${loop}`,
    'an await that never settles': `console.log("go"); ${never}`,
    'microtasks without end': 'console.log("go"); for (;;) await null;',
    'a loop in a timer': `setTimeout(() => { ${loop} }, 5); ${never}`,
    'a loop in an immediate': `setImmediate(() => { ${loop} }); ${never}`,
    'a loop in a tick': `process.nextTick(() => { ${loop} }); ${never}`,
    'a loop in a microtask': `queueMicrotask(() => { ${loop} }); ${never}`,
    'a loop in a promise that nobody awaits': `Promise.resolve().then(() => { ${loop} }); ${never}`,
    'a loop in the answer to a read': `import fs from "node:fs"; fs.readFile(import.meta.dirname + "/../package.json", () => { ${loop} }); ${never}`,
    'a loop in what listens to a program': `import cp from "node:child_process"; cp.spawn("echo", ["x"]).stdout.on("data", () => { ${loop} }); ${never}`,
    'a value that shows itself for ever': `({ [Symbol.for("nodejs.util.inspect.custom")]() { ${loop} } })`,
    'a thrown value that shows itself for ever': `throw { [Symbol.for("nodejs.util.inspect.custom")]() { ${loop} } }`,
    'a regular expression without end': `console.log("go"); /(a+)+$/.test("a".repeat(60) + "b")`,
    'a loop in a finally block': `try { throw 1 } finally { ${loop} }`,
    'an await in a loop that catches everything': `var rounds = 0; console.log("go"); for (;;) try { rounds++; await new Promise((r) => setTimeout(r, 5)) } catch {}`,
  };
  for (const [name, code] of Object.entries(endless))
    it(`ends ${name}`, async () => {
      const twice = name.includes('catches everything') ? 2 : 1;
      const { reply, messages } = await interruptAtGo(session, code, twice);
      assert.equal(reply.ename, 'KeyboardInterrupt');
      assert.equal(messages.filter(({ type }) => type === 'error').length, 1);
      // Timers still work: node's own record of what runs is as it was.
      const { text } = await session.run('await new Promise((r) => setTimeout(r, 5)); console.log("alive");');
      assert.equal(text, 'alive\n');
    });

  it('leaves nothing running of a cell that catches everything', async () => {
    const value = async (): Promise<string> =>
      (await session.run('await new Promise((r) => setTimeout(r, 50)); console.log(rounds)')).text;
    assert.match(await value(), /^[1-9]/);
    assert.equal(await value(), await value());
  });

  it('twice, at once, ends one cell only', async () => {
    for (const code of [`console.log("go"); ${never}`, loop, `await null; ${loop}`]) {
      const { reply } = await interruptAtGo(session, code, 2);
      assert.equal(reply.ename, 'KeyboardInterrupt');
      await sleep(400); // what the second one might still do would come now
      assert.equal((await session.run('console.log("next")')).text, 'next\n');
    }
  });

  it('at the moment that a loop ends by itself loses no answer, and hits no later cell', async () => {
    // A loop is broken into after 300 ms; `go` is seen some 25 ms late.
    for (const start of ['', 'await null; ', 'await new Promise((r) => setTimeout(r, 1)); '])
      for (let ms = 322; ms < 350; ms += 4) {
        const spin = `const until = Date.now() + ${ms}; console.log("go"); while (Date.now() < until);`;
        const { reply } = await interruptAtGo(session, `${start}${spin}`);
        if (reply.status === 'error') assert.equal(reply.ename, 'KeyboardInterrupt');
        for (const text of ['1', '2'])
          assert.equal((await session.run(`await null; console.log(${text})`)).text, `${text}\n`);
      }
  });

  it('that arrives while the kernel is answering is answered all the same', async () => {
    // Between the end of the cell's code and its answer the kernel makes a channel: here that takes for ever, once.
    const slow = `const threads = require("node:worker_threads"); const { MessageChannel } = threads;
      threads.MessageChannel = function () {
        threads.MessageChannel = MessageChannel; console.log("on its way"); for (;;);
      };`;
    const { id, done } = session.kernel.execute(`${slow} ${loop}`);
    await go(session, id);
    await session.kernel.interrupt();
    for (let i = 0; i < 500 && !session.of(id).text.includes('way'); i++) await sleep(20);
    await session.kernel.interrupt();
    const { content: reply } = await done;
    const { messages, text } = session.of(id);
    assert.equal(text, 'go\non its way\n');
    assert.equal(reply.ename, 'KeyboardInterrupt');
    assert.equal(messages.filter(({ type }) => type === 'error').length, 1);
    assert.equal((await session.run('console.log("alive")')).text, 'alive\n');
  });

  it('within a module that is being loaded: the next import loads it anew', async () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-half-')), 'slow.cjs');
    fs.writeFileSync(
      file,
      'exports.early = 1; console.log("go"); while (globalThis.slow); exports.late = 2;',
    );
    const load = `console.log(Object.values(require(${JSON.stringify(file)})).join());`;
    const { reply } = await interruptAtGo(session, `Object.assign(globalThis, { slow: true }); ${load}`);
    assert.equal(reply.ename, 'KeyboardInterrupt');
    assert.equal(
      (await session.run(`Object.assign(globalThis, { slow: false }); ${load}`)).text,
      'go\n1,2\n',
    );
    fs.rmSync(path.dirname(file), { recursive: true });
  });

  it('ends a loop that an earlier cell left to a timer, while no cell runs', async () => {
    const { id, done } = session.kernel.execute(`setTimeout(() => { ${loop} }, 1); 1`);
    await done;
    await go(session, id);
    await session.kernel.interrupt();
    assert.equal((await session.run('console.log("free")')).text, 'free\n');
  });

  it('ends such a loop while the next cell waits for it, and that cell', async () => {
    const { id, done } = session.kernel.execute(`setTimeout(() => { ${loop} }, 1); 1`);
    await done;
    await go(session, id);
    const waiting = session.kernel.execute('console.log("not run")');
    await sleep(50);
    await session.kernel.interrupt();
    const { content } = await waiting.done;
    assert.equal(content.ename, 'KeyboardInterrupt');
    assert.equal((await session.run('console.log("free")')).text, 'free\n');
  });

  it('reaches listeners while no cell runs: a run that nobody awaits stops cleanly', async () => {
    const { id, done } = session.kernel.execute(
      'void (async () => { let stop = false; process.once("SIGINT", () => { stop = true; }); while (!stop) await new Promise((r) => setTimeout(r, 5)); console.log("stopped"); })();',
    );
    await done;
    await session.kernel.interrupt();
    for (let i = 0; i < 200 && session.of(id).text === ''; i++) await sleep(20);
    assert.equal(session.of(id).text, 'stopped\n');
  });

  it('between cells affects no later one', async () => {
    for (let i = 0; i < 20; i++) {
      await session.kernel.interrupt();
      const { reply, text } = await session.run(`await null; console.log(${i});`);
      if (reply.status === 'ok') assert.equal(text, `${i}\n`);
      else assert.equal(reply.ename, 'KeyboardInterrupt'); // it came while the cell was on its way
    }
    await sleep(400);
    assert.equal(
      (await session.run('await new Promise((r) => setTimeout(r, 400)); console.log("late")')).text,
      'late\n',
    );
  });

  it('reaches the listeners of its cell in a loop before the first await', async () => {
    const clean =
      'let stop = false; process.once("SIGINT", () => { stop = true; }); console.log("go"); while (!stop) process.hrtime(); console.log("clean");';
    const first = await interruptAtGo(session, clean);
    assert.deepEqual([first.reply.status, first.text], ['ok', 'go\nclean\n']);
    const deaf = `const deaf = () => { console.log("heard"); }; process.on("SIGINT", deaf); ${loop}`;
    const { id, done } = session.kernel.execute(deaf);
    await go(session, id);
    await session.kernel.interrupt();
    for (let i = 0; i < 500 && !session.of(id).text.includes('heard'); i++) await sleep(20);
    await session.kernel.interrupt();
    assert.equal((await done).content.ename, 'KeyboardInterrupt');
    assert.match(session.of(id).text, /heard/);
    // The kernel hears signals as before.
    const count = 'await null; console.log(process.listeners("SIGINT").length)';
    await session.run('await null; process.off("SIGINT", deaf);');
    assert.equal((await session.run(count)).text, '1\n');
    process.kill(session.kernel.pid, 'SIGINT');
    assert.equal((await interruptAtGo(session, loop)).reply.ename, 'KeyboardInterrupt');
    assert.equal((await session.run('console.log("alive")')).text, 'alive\n');
  });
});

describe('an interrupt with cells queued', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
  });
  after(() => session.kernel.shutdown());

  const listens = 'await new Promise<void>((r) => process.once("SIGINT", () => r()));';
  /** What the running cell does, how it is interrupted, and how it ends. */
  const rows: [name: string, code: string, signal: boolean, status: string][] = [
    ['a cell that stops cleanly', `console.log("go"); ${listens}`, false, 'ok'],
    [
      'a cell that takes its time to stop',
      `console.log("go"); ${listens} await new Promise((r) => setTimeout(r, 700));`,
      false,
      'ok',
    ],
    [
      'a cell that catches the interrupt',
      'try { console.log("go"); await new Promise(() => {}); } catch {}',
      false,
      'ok',
    ],
    ['a cell that is ended', 'console.log("go"); await new Promise(() => {});', false, 'error'],
    ['a loop', 'console.log("go"); for (;;);', false, 'error'],
    [
      'a loop that stops cleanly',
      'let stop = false; process.once("SIGINT", () => { stop = true; }); console.log("go"); while (!stop) process.hrtime();',
      false,
      'ok',
    ],
    ['a cell that stops cleanly at a signal', `console.log("go"); ${listens}`, true, 'ok'],
    ['a cell that is ended by a signal', 'console.log("go"); await new Promise(() => {});', true, 'error'],
  ];
  for (const [name, code, signal, status] of rows)
    it(`${name}: they are aborted, and what is sent later runs`, async () => {
      const first = session.kernel.execute(code);
      const queued = ['console.log("queued")', 'console.log("queued too")'].map((text) =>
        session.kernel.execute(text),
      );
      const asked = session.kernel.request('shell', 'is_complete_request', { code: '1' });
      await go(session, first.id);
      if (signal) {
        process.kill(session.kernel.pid, 'SIGINT');
        await sleep(100);
      } else await session.kernel.interrupt();
      const later = session.kernel.execute('console.log("later")'); // the first one may still be on its way out
      assert.equal((await first.done).content.status, status);
      for (const { id, done } of queued) {
        assert.equal((await done).content.status, 'aborted');
        assert.equal(session.of(id).text, '');
        assert.deepEqual(
          session.of(id).messages.map(({ content }) => content.execution_state),
          ['busy', 'idle'],
        );
      }
      assert.equal((await asked.done).content.status, 'complete', 'only cells are aborted');
      assert.equal((await later.done).content.status, 'ok');
      assert.equal(session.of(later.id).text, 'later\n');
    });

  it('a cell that fails later by itself aborts what was sent meanwhile', async () => {
    const first = session.kernel.execute(
      `console.log("go"); ${listens} await new Promise((r) => setTimeout(r, 500)); throw new Error("own");`,
    );
    await go(session, first.id);
    await session.kernel.interrupt();
    const later = session.kernel.execute('console.log("later")');
    assert.equal((await first.done).content.evalue, 'own');
    assert.equal((await later.done).content.status, 'aborted');
  });
});

describe('an interrupt of a new kernel', { timeout: 120_000 }, () => {
  it('while it loads its compiler, or the library, ends the cell, and the same cell runs afterwards', async () => {
    const session = await Session.start(notebooks);
    const code = 'import { Trainer } from "tunebook"; console.log(typeof Trainer);';
    for (const ms of [0, 150, 300]) {
      const { reply, text } = await session.run(code, [ms]);
      if (reply.status === 'error') assert.equal(reply.ename, 'KeyboardInterrupt');
      else assert.equal(text, 'function\n');
    }
    assert.equal((await session.run(code)).text, 'function\n');
    await session.kernel.shutdown();
  });

  it('ends a loop in its first cell', async () => {
    const session = await Session.start();
    const { reply } = await interruptAtGo(session, 'console.log("go"); for (;;);');
    assert.equal(reply.ename, 'KeyboardInterrupt');
    assert.equal((await session.run('console.log("alive")')).text, 'alive\n');
    await session.kernel.shutdown();
  });

  it('ends a loop in the second of two immediates, or says that the kernel had to end', async () => {
    const session = await Session.start();
    const code = 'setImmediate(() => {}); setImmediate(() => { console.log("go"); for (;;); }); await null;';
    const { id, done } = session.kernel.execute(`${code} await new Promise(() => {});`);
    await go(session, id);
    await session.kernel.interrupt();
    const ended = await done.then(
      ({ content }) => content.ename,
      () => session.of(id).messages.find(({ type }) => type === 'error')?.content.ename,
    );
    assert.match(String(ended), /^(KeyboardInterrupt|KernelEnded)$/);
    if (ended === 'KeyboardInterrupt') await session.kernel.shutdown();
  });

  it('by a signal does not end it, however early', async () => {
    const session = await Session.start();
    process.kill(session.kernel.pid, 'SIGINT');
    assert.equal((await session.run('console.log("fine")')).text, 'fine\n');
    process.kill(session.kernel.pid, 'SIGINT');
    assert.equal((await session.run('console.log("fine")')).text, 'fine\n');
    await session.kernel.shutdown();
  });
});
