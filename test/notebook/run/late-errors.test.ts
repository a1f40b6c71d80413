/**
 * An error that comes once its cell has ended (of a stream, a worker, a child process, a socket, a timer, an emitter) is
 * shown with the cell that started it, while another one runs: to a person, and in a headless run, which fails for it.
 */
import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { runCells } from './run-cells';
import { Session } from '../kernel/kernel-session';
import { Workplace } from '../../support/make-notebook';

/** What is started, and what becomes of it. */
const LATE: [what: string, code: string, error: RegExp][] = [
  ['a stream', 'fs.createReadStream("/no/such/file"); 1', /ENOENT: no such file or directory, open/],
  [
    'a listener of a stream',
    'fs.createReadStream(process.execPath, { end: 9 }).on("data", () => { throw new Error("data"); }); 1',
    /Error: data/,
  ],
  [
    'a worker thread',
    'new Worker("setTimeout(() => { throw new RangeError(\'worker\'); }, 100)", { eval: true }); 1',
    /RangeError: worker/,
  ],
  ['a child process', 'cp.spawn("/no/such/program"); 1', /spawn \/no\/such\/program ENOENT/],
  ['a connection', 'net.connect(1, "127.0.0.1"); 1', /connect ECONNREFUSED 127\.0\.0\.1:1/],
  [
    'an emitter that a library uses later',
    'const late = new EventEmitter(); process.nextTick.call(null, late.emit.bind(late), "error", new Error("emitted")); 1',
    /emitted$/m,
  ],
  ['a timer', 'setTimeout(() => { throw new Error("timer"); }, 50); 1', /Error: timer/],
  ['an immediate', 'setImmediate(() => { throw new Error("immediate"); }); 1', /Error: immediate/],
  ['a tick', 'process.nextTick(() => { throw new Error("tick"); }); 1', /tick$/m],
  ['a microtask', 'queueMicrotask(() => { throw new Error("microtask"); }); 1', /microtask$/m],
  ['a callback of a file', 'fs.stat("/", () => { throw new Error("stat"); }); 1', /Error: stat/],
  [
    'a message port',
    'const { port1, port2 } = new MessageChannel(); port1.on("message", () => { port1.close(); throw new Error("port"); }); port2.postMessage(1); 1',
    /Error: port/,
  ],
  ['a promise', 'fs.promises.readFile("/no/such/file"); 1', /ENOENT: no such file or directory, open/],
];

const IMPORTS = [
  'import fs from "fs"; import cp from "child_process"; import net from "net";',
  'import { Worker, MessageChannel } from "worker_threads"; import { EventEmitter } from "events";',
].join('\n');
const ANOTHER = 'await new Promise((r) => setTimeout(r, 400)); console.log("another");';

describe('a late error, for a person', { timeout: 240_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
    assert.equal((await session.run(IMPORTS)).status, 'ok');
  });
  after(() => session.kernel.shutdown());

  for (const [what, code, error] of LATE)
    it(`of ${what} is reported with its cell`, async () => {
      const starts = session.kernel.execute(code);
      const started = (await starts.done).content;
      const other = await session.run(ANOTHER);
      assert.equal(other.status, 'ok');
      assert.equal(other.text, 'another\n');
      const own = session.of(starts.id).messages.filter(({ type }) => type === 'stream' || type === 'error');
      const text = stripVTControlCharacters(
        own.map(({ content }) => String(content.text ?? content.evalue)).join(''),
      );
      assert.match(text, error);
      if (started.status === 'ok')
        assert.match(text, new RegExp(`In\\[${String(started.execution_count)}\\]`));
      const others = other.messages.filter(({ content }) => content.name === 'stderr');
      assert.deepEqual(others, []);
    });
});

describe('a late error, in a headless run', { timeout: 240_000, concurrency: 2 }, () => {
  const place = new Workplace();
  after(() => place.remove());

  for (const [what, code, error] of LATE.filter(
    ([what]) => what === 'a stream' || what === 'a worker thread',
  ))
    it(`of ${what} fails the run, which names its cell`, async () => {
      const sources = [IMPORTS, code, 'await new Promise((r) => setTimeout(r, 60_000));'];
      const { result, cells } = await runCells(place, sources, { timeoutMs: 60_000 });
      assert.equal(result.exitStatus, 1);
      assert.match(String(result.message), /^code cell 2 /);
      assert.match(String(result.message), error);
      const kinds = cells.find(({ id }) => id === 'cell-1')?.outputs?.map(({ output_type: kind }) => kind);
      assert.deepEqual(kinds?.includes('error'), true);
    });
});
