/** Search by words, aliases and ensembles: scores of another implementation, ranks by hand, and what is refused. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import {
  aliasExpansion,
  BM25Retriever,
  EnsembleRetriever,
  hybridRetriever,
  searchWords,
} from '../../lib/retrieval';
import type { Document, ScoredDocument, ScoredRetriever } from '../../lib/retrieval';
import { topPlaces } from '../../lib/retrieval/search/retriever';
import { assertClose } from '../support/assert-close';
import { ROOT } from '../support/paths';
import { testRefusals, untyped } from '../support/refusals';

const doc = (pageContent: string, metadata: Record<string, unknown> = {}): Document => ({
  id: pageContent.split(' ')[0],
  pageContent,
  metadata,
});

const CORPUS = [
  doc('pull the sled with straight arms', { segment: 'sled', level: 1 }),
  doc('row with long strokes and row evenly', { segment: 'row', level: 2 }),
  doc('breathe out as you lunge', { segment: 'lunge', tags: ['legs', 'breath'] }),
];

const ids = (documents: readonly Document[]): (string | undefined)[] => documents.map(({ id }) => id);

/** A retriever with fixed answers. */
function fixed(scores: Record<string, number>): ScoredRetriever {
  const all = Object.entries(scores).map(([name, score]): ScoredDocument => [doc(name), score]);
  return {
    invoke: async () => all.map(([document]) => document),
    invokeWithScores: async (_, { k = 99 } = {}) => all.slice(0, k),
  };
}

describe('searchWords', () => {
  it('cuts to stems, folds case and forms of letters, and leaves out the commonest words', () => {
    assert.deepEqual(searchWords('How should I be ROWING on the rowers? ﬁne É 2:05'), [
      ...['row', 'rower', 'fine', 'é', '2', '05'],
    ]);
    assert.deepEqual(searchWords('what is it to me'), []);
  });
});

describe('BM25Retriever', () => {
  it('has the scores of another implementation', async () => {
    const file = path.join(ROOT, 'test', 'golden', 'retrieval', 'golden-bm25.json');
    const { documents, cases } = JSON.parse(fs.readFileSync(file, 'utf8')) as {
      readonly documents: string[];
      readonly cases: { k1: number; b: number; query: string; scores: number[] }[];
    };
    for (const { k1, b, query, scores } of cases) {
      const retriever = BM25Retriever.fromDocuments(
        documents.map((pageContent, place) => ({ pageContent, metadata: { place } })),
        { k1, b },
      );
      const found = await retriever.invokeWithScores(query, { k: documents.length });
      assert.equal(found.length, scores.filter((score) => score > 0).length);
      const got = scores.map(() => 0);
      for (const [{ metadata }, score] of found) got[metadata.place as number] = score;
      assertClose(got, scores, { absolute: 1e-12, relative: 1e-12 }, query);
      assert.ok(found.every(([, score], i) => i === 0 || score <= found[i - 1][1]));
    }
  });

  it('finds other forms of a word, at most k, and nothing where no word occurs', async () => {
    const retriever = BM25Retriever.fromDocuments(CORPUS, { k: 2 });
    assert.deepEqual(ids(await retriever.invoke('Rowing, breathing, pulling')), ['row', 'breathe']); // the shorter text first
    assert.deepEqual(ids(await retriever.invoke('lunges!')), ['breathe']);
    assert.deepEqual(await retriever.invoke('passport renewal'), []);
    assert.deepEqual(await retriever.invoke(''), []);
    assert.deepEqual(await BM25Retriever.fromDocuments([]).invoke('row'), []);
  });

  it('measures how much of a query one document covers, rare words counting more', () => {
    const retriever = BM25Retriever.fromDocuments(CORPUS);
    const rarity = (count: number): number => Math.log(1 + (3 - count + 0.5) / (count + 0.5));
    assert.equal(retriever.coverage('straight arms on the sled'), 1);
    assert.equal(retriever.coverage('passport renewal'), 0);
    assert.equal(retriever.coverage('what is it'), 0);
    // "with" is a stop word; a word of no document is the rarest.
    assertClose(
      [retriever.coverage('row with a passport'), retriever.coverage('row the sled, row')],
      [rarity(1) / (rarity(1) + rarity(0)), 1 / 2],
      { absolute: 1e-12, relative: 0 },
      'coverage',
    );
  });

  it('obeys filters by metadata, by list and by function, and the threshold', async () => {
    const retriever = BM25Retriever.fromDocuments(CORPUS);
    const query = 'row pull lunge';
    const under = async (filter: Parameters<typeof retriever.invokeWithScores>[1]): Promise<unknown> =>
      ids((await retriever.invokeWithScores(query, filter)).map(([document]) => document));
    assert.deepEqual(await under({}), ['row', 'breathe', 'pull']);
    assert.deepEqual(await under({ filter: { segment: 'sled' } }), ['pull']);
    assert.deepEqual(await under({ filter: { level: [1, 2] } }), ['row', 'pull']);
    assert.deepEqual(await under({ filter: { tags: 'legs' } }), ['breathe']);
    assert.deepEqual(await under({ filter: { segment: 'sled', level: 2 } }), []);
    assert.deepEqual(await under({ filter: ({ metadata }) => metadata.level === 2 }), ['row']);
    const [[, best], [, second]] = await retriever.invokeWithScores(query);
    const strict = BM25Retriever.fromDocuments(CORPUS, { scoreThreshold: (best + second) / 2 });
    assert.deepEqual(ids(await strict.invoke(query)), ['row']);
  });

  it('searches the text it is given', async () => {
    const retriever = BM25Retriever.fromDocuments(CORPUS, {
      text: ({ metadata }) => String(metadata.segment),
    });
    assert.deepEqual(ids(await retriever.invoke('the sled')), ['pull']);
    assert.deepEqual(await retriever.invoke('straight'), []);
  });
});

