/** `tunebook check`: finds the faults of a notebook file before a reader, GitHub or a run does. */
import fs from 'node:fs';
import path from 'node:path';
import { isJsonObject } from '../../files';
import { messageOf } from '../../types';
import { checkCellTypes, missingDependencies } from './check-types';
import { fileText } from '../format/file-text';
import { foreignKind, loneSurrogates } from '../format/foreign-file';
import { repeatedMembers } from '../format/json-edits';
import { lineOf, parseJsonText } from '../format/json-text';
import type { JsonNode } from '../format/json-node';
import { denoNote, isTypescript, namedLanguage, notebookLanguage } from '../format/language';
import { cellSource, joinText, validateNotebook } from '../format/nbformat';
import { codeDigests, storedDigests } from '../format/outputs-of';
import type { Notebook, NotebookCell } from '../format/nbformat';
import { parameterCellIndex } from '../parameters/parameters';
import { readParameterCell } from '../parameters/read-parameters';
import { conflictLines } from './truncated';
import { scriptsIn } from '../format/untrusted';

/** Settings of a check. */
export interface CheckOptions {
  /**
   * Whether notebooks in this project have outputs: `required` means that every cell is executed and its outputs belong
   * to its present code (see `tunebook publish`). Default `forbidden`.
   */
  readonly outputs?: 'required' | 'forbidden' | 'allowed';
  /** Short for `outputs: 'allowed'`. */
  readonly executed?: boolean;
  /** Whether cells are type-checked. Default true. */
  readonly types?: boolean;
  /** Whether scripts in outputs are reported, for files from elsewhere. Default false. */
  readonly untrusted?: boolean;
}

/** One fault; `where` names the place. */
export interface CheckFinding {
  readonly where: string;
  readonly message: string;
}

function outputFindings(
  cell: NotebookCell,
  where: string,
  wanted: NonNullable<CheckOptions['outputs']>,
): CheckFinding[] {
  const outputs = cell.outputs ?? [];
  const findings: CheckFinding[] = [];
  const hasRun = outputs.length > 0 || typeof cell.execution_count === 'number';
  if (wanted === 'forbidden' && hasRun)
    findings.push({
      where,
      message: 'has outputs, which are forbidden here; clear them, or pass --outputs required',
    });
  if (wanted === 'required' && !hasRun && cellSource(cell).trim() !== '')
    findings.push({ where, message: 'has not been run; `tunebook publish` runs it and keeps the outputs' });
  const bundles = outputs.flatMap((output) => ('data' in output ? [output.data] : []));
  const text = (value: unknown): string =>
    typeof value === 'string' || Array.isArray(value) ? joinText(value as string[]) : '';
  const figures = bundles.filter(
    (data) => 'application/vnd.plotly.v1+json' in data || /Plotly|newPlot/.test(text(data['text/html'])),
  );
  const images = bundles.filter(
    (data) => 'image/png' in data || 'image/svg+xml' in data || 'image/jpeg' in data,
  );
  if (figures.length > images.length)
    findings.push({ where, message: 'shows a figure without a static image: GitHub runs no scripts' });
  return findings;
}

/** Cells whose code has changed since their outputs were made. */
function staleFindings(notebook: Notebook, wanted: NonNullable<CheckOptions['outputs']>): CheckFinding[] {
  const stored = storedDigests(notebook);
  if (wanted === 'forbidden') return [];
  if (stored === undefined)
    return wanted === 'required'
      ? [
          {
            where: 'metadata',
            message: 'does not say which code the outputs belong to; run `tunebook publish`',
          },
        ]
      : [];
  const now = codeDigests(notebook);
  const numberOf = (id: string): number => notebook.cells.findIndex((cell) => cell.id === id) + 1;
  const changed = Object.keys(now)
    .filter((id) => now[id] !== stored[id])
    .map((id) => ({
      where: `cell ${numberOf(id)}`,
      message: `${id in stored ? 'was changed' : 'was added'} after the outputs were made; run \`tunebook publish\``,
    }));
  const gone = Object.keys(stored).filter((id) => !(id in now));
  return gone.length === 0
    ? changed
    : [
        ...changed,
        { where: 'metadata', message: `outputs were made with cells that are gone: ${gone.join(', ')}` },
      ];
}

function parameterFindings(notebook: Notebook): CheckFinding[] {
  const at = parameterCellIndex(notebook);
  if (at < 0) return [];
  return readParameterCell(cellSource(notebook.cells[at]))
    .parameters.filter(({ typed }) => !typed)
    .map(({ name, typeText }) => ({
      where: `cell ${at + 1}`,
      message: `parameter ${name} has no declared type; write \`${name}: ${typeText}\``,
    }));
}

function surrogateFindings(text: string): CheckFinding[] {
  const lines = [...new Set(loneSurrogates(text).map((at) => lineOf(text, at)))];
  return lines.map((line) => ({
    where: `line ${line}`,
    message: 'holds half a surrogate pair, which is no character; `tunebook repair` replaces it',
  }));
}

