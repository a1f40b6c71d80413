/**
 * Repairs notebook files: fixes what GitHub or Jupyter refuses and keeps every other byte. nbformat 3 is converted, which
 * rewrites the file.
 */
import fs from 'node:fs';
import { messageOf, TunebookError } from '../../types';
import { fileText } from '../format/file-text';
import { foreignKind, loneSurrogates, unquotedNotebook } from '../format/foreign-file';
import { applyEdits } from '../format/json-edits';
import { parseJsonText } from '../format/json-text';
import type { JsonRepair } from '../format/json-text';
import { formatNotebook, validateNotebook } from '../format/nbformat';
import { writeFileAtomicSync } from '../../files';
import type { Notebook } from '../format/nbformat';
import { normalForm } from '../format/normal-form';
import {
  cellEdits,
  headEdits,
  kindEdits,
  outputEdits,
  repeatedEdits,
  valueOf,
  versionEdits,
  widgetEdits,
} from './structure-repairs';
import type { FindEdits } from './structure-repairs';
import { conflictLines, recoverTruncated } from './truncated';
import { upgradeNotebook } from '../format/upgrade-notebook';
import { valueEdits } from './value-repairs';

/** Length of an escape such as `\ud800`. */
const ESCAPE = 6;

/** The result of a repair. */
export interface RepairResult {
  readonly text: string;
  /** A line per fault repaired; none for a good file. */
  readonly repaired: readonly string[];
  /** Faults that remain. */
  readonly left: readonly string[];
}

/**
 * Repairs the text of a notebook.
 * @param normalise whether to rewrite the whole file as nbformat would
 * @throws TunebookError when the text cannot be read as a notebook
 */
export function repairText(text: string, normalise = false): RepairResult {
  const repaired: string[] = [];
  let current = text.replace(/^\uFEFF/, '');
  if (current !== text) repaired.push('byte order mark removed');
  const conflicts = conflictLines(current);
  if (conflicts.length > 0)
    throw new TunebookError(
      `lines ${conflicts.join(', ')}: git's conflict markers; choose a side first (git checkout --ours or --theirs)`,
    );
  const inner = unquotedNotebook(current.trim());
  if (inner !== undefined) {
    current = inner;
    repaired.push('taken out of the JSON text that it was encoded in');
  }
  current = readable(current, repaired);
  const lone = loneSurrogates(current);
  if (lone.length > 0) {
    current = applyEdits(
      current,
      lone.map((start) => ({ start, end: start + ESCAPE, text: '\\ufffd' })),
    );
    repaired.push(`${lone.length} half surrogate pair(s), which are no characters, replaced by \ufffd`);
  }
  let root = parseJsonText(current);
  // One kind of edit at a time, so that edits never overlap.
  const apply = (kinds: readonly FindEdits[]): void => {
    for (const find of kinds) {
      const edits = find(current, root, repaired);
      if (edits.length === 0) continue;
      current = applyEdits(current, edits);
      root = parseJsonText(current);
    }
  };
  apply([repeatedEdits, versionEdits]);
  const major = valueOf(root, 'nbformat');
  if (major === 3) {
    current = formatNotebook(upgradeNotebook(JSON.parse(current) as Record<string, unknown>));
    root = parseJsonText(current);
    repaired.push('converted from nbformat 3 to 4.5');
  } else if (major !== 4) throw new TunebookError('expected a notebook of nbformat 3 or 4');
  apply([kindEdits, headEdits, widgetEdits, cellEdits, outputEdits, valueEdits]);
  if (normalise && current !== normalForm(current)) {
    current = normalForm(current);
    repaired.push('written in the form of nbformat');
  }
  return { text: current, repaired, left: validateNotebook(JSON.parse(current) as Notebook) };
}

/** The text as valid JSON: small faults repaired, a truncated file closed after its last whole cell. */
function readable(text: string, repaired: string[]): string {
  const repairs: JsonRepair[] = [];
  let lost: readonly string[] = [];
  let whole = text;
  try {
    parseJsonText(text, repairs);
    whole = applyEdits(text, repairs);
  } catch (error) {
    const recovered = recoverTruncated(applyEdits(text, repairs));
    if (!recovered) throw error;
    whole = recovered.text;
    lost = recovered.lost;
  }
  const counts = new Map<string, number>();
  for (const { what } of repairs) counts.set(what, (counts.get(what) ?? 0) + 1);
  repaired.push(...[...counts].map(([what, count]) => `${count} ${what}`), ...lost);
  return whole;
}

/**
 * The bytes of a file.
 * @param file 0 for standard input
 * @param name for errors
 * @throws TunebookError when it cannot be read
 */
export function readBytes(file: string | 0, name = String(file)): Buffer {
  try {
    return fs.readFileSync(file);
  } catch (error) {
    throw new TunebookError(`${name}: cannot be read (${(error as NodeJS.ErrnoException).code})`);
  }
}

/**
 * Repairs a notebook file in place; a good file is not touched.
 * @throws TunebookError when the file cannot be read, or not as a notebook
 */
export function repairFile(file: string, normalise = false): RepairResult {
  const bytes = readBytes(file);
  const result = repairBytes(bytes, { name: file, normalise });
  if (!bytes.equals(Buffer.from(result.text))) writeFileAtomicSync(file, result.text);
  return result;
}

/**
 * Repairs the bytes of a notebook file; nothing is written.
 * @param options.name of the file, for errors
 * @throws TunebookError when they cannot be read as a notebook
 */
export function repairBytes(
  bytes: Uint8Array,
  { name, normalise = false }: { name: string; normalise?: boolean },
): RepairResult {
  const { text, fault } = fileText(bytes);
  const foreign = unquotedNotebook(text.trim()) === undefined ? foreignKind(bytes, text) : undefined;
  if (foreign !== undefined) throw new TunebookError(`${name}: the file ${foreign}`);
  try {
    const result = repairText(text, normalise);
    return fault === ''
      ? result
      : { ...result, repaired: [`${fault}: written as UTF-8`, ...result.repaired] };
  } catch (error) {
    throw new TunebookError(`${name}: cannot be repaired: ${messageOf(error)}`);
  }
}
