/**
 * The image that a run's kernel starts from: a start without one takes two seconds of processor time more, for
 * TypeScript and its declarations. It lies in the package's own folder and is made once for each version of node and of
 * the package, beside whatever runs. A kernel that does not start from it starts without.
 */
import { spawn, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import os from 'node:os';
import path from 'node:path';
import { PACKAGE_ROOT, tunebookEnvironment } from '../../environment';
import { CELL_TYPES, hasCellTypes, makeCellTypes } from '../typescript/cell-types';

const FOLDER = path.join(PACKAGE_ROOT, '.build', 'kernel-image');
const NOTEBOOK_ROOM = path.join(__dirname, '..');
/** What decides how files are parsed. */
const MADE_BY = [
  'kernel/image-entry',
  'compiler/tslab-module',
  'typescript/own-types',
  'typescript/cell-types',
  'client/kernel-image',
];
/** Longer than any takes to be made, in ms: what is older was left by a process that was killed. */
const LONGEST_MAKING_MS = 600_000;
/** So many files of the package may have been built since. They are parsed at the start. */
const MAX_STALE_FILES = 50;

/** The program of this package's kernel. */
export const kernelProgram = path.join(NOTEBOOK_ROOM, 'kernel', 'kernel-host.js');

/**
 * The command that starts this package's kernel. Terminating a loop in a timer leaves node's stack of async hooks
 * unbalanced, for which node by default exits. (Before Node 24 it does so regardless where a cell uses
 * AsyncLocalStorage, which rests on async hooks.)
 */
export function kernelArgv(image?: string): string[] {
  const from = image === undefined ? [] : [`--snapshot-blob=${image}`];
  return [process.execPath, ...from, '--no-force-async-hooks-checks', kernelProgram, '{connection_file}'];
}

/** Where a kernel stands: in a project that has the package, or anywhere else. Other types are found there. */
type Kind = 'project' | 'elsewhere';

interface Image {
  readonly kind: Kind;
  /** Where it lies, or will. Empty: it cannot be made. */
  readonly file: string;
  /** TypeScript's module. */
  readonly typescript: string;
}

const known = new Map<Kind, Image>();

/** Whether cells in a folder find the package by looking into `node_modules`. */
function kindOf(folder: string): Kind {
  const places = createRequire(path.join(folder, 'cell.js')).resolve.paths('tunebook') ?? [];
  return places.some((place) => fs.existsSync(path.join(place, 'tunebook', 'package.json')))
    ? 'project'
    : 'elsewhere';
}

/** The image of this node and of what is installed now. */
function imageOf(kind: Kind): Image {
  const found = known.get(kind);
  if (found) return found;
  const tslab = createRequire(__filename).resolve('tslab/package.json');
  const typescript = createRequire(tslab).resolve('@tslab/typescript-for-tslab');
  const stamps = [tslab, typescript, path.join(PACKAGE_ROOT, 'package.json')].map((place) => {
    const { size, mtimeMs, ctimeMs } = fs.statSync(place);
    return [place, size, mtimeMs, ctimeMs];
  });
  const key = createHash('sha256').update(JSON.stringify([process.version, process.arch, stamps]));
  for (const name of MADE_BY) key.update(fs.readFileSync(path.join(NOTEBOOK_ROOM, `${name}.js`)));
  const file = path.join(FOLDER, `${kind}-${key.digest('hex').slice(0, 16)}.blob`);
  const image = { kind, file, typescript };
  known.set(kind, image);
  return image;
}

const sizeOf = (file: string): number | undefined => fs.statSync(file, { throwIfNoEntry: false })?.size;

/** The image to start from in a folder; undefined where there is none, or TUNEBOOK_KERNEL_IMAGE is 0. */
export function kernelImage(folder: string): string | undefined {
  if (!tunebookEnvironment().usesKernelImage) return undefined;
  const { file } = imageOf(kindOf(folder));
  return sizeOf(file) ? file : undefined;
}

/** Has the image for a folder made by a process of its own, where there is none. A checkout's are made by its build. */
export function makeKernelImageSoon(folder: string): void {
  const isCheckout = fs.existsSync(path.join(PACKAGE_ROOT, 'tsconfig.json'));
  if (isCheckout || !tunebookEnvironment().usesKernelImage) return;
  const { kind, file } = imageOf(kindOf(folder));
  if (sizeOf(file) !== undefined) return;
  const program = `require(${JSON.stringify(__filename)}).makeKernelImage('${kind}')`;
  const maker = spawn(process.execPath, ['-e', program], {
    detached: true,
    stdio: 'ignore',
    windowsHide: true,
  });
  maker.on('error', () => undefined); // without an image a kernel starts later, and that is all
  maker.unref();
  if (maker.pid !== undefined) os.setPriority(maker.pid, os.constants.priority.PRIORITY_LOW);
}

/** Whether most of the package's declarations are those that the image holds. */
function isFresh(file: string): boolean {
  const made = fs.statSync(file, { throwIfNoEntry: false });
  if (!made || fs.statSync(CELL_TYPES).mtimeMs > made.mtimeMs) return false;
  const lib = path.join(PACKAGE_ROOT, '.build', 'lib');
  const newer = fs
    .readdirSync(lib, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.d.ts') && fs.statSync(path.join(lib, name)).mtimeMs > made.mtimeMs);
  return newer.length <= MAX_STALE_FILES;
}

/** Makes the image where there is none, or an old one. Takes some seconds. @returns whether there is one */
export function makeKernelImage(kind: Kind): boolean {
  if (!hasCellTypes()) makeCellTypes();
  const image = imageOf(kind);
  if (isFresh(image.file)) return sizeOf(image.file) !== 0;
  fs.mkdirSync(FOLDER, { recursive: true });
  const lock = path.join(FOLDER, 'making');
  const held = fs.statSync(lock, { throwIfNoEntry: false });
  if (held && Date.now() - held.mtimeMs < LONGEST_MAKING_MS) return false; // another process is at it
  if (held) fs.rmSync(lock, { recursive: true, force: true });
  fs.mkdirSync(lock);
  const work = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-image-'));
  try {
    const blob = path.join(work, 'image.blob');
    const isMade =
      run(makingArgs(work, image), work) === 0 && run([`--snapshot-blob=${blob}`, kernelProgram], work) === 2;
    if (!isMade) fs.writeFileSync(blob, '');
    for (const name of fs.readdirSync(FOLDER))
      if (name.startsWith(`${kind}-`)) fs.rmSync(path.join(FOLDER, name));
    fs.copyFileSync(blob, path.join(lock, 'image.blob')); // a temporary folder may be on another disk
    fs.renameSync(path.join(lock, 'image.blob'), image.file);
    return isMade;
  } finally {
    for (const folder of [work, lock]) fs.rmSync(folder, { recursive: true, force: true });
  }
}

/** Runs node in a folder. @returns its exit status; the kernel's program has 2 without a connection file */
function run(args: readonly string[], cwd: string): number | null {
  return spawnSync(process.execPath, args, { cwd, stdio: 'ignore' }).status;
}

/** The program that makes an image, with its arguments; `work` is a folder of its own. */
function makingArgs(work: string, { kind, typescript }: Image): string[] {
  const entry = path.join(work, 'entry.js');
  const program = fs.readFileSync(path.join(NOTEBOOK_ROOM, 'kernel', 'image-entry.js'), 'utf8');
  fs.writeFileSync(entry, `{ const exports = {}; ${program}\n}`); // it is run as a script, not as a module
  const parser = path.join(NOTEBOOK_ROOM, 'compiler', 'parse-ahead.js');
  const folder = kind === 'project' ? PACKAGE_ROOT : work;
  return ['--snapshot-blob', 'image.blob', '--build-snapshot', entry, parser, typescript, folder, kind];
}
