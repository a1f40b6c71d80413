/** Collects a notebook's parameters from environment, file and command line. */
import { tunebookEnvironment } from '../../environment';
import { readNotebook } from '../format/nbformat';
import { readParameterFile } from './parameter-files';
import { checkParameters, notebookParameters } from './parameters';
import type { GivenParameters } from './parameters';

/** Where values come from, besides the environment. */
export interface ParameterSources {
  /** A .json or .yaml file. */
  readonly file?: string;
  /** Texts of a command line, read by type. */
  readonly texts?: Readonly<Record<string, string>>;
}

/**
 * Values for a notebook's parameters from the environment (`TUNEBOOK_PARAM_name`), a file and texts; later ones
 * override.
 * @throws TunebookError for an unknown or ill-typed parameter of the file or the texts
 */
export function collectParameters(notebook: string, sources: ParameterSources): GivenParameters {
  const declared = notebookParameters(readNotebook(notebook));
  // The environment may be meant for another notebook: unknown names are ignored.
  const fromEnvironment = Object.entries(tunebookEnvironment().parameters).filter(([name]) =>
    declared.some((parameter) => parameter.name === name),
  );
  return {
    ...checkParameters(declared, Object.fromEntries(fromEnvironment), true),
    ...(sources.file === undefined ? {} : checkParameters(declared, readParameterFile(sources.file), false)),
    ...checkParameters(declared, sources.texts ?? {}, true),
  };
}
