/** `tunebook kernel`: registers this package's kernel with Jupyter by writing the kernelspec itself; no Python. */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { messageOf, TunebookError } from '../../types';
import { hasCellTypes, makeCellTypes } from '../typescript/cell-types';
import { kernelArgv, kernelProgram } from './kernel-image';
import { KERNEL_NAME, PLOTLY_FILE } from '../../display';
import { writeFileAtomicSync } from '../../files';

/** Where a kernelspec goes: the user's folder, an environment's prefix, or the system's. */
export type KernelPlace =
  | { readonly kind: 'user' }
  | { readonly kind: 'prefix'; readonly prefix: string }
  /** `root`: of a system that is not the running one, an image for instance. */
  | { readonly kind: 'system'; readonly root?: string };

const fromHere = createRequire(__filename);

/** The folder of kernelspecs of a place, as Jupyter looks for it on this system. */
export function kernelsFolder(place: KernelPlace, env: NodeJS.ProcessEnv = process.env): string {
  const home = env.HOME ?? os.homedir();
  switch (place.kind) {
    case 'prefix':
      return path.join(place.prefix, 'share', 'jupyter', 'kernels');
    case 'system':
      return process.platform === 'win32'
        ? path.join(env.PROGRAMDATA ?? 'C:\\ProgramData', 'jupyter', 'kernels')
        : path.join(place.root ?? '/', 'usr', 'local', 'share', 'jupyter', 'kernels');
    default: {
      if (env.JUPYTER_DATA_DIR) return path.join(env.JUPYTER_DATA_DIR, 'kernels');
      if (process.platform === 'win32') return path.join(env.APPDATA ?? home, 'jupyter', 'kernels');
      if (process.platform === 'darwin') return path.join(home, 'Library', 'Jupyter', 'kernels');
      return path.join(env.XDG_DATA_HOME ?? path.join(home, '.local', 'share'), 'jupyter', 'kernels');
    }
  }
}

/**
 * The folders in which Jupyter looks for kernels, in its order: JUPYTER_PATH, the user's, the environment's, the
 * system's.
 * @param prefix an environment that is not active
 */
export function kernelsFolders(env: NodeJS.ProcessEnv = process.env, prefix?: string): string[] {
  const prefixes = [prefix, env.VIRTUAL_ENV, env.CONDA_PREFIX].filter(
    (one) => one !== undefined && one !== '',
  );
  const folders = [
    ...(env.JUPYTER_PATH ?? '')
      .split(path.delimiter)
      .filter((folder) => folder !== '')
      .map((folder) => path.join(folder, 'kernels')),
    kernelsFolder({ kind: 'user' }, env),
    ...prefixes.map((one) => kernelsFolder({ kind: 'prefix', prefix: String(one) }, env)),
    kernelsFolder({ kind: 'system' }, env),
    ...(process.platform === 'win32' ? [] : ['/usr/share/jupyter/kernels']),
  ];
  return [...new Set(folders)];
}

/** Writes the kernelspec, and plotly.js beside it. @returns its folder */
export function installKernel(place: KernelPlace, env: NodeJS.ProcessEnv = process.env): string {
  const folder = path.join(kernelsFolder(place, env), KERNEL_NAME);
  const spec = {
    argv: kernelArgv(),
    display_name: 'TypeScript (tunebook)',
    language: 'typescript',
    interrupt_mode: 'message',
    metadata: { debugger: false },
  };
  try {
    writeFileAtomicSync(path.join(folder, 'kernel.json'), `${JSON.stringify(spec, null, 2)}\n`);
    const copied = path.join(folder, `.${PLOTLY_FILE}.${process.pid}`);
    fs.copyFileSync(fromHere.resolve('plotly.js-dist/plotly.js'), copied);
    fs.renameSync(copied, path.join(folder, PLOTLY_FILE));
  } catch (error) {
    throw new TunebookError(`kernel install: cannot write ${folder}: ${messageOf(error)}`);
  }
  try {
    if (!hasCellTypes()) makeCellTypes();
  } catch {
    // The package's folder may belong to somebody else: cells then read the files one by one.
  }
  return folder;
}