describe('aliases', () => {
  it('add the words that are meant, for words, their forms and whole phrases', () => {
    const expand = aliasExpansion({
      ergo: ['rowing'],
      'ski machine': ['ski erg'],
      machine: ['rowing', 'ski'],
    });
    assert.deepEqual(expand('faster on ergos'), ['rowing']);
    assert.deepEqual(expand('The ski machines'), ['ski erg']);
    assert.deepEqual(expand('machine for the ski'), ['rowing', 'ski']);
    assert.deepEqual(expand('nothing'), []);
  });

  it('take a word as it is before its stem', () => {
    const expand = aliasExpansion({ lungs: ['breath'], lunges: ['sandbag'] });
    assert.deepEqual(searchWords('lungs lunges lunge'), ['lung', 'lung', 'lung']);
    assert.deepEqual(expand('lunges'), ['sandbag']);
    assert.deepEqual(expand('lungs'), ['breath']);
    assert.deepEqual(expand('lunging'), ['breath', 'sandbag']);
  });

  it('take the longest phrase, with its common words, and go on behind it', () => {
    const expand = aliasExpansion({
      sled: ['push', 'pull'],
      'sled pull': ['rope'],
      'in and out': ['transition'],
      'give up': ['mind'],
    });
    assert.deepEqual(expand('sled pulls'), ['rope']);
    assert.deepEqual(expand('sled pull, sled'), ['rope', 'push', 'pull']);
    assert.deepEqual(expand('pull the sled'), ['push', 'pull']);
    assert.deepEqual(expand('in and out of it'), ['transition']);
    assert.deepEqual(expand('I went out too hard and my grip gives'), []);
    assert.deepEqual(expand('giving up'), ['mind']);
  });

  it('count by their weight beside the words of the query, and a word only once', async () => {
    const aliases = { ergo: ['row'] };
    const score = async (query: string, aliasWeight?: number): Promise<number> => {
      const retriever = BM25Retriever.fromDocuments(CORPUS, { aliases, aliasWeight });
      return (await retriever.invokeWithScores(query))[0]?.[1] ?? 0;
    };
    assert.equal(await score('ergo'), await score('row'));
    assert.equal(await score('ergo', 0.5), 0.5 * (await score('row')));
    assert.equal(await score('row ergo', 0.5), await score('row'));
  });
});

