/** Tokenizers by their name on the hub, against a hub on this machine. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { resolveModelFolder } from '../../lib/hub';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { TokenizerOptions } from '../../lib/tokenizer';
import { COMMIT, isolateHubEnvironment, startFakeHub } from '../hub/hub-server';
import type { FakeHub } from '../hub/hub-server';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const GPT2 = path.join(ROOT, 'data', 'tokenizers', 'gpt2');
const MODEL = path.join(ROOT, 'test', 'golden', 'gpt2', 'model');

/** A hub with GPT-2's tokenizer as `someone/small`, an empty home, and no settings of this machine's user. */
async function setUp(t: TestContext): Promise<{ hub: FakeHub; home: string; options: TokenizerOptions }> {
  const hub = await startFakeHub(t);
  const home = await temporaryFolder(t);
  isolateHubEnvironment(t, { HF_HOME: home });
  for (const name of ['tokenizer.json', 'tokenizer_config.json']) {
    hub.files.set(name, await fs.readFile(path.join(GPT2, name)));
  }
  for (const name of ['README.md', 'vocab.json', 'merges.txt', 'model.safetensors']) {
    hub.files.set(name, Buffer.from('not needed'));
  }
  const options = { endpoint: hub.endpoint, maxRetries: 0, stallTimeoutMs: 2000 };
  return { hub, home, options };
}

test('downloads once, with progress, into the cache of models; the second load asks nobody', async (t) => {
  const { hub, home, options } = await setUp(t);
  const seen = new Set<string>();
  let [done, total] = [0, 0];
  const first = await AutoTokenizer.fromPretrained('someone/small', {
    ...options,
    onProgress: ({ file, doneBytes, totalBytes }) => {
      seen.add(file);
      [done, total] = [doneBytes, totalBytes];
    },
  });
  assert.deepEqual(first.encode('Hello world'), [15496, 995]);
  assert.deepEqual([...seen].sort(), ['tokenizer.json', 'tokenizer_config.json']);
  assert.ok(done > 1e6 && done === total);
  const snapshot = path.join(home, 'hub', 'models--someone--small', 'snapshots', COMMIT);
  assert.deepEqual((await fs.readdir(snapshot)).sort(), ['tokenizer.json', 'tokenizer_config.json']);
  hub.log.length = 0;
  await AutoTokenizer.fromPretrained('someone/small', options);
  assert.deepEqual(hub.log, []);
});

test('a revision and a cache folder of its own; HF_ENDPOINT as the host', async (t) => {
  const { hub, home } = await setUp(t);
  process.env.HF_ENDPOINT = hub.endpoint;
  const cacheDir = path.join(home, 'elsewhere');
  await AutoTokenizer.fromPretrained('someone/small', { revision: 'v1', cacheDir });
  const repository = path.join(cacheDir, 'models--someone--small');
  assert.equal(await fs.readFile(path.join(repository, 'refs', 'v1'), 'utf8'), COMMIT);
  await fs.stat(path.join(repository, 'snapshots', COMMIT, 'tokenizer.json'));
  assert.ok(hub.log.some((line) => line.includes('/api/models/someone/small/revision/v1')));
});

test("what a model's download brought is used, without another request", async (t) => {
  const { hub, options } = await setUp(t);
  for (const name of ['config.json', 'model.safetensors']) {
    hub.files.set(name, await fs.readFile(path.join(MODEL, name)));
  }
  const folder = await resolveModelFolder('someone/small', options);
  assert.ok((await fs.readdir(folder)).includes('tokenizer.json'));
  hub.log.length = 0;
  const tokenizer = await AutoTokenizer.fromPretrained('someone/small', options);
  assert.equal(tokenizer.vocabSize, 50257);
  assert.deepEqual(hub.log, []);
});

test('the older form, and a chat template of its own file', async (t) => {
  const { hub, options } = await setUp(t);
  const json = JSON.parse(String(hub.files.get('tokenizer.json'))) as {
    model: { vocab: Record<string, number>; merges: (string | string[])[] };
  };
  hub.files.delete('tokenizer.json');
  hub.files.set('vocab.json', Buffer.from(JSON.stringify({ ...json.model.vocab, '<|endoftext|>': 50256 })));
  const merges = json.model.merges.map((pair) => (Array.isArray(pair) ? pair.join(' ') : pair));
  hub.files.set('merges.txt', Buffer.from(`#version: 0.2\n${merges.join('\n')}\n`));
  hub.files.set('chat_template.jinja', Buffer.from('{{ messages[0].content }}!'));
  const tokenizer = await AutoTokenizer.fromPretrained('someone/small', options);
  assert.deepEqual(tokenizer.encode('Hello world'), [15496, 995]);
  const messages = [{ role: 'user', content: 'Hi' }];
  assert.equal(tokenizer.applyChatTemplate(messages, { tokenize: false }), 'Hi!');
});

