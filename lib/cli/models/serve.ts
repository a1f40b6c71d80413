/** `tunebook serve`: a model, adapters on it and an embedding model behind OpenAI's endpoints, until a signal ends it. */
import { createRequire } from 'node:module';
import path from 'node:path';
import { Option } from 'commander';
import type { Command } from 'commander';
import { readTextIfPresent } from '../../files';
import { tunebookEnvironment } from '../../environment';
import type * as Pretrained from '../../pretrained';
import { quantizationConfigOf, QUANTIZATIONS } from '../../quantization';
import type * as Retrieval from '../../retrieval';
import type * as Serve from '../../serve';
import type { RequestLog, RunningServer } from '../../serve';
import type * as Tokenizers from '../../tokenizer';
import { TunebookError } from '../../types';
import { collect, count, seconds, wholeNumber, WrongCallError } from '../terminal/call';

/** What the command line of `serve` gives. */
export interface ServeCommandOptions {
  readonly adapter: readonly string[];
  readonly name?: string;
  readonly quantize?: (typeof QUANTIZATIONS)[number];
  readonly threads?: number;
  readonly embeddings?: string;
  readonly state?: string;
  readonly host?: string;
  readonly port?: number;
  readonly token?: string;
  readonly tokenFile?: string;
  readonly allowedHost: readonly string[];
  readonly cors: readonly string[];
  readonly maxBatch?: number;
  readonly maxQueue?: number;
  readonly timeout?: number;
  readonly grace?: number;
  readonly log: boolean;
  readonly logPrompts?: boolean;
}

/** An adapter by its folder, and by the name that requests choose it by. */
interface NamedAdapter {
  readonly name: string;
  readonly folder: string;
}

const load = createRequire(__filename);

/**
 * Serves until SIGINT or SIGTERM; then no request is taken any more, and those that run end within the limit.
 * @throws TunebookError for what cannot be loaded, and as `serve`
 */
export async function serveCommand(given: string, options: ServeCommandOptions): Promise<void> {
  const token = await tokenOf(options);
  const adapters = options.adapter.map(namedAdapter);
  const { AutoModelForCausalLM, baseQuantization, loadAdapter, modelPlaces, tokenizerPlace } = load(
    '../../pretrained',
  ) as typeof Pretrained;
  const { AutoTokenizer } = load('../../tokenizer') as typeof Tokenizers;
  const { adapter, base } = await modelPlaces({ model: given });
  if (adapter !== undefined) adapters.unshift({ name: nameOf(adapter), folder: adapter });
  const { quantize, threads } = options;
  console.error(`Loading ${base} ...`);
  const tokenizer = await AutoTokenizer.fromPretrained(base);
  const model = await AutoModelForCausalLM.fromPretrained(base, {
    quantizationConfig: await baseQuantization(adapters[0]?.folder, quantizationConfigOf(quantize)),
    ...(threads === undefined ? {} : { engine: { threads } }),
  });
  let server: RunningServer | undefined;
  try {
    const adapterTokenizers: Record<string, Tokenizers.PretrainedTokenizer> = {};
    for (const { name, folder } of adapters) {
      await loadAdapter(model, folder, name);
      const place = await tokenizerPlace(folder, base);
      if (place !== base) adapterTokenizers[name] = await AutoTokenizer.fromPretrained(place);
    }
    const { serve } = load('../../serve') as typeof Serve;
    const signal = stopSignal();
    server = await serve(model, {
      ...{ tokenizer, adapterTokenizers, token },
      name: options.name ?? nameOf(base),
      ...(await embeddingsOf(options)),
      ...{ state: options.state, host: options.host, port: options.port },
      ...{ allowedHosts: options.allowedHost, corsOrigins: options.cors },
      ...{ maxBatch: options.maxBatch, maxQueue: options.maxQueue },
      timeoutMs: options.timeout === undefined ? undefined : options.timeout * 1000,
      logPrompts: options.logPrompts,
      onRequest: options.log || options.logPrompts ? (log) => console.error(logLine(log)) : onlyFailures,
    });
    console.log(
      `Serving ${[options.name ?? nameOf(base), ...model.adapterNames].join(', ')} on ${server.url}`,
    );
    await signal.first;
    console.error('Ending: no more requests; those that run end first. A second signal cuts them off.');
    const graceMs = options.grace === undefined ? undefined : options.grace * 1000;
    const ended = server.close(graceMs === undefined ? {} : { graceMs });
    void signal.second.then(() => server?.close());
    await ended;
    signal.off();
  } finally {
    await model.dispose();
  }
}

/** The first and the second signal to end. */
function stopSignal(): { first: Promise<void>; second: Promise<void>; off: () => void } {
  const waiting: (() => void)[] = [];
  const next = (): Promise<void> => new Promise((resolve) => waiting.push(resolve));
  const [first, second] = [next(), next()];
  const onSignal = (): void => waiting.shift()?.();
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;
  for (const name of signals) process.on(name, onSignal);
  return { first, second, off: () => signals.forEach((name) => process.off(name, onSignal)) };
}

