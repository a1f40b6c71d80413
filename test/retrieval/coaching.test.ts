/**
 * The coaching knowledge under search: words, meanings and both, on the half of the queries that settings were chosen on
 * and on the half that nobody chose by. Bounds are below what was measured; the figures stand in the diagnostics.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { COACHING_FOLDER, readAliases, readQueries } from '../../data/coaching/read';
import { evaluateRetrieval } from '../../lib/eval';
import type { RetrievalEvaluation } from '../../lib/eval';
import {
  AutoEmbeddings,
  BM25Retriever,
  COACHING_ABSTENTION,
  hybridRetriever,
  loadDocuments,
  MemoryVectorStore,
} from '../../lib/retrieval';
import type { Embeddings, Retriever } from '../../lib/retrieval';

/** Each text once: six evaluations ask the same queries. */
function remembered(embeddings: Embeddings): Embeddings {
  const known = new Map<string, Promise<number[]>>();
  return {
    embedDocuments: (texts) => embeddings.embedDocuments(texts),
    embedQuery: (text) => {
      const vector = known.get(text) ?? embeddings.embedQuery(text);
      known.set(text, vector);
      return vector;
    },
  };
}

describe('the coaching knowledge', () => {
  const figures: Record<string, Record<'dev' | 'test', RetrievalEvaluation>> = {};

  before(async () => {
    const said = console.warn;
    console.warn = () => undefined; // a few passages are longer than the encoder sees
    const documents = await loadDocuments(COACHING_FOLDER);
    const embeddings = remembered(await AutoEmbeddings.fromPretrained('use-lite'));
    const aliases = readAliases();
    const queries = readQueries();
    const retrievers: Record<string, Retriever> = {
      words: BM25Retriever.fromDocuments(documents),
      meanings: (await MemoryVectorStore.fromDocuments(documents, embeddings)).asRetriever(),
      hybrid: await hybridRetriever({ documents, embeddings, aliases }),
      abstaining: await hybridRetriever({
        documents,
        embeddings,
        aliases,
        abstainBelow: COACHING_ABSTENTION,
      }),
    };
    console.warn = said;
    for (const [name, retriever] of Object.entries(retrievers)) {
      const half = (split: 'dev' | 'test'): Promise<RetrievalEvaluation> =>
        evaluateRetrieval(retriever, { queries: queries.filter((query) => query.split === split) });
      figures[name] = { dev: await half('dev'), test: await half('test') };
    }
  });

  it('is found better by both together than by either, on each half', (t) => {
    for (const split of ['dev', 'test'] as const) {
      const ndcg = (name: string): number => figures[name][split].metrics['ndcg@10'].value;
      for (const name of ['words', 'meanings', 'hybrid']) {
        const { value, low, high } = figures[name][split].metrics['ndcg@10'];
        t.diagnostic(
          `nDCG@10, ${split}, ${name}: ${value.toFixed(3)} (${low.toFixed(3)} to ${high.toFixed(3)})`,
        );
      }
      assert.ok(ndcg('hybrid') > ndcg('words') + 0.03 && ndcg('hybrid') > ndcg('meanings') + 0.15, split);
      assert.ok(ndcg('hybrid') > 0.58, `${split}: ${ndcg('hybrid')}`);
    }
  });

  it('abstains from half of what nothing answers, and seldom else', (t) => {
    for (const split of ['dev', 'test'] as const) {
      const { answerable, unanswerable } = figures.abstaining[split];
      t.diagnostic(
        `${split}: abstains from ${unanswerable.abstained} of ${unanswerable.queries} that nothing answers, ${answerable.abstained} of ${answerable.queries} others`,
      );
      assert.ok(unanswerable.abstained >= 0.5 * unanswerable.queries, split);
      assert.ok(answerable.abstained <= 0.18 * answerable.queries, split);
    }
  });
});
