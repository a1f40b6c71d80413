import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { matchStateDict, openCheckpoint, writeCheckpoint, writeSafetensors } from '../../lib/checkpoint';
import type { TensorSource } from '../../lib/checkpoint';
import { temporaryFolder } from '../support/temporary-folder';
import { ROOT } from '../support/paths';

const GOLDEN_MODEL = path.join(ROOT, 'test', 'golden', 'gpt2', 'model');
const INDEX = 'model.safetensors.index.json';

function tensor(name: string, ...values: number[]): TensorSource {
  return { name, shape: [values.length], values: Float32Array.from(values) };
}

/** Three tensors of 8, 12 and 4 bytes in shards of at most 20. */
const THREE = [tensor('a', 1, 2), tensor('b', 3, 4, 5), tensor('c', 6)];

test('one file: keeps names, shapes and values', async (t) => {
  const checkpoint = await openCheckpoint(GOLDEN_MODEL);
  t.after(() => checkpoint.close());
  assert.deepEqual(checkpoint.files, ['model.safetensors']);
  assert.equal(checkpoint.names.length, 40);
  const info = checkpoint.info('transformer.wte.weight');
  assert.deepEqual([info.dtype, info.shape, info.file], ['F32', [97, 32], 'model.safetensors']);
  const row = await checkpoint.read('transformer.wte.weight', { start: 96 * 32, count: 32 });
  const whole = await checkpoint.read('transformer.wte.weight');
  assert.deepEqual(row, whole.slice(-32));
  assert.equal(await checkpoint.verify(), false); // one file has no index that could know
  await assert.rejects(checkpoint.read('wte.weight'), /expected a tensor "wte.weight".*instance transformer/);
});

test('shards: are written in order, split between tensors, and read as one', async (t) => {
  const folder = path.join(await temporaryFolder(t), 'new', 'model');
  const { files, sizeBytes } = await writeCheckpoint(folder, THREE, { maxShardSizeBytes: 20 });
  const shards = ['model-00001-of-00002.safetensors', 'model-00002-of-00002.safetensors'];
  assert.deepEqual(files, [...shards, INDEX]);
  assert.deepEqual((await fs.readdir(folder)).sort(), [...shards, INDEX].sort());
  const index: unknown = JSON.parse(await fs.readFile(path.join(folder, INDEX), 'utf8'));
  assert.ok(typeof index === 'object' && index !== null && 'weight_map' in index && 'metadata' in index);
  assert.deepEqual(index.weight_map, { a: shards[0], b: shards[0], c: shards[1] });
  assert.ok(typeof index.metadata === 'object' && index.metadata !== null && 'total_size' in index.metadata);
  assert.equal(index.metadata.total_size, 24);
  const lengths = await Promise.all(
    shards.map(async (name) => (await fs.stat(path.join(folder, name))).size),
  );
  assert.equal(lengths[0] + lengths[1], sizeBytes);

  const checkpoint = await openCheckpoint(folder);
  t.after(() => checkpoint.close());
  assert.deepEqual(checkpoint.names, ['a', 'b', 'c']);
  assert.equal(checkpoint.info('c').file, shards[1]);
  const values = await Promise.all(checkpoint.names.map((name) => checkpoint.read(name)));
  assert.deepEqual(
    values.map((v) => [...v]),
    [[1, 2], [3, 4, 5], [6]],
  );
  assert.equal(await checkpoint.verify(), true);
});

test('a checkpoint with a different number of shards replaces the old one without leftovers', async (t) => {
  const folder = await temporaryFolder(t);
  await fs.writeFile(path.join(folder, 'model-card.txt'), 'stays');
  const read = async (): Promise<number[]> => {
    const checkpoint = await openCheckpoint(folder);
    const values = [...(await checkpoint.read('a'))];
    await checkpoint.close();
    return values;
  };
  await writeCheckpoint(folder, [tensor('a', 1, 2), tensor('b', 3)], { maxShardSizeBytes: 8 });
  assert.deepEqual(await read(), [1, 2]);
  await writeCheckpoint(folder, [tensor('a', 7), tensor('b', 3)]);
  assert.deepEqual(await read(), [7]);
  assert.deepEqual((await fs.readdir(folder)).sort(), ['model-card.txt', 'model.safetensors']);
  await writeCheckpoint(folder, [tensor('a', 8), tensor('b', 3), tensor('c', 4)], { maxShardSizeBytes: 4 });
  assert.deepEqual(await read(), [8]);
  assert.equal((await fs.readdir(folder)).filter((name) => name.startsWith('model-0')).length, 3);
  assert.ok(!(await fs.readdir(folder)).includes('model.safetensors'));
});

