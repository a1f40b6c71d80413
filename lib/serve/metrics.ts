/** What Prometheus reads at /metrics. */
import { createRequire } from 'node:module';
import type * as PromClient from 'prom-client';
import type { BatchCounts } from '../generation';

/** A server's counters. */
export interface ServerMetrics {
  /** An answer was sent, or its client has gone. */
  answered(request: { route: string; status: number; seconds: number }): void;
  firstToken(seconds: number): void;
  tokens(counts: { read: number; written: number }): void;
  /** The text that Prometheus reads, and its type. */
  text(): Promise<{ body: string; type: string }>;
}

/** Seconds; a small model's token takes milliseconds, a long answer of a large one minutes. */
const BUCKETS = [0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300];

/** Counters in a registry of their own. @param counts what the batch is doing now */
export function serverMetrics(counts: () => BatchCounts): ServerMetrics {
  const prom = createRequire(__filename)('prom-client') as typeof PromClient;
  const register = new prom.Registry();
  const registers = [register];
  const requests = new prom.Counter({
    ...{ name: 'tunebook_requests_total', help: 'Requests by route and status; 499: the client left.' },
    ...{ labelNames: ['route', 'status'], registers },
  });
  const seconds = new prom.Histogram({
    ...{ name: 'tunebook_request_seconds', help: 'From request to the end of its answer.' },
    ...{ labelNames: ['route'], buckets: BUCKETS, registers },
  });
  const first = new prom.Histogram({
    ...{ name: 'tunebook_time_to_first_token_seconds', help: 'From request to its first token.' },
    ...{ buckets: BUCKETS, registers },
  });
  const read = new prom.Counter({
    name: 'tunebook_prompt_tokens_total',
    help: 'Tokens of prompts.',
    registers,
  });
  const written = new prom.Counter({
    ...{ name: 'tunebook_generation_tokens_total', help: 'Tokens of answers.', registers },
  });
  const gauge = (name: string, help: string, value: () => number): void => {
    new prom.Gauge({
      ...{ name: `tunebook_${name}`, help, registers },
      collect() {
        this.set(value());
      },
    });
  };
  gauge('rows_running', 'Prompts that have a place in the batch.', () => counts().running);
  gauge('rows_waiting', 'Prompts that wait for a place.', () => counts().waiting);
  gauge('steps', 'Steps of the model since the start.', () => counts().steps);
  gauge('step_rows', 'Rows of these steps that were in use.', () => counts().stepRows);
  gauge('rows_admitted', 'Prompts that have been given a place since the start.', () => counts().admitted);
  gauge(
    'prompt_tokens_reused',
    'Tokens of prompts that were known from earlier ones.',
    () => counts().reusedTokens,
  );
  gauge('rows_waited_seconds', 'Time that they waited for it, all together.', () => counts().waitedMs / 1000);
  gauge('resident_memory_bytes', 'Memory of the process.', () => process.memoryUsage.rss());
  return {
    answered: ({ route, status, seconds: taken }) => {
      requests.inc({ route, status });
      seconds.observe({ route }, taken);
    },
    firstToken: (taken) => first.observe(taken),
    tokens: (tokens) => {
      read.inc(tokens.read);
      written.inc(tokens.written);
    },
    text: async () => ({ body: await register.metrics(), type: register.contentType }),
  };
}
