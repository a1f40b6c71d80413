import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { openCheckpoint } from '../../lib/checkpoint';
import { resolveModelFolder } from '../../lib/hub';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { DownloadProgress, HubOptions } from '../../lib/hub';
import { COMMIT, gitOid, isolateHubEnvironment, sha256, startFakeHub } from './hub-server';
import type { FakeHub } from './hub-server';
import { temporaryFolder } from '../support/temporary-folder';
import { ROOT } from '../support/paths';

const MODEL = path.join(ROOT, 'test', 'golden', 'gpt2', 'model');

interface Setting {
  readonly hub: FakeHub;
  readonly cacheDir: string;
  readonly options: HubOptions;
  readonly weights: Buffer;
  readonly blob: string;
}

/** A hub with the golden GPT-2 as `someone/small`, an empty cache, and no settings of this machine's user. */
async function setUp(t: TestContext): Promise<Setting> {
  const hub = await startFakeHub(t);
  const cacheDir = await temporaryFolder(t);
  isolateHubEnvironment(t, { HF_HOME: cacheDir });
  for (const name of ['config.json', 'model.safetensors']) {
    hub.files.set(name, await fs.readFile(path.join(MODEL, name)));
  }
  hub.files.set('README.md', Buffer.from('not needed'));
  hub.files.set('flax_model.msgpack', Buffer.from('not needed'));
  const weights = hub.files.get('model.safetensors') ?? Buffer.alloc(0);
  const blob = path.join(cacheDir, 'models--someone--small', 'blobs', sha256(weights));
  const options = { endpoint: hub.endpoint, cacheDir, maxRetries: 2, retryDelayMs: 1, stallTimeoutMs: 2000 };
  return { hub, cacheDir, options, weights, blob };
}

test('a local folder is used as it is; a missing path throws', async (t) => {
  const folder = await temporaryFolder(t);
  assert.equal(await resolveModelFolder(folder), folder);
  for (const name of ['./none', '/none/at/all', '../none', 'a/b/c', '', 'a--b/c', 'a..b', 'C:\\models']) {
    await assert.rejects(resolveModelFolder(name), {
      name: 'TunebookError',
      message: /folder that exists, a hub id/,
    });
  }
});

test('downloads what a model needs, in the layout of the Python cache, and only once', async (t) => {
  const { hub, cacheDir, options, weights, blob } = await setUp(t);
  const folder = await resolveModelFolder('someone/small', options);
  const repo = path.join(cacheDir, 'models--someone--small');
  assert.equal(folder, path.join(repo, 'snapshots', COMMIT));
  assert.deepEqual((await fs.readdir(folder)).sort(), ['config.json', 'model.safetensors']);
  assert.equal(await fs.readFile(path.join(repo, 'refs', 'main'), 'utf8'), COMMIT);
  assert.equal(await fs.realpath(path.join(folder, 'model.safetensors')), await fs.realpath(blob));
  assert.equal(await fs.readlink(path.join(folder, 'model.safetensors')), `../../blobs/${sha256(weights)}`);
  const config = hub.files.get('config.json') ?? Buffer.alloc(0);
  assert.deepEqual(
    (await fs.readdir(path.join(repo, 'blobs'))).sort(),
    [gitOid(config), sha256(weights)].sort(),
  );
  const checkpoint = await openCheckpoint(folder);
  assert.equal(checkpoint.names.length, 40);
  await checkpoint.close();

  hub.log.length = 0;
  assert.equal(await resolveModelFolder('someone/small', options), folder);
  assert.equal(hub.log.filter((line) => /resolve|STORE/.test(line)).length, 0);
  await hub.close();
  assert.equal(await resolveModelFolder('someone/small', options), folder); // no connection: what is known will do
});

test('a model that cannot be used is refused before its weights are downloaded', async (t) => {
  const { hub, options, blob } = await setUp(t);
  const config = { model_type: 'qwen3', quantization_config: { quant_method: 'fp8' } };
  hub.files.set('config.json', Buffer.from(JSON.stringify(config)));
  await assert.rejects(AutoModelForCausalLM.fromPretrained('someone/small', options), /got "fp8"/);
  assert.equal(hub.log.filter((line) => line.includes('model.safetensors')).length, 0);
  await assert.rejects(fs.stat(blob), { code: 'ENOENT' });
});

