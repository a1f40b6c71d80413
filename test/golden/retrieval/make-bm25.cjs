// BM25 scores by another implementation, for test/retrieval/search.test.ts. In a folder of its own:
//   npm install okapibm25@1.4.1 && node make-bm25.cjs > golden-bm25.json
// It counts substrings and stems nothing: words are made so that none is part of another, or has a stem of its own.
const { default: BM25 } = require('okapibm25');

const WORDS = ['zubik', 'mofat', 'kerol', 'patun', 'vidog', 'lobax', 'garim', 'tonuk', 'hepov', 'rudil'];
const documents = Array.from({ length: 40 }, (_, i) =>
  Array.from({ length: 4 + ((i * 7) % 23) }, (_, j) => WORDS[(i * i + 3 * j * j + i * j) % WORDS.length]).join(' '),
);
const QUERIES = [['zubik'], ['mofat', 'kerol'], ['rudil', 'hepov', 'tonuk', 'patun'], ['vidog', 'nowhere']];
const cases = [{ k1: 1.2, b: 0.75 }, { k1: 2, b: 0.3 }].flatMap((constants) =>
  QUERIES.map((words) => ({ ...constants, query: words.join(' '), scores: BM25(documents, words, constants) })),
);
console.log(JSON.stringify({ documents, cases }));
