/** What cells ask a person, through Jupyter's stdin channel, as a front end that answers sees it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { Dealer } from 'zeromq';
import { decodeMessage, encodeMessage, makeHeader } from '../../../lib/notebook/client/wire';
import type { ConnectionInfo, MessageHeader, WireMessage } from '../../../lib/notebook/client/wire';
import { Session, sleep } from './kernel-session';

/** A front end with a shell and a stdin socket of one identity, as Jupyter's clients have them. */
class AskingClient {
  private readonly shell: Dealer;
  private readonly stdin: Dealer;

  constructor(private readonly connection: ConnectionInfo) {
    const socket = (port: number): Dealer => {
      const dealer = new Dealer({ linger: 0, receiveTimeout: 20_000, routingId: 'asking' });
      dealer.connect(`tcp://127.0.0.1:${port}`);
      return dealer;
    };
    this.shell = socket(connection.shell_port);
    this.stdin = socket(connection.stdin_port);
  }

  /** Sends a cell. @returns its id, and its reply */
  async execute(code: string, allowStdin = true): Promise<{ id: string; reply: () => Promise<WireMessage> }> {
    const header = makeHeader('execute_request', 'asking');
    const content = { code, silent: false, store_history: true, allow_stdin: allowStdin };
    await this.send(this.shell, header, content);
    return { id: header.msg_id, reply: async () => this.receive(this.shell) };
  }

  /** The next thing that the kernel asks. */
  async asked(): Promise<WireMessage> {
    return this.receive(this.stdin);
  }

  async answer(question: WireMessage, value: string): Promise<void> {
    await this.send(
      this.stdin,
      makeHeader('input_reply', 'asking'),
      { value, status: 'ok' },
      question.header,
    );
  }

  close(): void {
    this.shell.close();
    this.stdin.close();
  }

  private async receive(socket: Dealer): Promise<WireMessage> {
    return decodeMessage(this.connection.key, await socket.receive());
  }

  private send(
    socket: Dealer,
    header: MessageHeader,
    content: Record<string, unknown>,
    parent: Partial<MessageHeader> = {},
  ): Promise<void> {
    return socket.send(encodeMessage(this.connection.key, { header, parent, metadata: {}, content }));
  }
}

describe('input requests', { timeout: 60_000 }, () => {
  let session: Session;
  let client: AskingClient;
  before(async () => {
    session = await Session.start();
    const { text } = await session.run('console.log(process.argv[2]);');
    client = new AskingClient(JSON.parse(fs.readFileSync(text.trim(), 'utf8')) as ConnectionInfo);
  });
  after(async () => {
    client.close();
    await session.kernel.shutdown();
  });

  /** Runs a cell and answers what it asks, in order. */
  async function run(
    code: string,
    answers: readonly string[],
  ): Promise<{ status: unknown; text: string; prompts: unknown[] }> {
    const { id, reply } = await client.execute(code);
    const prompts: unknown[] = [];
    for (const value of answers) {
      const question = await client.asked();
      assert.equal(question.header.msg_type, 'input_request');
      assert.equal(question.parent.msg_id, id);
      assert.equal(question.content.password, false);
      prompts.push(question.content.prompt);
      await client.answer(question, value);
    }
    const { content } = await reply();
    await sleep(50); // what it printed
    return { status: content.status, text: session.of(id).text, prompts };
  }

  it('prompt() waits for the line, wherever it is called', async () => {
    const sum = await run(
      'const n = Number(prompt("how many?")); const ask = () => prompt("name?"); console.log(n * 2, ask());',
      ['21', 'Zoë 😀'],
    );
    assert.deepEqual(sum, { status: 'ok', text: '42 Zoë 😀\n', prompts: ['how many?', 'name?'] });
    const later = await run(
      'await new Promise((r) => setTimeout(r, 5)); console.log(JSON.stringify(prompt()))',
      [''],
    );
    assert.deepEqual(later, { status: 'ok', text: '""\n', prompts: [''] });
  });

  it('readline reads from it: questions one after the other, lines in a loop, an interface that stays open', async () => {
    const questions = await run(
      `import rl from "node:readline/promises";
const asking = rl.createInterface({ input: process.stdin, output: process.stdout });
for (const q of ["a? ", "b? "]) console.log("got", await asking.question(q));
asking.close();`,
      ['one', 'two'],
    );
    assert.deepEqual([questions.status, questions.text], ['ok', 'a? got one\nb? got two\n']);
    const loop = await run(
      'for await (const line of rl.createInterface({ input: process.stdin })) { console.log(line); if (line === "end") break; }',
      ['x', 'end'],
    );
    assert.deepEqual([loop.status, loop.text], ['ok', 'x\nend\n']);
    assert.equal(
      (await run('const open = rl.createInterface({ input: process.stdin, output: process.stdout }); 1', []))
        .status,
      'ok',
    );
    const later = await run('console.log("got", await open.question("c? "));', ['three']);
    assert.deepEqual([later.status, later.text], ['ok', 'c? got three\n']);
    assert.equal((await run('open.close();', [])).status, 'ok');
  });

  it('an interrupt ends the wait, a late answer goes to nobody, and the next cell asks again', async () => {
    for (const code of ['prompt("first")', 'try { prompt("first"); } catch (e) { throw e; }']) {
      const { reply } = await client.execute(code);
      const question = await client.asked();
      await session.kernel.interrupt();
      assert.equal((await reply()).content.ename, 'KeyboardInterrupt');
      await client.answer(question, 'late');
      const next = await run('console.log(prompt("second"))', ['in time']);
      assert.deepEqual(next, { status: 'ok', text: 'in time\n', prompts: ['second'] });
    }
  });

  it('reports that nobody is there when the client does not answer', async () => {
    const { reply } = await client.execute('prompt("name?")', false);
    const { content } = await reply();
    assert.equal(content.ename, 'TunebookError');
    assert.equal(
      content.evalue,
      'prompt(): nobody is there to answer "name?"; write the value in the cell, or make it a parameter',
    );
    assert.equal(
      (await session.run('const prompt = 5; console.log(prompt)')).text,
      '5\n',
      'the name is free',
    );
  });
});
