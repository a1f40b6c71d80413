/** Encoders of the hub: downloaded, pooled and prefixed as each family wants it, offline from the cache, vectors kept. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { AutoEmbeddings, CachedEmbeddings } from '../../lib/retrieval';
import type { AutoEmbeddingsOptions } from '../../lib/retrieval';
import { COMMIT, isolateHubEnvironment, startFakeHub } from '../hub/hub-server';
import { assertClose } from '../support/assert-close';
import { isError, testRefusals } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';
import { TABLE, tinyEncoder, VOCABULARY } from './tiny-encoder';

/** The vector of a text by hand: rows of its tokens, each plus their mean; then the mean or the first, of length 1. */
function byHand(words: readonly string[], pooling: 'mean' | 'cls'): number[] {
  const rows = ['[CLS]', ...words, '[SEP]'].map((word) => TABLE[VOCABULARY[word]]);
  const mean = [0, 1, 2].map((c) => rows.reduce((sum, row) => sum + row[c], 0) / rows.length);
  const pooled = mean.map((value, c) => value + (pooling === 'mean' ? value : rows[0][c]));
  const length = Math.hypot(...pooled);
  return pooled.map((value) => value / length);
}

async function encoderFolder(
  t: TestContext,
  name: string,
  more: Record<string, unknown> = {},
): Promise<string> {
  const folder = path.join(await temporaryFolder(t), name);
  const files = [
    ...tinyEncoder(),
    ...Object.entries(more).map(([file, value]) => [file, JSON.stringify(value)] as const),
  ];
  for (const [file, bytes] of files) {
    await fs.mkdir(path.dirname(path.join(folder, file)), { recursive: true });
    await fs.writeFile(path.join(folder, file), bytes);
  }
  return folder;
}

const CLOSE = { absolute: 1e-6, relative: 1e-6 };

it('pools and prefixes as each family does, its own files before its name, options before both', async (t) => {
  const pooling = { pooling_mode_cls_token: true, pooling_mode_mean_tokens: false };
  const prompts = { prompts: { query: 'query: ', document: '' } };
  type Expected = { pooling: 'mean' | 'cls'; query: string[]; document: string[] };
  const cases: [name: string, more: Record<string, unknown>, options: AutoEmbeddingsOptions, Expected][] = [
    ['all-MiniLM-L6-v2', {}, {}, { pooling: 'mean', query: [], document: [] }],
    ['e5-small-v2', {}, {}, { pooling: 'mean', query: ['query', ':'], document: ['passage', ':'] }],
    ['gte-small', { '1_Pooling/config.json': pooling }, {}, { pooling: 'cls', query: [], document: [] }],
    [
      ...(['mine', { 'config_sentence_transformers.json': prompts }, {}] as const),
      { pooling: 'mean', query: ['query', ':'], document: [] },
    ],
    [
      ...(['e5-base', { '1_Pooling/config.json': pooling }] as const),
      { pooling: 'mean', queryPrefix: '', documentPrefix: 'sled ' },
      { pooling: 'mean', query: [], document: ['sled'] },
    ],
    ['bge-small-en-v1.5', {}, { queryPrefix: '' }, { pooling: 'cls', query: [], document: [] }],
  ];
  for (const [name, more, options, expected] of cases) {
    const embeddings = await AutoEmbeddings.fromPretrained(await encoderFolder(t, name, more), options);
    const query = byHand([...expected.query, 'row', 'sled'], expected.pooling);
    assertClose(await embeddings.embedQuery('Row sled'), query, CLOSE, `${name}: query`);
    const texts = ['row', 'sled sled row sled'];
    const vectors = await embeddings.embedDocuments(texts);
    texts.forEach((text, i) => {
      const words = [...expected.document, ...text.split(' ')];
      assertClose(vectors[i], byHand(words, expected.pooling), CLOSE, `${name}: ${text}`);
    });
  }
});

it("asks bge with its authors' sentence", async (t) => {
  const embeddings = await AutoEmbeddings.fromPretrained(await encoderFolder(t, 'bge-small-en-v1.5'));
  const words = 'represent this sentence for searching relevant passages : row'.split(' ');
  const known = words.map((word) => (word in VOCABULARY ? word : '[UNK]'));
  assertClose(await embeddings.embedQuery('row'), byHand(known, 'cls'), CLOSE, 'query');
});

