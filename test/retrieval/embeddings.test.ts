/** Embeddings and stores: the built-in encoder against its own package, a store by hand, saved, loaded and refused. */
import assert from 'node:assert/strict';
import { promises as fs, readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AutoEmbeddings, MemoryVectorStore } from '../../lib/retrieval';
import type { Document, Embeddings } from '../../lib/retrieval';
import { unigramTokenizer } from '../../lib/retrieval/embeddings/unigram-tokenizer';
import type { VocabularyEntry } from '../../lib/retrieval/embeddings/unigram-tokenizer';
import { ROOT } from '../support/paths';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

const read = (...place: string[]): unknown => JSON.parse(readFileSync(path.join(ROOT, ...place), 'utf8'));
const dot = (a: readonly number[], b: readonly number[]): number =>
  a.reduce((sum, value, i) => sum + value * b[i], 0);

/** Ranks from 0, equal values sharing the mean of theirs. */
function ranks(values: readonly number[]): number[] {
  return values.map(
    (value) =>
      values.filter((other) => other < value).length +
      (values.filter((other) => other === value).length - 1) / 2,
  );
}

function correlation(a: readonly number[], b: readonly number[]): number {
  const centred = (values: readonly number[]): number[] => {
    const mean = values.reduce((sum, value) => sum + value, 0) / values.length;
    return values.map((value) => value - mean);
  };
  const [x, y] = [centred(a), centred(b)];
  return dot(x, y) / Math.sqrt(dot(x, x) * dot(y, y));
}

describe('use-lite', () => {
  const golden = read('test', 'golden', 'retrieval', 'golden-use-lite.json') as {
    readonly texts: { text: string; ids: number[]; embedding: number[] }[];
    readonly cosines: number[];
  };
  const pairs = read('test', 'golden', 'retrieval', 'sts.json') as [number, string, string][];

  it('cuts texts as its own tokenizer does', () => {
    const vocabulary = read('data', 'models', 'use-lite', 'vocab.json') as VocabularyEntry[];
    const tokenize = unigramTokenizer(vocabulary);
    for (const { text, ids } of golden.texts) assert.deepEqual(tokenize(text), ids, text.slice(0, 40));
    assert.deepEqual(tokenize('  Hello,\n how\tare you?  '), tokenize('Hello, how are you?'));
    assert.deepEqual(tokenize(' \n'), []);
  });

  it('has the vectors of its own package, one by one and together, and ranks pairs of sentences', async (t) => {
    const said = t.mock.method(console, 'warn', () => undefined);
    const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
    const texts = golden.texts.map(({ text }) => text);
    const together = await embeddings.embedDocuments(texts);
    for (const [i, { text, embedding }] of golden.texts.entries()) {
      // Weights here are float16: the same direction within 2e-6.
      assert.ok(
        dot(together[i], embedding) > 0.999998,
        `${text.slice(0, 40)}: ${dot(together[i], embedding)}`,
      );
      assert.ok(Math.abs(dot(together[i], together[i]) - 1) < 1e-5);
    }
    assert.match(String(said.mock.calls[0].arguments[0]), /2 of 10 texts have more than 128 tokens/);
    assert.ok(dot(await embeddings.embedQuery(texts[1]), together[1]) > 0.999999);
    assert.deepEqual(await embeddings.embedQuery(' '), new Array(512).fill(0));

    const vectors = await embeddings.embedDocuments(pairs.flatMap(([, a, b]) => [a, b]));
    const cosines = pairs.map((_, i) => dot(vectors[2 * i], vectors[2 * i + 1]));
    cosines.forEach((cosine, i) => assert.ok(Math.abs(cosine - golden.cosines[i]) < 1e-3, `pair ${i}`));
    const spearman = correlation(ranks(cosines), ranks(pairs.map(([grade]) => grade)));
    assert.ok(spearman > 0.65, `Spearman ${spearman}`); // 0.691, as with float32 weights
  });
});

/** Vectors by hand: how often 'a', 'b' and 'c' occur. */
const letters: Embeddings = {
  name: 'letters',
  embedDocuments: async (texts) =>
    texts.map((text) => ['a', 'b', 'c'].map((letter) => text.split(letter).length - 1)),
  embedQuery: async (text) => (await letters.embedDocuments([text]))[0],
};

const DOCUMENTS: Document[] = ['aab', 'bc', 'aaa', 'c'].map((pageContent, i) => ({
  ...{ id: `d${i}`, pageContent, metadata: { even: i % 2 === 0, i } },
}));