function structureFindings(notebook: unknown): CheckFinding[] {
  return validateNotebook(notebook).map((problem): CheckFinding => {
    const at = problem.indexOf(': ');
    return { where: problem.slice(0, at), message: problem.slice(at + 2) };
  });
}

/** Whether cells and outputs have the shape of their types; their contents may still be wrong. */
function hasShape(notebook: unknown): notebook is Notebook {
  const isText = (value: unknown): boolean =>
    typeof value === 'string' || (Array.isArray(value) && value.every((line) => typeof line === 'string'));
  const isOutput = (output: unknown): boolean =>
    isJsonObject(output) && (!('data' in output) || isJsonObject(output.data));
  const isCell = (cell: unknown): boolean =>
    isJsonObject(cell) &&
    isJsonObject(cell.metadata) &&
    isText(cell.source) &&
    (cell.outputs === undefined || (Array.isArray(cell.outputs) && cell.outputs.every(isOutput)));
  return (
    isJsonObject(notebook) &&
    isJsonObject(notebook.metadata) &&
    Array.isArray(notebook.cells) &&
    notebook.cells.every(isCell)
  );
}

function contentFindings(notebook: Notebook, file: string, options: CheckOptions): CheckFinding[] {
  const wanted = options.outputs ?? (options.executed ? 'allowed' : 'forbidden');
  const findings = notebook.cells.flatMap((cell, i) =>
    cell.cell_type === 'code' ? outputFindings(cell, `cell ${i + 1}`, wanted) : [],
  );
  findings.push(...staleFindings(notebook, wanted));
  const language = notebookLanguage(notebook);
  if (!isTypescript(language))
    return [...findings, { where: 'metadata', message: `the notebook is in ${language}, not in TypeScript` }];
  const deno = denoNote(notebook);
  if (deno !== undefined) findings.push({ where: 'notebook', message: deno });
  // A notebook without a language may be in any: its cells are not checked as TypeScript.
  if (namedLanguage(notebook) === undefined) return findings;
  findings.push(...parameterFindings(notebook));
  for (const name of missingDependencies(notebook, file))
    findings.push({
      where: 'imports',
      message: `${name} is no dependency of the package that the notebook is in`,
    });
  if (options.types ?? true)
    for (const { cell, line, message } of checkCellTypes(notebook, file))
      findings.push({ where: `cell ${cell}, line ${line}`, message });
  return findings;
}

/** Standard input, in place of a file's name. */
const STDIN = '-';

/** Checks a notebook file, `-` for standard input. @returns its faults; none for a good notebook */
export function checkNotebook(file: string, options: CheckOptions = {}): CheckFinding[] {
  const about = (message: string): CheckFinding => ({ where: 'file', message });
  let bytes: Buffer;
  try {
    bytes = fs.readFileSync(file === STDIN ? 0 : file);
  } catch (error) {
    return [about(`cannot be read (${(error as NodeJS.ErrnoException).code})`)];
  }
  const { text: whole, fault } = fileText(bytes);
  const findings = fault === '' ? [] : [about(`${fault}; Jupyter cannot read it`)];
  const text = whole.replace(/^\uFEFF/, '');
  if (text !== whole) findings.push(about('starts with a byte order mark; Jupyter cannot read it'));
  if (text.trim() === '') return [...findings, about('is empty')];
  const foreign = foreignKind(bytes, text);
  if (foreign !== undefined) return [about(foreign)];
  const conflicts = conflictLines(text);
  if (conflicts.length > 0)
    return [...findings, about(`holds git's conflict markers, in lines ${conflicts.join(', ')}`)];
  let root: JsonNode;
  try {
    root = parseJsonText(text);
  } catch (error) {
    return [...findings, about(`is no JSON: ${messageOf(error)}; \`tunebook repair\` may fix it`)];
  }
  for (const { key, start } of repeatedMembers(root))
    findings.push({
      where: `line ${lineOf(text, start)}`,
      message: `${JSON.stringify(key)} stands twice in one object; readers see only the last`,
    });
  findings.push(...surrogateFindings(text));
  const notebook = JSON.parse(text) as { nbformat?: unknown } | null;
  if (notebook?.nbformat === 3)
    return [
      ...findings,
      about('is of nbformat 3, which has no ids and no mime types; `tunebook repair` converts it'),
    ];
  findings.push(...structureFindings(notebook));
  if (options.untrusted) findings.push(...scriptsIn(notebook));
  if (notebook?.nbformat !== 4 || !hasShape(notebook)) return findings;
  // Standard input is checked as a notebook of this folder.
  const place = file === STDIN ? path.resolve('stdin.ipynb') : file;
  return [...findings, ...contentFindings(notebook, place, options)];
}
