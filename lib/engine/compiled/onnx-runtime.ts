/** ONNX Runtime at its first use: an import of this library does not load its binary. */
import { createRequire } from 'node:module';
import type * as OnnxRuntime from 'onnxruntime-node';

let loaded: typeof OnnxRuntime | undefined;

/** ONNX Runtime's module. */
export function onnxRuntime(): typeof OnnxRuntime {
  if (loaded) return loaded;
  loaded = createRequire(__filename)('onnxruntime-node') as typeof OnnxRuntime;
  // Errors are thrown; ONNX Runtime would print them as well.
  loaded.env.logLevel = 'fatal';
  return loaded;
}
