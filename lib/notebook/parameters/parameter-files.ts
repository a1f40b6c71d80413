/** Parameters and parameter grids from JSON and YAML files. */
import fs from 'node:fs';
import path from 'node:path';
import { isJsonObject, parseJson } from '../../files';
import { TunebookError } from '../../types';
import type { GivenParameters } from './parameters';
import { readYaml } from './yaml-values';

/**
 * Reads a file of parameters by its ending: `.json`, `.yaml` or `.yml`.
 * @throws TunebookError when the file is not of that form
 */
export function readParameterFile(file: string): GivenParameters {
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    throw new TunebookError(`${file}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
  if (/\.ya?ml$/.test(file)) return readYaml(text, file);
  if (path.extname(file) !== '.json')
    throw new TunebookError(`${file}: expected a .json, .yaml or .yml file`);
  const value = parseJson(text, { where: file });
  if (!isJsonObject(value)) throw new TunebookError(`${file}: expected an object of parameters`);
  return value;
}

/**
 * Reads a grid: a list of values per parameter, as texts.
 * @throws TunebookError when the file is not of that form
 */
export function readGridFile(file: string): Record<string, string[]> {
  const grid: Record<string, string[]> = {};
  for (const [name, values] of Object.entries(readParameterFile(file))) {
    if (!Array.isArray(values))
      throw new TunebookError(`${file}: ${name}: expected a list of values, got ${JSON.stringify(values)}`);
    grid[name] = (values as unknown[]).map((value) =>
      typeof value === 'string' ? value : JSON.stringify(value),
    );
  }
  return grid;
}