test('shards: those that the index names, nothing else', async (t) => {
  const { hub, options, weights } = await setUp(t);
  hub.files.delete('model.safetensors');
  hub.files.set('part-one.safetensors', weights);
  hub.files.set('consolidated.safetensors', Buffer.from('not needed'));
  hub.large.add('part-one.safetensors');
  const map = Object.fromEntries(['a', 'b'].map((name) => [name, 'part-one.safetensors']));
  hub.files.set('model.safetensors.index.json', Buffer.from(JSON.stringify({ weight_map: map })));
  const folder = await resolveModelFolder('someone/small', options);
  const expected = ['config.json', 'model.safetensors.index.json', 'part-one.safetensors'];
  assert.deepEqual((await fs.readdir(folder)).sort(), expected);
});

test('progress counts bytes up to the total and tells the time left', async (t) => {
  const { hub, options } = await setUp(t);
  const seen: DownloadProgress[] = [];
  await resolveModelFolder('someone/small', { ...options, onProgress: (progress) => seen.push(progress) });
  const totalBytes = ['config.json', 'model.safetensors'].reduce(
    (n, name) => n + (hub.files.get(name)?.length ?? 0),
    0,
  );
  const last = seen[seen.length - 1];
  assert.deepEqual(
    [last.doneBytes, last.totalBytes, last.file],
    [totalBytes, totalBytes, 'model.safetensors'],
  );
  assert.equal(last.secondsLeft, 0);
  assert.ok(last.bytesPerSecond > 0);
  assert.ok(seen.every((p, i) => i === 0 || p.doneBytes >= seen[i - 1].doneBytes));
});

test('a broken connection resumes where it broke', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  hub.breakAfterBytes = 50_000; // 177,032 bytes: three breaks
  await resolveModelFolder('someone/small', options);
  assert.deepEqual(await fs.readFile(blob), weights);
  const ranges = hub.log.filter((line) => line.startsWith('STORE'));
  assert.ok(ranges.length >= 4, ranges.join('\n'));
  assert.match(ranges[1], /bytes=50000-/);
});

test('a download that was interrupted is continued by the next run', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  hub.breakAfterBytes = 60_000;
  await assert.rejects(resolveModelFolder('someone/small', { ...options, maxRetries: 0 }), {
    name: 'TunebookError',
    message: /connection broke .*with 60000 of \d+ bytes here. They are kept: run again to continue/,
  });
  assert.equal((await fs.stat(`${blob}.incomplete`)).size, 60_000);
  await assert.rejects(fs.stat(blob));
  const offline = { ...options, localFilesOnly: true };
  await assert.rejects(resolveModelFolder('someone/small', offline), /not there or not complete/);

  hub.breakAfterBytes = Infinity;
  hub.log.length = 0;
  const folder = await resolveModelFolder('someone/small', options);
  assert.deepEqual(await fs.readFile(blob), weights);
  assert.deepEqual(
    hub.log.filter((line) => line.startsWith('STORE')),
    ['STORE /model.safetensors bytes=60000-'],
  );
  await assert.rejects(fs.stat(`${blob}.incomplete`));
  assert.equal(await resolveModelFolder('someone/small', offline), folder);
});

test('a server without ranges sends everything again', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  await fs.mkdir(path.dirname(blob), { recursive: true });
  await fs.writeFile(`${blob}.incomplete`, Buffer.alloc(1000, 1)); // not even the right bytes
  hub.ignoresRange = true;
  await resolveModelFolder('someone/small', options);
  assert.deepEqual(await fs.readFile(blob), weights);
});

test('a busy hub is retried; one that stays busy is named', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  hub.storageStatuses.push(503, 429);
  await resolveModelFolder('someone/small', options);
  assert.deepEqual(await fs.readFile(blob), weights);
  await fs.rm(blob);
  hub.storageStatuses.push(503, 503, 503);
  await assert.rejects(resolveModelFolder('someone/small', options), /connection broke \(status 503\)/);
});

test('a connection that stalls is given up', async (t) => {
  const { hub, options } = await setUp(t);
  hub.storageStatuses.push(0, 0);
  const impatient = { ...options, stallTimeoutMs: 200, maxRetries: 1 };
  await assert.rejects(resolveModelFolder('someone/small', impatient), /nothing received for 200 ms/);
  await resolveModelFolder('someone/small', options);
});

