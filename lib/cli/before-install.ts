/**
 * The package's `preinstall`. On 64-bit Linux ONNX Runtime's own script, which npm runs later, downloads 300 MB of CUDA
 * libraries from NuGet and fails the whole install where NuGet cannot be reached. Only a root project can make npm skip
 * that script. It downloads nothing where the files exist, so this one creates empty ones. Where npm runs no scripts,
 * neither is needed. With `ONNXRUNTIME_NODE_INSTALL` set the user decides.
 */
import fs from 'node:fs';
import path from 'node:path';

const CUDA_FILES = ['cuda', 'shared', 'tensorrt'].map((name) => `libonnxruntime_providers_${name}.so`);
const FOLDER = path.join('onnxruntime-node', 'bin', 'napi-v6', 'linux', 'x64');

/** `node_modules/onnxruntime-node` beside the package or above it; undefined in a checkout. */
function runtimeFolder(): string | undefined {
  for (let at = path.resolve(__dirname, '..', '..', '..'); path.dirname(at) !== at; at = path.dirname(at)) {
    if (path.basename(at) !== 'node_modules') continue;
    const folder = path.join(at, FOLDER);
    if (fs.existsSync(folder)) return folder;
  }
  return undefined;
}

if (process.env.ONNXRUNTIME_NODE_INSTALL === undefined) {
  const folder = runtimeFolder();
  if (folder !== undefined)
    for (const file of CUDA_FILES) fs.closeSync(fs.openSync(path.join(folder, file), 'a'));
}
