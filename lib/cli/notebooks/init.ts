/**
 * `tunebook init`: a project folder with the notebooks and the packages that only they need. danfojs-node depends on a
 * package outside the registry and on TensorFlow's binary; npm lets only the root project override them, so the
 * folder's package.json does.
 */
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import type { Command } from 'commander';
import { PACKAGE_ROOT } from '../../environment';
import {
  isJsonObject,
  readJsonObjectIfPresent,
  requireLocalPath,
  writeFileAtomicSync,
  makeFolderSync,
} from '../../files';
import type { JsonObject } from '../../files';
import { TunebookError } from '../../types';

const REPLACED = ['danfojs-node'];

function objectAt(source: JsonObject, name: string): JsonObject {
  const value = source[name];
  return isJsonObject(value) ? value : {};
}

/** The folder's package.json with what the notebooks need; the user's own entries stay. */
export function projectPackage(present: JsonObject, own: JsonObject): JsonObject {
  const replaced = Object.entries(objectAt(own, 'overrides')).filter(([name]) => REPLACED.includes(name));
  return {
    private: true,
    ...present,
    dependencies: {
      'danfojs-node': objectAt(own, 'peerDependencies')['danfojs-node'],
      tunebook: own.version,
      ...objectAt(present, 'dependencies'),
    },
    overrides: { ...Object.fromEntries(replaced), ...objectAt(present, 'overrides') },
  };
}

/** Copies notebooks that do not exist yet. @returns their paths relative to the folder */
function copyNotebooks(folder: string): string[] {
  const from = path.join(PACKAGE_ROOT, 'notebooks');
  const copied: string[] = [];
  makeFolderSync(path.join(folder, 'notebooks'));
  for (const name of fs.readdirSync(from).filter((file) => file.endsWith('.ipynb'))) {
    const place = path.join('notebooks', name);
    if (fs.existsSync(path.join(folder, place))) console.log(`${place}: there already, left as it is`);
    else {
      fs.copyFileSync(path.join(from, name), path.join(folder, place));
      copied.push(place);
    }
  }
  return copied;
}

/** Prepares a folder. @throws TunebookError where npm fails */
async function initCommand(folder: string, options: { install: boolean }): Promise<void> {
  requireLocalPath(folder, 'init');
  const file = path.join(folder, 'package.json');
  const own = (await readJsonObjectIfPresent(path.join(PACKAGE_ROOT, 'package.json'))) ?? {};
  const present = (await readJsonObjectIfPresent(file)) ?? {};
  makeFolderSync(folder);
  for (const place of copyNotebooks(folder)) console.log(`${place}: copied`);
  writeFileAtomicSync(file, `${JSON.stringify(projectPackage(present, own), null, 2)}\n`);
  console.log('package.json: names what the notebooks need');
  if (options.install) {
    console.log('npm install --ignore-scripts ...');
    const { status } = spawnSync('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], {
      cwd: folder,
      stdio: 'inherit',
      shell: process.platform === 'win32',
    });
    if (status !== 0) throw new TunebookError(`init: npm install failed in ${folder}; its message is above`);
  }
  console.log(`
Run a notebook:           npx tunebook run notebooks/01-gpt2-finetuning.ipynb
For Jupyter and VS Code:  npx tunebook kernel install`);
}

/** Adds `init` to the program. */
export function addInitCommand(program: Command): void {
  program
    .command('init')
    .description('make a folder to work in: the notebooks, and what they need, installed')
    .argument('[folder]', 'default: here', '.')
    .option('--no-install', 'write the files only')
    .action(async (folder: string, options: { install: boolean }) => {
      await initCommand(path.resolve(folder), options);
    });
}
