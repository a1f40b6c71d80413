/** Data sets by name: which files an address means, the cache, no network, and what leads nowhere. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { loadRecords } from '../../lib/dataset';
import { resolveDataset } from '../../lib/hub';
import { chooseDataFiles } from '../../lib/hub/dataset-choice';
import { projectPath } from '../../lib/notebook';
import { CLI, ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';
import { COMMIT, isolateHubEnvironment, startFakeHub } from './hub-server';
import type { FakeHub } from './hub-server';

const AT = 'hf://datasets/someone/small';
const rows = (...numbers: number[]): Buffer =>
  Buffer.from(numbers.map((n) => `${JSON.stringify({ input: `q${n}`, response: `a${n}` })}\n`).join(''));

async function setUp(t: TestContext, files: Record<string, Buffer>): Promise<{ hub: FakeHub; home: string }> {
  const hub = await startFakeHub(t);
  const home = await temporaryFolder(t);
  isolateHubEnvironment(t, { HF_HOME: home, HF_ENDPOINT: hub.endpoint });
  for (const [name, bytes] of Object.entries(files)) hub.files.set(name, bytes);
  return { hub, home };
}

const inputs = async (address: string, limit?: number): Promise<unknown[]> =>
  (await loadRecords(address, { limit })).records.map(({ input }) => input);

test('one table is read whole, shard after shard, cached as models are, and again without a network', async (t) => {
  const { hub, home } = await setUp(t, {
    'README.md': Buffer.from('x'),
    'dataset_infos.json': Buffer.from('{}'),
    'data/train-00001-of-00002.jsonl': rows(3),
    'data/train-00000-of-00002.jsonl': rows(1, 2),
  });
  assert.deepEqual(await inputs(AT), ['q1', 'q2', 'q3']);
  const { report } = await loadRecords(projectPath(AT), { limit: 2 });
  assert.deepEqual([report.file, report.loaded, report.format], [AT, 2, 'jsonl']);
  const repo = path.join(home, 'hub', 'datasets--someone--small');
  assert.equal(await fs.readFile(path.join(repo, 'refs', 'main'), 'utf8'), COMMIT);
  assert.ok((await fs.stat(path.join(repo, 'snapshots', COMMIT, 'data'))).isDirectory());
  const resolved = hub.log.filter((line) => line.includes('/resolve/'));
  assert.deepEqual(resolved, [
    `GET /datasets/someone/small/resolve/${COMMIT}/data/train-00000-of-00002.jsonl`,
    `GET /datasets/someone/small/resolve/${COMMIT}/data/train-00001-of-00002.jsonl`,
  ]);
  process.env.HF_HUB_OFFLINE = '1';
  hub.log.length = 0;
  assert.deepEqual(await inputs(AT), ['q1', 'q2', 'q3']);
  assert.deepEqual(hub.log, []);
  await assert.rejects(
    inputs('hf://datasets/someone/other'),
    /dataset "someone\/other": .*network is not to be used/,
  );
  await fs.rm(path.join(repo, 'snapshots', COMMIT, 'data', 'train-00001-of-00002.jsonl'));
  await assert.rejects(inputs(AT), /not there or not complete/); // half a table is no table
});

test('splits: the training one with a word about the others, or the one that is named', async (t) => {
  const { hub } = await setUp(t, {
    'train.jsonl': rows(1),
    'test.jsonl': rows(2),
    'dev.csv': Buffer.from('input\nq3\n'),
  });
  const warn = t.mock.method(console, 'warn', () => undefined);
  assert.deepEqual(await inputs(AT), ['q1']);
  assert.match(
    String(warn.mock.calls[0].arguments[0]),
    /the split train was taken\. Others:\n {2}hf:.*small\/dev\.csv \(1 file\)\n {2}hf:.*small\/test\.jsonl/,
  );
  assert.deepEqual(await inputs(`${AT}/test`), ['q2']);
  assert.deepEqual(await inputs(`${AT}@v1/validation`), ['q3']);
  assert.deepEqual(await inputs(`${AT}/dev.csv`), ['q3']);
  assert.ok(hub.log.some((line) => line.includes('/api/datasets/someone/small/revision/v1')));
});

test('Parquet of large-file storage', async (t) => {
  const golden = path.join(ROOT, 'test', 'golden', 'dataset');
  const name = 'records-snappy.parquet';
  const { hub } = await setUp(t, { 'en/train.parquet': await fs.readFile(path.join(golden, name)) });
  hub.large.add('en/train.parquet');
  const { records } = await loadRecords(AT);
  assert.deepEqual(records, (await loadRecords(path.join(golden, name))).records);
});

test('several tables are listed with their addresses', () => {
  const names = [
    'README.md',
    'en/train.jsonl',
    'en/test.jsonl',
    'de/train-00000-of-00001.parquet',
    'config.yaml',
  ];
  const files = (address: string): readonly string[] => chooseDataFiles(names, address).files;
  assert.throws(() => files(AT), {
    message:
      `${AT}: expected one table, got 3. Name one:\n  ${AT}/de/train-00000-of-00001.parquet (1 file)\n` +
      `  ${AT}/en/test.jsonl (1 file)\n  ${AT}/en/train.jsonl (1 file)`,
  });
  assert.deepEqual(files(`${AT}/de`), ['de/train-00000-of-00001.parquet']);
  assert.deepEqual(files(`${AT}/en`), ['en/train.jsonl']);
  assert.deepEqual(files(`${AT}/en/test`), ['en/test.jsonl']);
  assert.throws(
    () => files(`${AT}/fr`),
    /fr: expected a file, folder, split or configuration that is there\. There are:\n/,
  );
  assert.throws(() => chooseDataFiles(['README.md', 'a.py'], AT), /expected Parquet.*got README\.md, a\.py/);
  const two = ['a.jsonl', 'b.jsonl'];
  assert.throws(() => chooseDataFiles(two, AT), /got 2\. Name one:\n.*a\.jsonl.*\n.*b\.jsonl/);
  assert.deepEqual(chooseDataFiles(['x-0001.csv', 'x-0002.csv'], AT).files, ['x-0001.csv', 'x-0002.csv']);
});

test('no other address, and no name from the hub, leads out of the cache', async (t) => {
  const { hub, home } = await setUp(t, { 'train.jsonl': rows(1) });
  for (const address of [
    'hf://someone/small',
    'hf://datasets/small',
    `${AT}/../x`,
    'hf://datasets/a/b/\\x',
    'hf://',
  ])
    await assert.rejects(loadRecords(address), /expected hf:\/\/datasets\/OWNER\/NAME/, address);
  for (const address of ['s3://b/x.jsonl', 'https://x/y.csv'])
    await assert.rejects(loadRecords(address), /expected a path on this machine/);
  hub.extraEntries.push({ type: 'file', path: '../../evil.jsonl', size: 3, oid: '2'.repeat(40) });
  const { files } = await resolveDataset(AT);
  assert.deepEqual(
    files.map((file) => path.relative(home, file)),
    [`hub/datasets--someone--small/snapshots/${COMMIT}/train.jsonl`],
  );
  hub.refusal = { status: 401 };
  await assert.rejects(
    resolveDataset('hf://datasets/someone/private'),
    /dataset "someone\/private" at .*not found, or private/,
  );
});

test('tunebook dataset build reads a table of the hub', async (t) => {
  const table = await fs.readFile(path.join(ROOT, 'data', 'triathlon', 'triathlon-sample.csv'));
  const { hub, home } = await setUp(t, { 'results.csv': table });
  const env = { ...process.env, HF_HOME: home, HF_ENDPOINT: hub.endpoint };
  const child = spawn(process.execPath, [CLI, 'dataset', 'map', `${AT}/results.csv`], { env });
  const [, said] = await Promise.all([text(child.stdout), text(child.stderr)]);
  assert.ok(
    hub.log.some((line) => line.endsWith('/results.csv')),
    said,
  );
  assert.match(said, /columns, \d+ rows seen|two segments/);
});