test('an adapter is saved under adapter file names', async (t) => {
  const folder = await temporaryFolder(t);
  await writeCheckpoint(folder, THREE, { baseName: 'adapter_model' });
  assert.deepEqual(await fs.readdir(folder), ['adapter_model.safetensors']);
  const checkpoint = await openCheckpoint(folder, { baseName: 'adapter_model' });
  assert.ok(checkpoint.has('b') && !checkpoint.has('d'));
  await checkpoint.close();
  await assert.rejects(
    openCheckpoint(folder),
    /expected model.safetensors or .*got adapter_model.safetensors/,
  );
});

test('refuses a pickle-only folder, and says how to convert it', async (t) => {
  for (const name of ['pytorch_model.bin', 'pytorch_model.bin.index.json', 'model.pt']) {
    const folder = await temporaryFolder(t);
    await fs.writeFile(path.join(folder, name), 'x');
    await assert.rejects(openCheckpoint(folder), {
      name: 'TunebookError',
      message: /pickle.*\n.*save_pretrained/,
    });
  }
});

test('an empty or missing folder throws an error that says what was expected', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(openCheckpoint(folder), /expected model.safetensors or .*got an empty folder/);
  await assert.rejects(openCheckpoint(path.join(folder, 'none')), {
    name: 'TunebookError',
    message: /cannot be read/,
  });
});

