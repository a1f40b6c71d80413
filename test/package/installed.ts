/** The package as npm would put it into an empty folder, made without the network. */
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { ROOT } from '../support/paths';

/** What `npm pack` would put into the package, as paths below it. */
export function packedFiles(): string[] {
  const json = execFileSync('npm', ['pack', '--dry-run', '--ignore-scripts', '--json'], {
    cwd: ROOT,
    encoding: 'utf8',
    maxBuffer: 1 << 26,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const packed = JSON.parse(json) as Record<string, Packed> | readonly Packed[];
  return Object.values(packed)[0].files.map((file) => file.path);
}

interface Packed {
  readonly files: readonly { readonly path: string }[];
}

interface Lock {
  readonly packages: Readonly<Record<string, { readonly dev?: boolean; readonly devOptional?: boolean }>>;
}

/**
 * Copies the packed files into `folder`/node_modules/tunebook, and links beside it what package-lock.json has as
 * the dependencies of a user: no package that only this repository needs can be found from there.
 */
export function installInto(folder: string): string {
  const target = path.join(folder, 'node_modules', 'tunebook');
  for (const file of packedFiles()) {
    fs.mkdirSync(path.dirname(path.join(target, file)), { recursive: true });
    fs.copyFileSync(path.join(ROOT, file), path.join(target, file));
  }
  const { packages } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package-lock.json'), 'utf8')) as Lock;
  for (const [place, { dev = false, devOptional = false }] of Object.entries(packages)) {
    if (dev || devOptional || place.split('node_modules/').length !== 2) continue;
    if (!fs.existsSync(path.join(ROOT, place))) continue; // of another system
    fs.mkdirSync(path.dirname(path.join(folder, place)), { recursive: true });
    fs.symlinkSync(path.join(ROOT, place), path.join(folder, place), 'junction');
  }
  return target;
}

/** The first TypeScript sample under a heading of README. */
export function readmeSample(heading: string): string {
  const text = fs.readFileSync(path.join(ROOT, 'README.md'), 'utf8');
  const section = text.slice(text.indexOf(`## ${heading}`));
  const sample = /```ts\n([\s\S]*?)```/.exec(section);
  if (!sample) throw new Error(`README.md has no sample under ${heading}`);
  return sample[1];
}