describe('MemoryVectorStore', () => {
  it('finds what is nearest with its cosine, k at most, under a filter, equal ones in order', async () => {
    const store = await MemoryVectorStore.fromDocuments(DOCUMENTS, letters);
    const found = await store.similaritySearchWithScore('a', 2);
    assert.deepEqual(
      found.map(([{ id }, score]) => [id, Number(score.toFixed(6))]),
      [
        ['d2', 1],
        ['d0', Number((2 / Math.sqrt(5)).toFixed(6))],
      ],
    );
    const only = await store.similaritySearch('a', 4, { even: false });
    assert.deepEqual(
      only.map(({ id }) => id),
      ['d1', 'd3'],
    );
    assert.equal((await store.similaritySearch('c')).length, 4);
    assert.deepEqual(await new MemoryVectorStore(letters).similaritySearch('a'), []);
  });

  it('is a retriever with k, filter and threshold', async () => {
    const store = await MemoryVectorStore.fromDocuments(DOCUMENTS.slice(0, 2), letters);
    await store.addDocuments(DOCUMENTS.slice(2));
    assert.equal(store.size, 4);
    const retriever = store.asRetriever({
      k: 3,
      filter: ({ metadata }) => metadata.i !== 2,
      scoreThreshold: 0.49,
    });
    assert.deepEqual(
      (await retriever.invoke('ab')).map(({ id }) => id),
      ['d0', 'd1'],
    );
    assert.equal((await retriever.invokeWithScores('ab', { k: 1 })).length, 1);
  });

  it('takes more documents at once than a call may have arguments', async () => {
    const many = Array.from({ length: 150_000 }, (_, i) => ({ pageContent: 'a', metadata: { i } }));
    const embed = {
      name: 'one',
      embedDocuments: async () => many.map(() => [1]),
      embedQuery: async () => [1],
    };
    const store = await MemoryVectorStore.fromDocuments(many, embed);
    assert.equal(store.size, many.length);
    assert.deepEqual((await store.similaritySearch('a', 1))[0].metadata, { i: 0 });
  });

  it('is the same after it was saved and loaded', async (t) => {
    const folder = path.join(await temporaryFolder(t), 'store');
    const store = await MemoryVectorStore.fromDocuments(DOCUMENTS, letters);
    await store.save(folder);
    const loaded = await MemoryVectorStore.load(folder, letters);
    for (const query of ['a', 'bbc'])
      assert.deepEqual(
        await loaded.similaritySearchWithScore(query),
        await store.similaritySearchWithScore(query),
      );
    await loaded.addDocuments([{ pageContent: 'b', metadata: {} }]);
    assert.equal((await loaded.similaritySearch('b', 1))[0].pageContent, 'b');
  });

  it('refuses other embeddings, widths and versions, and damaged files', async (t) => {
    const folder = path.join(await temporaryFolder(t), 'store');
    const store = await MemoryVectorStore.fromDocuments(DOCUMENTS, letters);
    await store.save(folder);
    const load = (): Promise<MemoryVectorStore> => MemoryVectorStore.load(folder, letters);
    const other = { ...letters, name: 'other' };
    await assert.rejects(
      MemoryVectorStore.load(folder, other),
      isError('expected embeddings of letters', 'got other'),
    );
    const wide = { embedDocuments: async () => [[1, 2]], embedQuery: async () => [1, 2] };
    await assert.rejects(
      (await MemoryVectorStore.load(folder, wide)).similaritySearch('a'),
      isError('expected a vector of 3 numbers, got 2'),
    );
    await assert.rejects(
      (await MemoryVectorStore.load(folder, wide)).addDocuments([DOCUMENTS[0]]),
      isError('expected 1 vectors of 3 numbers', 'got 1 of 2'),
    );
    await assert.rejects(
      MemoryVectorStore.fromDocuments(DOCUMENTS, {
        ...wide,
        embedDocuments: async () => [[NaN], [1], [1], [1]],
      }),
      isError('expected finite numbers'),
    );
    const file = path.join(folder, 'documents.json');
    const text = await fs.readFile(file, 'utf8');
    await fs.writeFile(file, text.replace('"version": 1', '"version": 2'));
    await assert.rejects(load(), isError('expected a store of version 1', 'Make the store again'));
    const saved = JSON.parse(text) as { documents: unknown[] };
    await fs.writeFile(file, JSON.stringify({ ...saved, documents: saved.documents.slice(1) }));
    await assert.rejects(load(), isError('expected vectors for 3 documents, got 4 x 3'));
    await fs.rm(path.join(folder, 'vectors.safetensors'));
    await assert.rejects(load(), { name: 'TunebookError' });
    await assert.rejects(new MemoryVectorStore(letters).save(folder), isError('got none'));
    await assert.rejects(store.save('s3://bucket/store'), isError('expected a path on this machine'));
  });
});
