/** A process that begins an export and is killed (SIGKILL, as by `kill -9`) once so many bytes are written. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { exportGguf, exportGgufAdapter, exportOnnx, exportWeb } from '../../lib/export';

const MODEL = 'gpt2-mini';

/** Exports by their names; each writes into a folder. */
export const EXPORTS: Readonly<Record<string, (folder: string, adapter: string) => Promise<unknown>>> = {
  gguf: (folder) => exportGguf(MODEL, path.join(folder, 'x.gguf'), { type: 'q8_0', check: false }),
  'gguf-lora': (folder, adapter) =>
    exportGgufAdapter(adapter, path.join(folder, 'x.gguf'), { check: false, type: 'f32' }),
  onnx: (folder) => exportOnnx(MODEL, folder, { dtypes: ['q8'], check: false }),
  web: (folder) => exportWeb(MODEL, folder, { dtypes: ['q8'], check: false }),
};

async function main([name, folder, adapter, bytes]: readonly string[]): Promise<void> {
  const handle = await fs.open(__filename);
  const prototype = Object.getPrototypeOf(handle) as typeof handle;
  await handle.close();
  const write = prototype.write as (...all: unknown[]) => Promise<unknown>;
  let left = Number(bytes);
  prototype.write = async function (this: unknown, ...all: unknown[]) {
    const done = await write.apply(this, all);
    left -= Number(all[2]);
    if (left < 0) process.kill(process.pid, 'SIGKILL');
    return done;
  } as typeof prototype.write;
  await EXPORTS[name](folder, adapter);
}

if (require.main === module) void main(process.argv.slice(2));
