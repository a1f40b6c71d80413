/**
 * transformers.js and ONNX Runtime for the browser, as npm has installed them: a page takes copies, so that it fetches
 * nothing from elsewhere.
 */
import { createRequire } from 'node:module';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { isFile, readJsonObject, readJsonObjectIfPresent } from '../../files';
import { TunebookError } from '../../types';

/** A file to copy. */
export interface RuntimeFile {
  readonly name: string;
  readonly from: string;
}

/** The build that has both, WebGPU and plain WebAssembly. */
const WASM = ['ort-wasm-simd-threaded.asyncify.mjs', 'ort-wasm-simd-threaded.asyncify.wasm'];
const TRANSFORMERS = 'transformers.min.js';
const ONNX_RUNTIME = 'onnxruntime-web';

/**
 * The files that the page needs beside its own.
 * @throws TunebookError with the command that installs what is missing
 */
export async function runtimeFiles(): Promise<RuntimeFile[]> {
  const require = createRequire(__filename);
  const dist = path.dirname(require.resolve('@xenova/transformers'));
  const script = path.join(dist, TRANSFORMERS);
  const { dependencies, version } = await readJsonObject(path.join(dist, '..', 'package.json'));
  const wanted = (dependencies as Record<string, string> | undefined)?.[ONNX_RUNTIME];
  if (wanted === undefined || !(await isFile(script))) {
    throw new TunebookError(
      `${dist}: expected transformers.js with ${TRANSFORMERS}, got version ${String(version)} without it. ` +
        'Install tunebook again.',
    );
  }
  const folder = await onnxRuntimeFolder(dist, wanted);
  return [
    { name: TRANSFORMERS, from: script },
    ...WASM.map((name) => ({ name, from: path.join(folder, name) })),
  ];
}

/** Their size. */
export async function runtimeBytes(files: readonly RuntimeFile[]): Promise<number> {
  const sizes = await Promise.all(files.map(async ({ from }) => (await fs.stat(from)).size));
  return sizes.reduce((sum, size) => sum + size, 0);
}

/** The JavaScript in transformers.js and the WebAssembly must be of one version. */
async function onnxRuntimeFolder(dist: string, wanted: string): Promise<string> {
  const found: string[] = [];
  for (const modules of createRequire(path.join(dist, TRANSFORMERS)).resolve.paths(ONNX_RUNTIME) ?? []) {
    const folder = path.join(modules, ONNX_RUNTIME);
    const manifest = await readJsonObjectIfPresent(path.join(folder, 'package.json'));
    if (manifest === undefined) continue;
    const { name, version } = manifest;
    const isThere = await isFile(path.join(folder, 'dist', WASM[1]));
    if (name === ONNX_RUNTIME && version === wanted && isThere) return path.join(folder, 'dist');
    found.push(`${String(name)} ${String(version)}`);
  }
  throw new TunebookError(
    `web page: expected ${ONNX_RUNTIME} ${wanted} in node_modules, whose WebAssembly the page runs, got ` +
      `${found.join(' and ') || 'none'}. Install it: npm install --save-dev ${ONNX_RUNTIME}@${wanted}`,
  );
}
