/** What cells write: nothing is lost, the order is kept, and it belongs to the cell that it comes from. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { stripVTControlCharacters } from 'node:util';
import { Subscriber } from 'zeromq';
import { decodeMessage } from '../../../lib/notebook/client/wire';
import type { ConnectionInfo } from '../../../lib/notebook/client/wire';
import { Session, sleep } from './kernel-session';
import { Workplace } from '../../support/make-notebook';

describe('output', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
  });
  after(() => session.kernel.shutdown());

  it("leaves the reader's timers room, however much output comes", async () => {
    // Every message counts as taking time, so that any pause is one between a few of them.
    let sinceTimer = 0;
    let most = 0;
    const timer = setInterval(() => (sinceTimer = 0), 1);
    const stop = session.kernel.onMessage(() => {
      most = Math.max(most, ++sinceTimer);
      const until = Date.now() + 5;
      while (Date.now() < until);
    });
    await session.run('for (let i = 0; i < 200; i++) console.log("x".repeat(65536));');
    clearInterval(timer);
    stop();
    assert.ok(most < 50, `${most} messages without a pause`);
  });

  it('loses none of 20,000 lines, keeps their order and sends few messages', async () => {
    const { text, messages } = await session.run('for (let i = 0; i < 20000; i++) console.log("line", i);');
    const expected = Array.from({ length: 20000 }, (_, i) => `line ${i}\n`).join('');
    assert.equal(text, expected);
    assert.ok(messages.length < 60, `${messages.length} messages`);
  });

  it('keeps the order of stdout and stderr, each under its name', async () => {
    const { messages } = await session.run('console.log("a"); console.error("b"); console.log("c");');
    assert.deepEqual(
      messages.flatMap(({ type, content }) => (type === 'stream' ? [[content.name, content.text]] : [])),
      [
        ['stdout', 'a\n'],
        ['stderr', 'b\n'],
        ['stdout', 'c\n'],
      ],
    );
  });

  it('shows output while a loop computes', async () => {
    const place = new Workplace();
    const end = JSON.stringify(place.file('end'));
    const { id, done } = session.kernel.execute(
      `console.log("early"); while (!require("node:fs").existsSync(${end})); console.log("late");`,
    );
    for (let i = 0; i < 1000 && session.of(id).text === ''; i++) await sleep(10);
    assert.equal(session.of(id).text, 'early\n');
    fs.writeFileSync(place.file('end'), '');
    assert.equal((await done).content.status, 'ok');
    assert.equal(session.of(id).text, 'early\nlate\n');
    place.remove();
  });

  it('keeps characters whole that are written in pieces', async () => {
    const { text } = await session.run(
      'const bytes = Buffer.from("é€😀\\n"); for (const byte of bytes) process.stdout.write(Uint8Array.of(byte));',
    );
    assert.equal(text, 'é€😀\n');
  });

  it('attributes the output of late timers to their cell', async () => {
    const { id, done } = session.kernel.execute(
      'setTimeout(async () => { await null; console.log("late"); }, 250);',
    );
    await done;
    const other = await session.run('await new Promise((r) => setTimeout(r, 500)); console.log("other");');
    assert.equal(other.text, 'other\n');
    assert.equal(session.of(id).text, 'late\n');
  });

  it('attributes them after many other cells, from intervals and immediates too', async () => {
    const { id, done } = session.kernel.execute(
      `let open = false; const tick = setInterval(() => { if (!open) return; clearInterval(tick); console.log("interval");
         setImmediate(() => { console.log("immediate"); setTimeout(() => console.log("timer"), 1); }); }, 5);`,
    );
    await done;
    for (let i = 0; i < 30; i++) await session.kernel.execute('1', { silent: true }).done;
    await session.run('open = true;');
    for (let i = 0; i < 200 && !session.of(id).text.includes('timer'); i++) await sleep(20);
    assert.equal(session.of(id).text, 'interval\nimmediate\ntimer\n');
  });

  it('attributes what comes without a trace, after the last cell, to that cell', async () => {
    const { id, done } = session.kernel.execute(
      'require("node:fs").readFile(process.execPath, () => console.log("read")); 1',
    );
    await done;
    for (let i = 0; i < 500 && session.of(id).text === ''; i++) await sleep(20);
    assert.equal(session.of(id).text, 'read\n');
  });

  it('shows what is thrown after the end of a cell as text of that cell', async () => {
    const rows: [code: string, expected: RegExp][] = [
      ['\nsetTimeout(() => { throw new RangeError("late"); }, 1);', /In\[\d+\], line 2:[^]*RangeError: late/],
      [
        'void (async () => { await null; throw new TypeError("unheard"); })();',
        /rejection of In\[\d+\]: In\[\d+\], line 1:[^]*TypeError: unheard/,
      ],
    ];
    for (const [code, expected] of rows) {
      const { id, done } = session.kernel.execute(code);
      assert.equal((await done).content.status, 'ok');
      const written = (): string =>
        session
          .of(id)
          .messages.flatMap(({ type, content }) => (type === 'stream' ? [String(content.text)] : []))
          .join('');
      for (let i = 0; i < 200 && written() === ''; i++) await sleep(20);
      assert.match(stripVTControlCharacters(written()), expected);
    }
  });

  it('fails the cell whose callback throws', async () => {
    const { reply } = await session.run(
      'setTimeout(() => { throw new TypeError("in a timer"); }, 20); await new Promise(() => {});',
    );
    assert.equal(reply.ename, 'TypeError');
    assert.equal(reply.evalue, 'in a timer');
  });

  it('waits for a front end that is slow to read, and loses nothing', async () => {
    const { text } = await session.run('console.log(process.argv[2]);');
    const connection = JSON.parse(fs.readFileSync(text.trim(), 'utf8')) as ConnectionInfo;
    const slow = new Subscriber({ linger: 0, receiveHighWaterMark: 1, receiveTimeout: 30_000 });
    slow.subscribe('');
    slow.connect(`tcp://127.0.0.1:${connection.iopub_port}`);
    await session.run('await new Promise((r) => setTimeout(r, 200));'); // the subscription arrives
    const code =
      'for (let i = 0; i < 6000; i++) { process.stdout.write("o" + i + " " + "z".repeat(2000)); process.stderr.write("e" + i); }';
    const { id, done } = session.kernel.execute(code);
    const parts: string[] = [];
    for (;;) {
      const { header, parent, content } = decodeMessage(connection.key, await slow.receive());
      if (parent.msg_id !== id) continue;
      if (header.msg_type === 'stream') parts.push(String(content.text).replace(/ z+/, ''));
      if (content.execution_state === 'idle') break;
    }
    slow.close();
    const expected = Array.from({ length: 6000 }, (_, i) => `o${i}e${i}`).join('');
    assert.equal(parts.join(''), expected);
    assert.equal((await done).content.status, 'ok');
  });

  it('writes characters of every kind, whole', async () => {
    const code =
      'process.stdout.write("a" + "😀".repeat(100000)); console.log("\\ud83d", "\\\\ud83d", "\\\\\\udc00"); "x".repeat(3)';
    const { text, messages } = await session.run(code);
    assert.equal(text, `a${'😀'.repeat(100000)}\ufffd \\ud83d \\\ufffd\n`);
    const parts = messages.filter(({ type }) => type === 'stream').map(({ content }) => String(content.text));
    assert.ok(parts.length > 1);
    assert.ok(parts.every((part) => Buffer.from(part, 'utf8').toString('utf8') === part));
    const long = await session.run('console.log("y".repeat(3_000_000) + "é");');
    assert.equal(long.text, `${'y'.repeat(3_000_000)}é\n`);
  });

  it('prints the stack of an error that a cell catches with its own lines', async () => {
    const { text, reply } = await session.run(
      'interface Unused { a: number }\n\ntry {\n  JSON.parse("{");\n} catch (error) { console.log((error as Error).stack) }\nconsole.log(new Error("six").stack)',
    );
    const at = `In[${String(reply.execution_count)}]`;
    const lines = text.trimEnd().split('\n');
    assert.match(lines[0], /^SyntaxError: /);
    assert.deepEqual(lines.slice(1), [
      '    at JSON.parse (<anonymous>)',
      `    at ${at}:4:8`,
      'Error: six',
      `    at ${at}:6:13`,
    ]);
  });
});
