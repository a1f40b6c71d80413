/**
 * Where a notebook finds its data and leaves its results, whether it runs in Jupyter (in notebooks/), by the
 * runner, or from a program elsewhere.
 */
import fs from 'node:fs';
import path from 'node:path';
import { isHubAddress, requireLocalPath, makeFolderSync } from '../files';
import { TunebookError } from '../types';
import { PACKAGE_ROOT, tunebookEnvironment } from '../environment';

/** A path as given if it exists from here, else inside the package: 'data/...' works from every folder. An address hf://... stays. */
export function projectPath(file: string): string {
  if (isHubAddress(file)) return file;
  requireLocalPath(file, 'projectPath');
  const here = path.resolve(file);
  return path.isAbsolute(file) || fs.existsSync(here) ? here : path.join(PACKAGE_ROOT, file);
}

/** A notebook as it was named if it exists from here, else the one of that name that comes with the package. */
export function notebookPath(file: string): string {
  requireLocalPath(file, 'notebook');
  const shipped = path.join(PACKAGE_ROOT, file);
  const isShipped = !path.isAbsolute(file) && !fs.existsSync(file) && fs.existsSync(shipped);
  return isShipped ? shipped : file;
}

/** The checkout, or where the package is installed the project that a notebook belongs to: results go below it. */
function projectFolder(): string {
  if (!PACKAGE_ROOT.split(path.sep).includes('node_modules')) return PACKAGE_ROOT;
  for (let at = process.cwd(); path.dirname(at) !== at; at = path.dirname(at))
    if (fs.existsSync(path.join(at, 'package.json'))) return at;
  return process.cwd();
}

/**
 * The folder for a run's results, made if missing: what the runner chose, else outputs/`name` of the project.
 * @throws TunebookError for a name that leads out of outputs/
 */
export function runFolder(name: string): string {
  requireLocalPath(name, 'runFolder');
  if (
    name === '' ||
    path.isAbsolute(name) ||
    name.split(/[\\/]/).some((part) => part === '..' || part === '.')
  )
    throw new TunebookError(`runFolder: expected a name below outputs/, got ${JSON.stringify(name)}`);
  const folder = tunebookEnvironment().outputFolder ?? path.join(projectFolder(), 'outputs', name);
  makeFolderSync(folder);
  return path.resolve(folder);
}