test('concurrent downloads of one model do not disturb each other', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  hub.breakAfterBytes = 40_000;
  const folders = await Promise.all([1, 2].map(() => resolveModelFolder('someone/small', options)));
  assert.equal(folders[0], folders[1]);
  assert.deepEqual(await fs.readFile(blob), weights);
});

test('a full disk throws a clear error, before the download where that can be known', async (t) => {
  const { hub, options, blob } = await setUp(t);
  const statfs = t.mock.method(fs, 'statfs', async () => ({ blocks: 10, bavail: 1, bsize: 4096 }));
  await assert.rejects(
    resolveModelFolder('someone/small', options),
    /expected space for 177040 bytes, got 4096 free/,
  );
  assert.ok(!hub.log.some((line) => line.startsWith('STORE')));
  statfs.mock.restore();
  if (process.platform !== 'linux') return t.skip('/dev/full exists on Linux only');
  const open = fs.open.bind(fs);
  t.mock.method(fs, 'open', (file: string, flags: string) =>
    open(flags === 'r+' ? '/dev/full' : file, flags),
  );
  await assert.rejects(resolveModelFolder('someone/small', options), {
    name: 'TunebookError',
    message: /the disk is full. What was downloaded is kept/,
  });
  await assert.rejects(fs.stat(blob));
});

test('wrong bytes are deleted, never returned', async (t) => {
  const { hub, options, weights, blob } = await setUp(t);
  const forged = Buffer.from(weights);
  forged[forged.length - 1] ^= 1;
  hub.forged.set('model.safetensors', forged);
  await assert.rejects(resolveModelFolder('someone/small', options), {
    name: 'TunebookError',
    message: new RegExp(`expected checksum ${sha256(weights)}, got ${sha256(forged)}`),
  });
  assert.equal((await fs.readdir(path.dirname(blob))).length, 1); // config.json only
  hub.forged.set('model.safetensors', Buffer.concat([weights, Buffer.alloc(10)]));
  await assert.rejects(resolveModelFolder('someone/small', options), /the server sent more/);
  hub.forged.clear();
  await resolveModelFolder('someone/small', options);
});

test('small files are checked against their git hash', async (t) => {
  const { hub, options } = await setUp(t);
  const config = hub.files.get('config.json') ?? Buffer.alloc(0);
  hub.files.delete('config.json');
  hub.extraEntries.push({ type: 'file', path: 'config.json', size: config.length, oid: 'a'.repeat(40) });
  hub.large.add('config.json');
  hub.forged.set('config.json', config);
  await assert.rejects(resolveModelFolder('someone/small', options), { name: 'TunebookError' });
  hub.files.set('config.json', config);
  await assert.rejects(resolveModelFolder('someone/small', options), {
    message: /checksum a{40}, got [0-9a-f]{40}/,
  });
});

test('the token goes to the hub and not to the storage host', async (t) => {
  const { hub, options, cacheDir } = await setUp(t);
  hub.requiredToken = 'a-mirror-token';
  const anonymous = { name: 'TunebookError', message: /private or gated \(status 401\).*set HF_TOKEN/ };
  await assert.rejects(resolveModelFolder('someone/small', options), anonymous);
  const refused = { name: 'TunebookError', message: /token in use is not accepted \(status 401\)/ };
  await assert.rejects(resolveModelFolder('someone/small', { ...options, token: 'wrong' }), refused);
  hub.log.length = 0;
  await resolveModelFolder('someone/small', { ...options, token: 'a-mirror-token' });
  for (const line of hub.log)
    assert.equal(line.includes('Bearer a-mirror-token'), !line.startsWith('STORE'), line);
  assert.ok(hub.log.some((line) => line.startsWith('STORE')));

  const other = { ...options, cacheDir: path.join(cacheDir, 'other') };
  process.env.HF_TOKEN = 'a-mirror-token';
  await resolveModelFolder('someone/small', other);
  delete process.env.HF_TOKEN;
  await fs.writeFile(path.join(cacheDir, 'token'), 'a-mirror-token\n'); // as the command line stores it in HF_HOME
  await resolveModelFolder('someone/small', { ...other, revision: 'v1' });
});