describe('EnsembleRetriever', () => {
  const a = fixed({ x: 10, y: 6, z: 2 });
  const b = fixed({ y: 0.9, z: 0.8, w: 0.4 });

  it('adds scores, each list scaled to 0 to 1, by weights', async () => {
    const ensemble = new EnsembleRetriever({ retrievers: [a, b], weights: [0.25, 0.75], k: 9 });
    const found = await ensemble.invokeWithScores('q');
    assert.deepEqual(
      found.map(([{ id }, score]) => [id, Number(score.toFixed(12))]),
      [
        ['y', 0.875],
        ['z', 0.6],
        ['x', 0.25],
        ['w', 0],
      ],
    );
    assert.deepEqual(ids(await new EnsembleRetriever({ retrievers: [a, b], k: 1 }).invoke('q')), ['y']);
  });

  it('adds reciprocal ranks, without scores as well', async () => {
    const silent = { invoke: async () => ['y', 'z', 'w'].map((name) => doc(name)) };
    for (const second of [b, silent]) {
      const ensemble = new EnsembleRetriever({ retrievers: [a, second], fusion: 'rrf', c: 60, k: 9 });
      const found = await ensemble.invokeWithScores('q');
      assert.deepEqual(
        found.map(([{ id }, score]) => [id, score]),
        [
          ['y', 0.5 / 62 + 0.5 / 61],
          ['z', 0.5 / 63 + 0.5 / 62],
          ['x', 0.5 / 61],
          ['w', 0.5 / 63],
        ],
      );
    }
  });

  it('abstains where no retriever reaches its own bound', async () => {
    const ask = (abstainBelow: number[]): Promise<Document[]> =>
      new EnsembleRetriever({ retrievers: [a, b], abstainBelow, k: 1 }).invoke('q');
    assert.deepEqual(await ask([10.1, 0.91]), []);
    assert.deepEqual(ids(await ask([10, 0.91])), ['y']);
    assert.deepEqual(ids(await ask([10.1, 0.9])), ['y']);
    const nothing = new EnsembleRetriever({ retrievers: [fixed({})], abstainBelow: [0] });
    assert.deepEqual(await nothing.invoke('q'), []);
  });

  it('passes filters on', async () => {
    const words = BM25Retriever.fromDocuments(CORPUS);
    const ensemble = new EnsembleRetriever({ retrievers: [words, words] });
    const found = await ensemble.invokeWithScores('row pull lunge', { filter: { segment: 'sled' } });
    assert.deepEqual(
      found.map(([{ id }]) => id),
      ['pull'],
    );
  });
});

describe('hybridRetriever', () => {
  /** As many numbers as there are words to know, 1 where a text has the word. */
  const known = ['lunch', 'eat', 'rope'];
  const embeddings = {
    embedDocuments: async (texts: string[]): Promise<number[][]> =>
      texts.map((text) => [0.1, ...known.map((word) => Number(text.includes(word)))]),
    embedQuery: async (text: string): Promise<number[]> => [
      0.1,
      ...known.map((word) => Number(text.includes(word))),
    ],
  };
  const documents: Document[] = [
    {
      id: 'pull',
      pageContent: 'Lean back on the rope.',
      metadata: { segment: 'sled', questions: ['how to drag'] },
    },
    { id: 'meal', pageContent: 'Eat rice.', metadata: { questions: ['what to have for lunch', 7] } },
    { id: 'bare', pageContent: 'Sleep well.', metadata: { questions: 'nap' } },
  ];

  it('finds documents by the questions that they answer, by words and by meaning', async () => {
    const hybrid = await hybridRetriever({ documents, embeddings, k: 1 });
    assert.deepEqual(ids(await hybrid.invoke('lunch')), ['meal']);
    assert.deepEqual(ids(await hybrid.words.invoke('dragging')), ['pull']);
    // 'lunch' has [0.1, 1, 0, 0], as the question has; the text itself has [0.1, 0, 0, 0].
    const [[best, cosine]] = await hybrid.meaning.invokeWithScores('lunch', { k: 1 });
    assert.equal(best, documents[1]);
    assertClose([cosine], [1], { absolute: 1e-6, relative: 0 }, 'the nearest of text and questions');
    const filtered = await hybrid.invokeWithScores('lunch', { k: 3, filter: { segment: 'sled' } });
    assert.deepEqual(
      filtered.map(([document]) => document),
      [documents[0]],
    );
  });

  it('counts words from aliases half, and those of titles and front matter twice', async () => {
    const { words } = await hybridRetriever({ documents, embeddings, aliases: { tow: ['rope'] } });
    const score = async (query: string): Promise<number> =>
      (await words.invokeWithScores(query))[0]?.[1] ?? 0;
    assert.equal(await score('tow'), 0.5 * (await score('rope')));
    // "sled" stands in the front matter of a text of six words, twice; "rope" once.
    const part = (count: number): number => {
      const lengths = [6, 3, 3];
      const long = 1 - 0.75 + (0.75 * lengths[0] * 3) / (lengths[0] + lengths[1] + lengths[2]);
      return (Math.log(1 + 2.5 / 1.5) * count * 2.2) / (count + 1.2 * long);
    };
    assertClose([await score('sled')], [part(2)], { absolute: 1e-9, relative: 0 }, 'front matter');
    assertClose([await score('rope')], [part(1)], { absolute: 1e-9, relative: 0 }, 'text');
  });

  it('adds 0.6 of the place by words and 0.4 of that by meaning', async () => {
    const hybrid = await hybridRetriever({ documents, embeddings });
    // By words there is one; to these embeddings Europe has a rope, and the other texts are alike.
    const scores = await hybrid.invokeWithScores('sleep in europe', { k: 3 });
    const of = (id: string): number => scores.find(([document]) => document.id === id)?.[1] ?? NaN;
    const [rope, rest] = [1, 0.01 / (Math.hypot(0.1, 1) * 0.1)];
    const meaning = (cosine: number): number => (cosine - rest) / (rope - rest);
    assert.equal((await hybrid.words.invokeWithScores('sleep in europe')).length, 1);
    assertClose(
      [of('bare'), of('pull'), of('meal')],
      [0.6 + 0.4 * meaning(rest), 0.4 * meaning(rope), 0.4 * meaning(rest)],
      { absolute: 1e-5, relative: 0 },
      'scores',
    );
  });

  it('abstains where the odds are below 0, and says nothing of a query without words', async () => {
    const ask = async (bias: number, query: string): Promise<unknown> => {
      const abstention = { words: 0, coverage: 1, bias };
      return ids(await (await hybridRetriever({ documents, embeddings, k: 1, abstention })).invoke(query));
    };
    assert.deepEqual(await ask(-1, 'lunch'), ['meal']);
    assert.deepEqual(await ask(-1.001, 'lunch'), []);
    assert.deepEqual(await ask(-0.3, 'passport lunch'), ['meal']);
    assert.deepEqual(await ask(-0.6, 'passport lunch'), []);
    assert.deepEqual(await ask(-0.001, 'what is it'), []);
    const words = { words: 1, coverage: 0, bias: 0 };
    const hybrid = await hybridRetriever({ documents, embeddings, k: 1, abstention: words });
    const [[, best]] = await hybrid.words.invokeWithScores('lunch', { k: 1 });
    for (const [bias, found] of [
      [-best, 1],
      [-best - 1e-6, 0],
    ])
      assert.equal(
        (
          await (
            await hybridRetriever({ documents, embeddings, abstention: { ...words, bias } })
          ).invoke('lunch')
        ).length > 0,
        found === 1,
      );
  });
});

