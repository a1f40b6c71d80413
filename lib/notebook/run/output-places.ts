/** Where a run writes, and the list of what it wrote. */
import fs from 'node:fs';
import path from 'node:path';
import { TunebookError } from '../../types';
import { defaultsOf, notebookParameters } from '../parameters/parameters';
import { readNotebook } from '../format/nbformat';

/** The folder of a run's results, and the executed notebook. */
export interface OutputPlaces {
  readonly folder: string;
  readonly file: string;
}

/** A text as part of one name of a path: characters that such a name must not have are replaced. */
export function safeName(text: string): string {
  return text.replace(/[^\w.,=+-]+/g, '_').replace(/^\.+/, '_');
}

/**
 * Puts the values of parameters into an output's path: `runs/{rate}.ipynb`. A value is part of a name, never a folder.
 * @throws TunebookError for a name that is no parameter of the notebook
 */
export function fillTemplate(output: string, values: Readonly<Record<string, unknown>>): string {
  return output.replace(/\{([A-Za-z_$][\w$]*)\}/g, (_, name: string) => {
    if (!Object.hasOwn(values, name))
      throw new TunebookError(
        `-o ${output}: {${name}} is no parameter of the notebook; it has ${Object.keys(values).join(', ') || 'none'}`,
      );
    const value = values[name];
    return safeName(typeof value === 'string' ? value : JSON.stringify(value));
  });
}

/**
 * Where a run of a notebook writes.
 * @param output as it was given, with `{name}` for parameters; default: outputs/NAME/NAME.ipynb
 * @param given the parameters that were given; the others have their defaults
 */
export function outputPlaces(
  notebook: string,
  output?: string,
  given: Readonly<Record<string, unknown>> = {},
): OutputPlaces {
  if (output === undefined) {
    const folder = path.join('outputs', path.basename(notebook, '.ipynb'));
    return { folder, file: path.join(folder, path.basename(notebook)) };
  }
  if (!output.includes('{')) return { folder: path.dirname(output), file: output };
  const declared = notebookParameters(readNotebook(notebook));
  const values = { ...defaultsOf(declared), ...given };
  for (const { name } of declared)
    if (output.includes(`{${name}}`) && !Object.hasOwn(values, name))
      throw new TunebookError(`-o ${output}: {${name}} has no value before the run; give it one with -p`);
  const file = fillTemplate(output, values);
  return { folder: path.dirname(file), file };
}

/** A file, with its size in bytes and what changes when it is written. */
export interface FoundFile {
  readonly file: string;
  readonly sizeBytes: number;
  readonly state: string;
}

/** Folders in which no run writes results; a project's root may have tens of thousands of files in them. */
const PASSED_OVER = new Set(['node_modules', '.git']);

/** Every file below a folder, sorted by path; what cannot be looked at is left out. */
export function listFiles(folder: string): FoundFile[] {
  let entries: fs.Dirent[];
  try {
    entries = fs.readdirSync(folder, { withFileTypes: true });
  } catch {
    return [];
  }
  return entries
    .flatMap((entry) => {
      const file = path.join(folder, entry.name);
      if (entry.isDirectory()) return PASSED_OVER.has(entry.name) ? [] : listFiles(file);
      const found = entry.isFile() ? fs.statSync(file, { throwIfNoEntry: false }) : undefined;
      return found
        ? [{ file, sizeBytes: found.size, state: `${found.ctimeMs} ${found.mtimeMs} ${found.size}` }]
        : [];
    })
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** What is new or changed since `before`. */
export function writtenSince(before: readonly FoundFile[], now: readonly FoundFile[]): FoundFile[] {
  const states = new Map(before.map(({ file, state }) => [file, state]));
  return now.filter(({ file, state }) => states.get(file) !== state);
}
