/**
 * The hub path, with the library's real download code, against a server on this machine.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, it } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
const source = path.join(ROOT, 'data', 'tokenizers', 'gpt2');
let scratch = '';
let host = '';
let requests: string[] = [];
let server: http.Server;

before(async () => {
  server = http.createServer((request, response) => {
    const url = request.url ?? '';
    requests.push(url);
    const match = /^\/acme\/(gpt2|gated)\/resolve\/(main|v1)\/(\S+)$/.exec(url);
    if (match?.[1] === 'gated') return void response.writeHead(401).end();
    const file = path.join(source, match?.[3] ?? 'none');
    if (match === null || !fs.existsSync(file)) return void response.writeHead(404).end();
    const body = fs.readFileSync(file);
    response.writeHead(200, { 'content-length': body.length }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  host = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
});

beforeEach(() => {
  if (scratch !== '') fs.rmSync(scratch, { recursive: true, force: true });
  scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-hub-'));
  process.env.HF_HOME = scratch;
  delete process.env.HF_HUB_CACHE;
  delete process.env.HF_HUB_OFFLINE;
  delete process.env.HF_ENDPOINT;
  requests = [];
});

after(() => {
  server.close();
  fs.rmSync(scratch, { recursive: true, force: true });
});

describe('hub tokenizers', () => {
  it('download once, with progress, into HF_HOME; the second load asks nobody', async () => {
    const seen = new Set<string>();
    const first = await AutoTokenizer.fromPretrained('acme/gpt2', {
      remoteHost: host,
      onProgress: ({ file, loadedBytes, totalBytes }) => {
        if (loadedBytes === totalBytes && totalBytes > 0) seen.add(file);
      },
    });
    assert.deepEqual(first.encode('Hello world'), [15496, 995]);
    assert.deepEqual([...seen].sort(), ['tokenizer.json', 'tokenizer_config.json']);
    assert.ok(fs.existsSync(path.join(scratch, 'tunebook', 'acme', 'gpt2', 'tokenizer.json')));
    requests = [];
    await AutoTokenizer.fromPretrained('acme/gpt2', { remoteHost: host });
    assert.deepEqual(requests, []);
  });

  it('a revision and a cache folder of its own; HF_ENDPOINT as the host', async () => {
    process.env.HF_ENDPOINT = host;
    const cacheDir = path.join(scratch, 'elsewhere');
    await AutoTokenizer.fromPretrained('acme/gpt2', { revision: 'v1', cacheDir });
    assert.ok(fs.existsSync(path.join(cacheDir, 'acme', 'gpt2', 'v1', 'tokenizer.json')));
    assert.ok(requests.some((url) => url === '/acme/gpt2/resolve/v1/tokenizer.json'));
  });

  it("what Python's huggingface_hub has downloaded is used as it lies", async () => {
    const repository = path.join(scratch, 'hub', 'models--acme--local');
    const snapshot = path.join(repository, 'snapshots', 'abc123');
    fs.mkdirSync(path.join(repository, 'refs'), { recursive: true });
    fs.writeFileSync(path.join(repository, 'refs', 'main'), 'abc123');
    fs.cpSync(source, snapshot, { recursive: true });
    const tokenizer = await AutoTokenizer.fromPretrained('acme/local', { localFilesOnly: true });
    assert.equal(tokenizer.vocabSize, 50257);
    assert.deepEqual(requests, []);
  });

  it('local only: says where it looked, and asks nobody', async () => {
    for (const options of [{ localFilesOnly: true }, {}]) {
      if (options.localFilesOnly === undefined) process.env.HF_HUB_OFFLINE = '1';
      await assert.rejects(AutoTokenizer.fromPretrained('acme/gpt2', { ...options, remoteHost: host }), {
        name: 'TunebookError',
        message: /expected acme\/gpt2 .* found it in neither/,
      });
    }
    assert.deepEqual(requests, []);
  });

  for (const [what, id] of [
    ['unknown', 'acme/unknown'],
    ['gated', 'acme/gated'],
  ] as const) {
    it(`${what}: the host, the reason and the way out are named`, async () => {
      await assert.rejects(AutoTokenizer.fromPretrained(id, { remoteHost: host }), {
        name: 'TunebookError',
        message: new RegExp(`${id} \\(revision main\\) could not be fetched from http.*HF_TOKEN`),
      });
    });
  }

  it('a host that does not answer', async () => {
    await assert.rejects(AutoTokenizer.fromPretrained('acme/nohost', { remoteHost: 'http://127.0.0.1:1' }), {
      name: 'TunebookError',
      message: /could not be fetched from http:\/\/127\.0\.0\.1:1\/: .*(ECONNREFUSED|bad port|fetch failed)/,
    });
    await assert.rejects(
      AutoTokenizer.fromPretrained('acme/nohost', { remoteHost: 'ftp://x' }),
      /expected remoteHost/,
    );
  });

  it('a name that can be no repository is taken for a folder', async () => {
    for (const name of ['./nowhere', '../x', '/no/such/folder', 'a/b/c']) {
      await assert.rejects(
        AutoTokenizer.fromPretrained(name, { remoteHost: host }),
        /expected tokenizer\.json/,
      );
    }
    assert.deepEqual(requests, []);
  });
});
