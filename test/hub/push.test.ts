/** A folder to a hub: what is sent, what is not sent twice, what never leaves, and every refusal in words. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import { pushToHub } from '../../lib/hub';
import type { DownloadProgress, PushOptions } from '../../lib/hub';
import { CLI } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';
import { isolateHubEnvironment } from './hub-server';
import { startPushHub, TOKEN } from './push-server';
import type { PushHub } from './push-server';

const WEIGHTS = Buffer.alloc(200_000, 7);

async function setUp(
  t: TestContext,
  environment: Record<string, string> = { HF_TOKEN: TOKEN },
): Promise<{ hub: PushHub; folder: string; options: PushOptions }> {
  const hub = await startPushHub(t);
  const folder = await temporaryFolder(t);
  isolateHubEnvironment(t, { HF_HOME: path.join(folder, 'none'), ...environment });
  await fs.writeFile(path.join(folder, 'config.json'), '{}\n');
  await fs.writeFile(path.join(folder, 'model.safetensors'), WEIGHTS);
  await fs.mkdir(path.join(folder, 'figures'));
  await fs.writeFile(path.join(folder, 'figures', 'löss 1.svg'), '<svg/>');
  const options = { repo: 'me/race', endpoint: hub.endpoint, retryDelayMs: 1, maxRetries: 2 };
  return { hub, folder, options };
}

test('creates the repository, sends the files in one commit, and reports progress', async (t) => {
  const { hub, folder, options } = await setUp(t);
  const seen: DownloadProgress[] = [];
  const result = await pushToHub(folder, {
    ...options,
    ...{ private: true, message: 'First', onProgress: (progress) => seen.push(progress) },
  });
  assert.deepEqual(hub.created, {
    ...{ type: 'model', name: 'race', organization: 'me', private: true, visibility: 'private' },
  });
  assert.deepEqual(Object.fromEntries(hub.branches.get('main') ?? []), {
    'config.json': Buffer.from('{}\n'),
    'figures/löss 1.svg': Buffer.from('<svg/>'),
    'model.safetensors': WEIGHTS,
  });
  assert.deepEqual(hub.commits, ['First']);
  assert.deepEqual(hub.storageTokens, [undefined]); // the token is the hub's alone
  assert.equal(result.isNew, true);
  assert.equal(result.commit, 'a'.repeat(40));
  assert.equal(result.url, `${hub.endpoint}/me/race`);
  const total = WEIGHTS.length + 3 + 6;
  assert.deepEqual([seen.at(-1)?.doneBytes, seen.at(-1)?.totalBytes], [total, total]);
});

test('sends only what is missing, and nothing when all is there', async (t) => {
  const { hub, folder, options } = await setUp(t);
  await pushToHub(folder, options);
  hub.log.length = 0;
  const again = await pushToHub(folder, options);
  assert.deepEqual(hub.log, ['GET /api/models/me/race/tree/main']);
  assert.deepEqual([again.pushed, again.unchanged.length, again.commit], [[], 3, undefined]);
  await fs.writeFile(path.join(folder, 'config.json'), '[]\n'); // as long as before
  const third = await pushToHub(folder, options);
  assert.deepEqual(third.pushed, [{ name: 'config.json', sizeBytes: 3 }]);
  assert.equal(hub.branches.get('main')?.get('config.json')?.toString(), '[]\n');
  assert.equal(hub.log.filter((line) => line.startsWith('PUT')).length, 0);
});

test('a broken upload resumes: what has arrived is not sent again', async (t) => {
  const { hub, folder, options } = await setUp(t);
  hub.refusals.push({ part: '/commit/', status: 403, error: 'not now' });
  await assert.rejects(pushToHub(folder, options), /may not write there.*not now/);
  assert.equal(hub.objects.size, 1);
  hub.log.length = 0;
  await pushToHub(folder, options);
  assert.equal(hub.log.filter((line) => line.startsWith('PUT')).length, 0);
  assert.deepEqual(hub.branches.get('main')?.get('model.safetensors'), WEIGHTS);
});

test('a dry run says what it would do, without a token that may write, and writes nothing', async (t) => {
  const { hub, folder, options } = await setUp(t);
  const result = await pushToHub(folder, { ...options, dryRun: true });
  assert.deepEqual(
    result.pushed.map(({ name }) => name),
    ['config.json', 'figures/löss 1.svg', 'model.safetensors'],
  );
  assert.equal(result.isNew, true);
  assert.deepEqual(hub.log, ['GET /api/models/me/race/tree/main']);
  assert.equal(hub.branches.size, 0);
});

test('creates another branch', async (t) => {
  const { hub, folder, options } = await setUp(t);
  hub.branches.set('main', new Map([['config.json', Buffer.from('{}\n')]]));
  await pushToHub(folder, { ...options, revision: 'v2' });
  assert.deepEqual([...(hub.branches.get('v2')?.keys() ?? [])].sort(), [
    ...['config.json', 'figures/löss 1.svg', 'model.safetensors'],
  ]);
  assert.deepEqual([...(hub.branches.get('main')?.keys() ?? [])], ['config.json']);
});

test('a busy hub is retried; every refusal is explained, without the token', async (t) => {
  const { hub, folder, options } = await setUp(t);
  hub.branches.set('main', new Map());
  for (const part of ['/tree/', '/preupload/', '/batch', '/put/', '/commit/'])
    hub.refusals.push({ part, status: 503 }, { part, status: 429 });
  await pushToHub(folder, options);
  assert.equal(hub.refusals.length, 0);
  assert.equal(hub.branches.get('main')?.size, 3);
  const words: [number, RegExp][] = [
    [401, /the token is not accepted\. Make one with write access at .*\/settings\/tokens/],
    [403, /the token may not write there\. It needs write access to me's repositories/],
    [409, /somebody else changed or made the repository at the same time\. Push again/],
    [413, /too large for the hub/],
    [429, /too many requests, also after a while\. Push again later/],
    [500, /the hub has a fault, also after a while\. Push again later: what has arrived is not sent twice/],
  ];
  await fs.writeFile(path.join(folder, 'config.json'), '{"a":1}');
  for (const [status, expected] of words) {
    hub.refusals.length = 0;
    for (let i = 0; i < 3; i++)
      hub.refusals.push({ part: '/commit/', status, error: `no ${TOKEN} of ${status}` });
    await assert.rejects(pushToHub(folder, options), (error: Error) => {
      assert.equal(error.name, 'TunebookError');
      assert.match(error.message, expected);
      assert.match(error.message, new RegExp(`no \\[the token\\] of ${status} \\(status ${status}\\)`));
      return !error.message.includes(TOKEN);
    });
  }
  hub.refusals.length = 0;
  hub.branches.clear();
  hub.refusals.push({ part: '/repos/create', status: 404, error: 'no such owner' });
  await assert.rejects(pushToHub(folder, options), /Check the owner's name \(me\).*no such owner/);
  await assert.rejects(
    pushToHub(folder, { ...options, endpoint: 'http://127.0.0.1:59999', maxRetries: 0 }),
    /the connection failed \(.*ECONNREFUSED.*\)\. Push again/,
  );
});

test('secrets are never sent, training state only on request', async (t) => {
  const { hub, folder, options } = await setUp(t);
  for (const name of ['.env', '.env.local', 'prod.env', 'id_rsa', 'server.pem', '.netrc'])
    await fs.writeFile(path.join(folder, name), 'x');
  await fs.mkdir(path.join(folder, '.git'));
  await fs.writeFile(path.join(folder, '.git', 'config'), 'x');
  await fs.symlink('/etc/hostname', path.join(folder, 'link'));
  const { leftOut } = await pushToHub(folder, options);
  assert.deepEqual(leftOut.map(({ name }) => name).sort(), [
    ...['.env', '.env.local', '.git', '.netrc', 'id_rsa', 'link', 'prod.env', 'server.pem'],
  ]);
  assert.equal(hub.branches.get('main')?.size, 3);
  await fs.mkdir(path.join(folder, 'checkpoint-8'));
  await fs.writeFile(path.join(folder, 'checkpoint-8', 'optimizer.safetensors'), 'x');
  await assert.rejects(
    pushToHub(folder, options),
    /the state of a training run.*checkpoint-8\/optimizer\.safetensors/,
  );
  await pushToHub(folder, { ...options, withTrainingState: true });
  assert.ok(hub.branches.get('main')?.has('checkpoint-8/optimizer.safetensors'));
  await fs.writeFile(path.join(folder, 'notes.txt'), `my token: ${TOKEN}`);
  await assert.rejects(
    pushToHub(folder, { ...options, withTrainingState: true }),
    (error: Error) => /^notes\.txt: .*token in it/.test(error.message) && !error.message.includes(TOKEN),
  );
});

test('refuses wrong calls before any request', async (t) => {
  const { hub, folder, options } = await setUp(t, {});
  await assert.rejects(
    pushToHub(folder, options),
    /expected a token that may write to me\/race, got none\. Set HF_TOKEN/,
  );
  for (const repo of ['race', 'me/race/x', '', '../x', 'https://huggingface.co/me/race'])
    await assert.rejects(pushToHub(folder, { ...options, repo }), /expected a repository OWNER\/NAME/);
  await assert.rejects(pushToHub(folder, { ...options, revision: '../x' }), /expected a branch in revision/);
  await assert.rejects(
    pushToHub(path.join(folder, 'nowhere'), { ...options, dryRun: true }),
    /expected a folder that exists/,
  );
  await assert.rejects(pushToHub('s3://x', options), /expected a path on this machine/);
  await assert.rejects(pushToHub(folder, { ...options, token: 'x' } as PushOptions), /got "token"/);
  process.env.HF_HUB_OFFLINE = '1';
  await assert.rejects(pushToHub(folder, options), /HF_HUB_OFFLINE says/);
  assert.deepEqual(hub.log, []);
});

test('tunebook push, with the token in a file, and HF_ENDPOINT', async (t) => {
  const { hub, folder } = await setUp(t, {});
  const home = await temporaryFolder(t);
  await fs.writeFile(path.join(home, 'token'), `${TOKEN}\n`);
  const env = { ...process.env, HF_HOME: home, HF_ENDPOINT: hub.endpoint };
  const run = async (...words: string[]): Promise<[number | null, string, string]> => {
    const child = spawn(process.execPath, [CLI, 'push', folder, ...words], { env });
    const closed = new Promise<number | null>((resolve) => child.on('close', resolve));
    const [out, err] = await Promise.all([text(child.stdout), text(child.stderr)]);
    return [await closed, out, err];
  };
  const [dry, plan] = await run('--repo', 'me/race', '--dry-run');
  assert.equal(dry, 0);
  assert.match(
    plan,
    /would push: model\.safetensors, .*\nDry run: 3 files, .* for me\/race, which would be made\.\n$/,
  );
  const [status, out, err] = await run('--repo', 'me/race', '--private');
  assert.equal(status, 0, err);
  assert.match(out, /pushed: config\.json, [^]*\/me\/race: 3 files, .*, commit aaaaaaaaaaaa\.\n$/);
  assert.equal(hub.branches.get('main')?.size, 3);
  assert.ok(!(out + err).includes(TOKEN));
  const [refused, , why] = await run('--repo', 'race');
  assert.equal(refused, 1);
  assert.match(why, /expected a repository OWNER\/NAME/);
});
