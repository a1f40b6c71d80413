/** The files that a run's parameters name, so that a resumed run notices when one of them has changed. */
import fs from 'node:fs';
import path from 'node:path';
import type { ParameterValue } from '../parameters/parameter-types';
import { PACKAGE_ROOT } from '../../environment';

/** What identifies the state of a file. */
export interface FileState {
  readonly sizeBytes: number;
  readonly modifiedMs: number;
}

function texts(value: ParameterValue): readonly string[] {
  if (typeof value === 'string') return [value];
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(texts) : [];
}

function stateOf(file: string): FileState | undefined {
  try {
    const stats = fs.statSync(file);
    return stats.isFile() ? { sizeBytes: stats.size, modifiedMs: Math.round(stats.mtimeMs) } : undefined;
  } catch {
    return undefined; // most texts are no files
  }
}

/**
 * Those texts among the values that name a file, where `projectPath` finds it: from `cwd`, else in the package.
 * @returns path to state
 */
export function namedFiles(
  values: Readonly<Record<string, ParameterValue>>,
  cwd: string,
): Record<string, FileState> {
  const files: Record<string, FileState> = {};
  for (const text of Object.values(values).flatMap(texts)) {
    if (text === '' || text.length > 1000) continue;
    const file = [path.resolve(cwd, text), path.join(PACKAGE_ROOT, text)].find((place) => stateOf(place));
    const state = file === undefined ? undefined : stateOf(file);
    if (file !== undefined && state) files[file] = state;
  }
  return files;
}

/** One line for each file of `earlier` that is gone or no longer as it was. */
export function changedFiles(earlier: Readonly<Record<string, FileState>>): string[] {
  return Object.entries(earlier).flatMap(([file, before]) => {
    const now = stateOf(file);
    if (!now) return [`${file} is gone`];
    const same = now.sizeBytes === before.sizeBytes && now.modifiedMs === before.modifiedMs;
    return same ? [] : [`${file} has changed`];
  });
}
