/** The kernel, message by message over ZeroMQ: what stock tslab gets wrong is held here. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { createHmac } from 'node:crypto';
import { after, before, describe, it } from 'node:test';
import path from 'node:path';
import { KernelClient } from '../../../lib/notebook/client/kernel-client';
import { decodeMessage, encodeMessage, makeHeader } from '../../../lib/notebook/client/wire';
import { isRunning, Session, sleep } from './kernel-session';
import { ROOT } from '../../support/paths';

describe('kernel', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
  });
  after(() => session.kernel.shutdown());

  it('publishes busy, execute_input, output, result and idle, in this order', async () => {
    const { messages, status } = await session.run('console.log("hello");\n6 * 7');
    assert.equal(status, 'ok');
    assert.deepEqual(
      messages.map(({ type, content }) => [
        type,
        content.execution_state ?? content.text ?? content.code ?? null,
      ]),
      [
        ['status', 'busy'],
        ['execute_input', 'console.log("hello");\n6 * 7'],
        ['stream', 'hello\n'],
        ['execute_result', null],
        ['status', 'idle'],
      ],
    );
    const result = messages.find(({ type }) => type === 'execute_result');
    assert.deepEqual(result?.content.data, { 'text/plain': '42' });
  });

  const failing = [
    ['function bad(n: number): number {', '  throw new RangeError(`bad ${n}`);', '}', 'bad(1);'].join('\n'),
    [
      'interface Unused { a: number }',
      'const later = await Promise.resolve(2);',
      '',
      'throw new RangeError(`bad 1`);',
    ].join('\n'),
  ];
  for (const [i, code] of failing.entries()) {
    it(`reports an error with name, value and the cell's own line (${i === 0 ? 'loop' : 'after an await'})`, async () => {
      const { reply, messages } = await session.run(code);
      const error = messages.find(({ type }) => type === 'error');
      assert.equal(reply.status, 'error');
      assert.equal(error?.content.ename, 'RangeError');
      assert.equal(error?.content.evalue, 'bad 1');
      assert.equal(reply.ename, 'RangeError');
      const number = String(reply.execution_count);
      const trace = (error?.content.traceback as string[]).join('\n');
      const line = i === 0 ? 2 : 4;
      assert.match(trace, new RegExp(`In\\[${number}\\], line ${line}:`));
      assert.match(trace, new RegExp(`In\\[${number}\\]:${line}:`));
      assert.doesNotMatch(trace, /node:vm|tslab\/dist|host-cells/);
    });
  }

  it('reports each compiler finding with its line', async () => {
    const { reply, messages } = await session.run('const fine = 1;\nconst text: string = 5;');
    assert.equal(reply.ename, 'TypeScriptError');
    assert.match(String(reply.evalue), /^line 2:7: Type 'number' is not assignable to type 'string'/);
    assert.equal(messages.filter(({ type }) => type === 'stream').length, 0);
  });

  it('reports a thrown value that is no Error', async () => {
    const { reply } = await session.run('throw { odd: true };');
    assert.equal(reply.ename, 'ThrownValue');
    assert.equal(reply.evalue, '{ odd: true }');
  });

  it('answers the request that follows an error at once', async () => {
    for (let i = 0; i < 25; i++) {
      const first = session.kernel.request(
        'shell',
        'execute_request',
        { code: 'throw new Error("first")' },
        false,
      );
      assert.equal((await first.done).content.status, 'error');
      const { status, text } = await session.run(`console.log(${i})`);
      assert.deepEqual([status, text], ['ok', `${i}\n`]);
    }
  });

  it('aborts what was queued behind an error, and answers it', async () => {
    // The error comes late enough that the others have arrived: one that is still on its way would run.
    const late = 'await new Promise((r) => setTimeout(r, 300)); throw new Error("stop")';
    const replies = [late, 'console.log("never")', 'console.log("never")'].map(
      (code) => session.kernel.execute(code).done,
    );
    const statuses = (await Promise.all(replies)).map(({ content }) => content.status);
    assert.deepEqual(statuses, ['error', 'aborted', 'aborted']);
  });

  it('runs finally blocks of an interrupted cell, and its code does not run on', async () => {
    const { text, reply, messages } = await session.run(
      'let ticks = 0; try { for (;;) { ticks++; await new Promise((r) => setTimeout(r, 20)); } } finally { console.log("tidy"); }',
      [200],
    );
    assert.equal(reply.ename, 'KeyboardInterrupt');
    assert.equal(text, 'tidy\n');
    assert.equal(messages.filter(({ type }) => type === 'error').length, 1);
    const [first, second] = [await session.run('ticks'), await session.run('ticks')];
    const value = (run: typeof first): unknown =>
      run.messages.find(({ type }) => type === 'execute_result')?.content.data;
    assert.deepEqual(value(first), value(second));
  });

  it('lets a listener of SIGINT stop the cell cleanly, and insists the second time', async () => {
    const loop = 'let stop = false; process.once("SIGINT", () => { stop = true; });';
    const clean = await session.run(
      `${loop} while (!stop) await new Promise((r) => setTimeout(r, 10)); console.log("stopped");`,
      [150],
    );
    assert.equal(clean.status, 'ok');
    assert.equal(clean.text, 'stopped\n');
    const deaf =
      'const deaf = () => {}; process.on("SIGINT", deaf); try { await new Promise(() => {}); } finally { process.off("SIGINT", deaf); }';
    const insisted = await session.run(deaf, [100, 300]);
    assert.equal(insisted.reply.ename, 'KeyboardInterrupt');
  });

  it('reports nothing for an interrupted promise that nobody awaits', async () => {
    const code =
      'const lost = async () => { await new Promise(() => {}); }; void lost(); void lost(); await new Promise(() => {});';
    const { messages, reply } = await session.run(code, [150]);
    assert.equal(reply.ename, 'KeyboardInterrupt');
    await session.run('await new Promise((r) => setTimeout(r, 50));');
    assert.deepEqual(
      messages.filter(({ type }) => type === 'stream'),
      [],
    );
  });

  it('ends a generator that a loop over awaits leaves', async () => {
    const { text } = await session.run(
      'async function* endless() { try { for (let i = 0; ; i++) yield i; } finally { console.log("closed"); } }\nfor await (const n of endless()) if (n === 2) break;',
    );
    assert.equal(text, 'closed\n');
  });

  it('knows the library in a folder that does not have it, with its types', async () => {
    const { reply, text } = await session.run(
      'import { Trainer } from "tunebook"; console.log(typeof Trainer);',
    );
    assert.equal(text, 'function\n', String(reply.evalue));
    const wrong = await session.run('const n: number = new Trainer({} as any);');
    assert.match(String(wrong.reply.evalue), /Type 'Trainer<?.*' is not assignable to type 'number'/);
  });

  it('runs a cell whose only await is a loop', async () => {
    const { text } = await session.run(
      'async function* two() { yield 1; yield 2; }\nfor await (const n of two()) console.log(n);\nconst afterLoop = 3;',
    );
    assert.equal(text, '1\n2\n');
    assert.equal((await session.run('console.log(afterLoop)')).text, '3\n');
    const { reply } = await session.run(
      'async function* never() { await new Promise(() => {}); yield 1; }\nfor await (const n of never()) console.log(n);',
      [200],
    );
    assert.equal(reply.ename, 'KeyboardInterrupt');
  });

  it('knows names that start with underscores', async () => {
    const cell = 'const _a = 1, __b = 2, ___c = 3; function __f(n: number): number { return 2 * n; }';
    assert.equal((await session.run(cell)).status, 'ok');
    assert.equal((await session.run('console.log(_a, __b, ___c, __f(__b))')).text, '1 2 3 4\n');
  });

  for (const [name, pause] of [
    ['', ''],
    [' after an await', 'await null; '],
  ]) {
    it(`keeps what a failed cell had defined${name}, and what the others had`, async () => {
      await session.run('const kept = "old", lost = "old"; interface Shape { side: number }');
      const failed = await session.run(
        `${pause}import * as os from "node:os"; const kept = 1, early: Shape = { side: 7 }; function twice(n: number) { return 2 * n; }
        { var inBlock = 4 } if (early.side > 5) throw new RangeError("stop"); { var lateInBlock = 5 } const lost = 2; const late = 8; class Never {}`,
      );
      assert.equal(failed.reply.ename, 'RangeError');
      const next = await session.run(
        'const text: string = lost; console.log(kept + 1, early.side, twice(2), text, typeof os.cpus, inBlock + 1);',
      );
      assert.equal(next.text, '2 7 4 old function 5\n');
      const { reply } = await session.run('console.log(late, Never, lateInBlock);');
      assert.match(String(reply.evalue), /name 'late'[^]*name 'Never'[^]*name 'lateInBlock'/);
    });
  }

  it('completes and inspects, counting code points', async () => {
    await session.run('const wonderful = { alpha: 1, beta: "x" };');
    const code = '"😀"; wonderful.al';
    const { content } = await session.kernel.request('shell', 'complete_request', {
      code,
      cursor_pos: [...code].length,
    }).done;
    assert.deepEqual(content.matches, ['alpha']);
    assert.equal(content.cursor_start, [...code].length - 2);
    const [start, end] = [content.cursor_start, content.cursor_end];
    assert.deepEqual(content.metadata, {
      _jupyter_types_experimental: [{ text: 'alpha', type: 'property', start, end }],
    });
    const hover = await session.kernel.request('shell', 'inspect_request', {
      code: 'wonderful',
      cursor_pos: 3,
      detail_level: 0,
    }).done;
    assert.match(String((hover.content.data as Record<string, string>)['text/plain']), /beta: string/);
    const open = await session.kernel.request('shell', 'is_complete_request', { code: 'if (true) {' }).done;
    assert.equal(open.content.status, 'incomplete');
  });

  it('answers its heartbeat while a cell computes', async () => {
    const { done } = session.kernel.execute('{ const end = Date.now() + 600; while (Date.now() < end); }');
    await sleep(100);
    assert.equal(await session.kernel.isAlive(400), true);
    await done;
  });

  it('refuses a message with a wrong signature and goes on', () => {
    const message = { header: makeHeader('x', 's'), parent: {}, metadata: {}, content: { a: 1 } };
    const frames = encodeMessage('key', message).map((frame) => Buffer.from(frame));
    assert.deepEqual(decodeMessage('key', frames).content, { a: 1 });
    const expected = createHmac('sha256', 'key')
      .update(Buffer.concat(frames.slice(2)))
      .digest('hex');
    assert.equal(frames[1].toString(), expected);
    assert.throws(() => decodeMessage('other', frames), /signature/);
    frames[5] = Buffer.from('{"a":2}');
    assert.throws(() => decodeMessage('key', frames), /signature/);
  });
});

describe('the end of a kernel', { timeout: 150_000 }, () => {
  /** A cell that starts a program and prints its number. */
  const sleeper = 'console.log(require("node:child_process").spawn("sleep", ["600"]).pid);';

  it('ends on shutdown in spite of live timers and sockets', async () => {
    const session = await Session.start();
    await session.run('setInterval(() => {}, 1000); require("net").createServer().listen(0);');
    const start = Date.now();
    const exit = await session.kernel.shutdown();
    assert.equal(exit.code, 0);
    assert.ok(Date.now() - start < 2500);
    assert.equal(isRunning(session.kernel.pid), false);
  });

  it('ends on a request on the shell socket too, as older front ends send it', async () => {
    const session = await Session.start();
    await session.run('1');
    const { content } = await session.kernel.request('shell', 'shutdown_request', { restart: false }, false)
      .done;
    assert.deepEqual(content, { status: 'ok', restart: false });
    assert.equal((await session.kernel.exited).code, 0);
  });

  it('names the cell that calls process.exit, then reports the exit status', async () => {
    const session = await Session.start();
    await assert.rejects(session.run('console.log("before");\nprocess.exit(3);'), /exit status 3/);
    assert.equal((await session.kernel.exited).code, 3);
    const error = session.messages.find(({ type }) => type === 'error');
    assert.equal(error?.content.ename, 'ProcessExit');
    assert.match((error?.content.traceback as string[]).join('\n'), /In\[1\]:2:/);
  });

  it('reports that memory ran out', async () => {
    const kernel = await KernelClient.start({
      cwd: process.cwd(),
      env: { NODE_OPTIONS: '--max-old-space-size=120' },
    });
    const { done } = kernel.execute(
      'const hog: number[][] = []; for (;;) hog.push(new Array(100000).fill(1));',
    );
    await assert.rejects(done, /out of memory/);
  });

  it('answers many requests that arrive at once, on each socket and in order', async () => {
    const session = await Session.start();
    process.kill(session.kernel.pid, 'SIGSTOP');
    setTimeout(() => process.kill(session.kernel.pid, 'SIGCONT'), 300);
    const cells = Array.from({ length: 40 }, (_, i) => session.kernel.execute(`console.log(${i})`).done);
    const infos = Array.from(
      { length: 3000 },
      () => session.kernel.request('control', 'kernel_info_request', {}).done,
    );
    for (const { content } of await Promise.all(infos)) assert.equal(content.status, 'ok');
    const counts = (await Promise.all(cells)).map(({ content }) => content.execution_count);
    assert.deepEqual(
      counts,
      counts.map((_, i) => i + 1),
    );
    await session.kernel.shutdown();
  });

  it('is reported to every waiting request, however many are in flight', async () => {
    const kernel = await KernelClient.start({ cwd: process.cwd() });
    process.kill(kernel.pid, 'SIGSTOP');
    // More than a socket queues: the later ones wait to be sent.
    const waiting = Array.from({ length: 2500 }, () => kernel.execute('1'.padEnd(4000)).done);
    setTimeout(() => process.kill(kernel.pid, 'SIGKILL'), 200);
    const reasons = (await Promise.allSettled(waiting)).map((result) =>
      result.status === 'rejected' ? String(result.reason) : 'answered',
    );
    assert.deepEqual([...new Set(reasons)].length, 1);
    assert.match(reasons[0], /it was killed \(SIGKILL\)/);
    await assert.rejects(kernel.execute('1').done, /it was killed \(SIGKILL\)/);
  });

  it('dies with its parent, children of cells included', async () => {
    const client = path.join(ROOT, '.build', 'lib', 'notebook', 'client', 'kernel-client.js');
    const script = `require(${JSON.stringify(client)}).KernelClient.start({ cwd: process.cwd() }).then((kernel) => {
      kernel.onMessage(({ type, content }) => type === 'stream' && console.log(kernel.pid, content.text));
      kernel.execute(${JSON.stringify(`${sleeper} for (;;);`)});
    });`;
    const parent = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const pids = String(await new Promise((resolve) => parent.stdout.once('data', resolve))).trim();
    assert.match(pids, /^\d+ \d+$/);
    parent.kill('SIGKILL');
    for (const pid of pids.split(' ').map(Number)) {
      for (let i = 0; i < 100 && isRunning(pid); i++) await sleep(100);
      assert.equal(isRunning(pid), false);
    }
  });

  it('takes the programs that cells have started along when a front end shuts it down', async () => {
    const session = await Session.start();
    const child = Number((await session.run(sleeper)).text);
    assert.ok(isRunning(child));
    // Jupyter only asks: what KernelClient.shutdown does besides is not done here.
    await session.kernel.request('control', 'shutdown_request', { restart: true }, false).done;
    assert.equal((await session.kernel.exited).code, 0);
    for (let i = 0; i < 100 && isRunning(child); i++) await sleep(50);
    assert.equal(isRunning(child), false);
  });

  it('gives up on a start that hangs, and says so', async () => {
    const start = KernelClient.start({
      cwd: process.cwd(),
      argv: [process.execPath, '-e', 'setInterval(() => {}, 1000)', '{connection_file}'],
      startTimeoutMs: 300,
    });
    await assert.rejects(start, /could not be started in 3 tries/);
  });
});
