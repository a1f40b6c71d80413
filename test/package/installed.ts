/** The package as npm puts it into an empty folder, from a registry of this checkout: no network is needed. */
import { execFile, execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { startRegistry } from './registry';
import type { Registry } from './registry';
import { ROOT } from '../support/paths';

/** The package in a folder. */
export interface Installed {
  /** The files of the tarball, as paths below the package. */
  readonly files: readonly string[];
  /** What npm asked for. */
  readonly registry: Registry;
}

/** Packs the checkout into a folder. */
function pack(folder: string): { readonly tarball: string; readonly files: string[] } {
  const args = ['pack', '--ignore-scripts', '--json', '--pack-destination', folder];
  const json = execFileSync('npm', args, {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const packed = Object.values(JSON.parse(json) as Record<string, Packed> | readonly Packed[])[0];
  return { tarball: packed.filename, files: packed.files.map((file) => file.path) };
}

interface Packed {
  readonly filename: string;
  readonly files: readonly { readonly path: string }[];
}

/** What npm sets for the programs that it runs, these tests among them, and what steers the packages' scripts. */
const STEERS = /^(npm_|onnxruntime_node_install)/i;

/** npm as a person starts it, with scripts, an empty cache and no configuration. */
async function npm(folder: string, args: readonly string[]): Promise<void> {
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !STEERS.test(name)));
  const config = {
    cache: path.join(folder, '.cache'),
    userconfig: path.join(folder, '.none'),
    audit: 'false',
  };
  const given = Object.entries(config).map(([name, value]) => `--${name}=${value}`);
  await promisify(execFile)('npm', [...args, ...given, '--no-fund', '--no-update-notifier'], {
    cwd: folder,
    env,
  });
}

/** Packs the checkout and installs the tarball in `folder`, which is empty. */
export async function installInto(folder: string): Promise<Installed> {
  const { tarball, files } = pack(folder);
  const registry = await startRegistry();
  try {
    await npm(folder, ['install', `./${tarball}`, '--registry', registry.url]);
  } finally {
    await registry.close();
  }
  fs.rmSync(path.join(folder, '.cache'), { recursive: true });
  return { files, registry };
}

/** The first TypeScript sample under a heading of README. */
export function readmeSample(heading: string): string {
  const text = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const section = text.slice(text.indexOf(`## ${heading}`));
  const sample = /```ts\n([\s\S]*?)```/.exec(section);
  if (!sample) throw new Error(`README.md has no sample under ${heading}`);
  return sample[1];
}
