/** The requests of front ends besides running cells, in odd places and with odd contents; and several front ends at once. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { setTimeout } from 'node:timers/promises';
import { Dealer } from 'zeromq';
import type { PublishedMessage } from '../../../lib/notebook/client/kernel-client';
import { decodeMessage, encodeMessage, makeHeader } from '../../../lib/notebook/client/wire';
import type { ConnectionInfo } from '../../../lib/notebook/client/wire';
import { Session } from './kernel-session';

type Content = Record<string, unknown>;

describe('requests', { timeout: 60_000 }, () => {
  let session: Session;
  before(async () => {
    session = await Session.start();
    await session.run('const wonderful = { alpha: 1, "a key": 2 }; const größe = { länge: 3 }; let a1 = 1;');
  });
  after(() => session.kernel.shutdown());
  const ask = async (type: string, content: Content): Promise<Content> =>
    (await session.kernel.request('shell', type, content).done).content;
  /** What a request that has no reply publishes, by the time that the next one is answered. */
  const published = async (type: string, content: Content): Promise<PublishedMessage[]> => {
    const { id } = session.kernel.request('shell', type, content);
    await ask('kernel_info_request', {});
    return session.of(id).messages;
  };

  /** `|` is the cursor; what is replaced, and by what. */
  const completions: [code: string, replaced: string, ...matches: string[]][] = [
    ['wonderful.al|', 'al', 'alpha'],
    ['wonderful.al|; 1', 'al', 'alpha'],
    ['wond|', 'wond', 'wonderful'],
    ['"😀😀"; wonderful.al|', 'al', 'alpha'],
    ['`${"😀"}${wonderful.al|}`', 'al', 'alpha'],
    ['größe.lä|', 'lä', 'länge'],
    ['const é = "😀"; é.toUp|', 'toUp', 'toUpperCase'],
    ['await wonderful.al|', 'al', 'alpha'],
    ['({ a: wonderful.al| })', 'al', 'alpha'],
    ['for (const k of wond|', 'wond', 'wonderful'],
    ['wonderful.\n  al|', 'al', 'alpha'],
    ['"wonderful.al|"', ''],
    ['// wonderful.al|', ''],
    ['1 +|; }}} )', ''],
  ];
  for (const [text, replaced, ...matches] of completions)
    it(`completes ${JSON.stringify(text)}`, async () => {
      const code = text.replace('|', '');
      const cursor = [...text.slice(0, text.indexOf('|'))].length;
      const reply = await ask('complete_request', { code, cursor_pos: cursor });
      assert.equal(reply.status, 'ok');
      if (replaced !== '') assert.deepEqual(reply.matches, matches);
      else assert.ok(!(reply.matches as string[]).includes('alpha'));
      const [from, to] = [Number(reply.cursor_start), Number(reply.cursor_end)];
      assert.equal([...code].slice(from, to).join(''), replaced);
      assert.ok(from <= cursor && cursor <= to, 'the cursor is in what is replaced');
    });

  it('takes a cursor that is missing or out of the text as its nearest end', async () => {
    for (const cursor of [undefined, null, 99, 12])
      assert.deepEqual(
        (await ask('complete_request', { code: 'wonderful.al', cursor_pos: cursor })).matches,
        ['alpha'],
      );
    for (const cursor of [-1, 0])
      assert.deepEqual(
        (await ask('complete_request', { code: 'wonderful.al', cursor_pos: cursor })).matches,
        ['wonderful'],
      );
    assert.equal((await ask('complete_request', {})).status, 'ok');
    assert.equal((await ask('inspect_request', {})).found, false);
  });

  const hovers: [text: string, expected: RegExp | null][] = [
    ['wonderful.al|pha', /^\(property\) alpha: number$/],
    ['"😀😀😀"; wonder|ful', /^const wonderful: \{[^]*alpha: number/],
    ['größe.lä|nge', /^\(property\) länge: number$/],
    ['  | ', null],
    ['"wonder|ful"', null],
    ['wonderful.noth|ing', /any/],
    ['if (|', null],
  ];
  for (const [text, expected] of hovers)
    it(`inspects ${JSON.stringify(text)}`, async () => {
      const reply = await ask('inspect_request', {
        code: text.replace('|', ''),
        cursor_pos: [...text.slice(0, text.indexOf('|'))].length,
        detail_level: 0,
      });
      assert.deepEqual([reply.status, reply.found], ['ok', expected !== null]);
      if (expected) assert.match((reply.data as Record<string, string>)['text/plain'], expected);
      else assert.deepEqual(reply.data, {});
    });

  const complete: [code: string, status: string, indent?: string][] = [
    ['const a = 1', 'complete'],
    ['', 'complete'],
    ['if (a1) {', 'incomplete', '  '],
    ['class A {\n  m() {', 'incomplete', '    '],
    ['f(', 'incomplete', '  '],
    ['const x =', 'incomplete', ''],
    ['const text = `one\ntwo', 'incomplete', ''],
    ['const text = `one ${a1} ', 'incomplete', ''],
    ['/* a comment', 'incomplete', ''],
    ['const text = "one', 'complete'], // an error, and no line more fixes it
    ['}', 'complete'],
  ];
  for (const [code, status, indent] of complete)
    it(`says that ${JSON.stringify(code)} is ${status}`, async () => {
      const reply = await ask('is_complete_request', { code });
      assert.deepEqual(reply, { status, ...(indent === undefined ? {} : { indent }) });
    });

  it('answers empty for what it does not keep', async () => {
    assert.deepEqual(await ask('history_request', { hist_access_type: 'tail', n: 5 }), {
      status: 'ok',
      history: [],
    });
    assert.deepEqual(await ask('comm_info_request', {}), { status: 'ok', comms: {} });
    const { user_expressions: expressions } = await ask('execute_request', {
      code: '1',
      user_expressions: { one: '1 + 1' },
    });
    assert.equal((expressions as Record<string, Content>).one.ename, 'NotSupported');
  });

  it('closes an opened comm, as there is no target', async () => {
    const messages = await published('comm_open', { comm_id: 'c', target_name: 'jupyter.widget', data: {} });
    assert.deepEqual(
      messages.map(({ type, content }) => [type, content.comm_id ?? content.execution_state]),
      [
        ['status', 'busy'],
        ['comm_close', 'c'],
        ['status', 'idle'],
      ],
    );
  });

  it('sends busy and idle around unknown requests', async () => {
    for (const type of ['comm_msg', 'comm_close', 'debug_request', 'nonsense'])
      assert.deepEqual(
        (await published(type, { comm_id: 'x' })).map(({ content }) => content.execution_state),
        ['busy', 'idle'],
      );
  });

  it('counts no silent cell and none that is not to be stored, and keeps the sources of the others', async () => {
    const count = async (): Promise<number> => Number((await session.run('1')).reply.execution_count);
    const thrower = await session.run('\nfunction late(): never { throw new Error("here") }');
    const number = Number(thrower.reply.execution_count);
    const silent = await ask('execute_request', { code: '"a"\n"b"\n6 * 7', silent: true });
    assert.equal(silent.execution_count, number);
    const { id, done } = session.kernel.request('shell', 'execute_request', {
      code: 'throw new Error("unstored")',
      store_history: false,
    });
    assert.equal((await done).content.execution_count, number);
    const error = session.of(id).messages.find(({ type }) => type === 'error');
    assert.match(String(error?.content.traceback), /In\[-2\], line 1:.*throw new Error\("unstored"\)/s);
    const { messages } = await session.run('late()');
    const trace = String(messages.find(({ type }) => type === 'error')?.content.traceback);
    assert.ok(trace.includes(`In[${number}], line 2:`), trace);
    assert.match(trace, /function late\(\): never/);
    assert.equal(await count(), number + 2);
  });

  it('leaves the queue as it is after an error where the request says so, and answers other requests in it', async () => {
    const { request } = session.kernel;
    const send = (code: string, stop: boolean): Promise<Content> =>
      request
        .call(session.kernel, 'shell', 'execute_request', { code, stop_on_error: stop })
        .done.then(({ content }) => content);
    const replies = await Promise.all([
      send('throw new Error("not so bad")', false),
      send('1', true),
      send('throw new Error("stop")', true),
      ask('complete_request', { code: 'wonderful.al', cursor_pos: 12 }),
      send('1', true),
      ask('is_complete_request', { code: '1' }),
    ]);
    assert.deepEqual(
      replies.map(({ status }) => status),
      ['error', 'ok', 'error', 'ok', 'aborted', 'complete'],
    );
  });

  it('sends busy and idle around an aborted cell too', async () => {
    // It lasts until the other has arrived: one that comes later is not behind it.
    const error = session.kernel.execute(
      'await new Promise((resolve) => setTimeout(resolve, 300)); throw new Error("stop")',
    );
    const { id, done } = session.kernel.execute('1');
    await error.done;
    assert.equal((await done).content.status, 'aborted');
    assert.deepEqual(
      session.of(id).messages.map(({ content }) => content.execution_state),
      ['busy', 'idle'],
    );
  });

  it('shows no result of a silent cell, and a result with its own HTML', async () => {
    const silent = session.kernel.execute('6 * 7', { silent: true });
    await silent.done;
    assert.deepEqual(
      session.of(silent.id).messages.map(({ type }) => type),
      ['status', 'status'],
    );
    const { messages } = await session.run('({ toNotebookHtml() { return "<b>" + typeof this + "</b>" } })');
    const result = messages.find(({ type }) => type === 'execute_result');
    const data = result?.content.data as Record<string, string>;
    assert.equal(data['text/html'], '<b>object</b>');
    assert.match(data['text/plain'], /toNotebookHtml/);
  });

  it('runs a request without code, or with code that is no text', async () => {
    for (const content of [{}, { code: null }, { code: 5 }, { code: '' }, { code: '\n // nothing\n' }])
      assert.equal((await ask('execute_request', content)).status, 'ok');
  });

  it('serves several front ends: each gets its own replies, in the order of their requests, no line lost', async () => {
    const { text } = await session.run('console.log(process.argv[2]);');
    const connection = JSON.parse(fs.readFileSync(text.trim(), 'utf8')) as ConnectionInfo;
    const socket = new Dealer({ linger: 0, receiveTimeout: 30_000 });
    socket.connect(`tcp://127.0.0.1:${connection.shell_port}`);
    const execute = (code: string): Promise<void> =>
      socket.send(
        encodeMessage(connection.key, {
          header: makeHeader('execute_request', 'other'),
          parent: {},
          metadata: {},
          content: { code, silent: false },
        }),
      );
    const burst = session.kernel.execute(
      'for (let i = 0; i < 30000; i++) { console.log("line", i); if (i % 1000 === 0) await null; }',
    );
    // Of two sockets the later one may be read first; a failing cell before it would end the burst unrun.
    const hasBegun = (): boolean =>
      session.of(burst.id).messages.some(({ type }) => type === 'execute_input');
    for (const end = Date.now() + 10_000; !hasBegun() && Date.now() < end;) await setTimeout(5);
    await execute('a1 = 2; console.log("other", a1)');
    await execute('throw new Error("other")');
    const mine = session.kernel.execute('console.log("mine", a1)');
    const [one, two] = [await socket.receive(), await socket.receive()].map(
      (frames) => decodeMessage(connection.key, frames).content,
    );
    assert.deepEqual([one.status, two.status, two.evalue], ['ok', 'error', 'other']);
    await burst.done;
    const lines = Array.from({ length: 30000 }, (_, i) => `line ${i}\n`).join('');
    assert.equal(session.of(burst.id).text, lines);
    // Either it ran before the other's error, or it waited behind it.
    const { status } = (await mine.done).content;
    assert.match(session.of(mine.id).text, status === 'ok' ? /^mine [12]\n$/ : /^$/);
    // Output has a socket of its own: a reply may come before it.
    const printed = (): number =>
      session.messages.filter(({ content }) => content.text === 'other 2\n').length;
    for (const end = Date.now() + 10_000; printed() === 0 && Date.now() < end;) await setTimeout(10);
    assert.equal(printed(), 1);
    socket.close();
  });

  it('tells a program that reads from a terminal that there is none', async () => {
    const message = /^process\.stdin: a cell has no terminal to read from/;
    const readers = [
      'import rl from "node:readline/promises"; await rl.createInterface({ input: process.stdin, output: process.stdout }).question("name? ")',
      'for await (const part of process.stdin) console.log(part)',
      'process.stdin.on("data", console.log); await new Promise(() => {})',
    ];
    for (const code of readers) {
      const { reply } = await session.run(code);
      assert.match(String(reply.evalue), message);
    }
  });
});
