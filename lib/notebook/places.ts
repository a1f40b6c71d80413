/**
 * Where a notebook finds its data and leaves its results, whether it runs in Jupyter (in notebooks/), by the
 * runner, or from a program elsewhere.
 */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../types';
import { PACKAGE_ROOT, tunebookEnvironment } from '../environment';

/** A path as given if it exists from here, else inside the package: 'data/...' works from every folder. */
export function projectPath(file: string): string {
  const here = path.resolve(file);
  return path.isAbsolute(file) || fs.existsSync(here) ? here : path.join(PACKAGE_ROOT, file);
}

/**
 * The folder for a run's results, made if missing: what the runner chose, else outputs/`name`.
 * @throws TunebookError for a name that leads out of outputs/
 */
export function runFolder(name: string): string {
  if (
    name === '' ||
    path.isAbsolute(name) ||
    name.split(/[\\/]/).some((part) => part === '..' || part === '.')
  )
    throw new TunebookError(`runFolder: expected a name below outputs/, got ${JSON.stringify(name)}`);
  const folder = tunebookEnvironment().outputFolder ?? path.join(PACKAGE_ROOT, 'outputs', name);
  fs.mkdirSync(folder, { recursive: true });
  return path.resolve(folder);
}
