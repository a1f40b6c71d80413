/**
 * Body of the WebAssembly backend's worker threads: runs the script that the package carries as a string,
 * which expects the globals of a script rather than those of a module.
 */
import path from 'node:path';
import { createRequire } from 'node:module';

const load = createRequire(__filename);
const SCRIPT = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';
const { wasmWorkerContents } = load(SCRIPT) as { wasmWorkerContents: string };

Object.assign(globalThis, { require: load, __filename, __dirname: path.dirname(load.resolve(SCRIPT)) });
// Its only line breaks stand inside string literals, where their escapes were lost.
(0, eval)(wasmWorkerContents.replaceAll('\n', '\\n'));
