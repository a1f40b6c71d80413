/**
 * A server under load over loopback: thousands of short requests and what memory they leave behind; and the tokens of one
 * request alone against several together, in one run.
 */
import OpenAI from 'openai';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { serve } from '../../lib/serve';
import { AutoTokenizer } from '../../lib/tokenizer';
import { putAdapter } from '../serve/small-server';
import { askMany } from '../serve/load';

export interface ServeBench {
  readonly requests: number;
  readonly wrong: number;
  readonly lost: number;
  readonly requestsPerSecond: number;
  /** Memory of the process after each tenth of the requests, MB; clients are in it as well. */
  readonly residentMb: number[];
  /** GPT-2's shape with random weights: tokens a second of one request, and of so many at once. */
  readonly tokensPerSecond: Readonly<Record<string, number>>;
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
  await small.dispose();
  const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2', n_layer: layers }, { seed: 1 });
  const tokensPerSecond = await throughput(model, tokens);
  await model.dispose();
  const { wrong, lost, seconds } = load;
  return { requests, wrong, lost, requestsPerSecond: requests / seconds, residentMb, tokensPerSecond };
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