it('downloads what it needs, and works from the cache without a network', async (t) => {
  const hub = await startFakeHub(t);
  isolateHubEnvironment(t, { HF_HOME: await temporaryFolder(t), HF_ENDPOINT: hub.endpoint });
  for (const [name, bytes] of tinyEncoder()) hub.files.set(name, bytes);
  hub.files.set('onnx/model_quantized.onnx', Buffer.from('not wanted'));
  hub.files.set('pytorch_model.bin', Buffer.from('not wanted'));
  hub.large.add('onnx/model.onnx');
  const wanted = byHand(['row'], 'mean');
  const first = await AutoEmbeddings.fromPretrained('someone/small');
  assertClose(await first.embedQuery('row'), wanted, CLOSE, 'downloaded');
  const fetched = hub.log
    .filter((line) => line.includes('/resolve/'))
    .map((line) => line.split(`${COMMIT}/`)[1]);
  assert.deepEqual(fetched.sort(), [
    'config.json',
    'onnx/model.onnx',
    'tokenizer.json',
    'tokenizer_config.json',
  ]);

  process.env.HF_HUB_OFFLINE = '1';
  hub.log.length = 0;
  const second = await AutoEmbeddings.fromPretrained('someone/small');
  assertClose(await second.embedQuery('row'), wanted, CLOSE, 'cached');
  assert.deepEqual(hub.log, []);
  await assert.rejects(
    AutoEmbeddings.fromPretrained('someone/small', { dtype: 'q8' }),
    isError('the network is not to be used'),
  );
  await assert.rejects(
    AutoEmbeddings.fromPretrained('someone/other'),
    isError('the network is not to be used'),
  );
});

it('says what a repository or a folder lacks', async (t) => {
  const hub = await startFakeHub(t);
  isolateHubEnvironment(t, { HF_HOME: await temporaryFolder(t), HF_ENDPOINT: hub.endpoint });
  for (const [name, bytes] of tinyEncoder()) if (name !== 'onnx/model.onnx') hub.files.set(name, bytes);
  await assert.rejects(
    AutoEmbeddings.fromPretrained('someone/small'),
    isError('expected onnx/model.onnx and tokenizer.json, got tokenizer.json', 'Xenova/all-MiniLM-L6-v2'),
  );
  const folder = await encoderFolder(t, 'x');
  await assert.rejects(AutoEmbeddings.fromPretrained(folder, { dtype: 'q8' }), isError('got none of q8'));
  await fs.writeFile(path.join(folder, 'onnx', 'model.onnx'), 'damaged');
  await assert.rejects(
    AutoEmbeddings.fromPretrained(folder),
    isError('cannot be loaded', 'Download the model again'),
  );
});

it('caches vectors by model and content, and recomputes damaged ones', async (t) => {
  const folder = await temporaryFolder(t);
  const asked: string[][] = [];
  const named = (name: string): CachedEmbeddings =>
    new CachedEmbeddings(
      {
        name,
        embedDocuments: async (texts) => {
          asked.push(texts);
          return texts.map((text) => [text.length, Math.fround(0.1), name.length]);
        },
        embedQuery: async (text) => [text.length, 0, 0],
      },
      folder,
    );
  const vectors = await named('one').embedDocuments(['a', 'bb', 'a']);
  assert.deepEqual(
    vectors,
    [1, 2, 1].map((length) => [length, Math.fround(0.1), 3]),
  );
  assert.deepEqual(await named('one').embedDocuments(['bb', 'ccc', 'a']), [
    ...[2, 3, 1].map((length) => [length, Math.fround(0.1), 3]),
  ]);
  assert.deepEqual((await named('other').embedDocuments(['a']))[0][2], 5);
  assert.deepEqual(asked, [['a', 'bb'], ['ccc'], ['a']]);
  assert.deepEqual(await named('one').embedQuery('qq'), [2, 0, 0]);

  const files = (await fs.readdir(folder, { recursive: true })).filter((name) => name.endsWith('.f32'));
  assert.equal(files.length, 4);
  for (const name of files) await fs.truncate(path.join(folder, name), 8);
  asked.length = 0;
  assert.deepEqual(await named('one').embedDocuments(['a']), [[1, Math.fround(0.1), 3]]);
  assert.deepEqual(asked, [['a']]);
});

it('works without a cache when it cannot be written, and says so once', async (t) => {
  const said = t.mock.method(console, 'warn', () => undefined);
  const file = path.join(await temporaryFolder(t), 'file');
  await fs.writeFile(file, '');
  const embeddings = { name: 'x', embedDocuments: async () => [[1], [2]], embedQuery: async () => [1] };
  const cached = new CachedEmbeddings(embeddings, path.join(file, 'inside'));
  assert.deepEqual(await cached.embedDocuments(['a', 'b']), [[1], [2]]);
  assert.equal(said.mock.callCount(), 1);
  assert.match(String(said.mock.calls[0].arguments[0]), /cannot be written/);
});

it('the built-in encoder uses a cache as well', async (t) => {
  const vectorCache = await temporaryFolder(t);
  const embeddings = await AutoEmbeddings.fromPretrained('use-lite', { vectorCache });
  const [fresh] = await embeddings.embedDocuments(['row']);
  assert.deepEqual(await embeddings.embedDocuments(['row']), [fresh]);
  assert.equal(
    (await fs.readdir(vectorCache, { recursive: true })).filter((name) => name.endsWith('.f32')).length,
    1,
  );
});

const unnamed = { embedDocuments: async () => [], embedQuery: async () => [] };
testRefusals([
  [
    'a model that is none',
    () => AutoEmbeddings.fromPretrained('no such folder!'),
    /expected use-lite, a hub id/,
  ],
  ['no model', () => AutoEmbeddings.fromPretrained(''), /AutoEmbeddings: expected a model/],
  [
    'a cache of nameless vectors',
    () => new CachedEmbeddings(unnamed, 'x'),
    /expected embeddings with a name/,
  ],
]);