test('the environment names cache, endpoint and offline use', async (t) => {
  const { hub, cacheDir } = await setUp(t);
  process.env.HF_ENDPOINT = `${hub.endpoint}/`;
  const folder = await resolveModelFolder('someone/small');
  assert.ok(folder.startsWith(path.join(cacheDir, 'hub', 'models--someone--small')));
  process.env.HF_HUB_CACHE = path.join(cacheDir, 'elsewhere');
  process.env.HF_HUB_OFFLINE = '1';
  hub.log.length = 0;
  await assert.rejects(resolveModelFolder('someone/small'), /elsewhere.*the network is not to be used/);
  assert.deepEqual(hub.log, []);
});

const REFUSALS: [title: string, refusal: NonNullable<FakeHub['refusal']>, message: RegExp][] = [
  ['a name that does not exist', { status: 404 }, /someone\/small.*not found \(status 404\). Check the name/],
  [
    'a gated model',
    { status: 401, code: 'GatedRepo', onlyFiles: true },
    /access is restricted .*accept its conditions/,
  ],
  [
    'a gated model at once',
    { status: 403, error: 'Access is restricted' },
    /access is restricted \(status 403\)/,
  ],
  ['a private model', { status: 401 }, /not found, or private or gated/],
  ['a hub in trouble', { status: 500, error: 'oops' }, /status 500 \(oops.*Try again later/],
];

for (const [title, refusal, message] of REFUSALS) {
  test(`${title} is a clear error`, async (t) => {
    const { hub, options } = await setUp(t);
    hub.refusal = refusal;
    await assert.rejects(resolveModelFolder('someone/small', options), { name: 'TunebookError', message });
  });
}

test('a revision that does not exist is named, and none may lead out of the cache', async (t) => {
  const { options } = await setUp(t);
  const at = (revision: string): Promise<string> =>
    resolveModelFolder('someone/small', { ...options, revision });
  await assert.rejects(at('v9'), { name: 'TunebookError', message: /no revision "v9"/ });
  await assert.rejects(at('../../x'), /expected a branch, tag or commit/);
  await assert.rejects(at('/x'), /expected a branch, tag or commit/);
});

test('a hub that cannot be reached is a clear error', async (t) => {
  const { hub, options } = await setUp(t);
  await hub.close();
  await assert.rejects(resolveModelFolder('someone/small', options), {
    name: 'TunebookError',
    message: /cannot be reached \(.*ECONNREFUSED.*local folder/,
  });
  await assert.rejects(resolveModelFolder('someone/small', { ...options, endpoint: 'ftp:x' }), /HF_ENDPOINT/);
});

test('refuses a pickle-only model before anything is downloaded', async (t) => {
  const { hub, options } = await setUp(t);
  hub.files.delete('model.safetensors');
  hub.files.set('pytorch_model.bin', Buffer.from('x'));
  await assert.rejects(resolveModelFolder('someone/small', options), /pytorch_model.bin. That is a pickle/);
  assert.ok(!hub.log.some((line) => line.includes('/resolve/')));
});

test('no file name from the hub leads out of the cache', async (t) => {
  const { hub, options, cacheDir, weights } = await setUp(t);
  const evil = { type: 'file', size: 1, oid: 'a'.repeat(40) };
  for (const name of ['../evil.json', '/tmp/evil', 'sub/config.json'])
    hub.extraEntries.push({ ...evil, path: name });
  await resolveModelFolder('someone/small', options);

  hub.files.delete('model.safetensors');
  const index = (file: string): Buffer => Buffer.from(JSON.stringify({ weight_map: { a: file } }));
  hub.files.set('../../evil.safetensors', weights);
  for (const file of ['../../evil.safetensors', '/tmp/evil.safetensors', '.evil.safetensors']) {
    hub.files.set('model.safetensors.index.json', index(file));
    await assert.rejects(resolveModelFolder('someone/small', options), /in the same folder, got/);
  }
  hub.files.set('model.safetensors.index.json', index('missing.safetensors'));
  await assert.rejects(
    resolveModelFolder('someone/small', options),
    /names missing.safetensors, but the hub has no such/,
  );

  hub.files.set('model.safetensors', weights);
  hub.files.delete('config.json');
  hub.extraEntries.push({ type: 'file', path: 'config.json', size: 1, oid: '../../../evil' });
  await assert.rejects(resolveModelFolder('someone/small', options), /no usable checksum/);
  const everything = await fs.readdir(cacheDir, { recursive: true });
  assert.ok(everything.length > 5 && !everything.some((name) => name.includes('evil')));
});
