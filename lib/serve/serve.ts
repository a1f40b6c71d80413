/** A model behind an address: OpenAI's endpoints over one shared batch. The main path is `serve`. */
import { createRequire } from 'node:module';
import { createServer } from 'node:http';
import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type * as NodeServer from '@hono/node-server';
import { ContinuousBatch, modelDefaults } from '../generation';
import { checkTokenizerFits } from '../tokenizer';
import { messageOf, TunebookError } from '../types';
import { ApiError } from './answers/api-error';
import { createApp } from './app';
import { EmbeddingQueue } from './answers/embeddings';
import { FeedbackForm } from './page/feedback-form';
import { urlHost } from './guards';
import { serverMetrics } from './metrics';
import { checkedOptions } from './options';
import type { CheckedOptions, ServeOptions } from './options';
import { pageFiles } from './page/page';
import { ServedModels } from './answers/served-models';
import type { ServerParts } from './server-parts';
import type { HasRuntime } from '../models';

/** A server that runs. */
export interface RunningServer {
  /** Where it answers, without a slash at the end: `http://127.0.0.1:8080`. */
  readonly url: string;
  /**
   * Takes no more requests, lets those that run end within the limit, and ends the others with an error. The model stays.
   * A second call does not wait.
   */
  close(options?: { graceMs?: number }): Promise<void>;
}

/** Default of `close`. */
const GRACE_MS = 30_000;

/**
 * Serves a model, and the adapters on it by their names, as OpenAI's API: /v1/models, /v1/chat/completions,
 * /v1/completions, /v1/embeddings; /health, /metrics, and a page at /. Requests share the steps of the model
 * (`ContinuousBatch`), so nothing else may use it meanwhile.
 * @throws TunebookError for options that cannot be used, an address without token that others reach, a port in use, and
 *   a model that another server or open batch uses
 * @example
 * ```ts
 * import { AutoModelForCausalLM, AutoTokenizer, serve } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
 * const server = await serve(model, { tokenizer, name: 'gpt2-mini', port: 0 });
 * const answer = await fetch(`${server.url}/v1/completions`, {
 *   method: 'POST',
 *   headers: { 'content-type': 'application/json' },
 *   body: JSON.stringify({ model: 'gpt2-mini', prompt: 'The race was', temperature: 0, max_tokens: 8 }),
 * });
 * console.log(await answer.json());
 * await server.close();
 * await model.dispose();
 * ```
 */
export async function serve(model: HasRuntime, options: ServeOptions): Promise<RunningServer> {
  const checked = checkedOptions(model, options);
  modelDefaults(model.runtime.generationConfig);
  const parts = await partsOf(model, checked);
  const { createAdaptorServer } = createRequire(__filename)('@hono/node-server') as typeof NodeServer;
  const server = createAdaptorServer({
    fetch: createApp(parts).fetch,
    createServer,
    overrideGlobalObjects: false,
  }) as Server;
  try {
    await listen(server, checked);
  } catch (error) {
    await parts.batch.close();
    throw error;
  }
  const { port } = server.address() as AddressInfo;
  let closing: Promise<void> | undefined;
  return {
    url: `http://${urlHost(checked.host)}:${port}`,
    close: ({ graceMs = GRACE_MS } = {}) => {
      if (closing !== undefined) void cutOff(parts);
      return (closing ??= end(server, parts, graceMs));
    },
  };
}

/** Keys and values of prompts that were read last: a conversation repeats what was said before. */
const PREFIX_CACHE_BYTES = 256 * 2 ** 20;

async function partsOf(model: HasRuntime, options: CheckedOptions): Promise<ServerParts> {
  const { embeddings, state, models } = options;
  for (const { tokenizer } of models) checkTokenizerFits(tokenizer, model.runtime);
  const feedback = state === undefined ? undefined : await FeedbackForm.load(state);
  const page = await pageFiles();
  // Last: what is refused leaves no batch open on the model.
  const batch = new ContinuousBatch(model, {
    ...{ maxRows: options.maxBatch, maxWaiting: options.maxQueue, prefixCacheBytes: PREFIX_CACHE_BYTES },
  });
  return {
    ...{ model, batch, guard: options },
    models: new ServedModels(model, models, embeddings === undefined ? undefined : options.embeddingsName),
    embeddings:
      embeddings === undefined
        ? undefined
        : new EmbeddingQueue(embeddings, options.embeddingsName, options.maxQueue),
    ...{ feedback, page },
    metrics: serverMetrics(() => batch.counts),
    timeoutMs: options.timeoutMs,
    maxBodyBytes: options.maxBodyBytes,
    logPrompts: options.logPrompts,
    onRequest: options.onRequest,
    open: new Set(),
    isEnding: false,
  };
}

async function listen(server: Server, { host, port }: CheckedOptions): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => reject(listenError(error, host, port)));
    server.listen(port, host, resolve);
  });
}

function listenError(error: NodeJS.ErrnoException, host: string, port: number): TunebookError {
  const reasons: Readonly<Record<string, string>> = {
    EADDRINUSE: `port ${port} of ${host} is in use. Stop what uses it, or choose another port (0: a free one).`,
    EACCES: `port ${port} may not be used by this user. Choose one from 1024 on.`,
    EADDRNOTAVAIL: `${host} is no address of this machine. Choose 127.0.0.1, or 0.0.0.0 with a token.`,
    ENOTFOUND: `${host} is no address of this machine. Choose 127.0.0.1, or 0.0.0.0 with a token.`,
  };
  return new TunebookError(`serve: ${reasons[error.code ?? ''] ?? messageOf(error)}`);
}

/** How often it is looked whether all requests have ended. */
const LOOK_MS = 20;

async function end(server: Server, parts: ServerParts, graceMs: number): Promise<void> {
  parts.isEnding = true;
  const closed = new Promise((resolve) => server.close(resolve));
  const limit = performance.now() + graceMs;
  while (parts.open.size > 0 && performance.now() < limit) await pause(LOOK_MS);
  await cutOff(parts);
  // Requests that are cut off get an error that says so.
  const last = performance.now() + 1000;
  while (parts.open.size > 0 && performance.now() < last) await pause(LOOK_MS);
  server.closeIdleConnections();
  await pause(LOOK_MS);
  server.closeAllConnections();
  await closed;
}

function cutOff({ batch }: ServerParts): Promise<void> {
  return batch.close(new ApiError(503, 'the server ended before the answer was whole.', { code: 'ending' }));
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
