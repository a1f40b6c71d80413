/** Who may talk to a kernel: its owner, on this machine, with signed messages. And ports that are taken. */
import assert from 'node:assert/strict';
import { spawn, spawnSync } from 'node:child_process';
import crypto from 'node:crypto';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, describe, it, mock } from 'node:test';
import { Dealer } from 'zeromq';
import { KernelClient } from '../../../lib/notebook/client/kernel-client';
import {
  decodeMessage,
  encodeMessage,
  makeHeader,
  unsafeConnection,
} from '../../../lib/notebook/client/wire';
import type { ConnectionInfo } from '../../../lib/notebook/client/wire';
import { isRunning, Session, sleep } from './kernel-session';
import { Workplace } from '../../support/make-notebook';
import { ROOT } from '../../support/paths';

const host = path.join(ROOT, '.build', 'lib', 'notebook', 'kernel', 'kernel-host.js');

describe('the security of a kernel', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  /** Runs the kernel's program on a connection until it ends. */
  const runHost = (connection: object): Promise<{ code: number | null; pid: number; said: string }> => {
    fs.writeFileSync(place.file('c.json'), JSON.stringify(connection));
    return new Promise((resolve) => {
      const child = spawn(process.execPath, [host, place.file('c.json')], {
        stdio: ['ignore', 'ignore', 'pipe'],
      });
      let said = '';
      child.stderr.setEncoding('utf8').on('data', (text: string) => (said += text));
      child.once('close', (code) => resolve({ code, pid: child.pid ?? -1, said }));
    });
  };
  const ports = { shell_port: 1, iopub_port: 2, stdin_port: 3, control_port: 4, hb_port: 5 };
  const good: ConnectionInfo = {
    ip: '127.0.0.1',
    transport: 'tcp',
    key: 'k',
    signature_scheme: 'hmac-sha256',
    ...ports,
  };

  it('refuses addresses that others can reach, a missing key and other signatures', async () => {
    assert.equal(unsafeConnection(good), undefined);
    for (const ip of ['127.8.9.1', 'localhost', '::1'])
      assert.equal(unsafeConnection({ ...good, ip }), undefined);
    for (const ip of ['0.0.0.0', '192.168.0.1', '*', '127.0.0.1.evil.org', ''])
      assert.match(String(unsafeConnection({ ...good, ip })), /address of this machine only/);
    assert.match(String(unsafeConnection({ ...good, key: '' })), /key to sign messages/);
    assert.match(String(unsafeConnection({ ...good, signature_scheme: 'none' })), /hmac-sha256/);
    const { code, said } = await runHost({ ...good, ip: '0.0.0.0' });
    assert.equal(code, 2);
    assert.match(said, /c\.json: expected an address of this machine only/);
    assert.match((await runHost([])).said, /^kernel: \S*c\.json: expected an address[^\n]*\n$/);
    fs.writeFileSync(place.file('bad.json'), '{"ip":');
    for (const name of ['bad.json', 'absent.json']) {
      const { status, stderr } = spawnSync(process.execPath, [host, place.file(name)], { encoding: 'utf8' });
      assert.equal(status, 2);
      assert.match(stderr, /^kernel: \S*json: expected a connection file: [^\n]*\n$/);
    }
  });

  it('keeps its connection file to its owner, and removes it at the end', async () => {
    const session = await Session.start(place.folder);
    const { text } = await session.run('console.log(process.argv[2]);');
    const file = text.trim();
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.equal(fs.statSync(path.dirname(file)).mode & 0o777, 0o700);
    const connection = JSON.parse(fs.readFileSync(file, 'utf8')) as ConnectionInfo;
    assert.equal(connection.ip, '127.0.0.1');
    assert.match(connection.key, /^[0-9a-f]{64}$/);

    // A message over the wire that is signed with another key, and one that is not signed, run nothing.
    const made = place.file('made');
    const code = `require('fs').writeFileSync(${JSON.stringify(made)}, 'x')`;
    const request = {
      header: makeHeader('execute_request', 's'),
      parent: {},
      metadata: {},
      content: { code, silent: false },
    };
    const socket = new Dealer({ linger: 0 });
    socket.connect(`tcp://127.0.0.1:${connection.shell_port}`);
    const forged = encodeMessage('another key', request);
    await socket.send(forged);
    await socket.send([forged[0], '', ...forged.slice(2)]);
    await socket.send(['rubbish']);
    const { text: alive } = await session.run('console.log("alive");');
    await sleep(100);
    assert.equal(alive, 'alive\n');
    assert.equal(fs.existsSync(made), false);
    await socket.send(encodeMessage(connection.key, request));
    for (let i = 0; i < 50 && !fs.existsSync(made); i++) await sleep(50);
    assert.ok(fs.existsSync(made), 'the same with the key runs');
    socket.close();
    await session.kernel.shutdown();
    assert.equal(fs.existsSync(path.dirname(file)), false);
  });

  it('compares signatures in a time that does not depend on where they differ', () => {
    const message = { header: makeHeader('x', 's'), parent: {}, metadata: {}, content: {} };
    const frames = encodeMessage('key', message).map((frame) => Buffer.from(frame));
    const compare = mock.method(crypto, 'timingSafeEqual');
    decodeMessage('key', frames);
    frames[1] = Buffer.from('0'.repeat(64));
    assert.throws(() => decodeMessage('key', frames), /signature/);
    assert.deepEqual(
      compare.mock.calls.map(({ result }) => result),
      [true, false],
    );
    compare.mock.restore();
  });

  it('drops signatures that are wrong in any place or of any length, and answers none of them', async () => {
    const session = await Session.start(place.folder);
    const { text } = await session.run('console.log(process.argv[2]);');
    const connection = JSON.parse(fs.readFileSync(text.trim(), 'utf8')) as ConnectionInfo;
    const refusals: string[] = [];
    session.kernel.onRawOutput((name, said) => name === 'stderr' && refusals.push(said));
    const socket = new Dealer({ linger: 0, receiveTimeout: 10_000 });
    socket.connect(`tcp://127.0.0.1:${connection.shell_port}`);
    const ask = (): (string | Buffer)[] =>
      encodeMessage(connection.key, {
        header: makeHeader('kernel_info_request', 's'),
        parent: {},
        metadata: {},
        content: {},
      });
    const flipped = (signature: string, at: number): string => {
      const digit = signature[at] === '0' ? '1' : '0';
      return signature.slice(0, at) + digit + signature.slice(at + 1);
    };
    const wrong: ((signature: string) => string | Buffer)[] = [
      (signature) => flipped(signature, 0),
      (signature) => flipped(signature, 63),
      (signature) => signature.slice(0, 63),
      (signature) => `${signature}0`,
      (signature) => signature.toUpperCase(),
      () => '',
      () => '0',
      () => 'é'.repeat(32), // as many bytes as a signature has
      () => Buffer.alloc(1e6, 'a'),
    ];
    for (const change of wrong) {
      const [delimiter, signature, ...parts] = ask();
      await socket.send([delimiter, change(String(signature)), ...parts]);
    }
    const good = ask();
    await socket.send(good);
    const answer = decodeMessage(connection.key, await socket.receive());
    const { msg_id: id } = JSON.parse(String(good[2])) as { msg_id: string };
    assert.equal(answer.parent.msg_id, id, 'the first and only answer is to the signed message');
    assert.equal((await session.run('console.log("alive");')).text, 'alive\n');
    for (let i = 0; i < 40 && refusals.join('').split('message refused').length <= wrong.length; i++)
      await sleep(50);
    const lines = refusals.join('').trim().split('\n');
    assert.equal(lines.length, wrong.length);
    for (const line of lines) assert.match(line, /message refused: .*the signature does not match/);
    socket.close();
    await session.kernel.shutdown();
  });

  it('says when a port is in use and ends; the client tries again with other ports', async () => {
    const server = net.createServer();
    const port = await new Promise<number>((resolve) =>
      server.listen(0, '127.0.0.1', () => resolve((server.address() as net.AddressInfo).port)),
    );
    const taken = await runHost({
      ...good,
      ...Object.fromEntries(Object.keys(ports).map((name) => [name, port])),
    });
    assert.match(taken.said, /kernel: cannot listen: .*[Aa]ddress/);
    assert.equal(isRunning(taken.pid), false);

    // The first start finds its port taken, the second does not.
    const marker = place.file('tried');
    const script = `const fs = require('fs'), file = process.argv[1];
      if (!fs.existsSync(${JSON.stringify(marker)})) {
        fs.writeFileSync(${JSON.stringify(marker)}, '');
        fs.writeFileSync(file, JSON.stringify({ ...JSON.parse(fs.readFileSync(file, 'utf8')), shell_port: ${port} }));
      }
      process.argv[2] = file; require(${JSON.stringify(host)});`;
    const kernel = await KernelClient.start({
      cwd: place.folder,
      argv: [process.execPath, '-e', script, '{connection_file}'],
    });
    assert.ok(fs.existsSync(marker));
    const { content } = await kernel.execute('1').done;
    assert.equal(content.status, 'ok');
    await kernel.shutdown();
    server.close();
  });
});