async function tokenOf({ token, tokenFile }: ServeCommandOptions): Promise<string | undefined> {
  if (token !== undefined) return token;
  if (tokenFile === undefined) return tunebookEnvironment().serverToken || undefined;
  const text = (await readTextIfPresent(tokenFile))?.trim();
  if (text !== undefined && text !== '') return text;
  throw new TunebookError(
    `${tokenFile}: expected a file with the token, got ${text === undefined ? 'none' : 'an empty one'}.`,
  );
}

async function embeddingsOf({ embeddings }: ServeCommandOptions): Promise<Partial<Serve.ServeOptions>> {
  if (embeddings === undefined) return {};
  const { AutoEmbeddings } = load('../../retrieval') as typeof Retrieval;
  return { embeddings: await AutoEmbeddings.fromPretrained(embeddings), embeddingsName: nameOf(embeddings) };
}

/** `-a NAME=FOLDER`, or `-a FOLDER` by the folder's own name. */
function namedAdapter(text: string): NamedAdapter {
  const [, name, folder] = /^([^/\\=]+)=(.+)$/.exec(text) ?? [];
  return name === undefined ? { name: nameOf(text), folder: text } : { name, folder };
}

/** A hub id as it is; of a path its last part. */
function nameOf(place: string): string {
  return /^[\w.-]+\/[\w.-]+$/.test(place) && !/^\.{1,2}\//.test(place) && !place.startsWith('outputs/')
    ? place
    : path.basename(path.resolve(place));
}

/** One line without texts, unless they were asked for. */
function logLine(log: RequestLog): string {
  const { method, path: route, status, ms, model, promptTokens, newTokens, prompts, answers, error } = log;
  const tokens = newTokens === undefined ? '' : ` ${model} ${promptTokens} + ${newTokens} tokens`;
  const texts = prompts === undefined ? '' : `\n${JSON.stringify({ prompts, answers })}`;
  const time = new Date().toISOString();
  return `${time} ${method} ${route} ${status} ${Math.round(ms)} ms${tokens}${texts}${failure(error)}`;
}

function onlyFailures(log: RequestLog): void {
  if (log.error !== undefined) console.error(logLine(log));
}

function failure(error: unknown): string {
  if (error === undefined) return '';
  return `\n${error instanceof Error ? (error.stack ?? error.message) : String(error)}`;
}

function readPort(text: string): number {
  const port = wholeNumber(text);
  if (port > 65_535) throw new WrongCallError(`--port: expected a port up to 65535, got ${text}`);
  return port;
}

/** Adds `serve` to the program. */
export function addServeCommand(program: Command): void {
  program
    .command('serve')
    .description("serve a model as OpenAI's API, with a page to try it at /")
    .argument('<model>', 'built-in model, folder or hub id; of an adapter its base is loaded as well')
    .option(
      '-a, --adapter <[name=]folder>',
      'a saved LoRA adapter, chosen by its name as model (repeatable)',
      collect,
      [],
    )
    .option('--name <name>', "what requests call the base (default: the model's name)")
    .addOption(
      new Option('-q, --quantize <type>', 'quantize the weights as they load').choices(QUANTIZATIONS),
    )
    .option('--threads <count>', 'CPU threads (default: TUNEBOOK_THREADS, else one per core)', count)
    .option('--embeddings <model>', 'embedding model for /v1/embeddings: use-lite, a folder or hub id')
    .option(
      '--state <file>',
      'races to compare with: the page at / has a form for a race, and writes feedback',
    )
    .option(
      '--host <address>',
      'address to listen on; another than loopback needs a token (default: 127.0.0.1)',
    )
    .option('--port <number>', 'port; 0: a free one (default: 8080)', readPort)
    .option(
      '--token <text>',
      'bearer token that requests must have; others see it among the processes: better TUNEBOOK_TOKEN',
    )
    .option('--token-file <file>', 'file with the token')
    .option(
      '--allowed-host <name>',
      'name that the Host header may have, behind a proxy (repeatable)',
      collect,
      [],
    )
    .option('--cors <origin>', 'origin of web pages that may ask, or * (repeatable)', collect, [])
    .option('--max-batch <count>', 'most prompts in a step of the model (default: 8)', count)
    .option('--max-queue <count>', 'most prompts that wait; more are answered 429 (default: 64)', wholeNumber)
    .option('--timeout <seconds>', 'longest time of a request, waiting included (default: 600)', seconds)
    .option('--grace <seconds>', 'how long running requests may take at the end (default: 30)', seconds)
    .option('--log', 'a line for each request, without its texts', false)
    .option('--log-prompts', 'also prompts and answers')
    .action(serveCommand);
}
