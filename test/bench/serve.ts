/**
 * A server under load over loopback: thousands of short requests and what memory they leave behind; and the tokens of one
 * request alone against several together, in one run; and what waiting costs by the size of a batch.
 */
import OpenAI from 'openai';
import type { BatchCounts } from '../../lib/generation';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { serve } from '../../lib/serve';
import { AutoTokenizer } from '../../lib/tokenizer';
import { putAdapter } from '../serve/small-server';
import { askMany } from '../serve/load';
import type { LoadResult } from '../serve/load';

export interface ServeBench {
  readonly requests: number;
  readonly wrong: number;
  readonly lost: number;
  readonly requestsPerSecond: number;
  /** Memory of the process after each tenth of the requests, MB; clients are in it as well. */
  readonly residentMb: number[];
  /** The same requests by how many rows a step may have. */
  readonly batches: readonly BatchBench[];
  /** GPT-2's shape with random weights: tokens a second of one request, and of so many at once. */
  readonly tokensPerSecond: Readonly<Record<string, number>>;
}

/** One batch size under load. */
export interface BatchBench {
  readonly maxBatch: number;
  readonly requestsPerSecond: number;
  /** Rows of a step, on average. */
  readonly occupancy: number;
  /** What a prompt waits for a place, on average. */
  readonly queueMs: number;
  /** To the first piece of a stream, waiting included: the median, and what 5 % take longer than. */
  readonly firstTokenMs: readonly [median: number, slow: number];
}

/** @param options.tokens longest answer of the comparison */
export async function benchServe(
  options: { requests?: number; tokens?: number; layers?: number } = {},
): Promise<ServeBench> {
  const { requests = 3000, tokens = 32, layers = 12 } = options;
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  const small = await AutoModelForCausalLM.fromConfig(
    { model_type: 'gpt2', vocab_size: 50257, n_positions: 160, n_embd: 16, n_layer: 2, n_head: 2 },
    { seed: 9 },
  );
  putAdapter(small, 'one');
  const server = await serve(small, { tokenizer, name: 'small', port: 0, maxQueue: 40 });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const residentMb: number[] = [];
  const load = await askMany(client, {
    ...{ requests, clients: 32, models: ['small', 'one'] },
    onAnswer: (done) => {
      if (done % Math.ceil(requests / 10) === 0) residentMb.push(Math.round(process.memoryUsage.rss() / 1e6));
    },
  });
  await server.close();
  const batches: BatchBench[] = [];
  for (const maxBatch of [1, 4, 8, 16])
    batches.push(await benchBatch(small, { maxBatch, requests: Math.ceil(requests / 8) }));
  await small.dispose();
  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2', n_layer: layers }, { seed: 1 });
  const tokensPerSecond = await throughput(model, tokens);
  await model.dispose();
  const { wrong, lost, seconds } = load;
  return {
    requests,
    wrong,
    lost,
    requestsPerSecond: requests / seconds,
    residentMb,
    batches,
    tokensPerSecond,
  };
}

/** Requests at a time: twice as many as the largest batch. */
const CLIENTS = 32;

async function benchBatch(
  model: CausalLM,
  { maxBatch, requests }: { maxBatch: number; requests: number },
): Promise<BatchBench> {
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  const server = await serve(model, { tokenizer, name: 'small', port: 0, maxBatch, maxQueue: 40 });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = (count: number): Promise<LoadResult> =>
    askMany(client, { requests: count, clients: CLIENTS, models: ['small'] });
  try {
    await ask(CLIENTS); // functions are compiled
    const before = await countsOf(server.url);
    const { seconds, firstTokenMs } = await ask(requests);
    const after = await countsOf(server.url);
    const change = (name: keyof BatchCounts): number => after[name] - before[name];
    return {
      maxBatch,
      requestsPerSecond: requests / seconds,
      occupancy: change('stepRows') / change('steps'),
      queueMs: change('waitedMs') / change('admitted'),
      firstTokenMs: [at(firstTokenMs, 0.5), at(firstTokenMs, 0.95)],
    };
  } finally {
    await server.close();
  }
}

async function countsOf(url: string): Promise<BatchCounts> {
  return (await (await fetch(`${url}/health`)).json()) as BatchCounts;
}

/** @param sorted ascending */
function at(sorted: readonly number[], share: number): number {
  return sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))];
}

async function throughput(model: CausalLM, tokens: number): Promise<Record<string, number>> {
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
  const server = await serve(model, { tokenizer, name: 'gpt2', port: 0, maxBatch: 16 });
  const client = new OpenAI({ baseURL: `${server.url}/v1`, apiKey: 'none', maxRetries: 0 });
  const ask = async (seed: number): Promise<number> => {
    const { usage } = await client.completions.create({
      ...{ model: 'gpt2', prompt: `Race ${seed}: the sled was slow and the row was fine.` },
      ...{ max_tokens: tokens, seed },
    });
    return usage?.completion_tokens ?? 0;
  };
  const found: Record<string, number> = {};
  try {
    for (const together of [1, 4, 8, 16, 1]) {
      const all = (): Promise<number[]> => Promise.all(Array.from({ length: together }, (_, i) => ask(i)));
      await all(); // functions are compiled
      const started = performance.now();
      const counts = await all();
      const total = counts.reduce((sum, count) => sum + count, 0);
      found[found[together] === undefined ? String(together) : `${together} again`] =
        total / ((performance.now() - started) / 1000);
    }
  } finally {
    await server.close();
  }
  return found;
}
