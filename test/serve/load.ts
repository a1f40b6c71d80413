/** Many clients of one server, each of whose answers is known from the request alone. */
import type OpenAI from 'openai';

export interface LoadOptions {
  readonly requests: number;
  /** Requests at a time. */
  readonly clients: number;
  readonly models: readonly string[];
  /** Called after each request. */
  readonly onAnswer?: (done: number) => void;
}

export interface LoadResult {
  /** Answers that another request had, or that were cut. */
  readonly wrong: number;
  /** Requests without an answer. */
  readonly lost: number;
  /** Tokens of all answers. */
  readonly tokens: number;
  readonly seconds: number;
  /** From request to the first piece of a stream, ms, ascending; a fifth of the requests are streams. */
  readonly firstTokenMs: readonly number[];
}

/** Different requests; each is asked alone once, and often beside others. */
const KINDS = 24;

/** Asks kinds of requests alone, then all of them from many clients. */
export async function askMany(client: OpenAI, options: LoadOptions): Promise<LoadResult> {
  const { requests, clients, models, onAnswer } = options;
  const firstTokenMs: number[] = [];
  const ask = async (kind: number, isStream: boolean): Promise<{ text: string; tokens: number }> => {
    const body = {
      model: models[kind % models.length],
      prompt: `${kind}: ${'the sled was slow, '.repeat(1 + (kind % 3))}`,
      max_tokens: 3 + (kind % 7),
      ...(kind % 2 === 0 ? { temperature: 0 } : { temperature: 0.9, seed: kind }),
    };
    if (!isStream) {
      const { choices, usage } = await client.completions.create(body);
      return { text: choices[0].text, tokens: usage?.completion_tokens ?? 0 };
    }
    let [text, tokens] = ['', 0];
    const asked = performance.now();
    let isFirst = true;
    const stream = { stream: true as const, stream_options: { include_usage: true } };
    for await (const { choices, usage } of await client.completions.create({ ...body, ...stream })) {
      if (isFirst) firstTokenMs.push(performance.now() - asked);
      isFirst = false;
      text += choices[0]?.text ?? '';
      tokens = usage?.completion_tokens ?? tokens;
    }
    return { text, tokens };
  };
  const wanted: string[] = [];
  for (let kind = 0; kind < KINDS; kind++) wanted.push((await ask(kind, false)).text);
  let [next, done, wrong, lost, tokens] = [0, 0, 0, 0, 0];
  const started = performance.now();
  const worker = async (): Promise<void> => {
    for (let i = next++; i < requests; i = next++) {
      try {
        const answer = await ask(i % KINDS, i % 5 === 0);
        tokens += answer.tokens;
        if (answer.text !== wanted[i % KINDS]) wrong++;
      } catch {
        lost++;
      }
      onAnswer?.(++done);
    }
  };
  await Promise.all(Array.from({ length: clients }, worker));
  const seconds = (performance.now() - started) / 1000;
  firstTokenMs.sort((a, b) => a - b);
  return { wrong, lost, tokens, seconds, firstTokenMs };
}