const BAD_INDEX: [title: string, text: string, message: RegExp][] = [
  ['no JSON', '{', /expected JSON/],
  ['no weight_map', '{"metadata":{}}', /expected \{ "metadata"/],
  ['an empty weight_map', '{"weight_map":{}}', /names no tensor/],
  ['numbers for files', '{"weight_map":{"a":1}}', /expected \{ "metadata"/],
  ['a file of another folder', '{"weight_map":{"a":"../model.safetensors"}}', /same folder, got "..\/model/],
  ['an absolute path', '{"weight_map":{"a":"/etc/x.safetensors"}}', /same folder/],
  ['a path of Windows', '{"weight_map":{"a":"..\\\\x.safetensors"}}', /same folder/],
  ['a hidden file', '{"weight_map":{"a":".x.safetensors"}}', /same folder/],
  ['another kind of file', '{"weight_map":{"a":"model.bin"}}', /same folder/],
  [
    'shards that are not there',
    '{"weight_map":{"a":"m1.safetensors","b":"m2.safetensors"}}',
    /2 are missing: m1.*m2/,
  ],
];

for (const [title, text, message] of BAD_INDEX) {
  test(`refuses an index with ${title}`, async (t) => {
    const folder = await temporaryFolder(t);
    await fs.writeFile(path.join(folder, INDEX), text);
    await assert.rejects(openCheckpoint(folder), { name: 'TunebookError', message });
  });
}

test('refuses a shard that lacks what the index lists', async (t) => {
  const folder = await temporaryFolder(t);
  const { files } = await writeCheckpoint(folder, THREE, { maxShardSizeBytes: 12 });
  const second = path.join(folder, files[1]);
  const good = await fs.readFile(second);
  await writeSafetensors(second, [tensor('b', 3, 4, 5), tensor('d', 1)]);
  // What the index does not name is passed over, as transformers does: old files have buffers there.
  const more = await openCheckpoint(folder);
  assert.deepEqual([...more.names].sort(), ['a', 'b', 'c']);
  await more.close();
  await writeSafetensors(second, [tensor('b', 3, 4, 5), tensor('a', 1, 1)]);
  await assert.rejects(openCheckpoint(folder), /holds "a", but the index places that tensor in model-00001/);
  await writeSafetensors(second, []);
  await assert.rejects(openCheckpoint(folder), /1 tensors that their shards do not hold: b \(model-00002/);
  await fs.writeFile(second, good.subarray(0, -1));
  await assert.rejects(openCheckpoint(folder), /model-00002.*truncated/);
  await fs.rm(second);
  await assert.rejects(openCheckpoint(folder), /1 are missing: model-00002/);
});

test('verify finds a shard that changed since the index was written', async (t) => {
  const folder = await temporaryFolder(t);
  const { files } = await writeCheckpoint(folder, THREE, { maxShardSizeBytes: 12 });
  const shard = path.join(folder, files[1]);
  const bytes = await fs.readFile(shard);
  bytes[bytes.length - 1] ^= 1;
  await fs.writeFile(shard, bytes);
  const checkpoint = await openCheckpoint(folder);
  t.after(() => checkpoint.close());
  await assert.rejects(checkpoint.verify(), (error: Error) => {
    assert.match(error.message, /bytes of model-00002-of-00003.safetensors are not those/);
    return true;
  });
});

test('reads values one tensor at a time, each once', async (t) => {
  const order: string[] = [];
  const lazy = THREE.map((source) => ({
    ...source,
    values: () => {
      order.push(source.name);
      return source.values instanceof Float32Array ? source.values : new Float32Array();
    },
  }));
  await writeCheckpoint(await temporaryFolder(t), lazy, { maxShardSizeBytes: 20 });
  assert.deepEqual(order, ['a', 'b', 'c']);
});

test('lists every unknown, missing and wrongly shaped tensor in one error', () => {
  const expected = new Map([
    ['a', [2, 3]],
    ['b', [4]],
    ['c', []],
  ] as [string, number[]][]);
  matchStateDict(expected, new Map(expected), { where: 'here' });
  const found = new Map([
    ['a', [3, 2]],
    ['c', []],
    ['d', [1]],
    ['h.0.attn.bias', [1]],
  ] as [string, number[]][]);
  assert.throws(
    () => matchStateDict(expected, found, { where: 'here', ignoreUnexpected: [/attn\.bias$/] }),
    (error: Error) => {
      assert.equal(error.name, 'TunebookError');
      assert.deepEqual(error.message.split('\n').slice(1, 7), [
        '  missing (1):',
        '    b [4]',
        '  unknown (1):',
        '    d [1]',
        '  wrongly shaped (1):',
        '    a: expected [2, 3], got [3, 2]',
      ]);
      return true;
    },
  );
  const many = new Map(Array.from({ length: 30 }, (_, i): [string, number[]] => [`t${i}`, [1]]));
  assert.throws(
    () => matchStateDict(many, new Map(), { where: 'here' }),
    /missing \(30\)[^]*t19 [^]*and 10 more/,
  );
});

test('full disk: a clear error, the old checkpoint stays, no partial file', async (t) => {
  const folder = await temporaryFolder(t);
  await writeCheckpoint(folder, THREE);
  const before = await fs.readFile(path.join(folder, 'model.safetensors'));
  const open = fs.open.bind(fs);
  // Every write to /dev/full fails as a full disk does; the temporary file is made beside the place all the same.
  t.mock.method(fs, 'open', async (file: string, flags: string) => {
    if (flags === 'wx') await (await open(file, flags)).close();
    return open(flags === 'wx' ? '/dev/full' : file, flags === 'wx' ? 'r+' : flags);
  });
  if (process.platform !== 'linux') return t.skip('/dev/full exists on Linux only');
  const options = { maxShardSizeBytes: 12 };
  await assert.rejects(writeCheckpoint(folder, [tensor('a', 9, 9), ...THREE.slice(1)], options), {
    name: 'TunebookError',
    message: /the disk is full .*untouched and no partial file was left/,
  });
  t.mock.restoreAll();
  assert.deepEqual(await fs.readdir(folder), ['model.safetensors']);
  assert.deepEqual(await fs.readFile(path.join(folder, 'model.safetensors')), before);
});

test('a disk that fills up during the second shard leaves neither shards nor an index', async (t) => {
  if (process.platform === 'win32') return t.skip('ulimit is not on Windows');
  const folder = await temporaryFolder(t);
  // The real thing, in a process that may write files of at most 64 KiB: the second tensor is larger.
  const program = `
    const { writeCheckpoint } = require(${JSON.stringify(require.resolve('../../lib/checkpoint'))});
    const tensor = (name, n) => ({ name, shape: [n], values: () => new Float32Array(n) });
    writeCheckpoint(${JSON.stringify(folder)}, [tensor('a', 100), tensor('b', 1e6)], { maxShardSizeBytes: 1000 })
      .then(() => process.exit(3), (error) => console.log(error.name + ': ' + error.message));`;
  const shell = 'ulimit -f 128 && exec "$0" -e "$1"';
  const result = spawnSync('sh', ['-c', shell, process.execPath, program], { encoding: 'utf8' });
  assert.match(result.stdout, /^TunebookError: .*model-00002-of-00002.safetensors: the file grew larger/);
  assert.deepEqual(await fs.readdir(folder), []);
});

test('refuses a disk with too little space before the first byte', async (t) => {
  const folder = await temporaryFolder(t);
  t.mock.method(fs, 'statfs', async () => ({ blocks: 10, bavail: 1, bsize: 16 }));
  await assert.rejects(writeCheckpoint(folder, THREE), /expected space for 24 bytes, got 16 free/);
  assert.deepEqual(await fs.readdir(folder), []);
});

test('an unwritable folder throws a clear error', async (t) => {
  if (process.platform === 'win32') return t.skip('modes of folders are not on Windows');
  const folder = await temporaryFolder(t);
  await fs.chmod(folder, 0o555);
  if (process.getuid?.() === 0) {
    // Root may write anywhere, so another user does the writing.
    const program = `
      process.setgid(65534); process.setuid(65534);
      require(${JSON.stringify(require.resolve('../../lib/checkpoint'))})
        .writeCheckpoint(${JSON.stringify(folder)}, [{ name: 'a', shape: [1], values: new Float32Array(1) }])
        .catch((error) => console.log(error.name + ': ' + error.message));`;
    const out = execFileSync(process.execPath, ['-e', program], { encoding: 'utf8' });
    assert.match(out, /^TunebookError: .*cannot be written to \(EACCES\)/);
  } else {
    await assert.rejects(writeCheckpoint(folder, THREE), /cannot be written to \(EACCES\)/);
  }
  assert.deepEqual(await fs.readdir(folder), []);
});
