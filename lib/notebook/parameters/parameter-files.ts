/** Parameters from files and from the environment: JSON, YAML, `TUNEBOOK_PARAM_name`. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../../types';
import type { GivenParameters } from './parameters';
import { readYaml } from './yaml-values';

const PREFIX = 'TUNEBOOK_PARAM_';

/** Parameters that the environment sets, as texts. */
export function parametersFromEnvironment(env: NodeJS.ProcessEnv = process.env): Record<string, string> {
  const values: Record<string, string> = {};
  for (const [name, value] of Object.entries(env))
    if (name.startsWith(PREFIX) && value !== undefined) values[name.slice(PREFIX.length)] = value;
  return values;
}

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
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new TunebookError(`${file}: expected JSON: ${(error as Error).message}`);
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new TunebookError(`${file}: expected an object of parameters`);
  return value as GivenParameters;
}
