/** `tunebook kernel`: registers this package's kernel with Jupyter by writing the kernelspec itself; no Python. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { TunebookError } from '../types';
import { kernelArgv } from './kernel-client';
import { writeFileAtomic } from './nbformat';

/** Where a kernelspec goes: the user's folder, an environment's prefix, or the system's. */
export type KernelPlace =
  | { readonly kind: 'user' }
  | { readonly kind: 'prefix'; readonly prefix: string }
  | { readonly kind: 'system' };

/** Name of the kernel in notebooks' metadata. */
export const kernelName = 'tunebook';

/** The folder of kernelspecs of a place, as Jupyter looks for it on this system. */
export function kernelsFolder(place: KernelPlace, env: NodeJS.ProcessEnv = process.env): string {
  const home = env.HOME ?? os.homedir();
  switch (place.kind) {
    case 'prefix':
      return path.join(place.prefix, 'share', 'jupyter', 'kernels');
    case 'system':
      return process.platform === 'win32'
        ? path.join(env.PROGRAMDATA ?? 'C:\\ProgramData', 'jupyter', 'kernels')
        : '/usr/local/share/jupyter/kernels';
    default: {
      if (env.JUPYTER_DATA_DIR) return path.join(env.JUPYTER_DATA_DIR, 'kernels');
      if (process.platform === 'win32') return path.join(env.APPDATA ?? home, 'jupyter', 'kernels');
      if (process.platform === 'darwin') return path.join(home, 'Library', 'Jupyter', 'kernels');
      return path.join(env.XDG_DATA_HOME ?? path.join(home, '.local', 'share'), 'jupyter', 'kernels');
    }
  }
}

/** Writes the kernelspec. @returns its folder */
export function installKernel(place: KernelPlace, env: NodeJS.ProcessEnv = process.env): string {
  const folder = path.join(kernelsFolder(place, env), kernelName);
  const spec = {
    argv: kernelArgv(),
    display_name: 'TypeScript (tunebook)',
    language: 'typescript',
    interrupt_mode: 'message',
    metadata: { debugger: false },
  };
  try {
    writeFileAtomic(path.join(folder, 'kernel.json'), `${JSON.stringify(spec, null, 2)}\n`);
  } catch (error) {
    throw new TunebookError(`kernel install: cannot write ${folder}: ${(error as Error).message}`);
  }
  return folder;
}

/** Removes the kernelspec. @returns its folder, null when there was none */
export function uninstallKernel(place: KernelPlace, env: NodeJS.ProcessEnv = process.env): string | null {
  const folder = path.join(kernelsFolder(place, env), kernelName);
  if (!fs.existsSync(path.join(folder, 'kernel.json'))) return null;
  fs.rmSync(folder, { recursive: true });
  return folder;
}

/** A kernelspec that Jupyter would find. */
export interface KernelSpec {
  readonly name: string;
  readonly folder: string;
  readonly displayName: string;
  /** Whether the program that it starts exists. */
  readonly works: boolean;
}

/** The kernelspecs of some places. */
export function listKernels(
  places: readonly KernelPlace[],
  env: NodeJS.ProcessEnv = process.env,
): KernelSpec[] {
  return places.flatMap((place) => {
    const folder = kernelsFolder(place, env);
    if (!fs.existsSync(folder)) return [];
    return fs.readdirSync(folder).flatMap((name): KernelSpec[] => {
      try {
        const text = fs.readFileSync(path.join(folder, name, 'kernel.json'), 'utf8');
        const { argv, display_name: displayName } = JSON.parse(text) as {
          argv: string[];
          display_name: string;
        };
        const files = argv.slice(0, 2).filter((part) => path.isAbsolute(part));
        return [
          {
            name,
            folder: path.join(folder, name),
            displayName,
            works: files.every((file) => fs.existsSync(file)),
          },
        ];
      } catch {
        return [];
      }
    });
  });
}