test("what Python's huggingface_hub has downloaded is used as it lies", async (t) => {
  const { hub, home, options } = await setUp(t);
  const repository = path.join(home, 'hub', 'models--acme--local');
  await fs.mkdir(path.join(repository, 'refs'), { recursive: true });
  await fs.writeFile(path.join(repository, 'refs', 'main'), COMMIT);
  await fs.cp(GPT2, path.join(repository, 'snapshots', COMMIT), { recursive: true });
  const tokenizer = await AutoTokenizer.fromPretrained('acme/local', { ...options, localFilesOnly: true });
  assert.equal(tokenizer.vocabSize, 50257);
  assert.deepEqual(hub.log, []);
});

test('what tunebook downloaded before models and tokenizers had one cache is still found', async (t) => {
  const { hub, home, options } = await setUp(t);
  const places: [string, TokenizerOptions][] = [
    [path.join(home, 'tunebook', 'acme', 'gpt2'), {}],
    [path.join(home, 'tunebook', 'acme', 'gpt2', 'v2'), { revision: 'v2' }],
    [path.join(home, 'own', 'acme', 'gpt2'), { cacheDir: path.join(home, 'own') }],
  ];
  for (const [folder, more] of places) {
    await fs.cp(GPT2, folder, { recursive: true });
    const tokenizer = await AutoTokenizer.fromPretrained('acme/gpt2', { ...options, ...more });
    assert.equal(tokenizer.vocabSize, 50257);
  }
  assert.deepEqual(hub.log, []);
});

test('local only: says where it looked, and asks nobody', async (t) => {
  const { hub, options } = await setUp(t);
  await assert.rejects(AutoTokenizer.fromPretrained('someone/small', { ...options, localFilesOnly: true }), {
    name: 'TunebookError',
    message:
      /tokenizer "someone\/small": expected it in .*models--someone--small, .* not there or not complete/,
  });
  assert.deepEqual(hub.log, []);
});

test('a repository without a tokenizer is a clear error', async (t) => {
  const { hub, options } = await setUp(t);
  for (const name of ['tokenizer.json', 'tokenizer_config.json', 'vocab.json', 'merges.txt']) {
    hub.files.delete(name);
  }
  await assert.rejects(AutoTokenizer.fromPretrained('someone/small', options), {
    name: 'TunebookError',
    message: /tokenizer "someone\/small".*no tokenizer.*README\.md, model\.safetensors/,
  });
});

test('unknown, gated, private: the host, the reason and the way out are named', async (t) => {
  const { hub, options } = await setUp(t);
  const host = hub.endpoint.replaceAll('.', '\\.');
  const fails = (id: string, message: string): Promise<void> =>
    assert.rejects(AutoTokenizer.fromPretrained(id, options), {
      name: 'TunebookError',
      message: new RegExp(message),
    });
  await fails(
    'acme/unknown',
    `tokenizer "acme/unknown" at ${host}: not found \\(status 404\\)\\. Check the name`,
  );
  hub.refusal = { status: 401 };
  await fails(
    'acme/unknown',
    `tokenizer "acme/unknown" at ${host}: not found, or private or gated.*HF_TOKEN`,
  );
  hub.refusal = { status: 401, code: 'GatedRepo', onlyFiles: true };
  await fails('someone/small', `tokenizer "someone/small" at ${host}: access is restricted.*HF_TOKEN`);
});

test('a host that does not answer, and an invalid one', async (t) => {
  const { options } = await setUp(t);
  await assert.rejects(
    AutoTokenizer.fromPretrained('acme/nohost', { ...options, endpoint: 'http://127.0.0.1:1' }),
    {
      name: 'TunebookError',
      message:
        /"acme\/nohost": http:\/\/127\.0\.0\.1:1 cannot be reached \(.*(ECONNREFUSED|bad port|fetch failed)/,
    },
  );
  await assert.rejects(
    AutoTokenizer.fromPretrained('acme/nohost', { ...options, endpoint: 'ftp://x' }),
    /endpoint \(HF_ENDPOINT\): expected an address/,
  );
  await assert.rejects(
    AutoTokenizer.fromPretrained('acme/nohost', { ...options, revision: '../../x' }),
    /expected a branch, tag or commit/,
  );
});

test('a name that cannot be a repository is taken as a folder', async (t) => {
  const { hub, options } = await setUp(t);
  for (const name of ['./nowhere', '../x', '/no/such/folder', 'a/b/c']) {
    await assert.rejects(AutoTokenizer.fromPretrained(name, options), /expected tokenizer\.json/);
  }
  assert.deepEqual(hub.log, []);
});
