/**
 * Mends notebook files: what GitHub or Jupyter refuses is put right, every other byte stays as it was.
 * nbformat 3 is converted, which rewrites the file.
 */
import fs from 'node:fs';
import { TunebookError } from '../types';
import { applyEdits, memberOf, parseJsonText, type TextEdit } from './json-text';
import { formatNotebook, validateNotebook, writeFileAtomic, type Notebook } from './nbformat';
import { cellEdits, headEdits, outputEdits, widgetEdits } from './structure-repairs';
import { conflictLines, recoverTruncated } from './truncated';
import { upgradeNotebook } from './upgrade-notebook';

/** What a repair did. */
export interface RepairResult {
  readonly text: string;
  /** One line for each thing mended; none when the file was fine. */
  readonly mended: readonly string[];
  /** What is still wrong. */
  readonly left: readonly string[];
}

/**
 * Mends the text of a notebook.
 * @param normalise whether the whole file is written in nbformat's own form
 * @throws TunebookError when the text cannot be read as a notebook
 */
export function repairText(text: string, normalise = false): RepairResult {
  const mended: string[] = [];
  let current = text.replace(/^\uFEFF/, '');
  if (current !== text) mended.push('byte order mark removed');
  const conflicts = conflictLines(current);
  if (conflicts.length > 0)
    throw new TunebookError(
      `lines ${conflicts.join(', ')}: git's conflict markers; choose a side first (git checkout --ours or --theirs)`,
    );
  current = readable(current, mended);
  const major = memberOf(parseJsonText(current), 'nbformat')?.node.value;
  if (major === 3) {
    current = formatNotebook(upgradeNotebook(JSON.parse(current) as Record<string, unknown>));
    mended.push('converted from nbformat 3 to 4.5');
  } else if (major !== 4) throw new TunebookError('expected a notebook of nbformat 3 or 4');
  // One kind of edit at a time: their places then never overlap.
  for (const find of [headEdits, widgetEdits, cellEdits, outputEdits]) {
    const edits = find(current, parseJsonText(current), mended);
    current = mergeInserts(current, edits);
  }
  const notebook = JSON.parse(current) as Notebook;
  if (normalise && current !== formatNotebook(notebook)) {
    current = formatNotebook(notebook);
    mended.push('written in the form of nbformat');
  }
  return { text: current, mended, left: validateNotebook(notebook) };
}

/** The text as JSON: small faults mended, a file that ends too early closed behind what is whole. */
function readable(text: string, mended: string[]): string {
  const edits: TextEdit[] = [];
  try {
    parseJsonText(text, edits);
  } catch (error) {
    const recovered = recoverTruncated(text);
    if (!recovered) throw error;
    mended.push(...recovered.lost);
    return recovered.text;
  }
  const count = (found: readonly unknown[], what: string): void => {
    if (found.length > 0) mended.push(`${found.length} ${what}`);
  };
  count(
    edits.filter((edit) => edit.text === ''),
    'comma(s) before a closing bracket removed',
  );
  count(
    edits.filter((edit) => edit.text.startsWith('\\')),
    'control character(s) inside of strings escaped',
  );
  count(
    edits.filter((edit) => /^[a-z]/.test(edit.text)),
    'value(s) that JSON does not know replaced (NaN and the like)',
  );
  return applyEdits(text, edits);
}

/** Several members put in at the same place follow each other. */
function mergeInserts(text: string, edits: readonly TextEdit[]): string {
  const merged = new Map<string, TextEdit>();
  for (const edit of edits) {
    const key = edit.start === edit.end ? `i${edit.start}` : `r${edit.start}`;
    const before = merged.get(key);
    merged.set(key, before ? { ...edit, text: before.text + edit.text } : edit);
  }
  return applyEdits(text, [...merged.values()]);
}

/** Mends a notebook file in place; a file that is fine is not touched. */
export function repairFile(file: string, normalise = false): RepairResult {
  let result: RepairResult;
  const text = fs.readFileSync(file, 'utf8');
  try {
    result = repairText(text, normalise);
  } catch (error) {
    throw new TunebookError(
      `${file}: cannot be mended: ${error instanceof Error ? error.message : String(error)}`,
    );
  }
  if (result.text !== text) writeFileAtomic(file, result.text);
  return result;
}
