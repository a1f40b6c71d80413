/**
 * Body of the WebAssembly backend's worker threads: runs the script that the package ships as a string and that
 * expects a script's globals, not a module's.
 */
import path from 'node:path';
import { createRequire } from 'node:module';

const load = createRequire(__filename);
const SCRIPT = '@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm-threaded-simd.worker.js';
const { wasmWorkerContents } = load(SCRIPT) as { wasmWorkerContents: string };

Object.assign(globalThis, { require: load, __filename, __dirname: path.dirname(load.resolve(SCRIPT)) });
// Its only line breaks are inside string literals that lost their escapes.
(0, eval)(wasmWorkerContents.replaceAll('\n', '\\n'));
