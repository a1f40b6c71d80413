/**
 * llama.cpp through node-llama-cpp, where that is installed: the other side of a comparison. It is an optional peer and
 * loads at its first use. TUNEBOOK_LLAMA_CPP names a folder that it was installed into, where that is not the project.
 */
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { tunebookEnvironment } from '../../environment';
import { readJsonObject } from '../../files';
import { messageOf, TunebookError } from '../../types';
import type { OpenResponder, Responder } from './responder';

const PACKAGE = 'node-llama-cpp';

/** What to type where it is missing. */
export const LLAMA_CPP_ADVICE =
  'npm install --ignore-scripts --omit=optional node-llama-cpp@3.21.1 @node-llama-cpp/linux-x64@3.21.1 ' +
  '(83 MB; another system has its own package)';

/** The part of node-llama-cpp that is used. */
interface LlamaModule {
  getLlama(options: Readonly<Record<string, unknown>>): Promise<Llama>;
}
interface Llama {
  loadModel(options: Readonly<Record<string, unknown>>): Promise<LlamaModel>;
  dispose(): Promise<void>;
}
interface LlamaModel {
  readonly tokens: { readonly shouldPrependBosToken: boolean; readonly bos: number | null };
  tokenize(text: string, specialTokens: boolean): number[];
  createContext(options: Readonly<Record<string, unknown>>): Promise<LlamaContext>;
  dispose(): Promise<void>;
}
interface LlamaContext {
  getSequence(): LlamaSequence;
  dispose(): Promise<void>;
}
interface LlamaSequence {
  clearHistory(): Promise<void>;
  evaluate(
    tokens: readonly number[],
    options: Readonly<Record<string, unknown>>,
  ): AsyncGenerator<number, void, undefined>;
  controlledEvaluate(
    input: readonly (number | readonly [number, Readonly<Record<string, unknown>>])[],
    options?: Readonly<Record<string, unknown>>,
  ): Promise<readonly ({ next: { probabilities?: ReadonlyMap<number, number> } } | undefined)[]>;
}

/** How a file is opened in llama.cpp. */
export interface LlamaCppOptions {
  /** Tokens that fit into its memory of keys and values. */
  readonly contextSize: number;
  /** Size of the vocabulary, for tables of probabilities. */
  readonly vocabSize: number;
  /** A GGUF-LoRA file on top. */
  readonly lora?: string;
  /** Default: one; waiting threads cost more than they give on a busy machine. */
  readonly threads?: number;
}

/** Whether node-llama-cpp is there; undefined where it is not. */
export async function findLlamaCpp(): Promise<
  { readonly module: LlamaModule; readonly version: string } | undefined
> {
  const folder = tunebookEnvironment().llamaCppFolder;
  const at = folder === undefined ? undefined : path.resolve(folder, 'node_modules', PACKAGE);
  try {
    const entry = at === undefined ? PACKAGE : pathToFileURL(path.join(at, 'dist', 'index.js')).href;
    const module: unknown = await import(entry);
    if (!isLlamaModule(module)) return undefined;
    const home = at ?? path.dirname(path.dirname(require.resolve(PACKAGE)));
    const { version } = await readJsonObject(path.join(home, 'package.json')).catch(() => ({ version: '' }));
    return { module, version: String(version) };
  } catch (error) {
    if (at === undefined) return undefined;
    throw new TunebookError(
      `TUNEBOOK_LLAMA_CPP: expected a folder with ${PACKAGE}, got ${String(folder)} (${messageOf(error)}). ` +
        `There: ${LLAMA_CPP_ADVICE}.`,
      { cause: error },
    );
  }
}

function isLlamaModule(module: unknown): module is LlamaModule {
  return typeof module === 'object' && module !== null && 'getLlama' in module;
}

/**
 * A GGUF file in llama.cpp, on the CPU.
 * @throws {TunebookError} Where llama.cpp refuses the file, with its words; undefined where it is not installed.
 */
export async function openLlamaCpp(
  file: string,
  options: LlamaCppOptions,
): Promise<OpenResponder | undefined> {
  const found = await findLlamaCpp();
  if (found === undefined) return undefined;
  const said: string[] = [];
  const llama = await found.module.getLlama({
    ...{ gpu: false, build: 'never', logLevel: 'warn', progressLogs: false },
    logger: (_level: string, message: string) => void said.push(message.trim()),
  });
  const { lora, contextSize, vocabSize, threads = 1 } = options;
  try {
    const model = await llama.loadModel({ modelPath: path.resolve(file), useMmap: true });
    const context = await model.createContext({
      ...{ contextSize, threads, batchSize: Math.min(contextSize, 512) },
      ...(lora === undefined ? {} : { lora: { adapters: [{ filePath: path.resolve(lora) }] } }),
    });
    const sequence = context.getSequence();
    return {
      name: `llama.cpp (${PACKAGE} ${found.version})`,
      ...answersOf(model, sequence, vocabSize),
      close: async () => {
        await context.dispose();
        await model.dispose();
        await llama.dispose();
      },
    };
  } catch (cause) {
    await llama.dispose();
    throw new TunebookError(
      `${file}: expected a file that llama.cpp loads, but it says: ${[messageOf(cause), ...said.slice(-3)].join(' ')}`,
      { cause },
    );
  }
}

/** Token ids and probabilities as they come: nothing is cut off or sharpened. */
const PLAIN = { temperature: 1, topK: 0, topP: 1, minP: 0 };

function answersOf(model: LlamaModel, sequence: LlamaSequence, vocabSize: number): Omit<Responder, 'name'> {
  return {
    promptIds: async (prompt) => {
      const ids = model.tokenize(prompt, true);
      const { shouldPrependBosToken, bos } = model.tokens;
      return shouldPrependBosToken && bos !== null ? [bos, ...ids] : ids;
    },
    answer: async (promptIds, maxNewTokens) => {
      await sequence.clearHistory();
      const answer: number[] = [];
      for await (const id of sequence.evaluate(promptIds, { temperature: 0 })) {
        answer.push(id);
        if (answer.length >= maxNewTokens) break;
      }
      return answer;
    },
    logProbabilities: async (ids, positions) => {
      await sequence.clearHistory();
      const rows: Float32Array[] = [];
      const ask = { generateNext: { probabilities: true, options: PLAIN } };
      const first = ids.length - positions;
      await sequence.controlledEvaluate(
        ids.map((id, i) => (i < first ? id : ([id, ask] as const))),
        {
          onTokenResult: (
            _i: number,
            { next }: { next: { probabilities?: ReadonlyMap<number, number> } },
          ) => {
            const row: Float32Array = new Float32Array(vocabSize).fill(Number.NEGATIVE_INFINITY);
            for (const [id, probability] of next.probabilities ?? []) row[id] = Math.log(probability);
            rows.push(row);
          },
        },
      );
      return rows;
    },
  };
}