const silent = { invoke: async () => [] };
testRefusals([
  [
    'an abstention without numbers',
    () =>
      untyped(hybridRetriever)({
        ...{ documents: [], embeddings: { embedDocuments: async () => [], embedQuery: async () => [] } },
        abstention: { words: 1, coverage: '1', bias: 0 },
      }),
    /expected abstention to have numbers for words, coverage and bias/,
  ],
  ['an ensemble of nothing', () => new EnsembleRetriever({ retrievers: [] }), /got an empty list/],
  [
    'a weight too few',
    () => new EnsembleRetriever({ retrievers: [fixed({}), fixed({})], weights: [1] }),
    /expected weights to have a number for each of 2 retrievers, got \[1\]/,
  ],
  [
    'a sum without scores',
    () => new EnsembleRetriever({ retrievers: [silent] }),
    /as number 0. Use fusion: 'rrf'/,
  ],
  [
    'a filter for what takes none',
    () =>
      new EnsembleRetriever({ retrievers: [silent], fusion: 'rrf' }).invokeWithScores('q', {
        filter: { a: 1 },
      }),
    /retriever 0 takes no filter/,
  ],
  ['k of 0', () => BM25Retriever.fromDocuments([], { k: 0 }), /whole number above 0, got 0/],
  [
    'a query that is none',
    () => untyped(BM25Retriever.fromDocuments([]).invoke.bind(BM25Retriever.fromDocuments([])))(3),
    /expected a query, got 3/,
  ],
  [
    'an alias without a list',
    () => untyped(BM25Retriever.fromDocuments)([], { aliases: { a: 'b' } }),
    /expected a list of texts for 'a', got "b"/,
  ],
  [
    'a filter of another kind',
    () =>
      untyped(BM25Retriever.fromDocuments(CORPUS).invokeWithScores.bind(BM25Retriever.fromDocuments(CORPUS)))(
        'row',
        { filter: { a: { b: 1 } } },
      ),
    /for 'a', got {"b":1}/,
  ],
]);

it('the highest scores are those of a sort, equal ones in order, for any k', () => {
  const scores = Array.from({ length: 500 }, (_, i) => (i * 7919) % 37);
  const counts = (place: number): boolean => place % 3 !== 0;
  const sorted = [...scores.keys()].filter(counts).sort((a, b) => scores[b] - scores[a] || a - b);
  for (const k of [1, 4, 90, 300, 1000])
    assert.deepEqual(topPlaces(scores, { k, counts }), sorted.slice(0, k), `k ${k}`);
});
