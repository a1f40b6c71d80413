/** Figures of retrieval: nDCG as scikit-learn's, the others by definition, intervals, abstention, and what is refused. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { evaluateRetrieval } from '../../lib/eval';
import type { LabelledQuery, MeasuredRetriever } from '../../lib/eval';
import { ROOT } from '../support/paths';
import { testRefusals, untyped } from '../support/refusals';

const FILE = path.join(ROOT, 'test', 'golden', 'retrieval', 'golden-metrics.json');

/** Answers from a table; nothing to others. */
function fixed(lists: Readonly<Record<string, readonly string[]>>): MeasuredRetriever {
  return { invoke: async (query) => (lists[query] ?? []).map((id) => ({ id })) };
}

it('figures of each query and their means are those of scikit-learn and of their definitions', async () => {
  const golden = JSON.parse(fs.readFileSync(FILE, 'utf8')) as {
    readonly queries: (LabelledQuery & { order: string[]; metrics: Record<string, number> })[];
    readonly means: Record<string, number>;
  };
  const { queries, means } = golden;
  const retriever = fixed(Object.fromEntries(queries.map(({ query, order }) => [query, order])));
  const { metrics, perQuery, answerable } = await evaluateRetrieval(retriever, { queries });
  const isClose = (a: number, b: number): boolean => Math.abs(a - b) < 1e-12;
  assert.equal(answerable.queries, 25);
  for (const [i, wanted] of queries.entries())
    for (const [name, value] of Object.entries(wanted.metrics))
      assert.ok(isClose(perQuery[i].metrics?.[name] ?? NaN, value), `${wanted.query}: ${name}`);
  assert.deepEqual(Object.keys(metrics).sort(), Object.keys(means).sort());
  for (const [name, value] of Object.entries(means)) {
    assert.ok(isClose(metrics[name].value, value), name);
    assert.ok(metrics[name].low <= value && value <= metrics[name].high, name);
  }
});

it('intervals are those of a mean, and the same for the same seed', async () => {
  const queries = Array.from({ length: 400 }, (_, i) => ({ query: String(i), labels: { a: 1 } }));
  const retriever: MeasuredRetriever = {
    invoke: async (query) => [{ id: Number(query) % 4 === 0 ? 'b' : 'a' }],
  };
  const measure = async (seed?: number): Promise<number[]> => {
    const { metrics } = await evaluateRetrieval(retriever, { queries, k: [1], resamples: 4000, seed });
    const { value, low, high } = metrics['accuracy@1'];
    return [value, low, high];
  };
  const [value, low, high] = await measure();
  const spread = 1.96 * Math.sqrt((0.75 * 0.25) / 400);
  assert.equal(value, 0.75);
  assert.ok(
    Math.abs(low - (0.75 - spread)) < 0.006 && Math.abs(high - (0.75 + spread)) < 0.006,
    `${low}, ${high}`,
  );
  assert.deepEqual(await measure(), [value, low, high]);
  assert.notDeepEqual(await measure(7), [value, low, high]);
});

it('queries that nothing answers are counted apart, and a retriever with scores is asked for enough', async () => {
  const asked: number[] = [];
  const retriever: MeasuredRetriever = {
    invoke: async () => assert.fail(),
    invokeWithScores: async (query, { k }) => {
      asked.push(k);
      return query === 'silent' || query === 'none' ? [] : [[{ id: 'a' }, 1]];
    },
  };
  const queries: LabelledQuery[] = [
    { query: 'good', labels: { a: 1 } },
    { query: 'silent', labels: { a: 1 } },
    { query: 'none', labels: {} },
    { query: 'wrong', labels: { a: 0 } },
  ];
  const { metrics, answerable, unanswerable } = await evaluateRetrieval(retriever, { queries, k: [1, 7] });
  assert.deepEqual(answerable, { queries: 2, abstained: 1 });
  assert.deepEqual(unanswerable, { queries: 2, abstained: 1 });
  assert.equal(metrics['ndcg@7'].value, 0.5);
  assert.deepEqual([...new Set(asked)], [7]);
});

it('the grade that counts as relevant can be raised', async () => {
  const retriever = fixed({ q: ['a', 'b'] });
  const queries = [{ query: 'q', labels: { a: 1, b: 2 } }];
  const { metrics } = await evaluateRetrieval(retriever, { queries, k: [1, 2], relevantFrom: 2 });
  assert.deepEqual(
    ['accuracy@1', 'accuracy@2', 'recall@2', 'mrr@2'].map((name) => metrics[name].value),
    [0, 1, 1, 0.5],
  );
});

const measure = untyped(evaluateRetrieval);
const QUERIES = [{ query: 'q', labels: { a: 1 } }];
testRefusals([
  ['a retriever that is none', () => measure({}, { queries: QUERIES }), /expected a retriever with invoke/],
  ['no labels', () => measure(fixed({}), { queries: [{ query: 'q', labels: {} }] }), /got none among 1/],
  ['k of 0', () => measure(fixed({}), { queries: QUERIES, k: [0] }), /got \[0\]/],
  ['a confidence of 95', () => measure(fixed({}), { queries: QUERIES, confidence: 95 }), /got 95 and 1000/],
  [
    'documents without ids',
    () => measure({ invoke: async () => [{ pageContent: 'x' }] }, { queries: QUERIES }),
    /got one without for "q"/,
  ],
]);
