/** The options of `serve`, checked once before anything listens. */
import type { HasRuntime } from '../models';
import { requireOptions } from '../options';
import type { Embeddings } from '../retrieval';
import type { PretrainedTokenizer } from '../tokenizer';
import { requireObject, TunebookError } from '../types';
import { isLoopback } from './guards';
import type { GuardOptions } from './guards';
import type { ServedModel } from './answers/served-models';
import type { RequestLog } from './server-parts';

/** How a model is served. */
export interface ServeOptions {
  /** The base's, and that of adapters that have none of their own. */
  tokenizer: PretrainedTokenizer;
  /** Tokenizers of adapters that were saved with one, by the adapter's name. */
  adapterTokenizers?: Readonly<Record<string, PretrainedTokenizer>>;
  /** What requests call the base; default 'base'. Adapters on the model are called by their own names. */
  name?: string;
  /** Answers /v1/embeddings; without it there are none. */
  embeddings?: Embeddings;
  /** What requests call it; default: its own name, else 'embeddings'. */
  embeddingsName?: string;
  /** A file of races to compare with, as `tunebook dataset build` writes it: the page has the form for a race. */
  state?: string;
  /** Address to listen on; default 127.0.0.1. One that other machines reach needs a token. */
  host?: string;
  /** Default 8080; 0: a free one. */
  port?: number;
  /** Bearer token that requests must have; default: none is asked for. */
  token?: string;
  /** Names that the Host header may have beside localhost's, for a proxy in front. */
  allowedHosts?: readonly string[];
  /** Origins of web pages that may ask (`https://example.org`), or '*'; default: this server's own page. */
  corsOrigins?: readonly string[];
  /** Most prompts in a step of the model; default 8. */
  maxBatch?: number;
  /** Most prompts that wait for a place; more are answered 429. Default 64. */
  maxQueue?: number;
  /** Longest time of a request, waiting included, in ms; default 600,000. */
  timeoutMs?: number;
  /** Largest body, in bytes; default 4 MiB. */
  maxBodyBytes?: number;
  /** Called after each request. */
  onRequest?: (log: RequestLog) => void;
  /** Passes prompts and answers to `onRequest`; default false. */
  logPrompts?: boolean;
}

/** The options with every default filled in. */
export interface CheckedOptions extends GuardOptions {
  readonly port: number;
  readonly models: readonly ServedModel[];
  readonly embeddings: Embeddings | undefined;
  readonly embeddingsName: string;
  readonly state: string | undefined;
  readonly maxBatch: number;
  readonly maxQueue: number;
  readonly timeoutMs: number;
  readonly maxBodyBytes: number;
  readonly onRequest: ((log: RequestLog) => void) | undefined;
  readonly logPrompts: boolean;
}

const WHERE = 'serve';
/** Longest that node's timers take, in ms. */
const LONGEST_TIMEOUT_MS = 2 ** 31 - 1;

/** @throws TunebookError for what cannot be meant */
export function checkedOptions(model: HasRuntime, options: ServeOptions): CheckedOptions {
  requireObject(model, { where: WHERE, what: 'a model', fields: ['runtime'] });
  requireOptions<ServeOptions>(options, {
    where: WHERE,
    names: {
      ...{ tokenizer: true, adapterTokenizers: true, name: true, embeddings: true, embeddingsName: true },
      ...{ state: true, host: true, port: true, token: true, allowedHosts: true, corsOrigins: true },
      ...{
        maxBatch: true,
        maxQueue: true,
        timeoutMs: true,
        maxBodyBytes: true,
        onRequest: true,
        logPrompts: true,
      },
    },
  });
  requireObject(options, { where: WHERE, what: 'options with a tokenizer' });
  const { tokenizer, embeddings, host = '127.0.0.1', port = 8080, token } = options;
  requireObject(tokenizer, {
    ...{ where: WHERE, what: 'a tokenizer', fields: ['encode', 'decode', 'applyChatTemplate'] },
    remedy: 'Pass { tokenizer: await AutoTokenizer.fromPretrained(...) }.',
  });
  if (host === '') throw new TunebookError(`${WHERE}: expected an address in host, got an empty text.`);
  if (!isLoopback(host) && token === undefined)
    throw new TunebookError(
      `${WHERE}: expected a token beside host ${host}, which other machines reach, got none. Set TUNEBOOK_TOKEN, or ` +
        'leave the host out.',
    );
  if (token !== undefined && !/^[\x21-\x7e]+$/.test(token))
    throw new TunebookError(`${WHERE}: expected a token of printable ASCII characters without spaces.`);
  const { maxBatch = 8, maxQueue = 64, timeoutMs = 600_000, maxBodyBytes = 4 * 2 ** 20 } = options;
  requireWhole('port', port, { from: 0, to: 65_535 });
  requireWhole('maxBatch', maxBatch, { from: 1 });
  requireWhole('maxQueue', maxQueue, { from: 0 });
  requireWhole('timeoutMs', timeoutMs, { from: 1, to: LONGEST_TIMEOUT_MS });
  requireWhole('maxBodyBytes', maxBodyBytes, { from: 1 });
  const embeddingsName = options.embeddingsName ?? embeddings?.name ?? 'embeddings';
  return {
    ...{ host, port, token, maxBatch, maxQueue, timeoutMs, maxBodyBytes, embeddings, embeddingsName },
    allowedHosts: (options.allowedHosts ?? []).map((name) => name.toLowerCase()),
    corsOrigins: options.corsOrigins ?? [],
    models: servedModels(model, options, embeddings === undefined ? undefined : embeddingsName),
    state: options.state,
    onRequest: options.onRequest,
    logPrompts: options.logPrompts ?? false,
  };
}

function servedModels(
  { runtime }: HasRuntime,
  { tokenizer, adapterTokenizers = {}, name = 'base' }: ServeOptions,
  embeddingsName: string | undefined,
): ServedModel[] {
  const { names } = runtime.weights.adapters;
  const foreign = Object.keys(adapterTokenizers).find((adapter) => !names.includes(adapter));
  if (foreign !== undefined)
    throw new TunebookError(
      `${WHERE}: expected adapterTokenizers of adapters on the model (${names.join(', ') || 'none'}), got '${foreign}'.`,
    );
  const models = [
    { id: name, adapter: undefined, tokenizer },
    ...names.map((adapter) => ({ id: adapter, adapter, tokenizer: adapterTokenizers[adapter] ?? tokenizer })),
  ];
  const ids = [...models.map(({ id }) => id), ...(embeddingsName === undefined ? [] : [embeddingsName])];
  const twice = ids.find((id, i) => ids.indexOf(id) !== i);
  if (twice !== undefined)
    throw new TunebookError(
      `${WHERE}: expected a name of its own for each model, got ${JSON.stringify(twice)} twice.`,
    );
  return models;
}

function requireWhole(
  name: string,
  value: number,
  { from, to = Infinity }: { from: number; to?: number },
): void {
  if (Number.isInteger(value) && value >= from && value <= to) return;
  const range = to === Infinity ? `from ${from}` : `from ${from} to ${to}`;
  throw new TunebookError(`${WHERE}: expected ${name} to be a whole number ${range}, got ${value}.`);
}
