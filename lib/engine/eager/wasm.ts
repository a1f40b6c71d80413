/**
 * TensorFlow.js's WebAssembly backend under Node: its threaded build, which the package starts in browsers only, and
 * kernels that it lacks or that are slow.
 */
import { readFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { createRequire } from 'node:module';
import { TunebookError } from '../../types';
import { tf } from '../graph/tf';
import { registerWasmKernels } from './wasm-kernels';

/** The members of Emscripten's module that are used here. */
interface WasmModule {
  tfjs?: Record<string, unknown>;
  readonly PThread: { readonly runningWorkers: readonly { unref(): void }[] };
  cwrap(name: string, returns: string | null, takes: readonly string[]): unknown;
}
interface WasmModuleOptions {
  locateFile: (file: string) => string;
  mainScriptUrlOrBlob: string;
  instantiateWasm: (
    imports: WebAssembly.Imports,
    done: (instance: WebAssembly.Instance, module: WebAssembly.Module) => void,
  ) => object;
}
type WasmFactory = (options: WasmModuleOptions) => Promise<WasmModule>;

/** Most threads of the build: it starts this many workers ahead. */
const MOST_THREADS = 8;
let running: { threads: number; started: Promise<void> } | undefined;

/**
 * Registers the backend. There is one per process; another number of threads restarts it.
 *
 * @param threads 0: one per core.
 * @throws {TunebookError} If it does not start.
 */
export async function enableWasm(threads: number): Promise<void> {
  const count = Math.min(threads === 0 ? os.availableParallelism() : threads, MOST_THREADS);
  if (running?.threads !== count) {
    if (running !== undefined) await running.started;
    running = { threads: count, started: start(count) };
  }
  await running.started;
}

async function start(threads: number): Promise<void> {
  const load = createRequire(__filename);
  const wasm = load('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  const folder = path.join(
    path.dirname(load.resolve('@tensorflow/tfjs-backend-wasm/package.json')),
    'wasm-out',
  );
  const script = path.join(folder, 'tfjs-backend-wasm-threaded-simd.js');
  registerWasmKernels();
  wasm.setThreadsCount(threads);
  const wasmModule = await withoutNewListeners(() =>
    (load(script) as WasmFactory)({
      locateFile: (file) =>
        file.endsWith('.worker.js') ? path.join(__dirname, 'wasm-worker.js') : path.join(folder, file),
      mainScriptUrlOrBlob: script,
      instantiateWasm: (imports, done) => {
        // The build uses at most half of the reported cores, so it is given twice as many.
        const env = { ...imports.env, emscripten_num_logical_cores: () => 2 * threads };
        const bytes = readFileSync(path.join(folder, 'tfjs-backend-wasm-threaded-simd.wasm'));
        void WebAssembly.instantiate(bytes, { ...imports, env }).then(({ instance, module }) =>
          done(instance, module),
        );
        return {};
      },
    }),
  ).catch((cause: unknown) => {
    running = undefined;
    throw new TunebookError(
      `createEngine: TensorFlow.js's WebAssembly backend did not start: ${String(cause)}. Use backend 'cpu'.`,
      { cause },
    );
  });
  // As the package's own start-up does.
  wasmModule.tfjs = {
    init: wasmModule.cwrap('init', null, []),
    initWithThreadsCount: wasmModule.cwrap('init_with_threads_count', null, ['number']),
    getThreadsCount: wasmModule.cwrap('get_threads_count', 'number', []),
    registerTensor: wasmModule.cwrap('register_tensor', null, ['number', 'number', 'number']),
    disposeData: wasmModule.cwrap('dispose_data', null, ['number']),
    dispose: wasmModule.cwrap('dispose', null, []),
  };
  if (tf.engine().registryFactory.wasm !== undefined) tf.removeBackend('wasm');
  const backend = new wasm.BackendWasm(
    wasmModule as unknown as ConstructorParameters<typeof wasm.BackendWasm>[0],
  );
  // An idle thread must not keep the process alive.
  for (const worker of wasmModule.PThread.runningWorkers) worker.unref();
  tf.registerBackend('wasm', () => backend, 2);
}

/** Emscripten installs process-wide error handlers, which would change how a program ends. */
async function withoutNewListeners<Result>(work: () => Promise<Result>): Promise<Result> {
  const before = process.listeners('uncaughtException');
  const rejectionsBefore = process.listeners('unhandledRejection');
  try {
    return await work();
  } finally {
    for (const listener of process.listeners('uncaughtException'))
      if (!before.includes(listener)) process.removeListener('uncaughtException', listener);
    for (const listener of process.listeners('unhandledRejection'))
      if (!rejectionsBefore.includes(listener)) process.removeListener('unhandledRejection', listener);
  }
}