/**
 * Removes the kernelspec.
 * @returns its folder, undefined when there was none
 * @throws TunebookError when a kernel of that name starts another program: it is not this package's to remove
 */
export function uninstallKernel(
  place: KernelPlace,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  const folder = path.join(kernelsFolder(place, env), KERNEL_NAME);
  if (!fs.existsSync(path.join(folder, 'kernel.json'))) return undefined;
  const argv = commandOf(folder);
  if (!argv.some((part) => path.basename(part) === path.basename(kernelProgram)))
    throw new TunebookError(
      `kernel uninstall: ${folder} starts another program (${argv.join(' ')}); remove it by hand`,
    );
  try {
    fs.rmSync(folder, { recursive: true });
  } catch (error) {
    throw new TunebookError(`kernel uninstall: cannot remove ${folder}: ${messageOf(error)}`);
  }
  return folder;
}

function commandOf(folder: string): readonly string[] {
  try {
    return readSpec(folder).argv;
  } catch (error) {
    throw new TunebookError(
      `kernel uninstall: ${folder}/kernel.json cannot be read (${messageOf(error)}); remove it by hand`,
    );
  }
}

/** What a kernel.json says; what is missing or of another type is empty. */
function readSpec(folder: string): { readonly argv: readonly string[]; readonly displayName: string } {
  const text = fs.readFileSync(path.join(folder, 'kernel.json'), 'utf8');
  const { argv, display_name: displayName } = JSON.parse(text) as Record<string, unknown>;
  return {
    argv: Array.isArray(argv) ? argv.filter((part) => typeof part === 'string') : [],
    displayName: typeof displayName === 'string' ? displayName : '',
  };
}

/** Whether a command's program exists, where it has a path or on PATH. */
function programExists(program: string, env: NodeJS.ProcessEnv): boolean {
  if (path.isAbsolute(program)) return fs.existsSync(program);
  const endings = process.platform === 'win32' ? ['', '.exe', '.cmd'] : [''];
  return (env.PATH ?? '')
    .split(path.delimiter)
    .some((folder) => endings.some((ending) => fs.existsSync(path.join(folder, program + ending))));
}

/** A kernelspec that Jupyter would find. */
export interface KernelSpec {
  readonly name: string;
  readonly folder: string;
  readonly displayName: string;
  /** Why it cannot be started; undefined where nothing is known against it. */
  readonly problem: string | undefined;
}

function describeSpec(folder: string, env: NodeJS.ProcessEnv): KernelSpec {
  const name = path.basename(folder);
  try {
    const { argv, displayName } = readSpec(folder);
    const [program, ...files] = argv.slice(0, 3);
    if (program === undefined) return { name, folder, displayName, problem: 'kernel.json names no program' };
    const missing = programExists(program, env)
      ? files.find((file) => path.isAbsolute(file) && !fs.existsSync(file))
      : program;
    return {
      name,
      folder,
      displayName,
      problem: missing === undefined ? undefined : `${missing} is missing`,
    };
  } catch (error) {
    const problem = `kernel.json cannot be read: ${messageOf(error)}`;
    return { name, folder, displayName: '', problem };
  }
}

/** The kernelspecs of some folders, those that cannot be started included. */
export function listKernels(folders: readonly string[], env: NodeJS.ProcessEnv = process.env): KernelSpec[] {
  return folders
    .filter((folder) => fs.existsSync(folder))
    .flatMap((folder) => fs.readdirSync(folder).map((name) => path.join(folder, name)))
    .filter((folder) => fs.existsSync(path.join(folder, 'kernel.json')))
    .map((folder) => describeSpec(folder, env));
}
