/** LanceDB as a store, where it is installed: what the store in memory finds, with filters, words, an index, reopened. */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { EnsembleRetriever, LanceVectorStore, MemoryVectorStore } from '../../lib/retrieval';
import type { Document, DocumentFilter, Embeddings, ScoredDocument } from '../../lib/retrieval';
import { uniformAt } from '../../lib/random';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

const WIDTH = 16;

/** A vector for each text from its number; the same text has the same one. */
const numbered: Embeddings = {
  name: 'numbered',
  embedDocuments: async (texts) =>
    texts.map((text) => {
      const seed = Number(/\d+/.exec(text)?.[0] ?? 0);
      return Array.from({ length: WIDTH }, (_, i) => uniformAt(5, seed, i) - 0.5);
    }),
  embedQuery: async (text) => (await numbered.embedDocuments([text]))[0],
};

const DOCUMENTS: Document[] = Array.from({ length: 600 }, (_, i) => ({
  ...(i % 5 > 0 && { id: `d${i}` }),
  pageContent: `Number ${i} is ${i % 7 === 0 ? 'a sled' : 'a rower'}.`,
  metadata: {
    segment: i % 3 === 0 ? "farmer's carry" : 'row',
    level: i % 4,
    ...(i % 2 === 0 && { even: true, tags: ['a', `t${i % 10}`], nested: { deep: i } }),
  },
}));

/** The same documents in the same order with the same scores within rounding; equal scores in any order at the end. */
function assertSame(found: readonly ScoredDocument[], wanted: readonly ScoredDocument[]): void {
  assert.equal(found.length, wanted.length);
  found.forEach(([document, score], i) => {
    assert.ok(Math.abs(score - wanted[i][1]) < 1e-5, `score ${i}: ${score}, ${wanted[i][1]}`);
    assert.deepEqual(document, wanted[i][0]);
  });
}

const isInstalled = ((): boolean => {
  try {
    createRequire(__filename)('@lancedb/lancedb');
    return true;
  } catch {
    return false;
  }
})();

it('says what to install where LanceDB is missing', { skip: isInstalled && 'it is installed' }, async () => {
  await assert.rejects(
    LanceVectorStore.open(numbered, { uri: 'never-made' }),
    isError('npm install @lancedb/lancedb@0.31.0 apache-arrow@18.1.0'),
  );
});

describe('LanceVectorStore', { skip: !isInstalled && '@lancedb/lancedb is not installed' }, () => {
  async function stores(
    t: TestContext,
  ): Promise<{ uri: string; store: LanceVectorStore; memory: MemoryVectorStore }> {
    const uri = path.join(await temporaryFolder(t), 'store');
    const store = await LanceVectorStore.fromDocuments(DOCUMENTS.slice(0, 400), numbered, { uri });
    await store.addDocuments(DOCUMENTS.slice(400));
    t.after(() => store.close());
    return { uri, store, memory: await MemoryVectorStore.fromDocuments(DOCUMENTS, numbered) };
  }

  const FILTERS: (DocumentFilter | undefined)[] = [
    undefined,
    { segment: "farmer's carry" },
    { level: [1, 3], segment: 'row' },
    { even: true, tags: 't4' },
    { segment: 'nowhere' },
    ({ metadata }) => metadata.level === 2,
  ];

  it('finds what the store in memory finds, under every filter, with an index as well, and reopened', async (t) => {
    const { uri, store, memory } = await stores(t);
    assert.equal(await store.size(), 600);
    const compare = async (one: LanceVectorStore): Promise<void> => {
      for (const query of ['q 3', 'q 700'])
        for (const filter of FILTERS)
          assertSame(
            await one.similaritySearchWithScore(query, 8, filter),
            await memory.similaritySearchWithScore(query, 8, filter),
          );
    };
    await compare(store);
    await store.createIndex({ numPartitions: 4 }); // 20 parts are looked into: all
    await compare(store);
    const again = await LanceVectorStore.open(numbered, { uri });
    t.after(() => again.close());
    await compare(again);
    const other = { ...numbered, name: 'other' };
    await assert.rejects(
      LanceVectorStore.open(other, { uri }),
      isError('expected embeddings of numbered', 'got other'),
    );
  });

  it('finds by words and filter, and is half of an ensemble', async (t) => {
    const { store } = await stores(t);
    const words = store.textRetriever({ k: 5 });
    const found = await words.invoke('sled');
    assert.equal(found.length, 5);
    assert.ok(found.every(({ pageContent }) => pageContent.includes('sled')));
    const [[only]] = await words.invokeWithScores('sled 21', { k: 1, filter: { level: 1 } });
    assert.equal(only.pageContent, 'Number 21 is a sled.');
    assert.deepEqual(await words.invoke('passport'), []);
    assert.deepEqual(await words.invoke('it\'s (odd) "AND: *'), await words.invoke('it\'s (odd) "AND: *'));
    await store.addDocuments([{ pageContent: 'Number 601 is a passport.', metadata: {} }]);
    assert.equal((await words.invoke('passport')).length, 1);
    const both = new EnsembleRetriever({ retrievers: [words, store.asRetriever({ k: 5 })], k: 3 });
    assert.equal((await both.invoke('a sled, number 21'))[0].pageContent, 'Number 21 is a sled.');
  });

  it('is empty at first, and takes documents then', async (t) => {
    const store = await LanceVectorStore.open(numbered, { uri: path.join(await temporaryFolder(t), 'x') });
    t.after(() => store.close());
    assert.deepEqual(await store.similaritySearch('q 1'), []);
    assert.deepEqual(await store.textRetriever().invoke('q'), []);
    await assert.rejects(store.createIndex(), isError('got none'));
    await store.addDocuments([]);
    await store.addDocuments([{ pageContent: 'Number 1', metadata: {} }]);
    const [[document, score]] = await store.similaritySearchWithScore('q 1');
    assert.deepEqual(document, { pageContent: 'Number 1', metadata: {} });
    assert.ok(Math.abs(score - 1) < 1e-6);
  });
});
