import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { dataFolder, hubEnvironment, tunebookEnvironment } from '../lib/environment';
import { temporaryFolder } from './support/temporary-folder';

const OFFLINE: [env: Record<string, string>, isOffline: boolean][] = [
  [{}, false],
  ...['1', 'on', 'On', 'ON', 'yes', 'YES', 'true', 'True', 'TRUE'].flatMap(
    (value): [Record<string, string>, boolean][] => [
      [{ HF_HUB_OFFLINE: value }, true],
      [{ TRANSFORMERS_OFFLINE: value }, true],
    ],
  ),
  ...['', '0', 'off', 'no', 'false', '2', 'offline'].map((value): [Record<string, string>, boolean] => [
    { HF_HUB_OFFLINE: value },
    false,
  ]),
  [{ HF_HUB_OFFLINE: '0', TRANSFORMERS_OFFLINE: '1' }, false], // as huggingface_hub: the first that is set counts
  [{ HF_HUB_OFFLINE: '', TRANSFORMERS_OFFLINE: '1' }, true],
];
for (const [env, isOffline] of OFFLINE) {
  test(`${JSON.stringify(env)} is ${isOffline ? 'offline' : 'online'}`, () => {
    assert.equal(hubEnvironment(env).isOffline, isOffline);
  });
}

test('the hub: its address, its cache, the token', async (t) => {
  const home = path.join(os.homedir(), '.cache', 'huggingface');
  const { endpoint, homeFolder, cacheFolder } = hubEnvironment({});
  assert.deepEqual([endpoint, homeFolder], ['https://huggingface.co', home]);
  assert.equal(cacheFolder, path.join(home, 'hub'));
  assert.equal(hubEnvironment({ HF_ENDPOINT: 'http://mirror/' }).endpoint, 'http://mirror');
  assert.equal(hubEnvironment({ XDG_CACHE_HOME: '/c' }).cacheFolder, path.join('/c', 'huggingface', 'hub'));
  assert.equal(hubEnvironment({ HF_HOME: '~/h' }).cacheFolder, path.join(os.homedir(), 'h', 'hub'));
  assert.equal(hubEnvironment({ HF_HOME: '/h', HF_HUB_CACHE: '/c' }).cacheFolder, '/c');
  assert.equal(hubEnvironment({ HUGGINGFACE_HUB_CACHE: '/c' }).cacheFolder, '/c');

  const folder = await temporaryFolder(t);
  assert.equal(hubEnvironment({ HF_HOME: folder }).token, undefined);
  await fs.writeFile(path.join(folder, 'token'), 'stored\n');
  assert.equal(hubEnvironment({ HF_HOME: folder }).token, 'stored');
  assert.equal(hubEnvironment({ HF_TOKEN_PATH: path.join(folder, 'token') }).token, 'stored');
  assert.equal(hubEnvironment({ HF_HOME: folder, HF_TOKEN: ' given\n' }).token, 'given');
  assert.equal(hubEnvironment({ HF_HOME: folder, HUGGING_FACE_HUB_TOKEN: 'given' }).token, 'given');
});

test('our own variables, and the folders of data', async () => {
  assert.deepEqual(
    tunebookEnvironment({ TUNEBOOK_THREADS: '2', TUNEBOOK_PARAM_a: '', TUNEBOOK_PARAM_: 'x' }),
    {
      provider: undefined,
      threads: 2,
      tfjsNodeFolder: undefined,
      llamaCppFolder: undefined,
      mpiLibrary: undefined,
      launchFolder: undefined,
      outputFolder: undefined,
      stdinFile: undefined,
      serverToken: undefined,
      isHeadless: false,
      usesKernelImage: true,
      parameters: { a: '', '': 'x' },
    },
  );
  assert.equal(tunebookEnvironment({ TUNEBOOK_RUN: '1' }).isHeadless, true);
  assert.equal(tunebookEnvironment({ TUNEBOOK_LLAMA_CPP: '/l' }).llamaCppFolder, '/l');
  assert.equal(tunebookEnvironment({ TUNEBOOK_MPI_LIBRARY: '/m' }).mpiLibrary, '/m');
  assert.equal(tunebookEnvironment({ TUNEBOOK_KERNEL_IMAGE: '0' }).usesKernelImage, false);
  for (const name of ['models', 'tokenizers', 'hyrox'] as const)
    assert.ok((await fs.stat(dataFolder(name))).isDirectory());
});
