/**
 * Mends notebook files: what GitHub or Jupyter refuses is put right, every other byte stays as it was.
 * nbformat 3 is converted, which rewrites the file.
 */
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import { TunebookError } from '../types';
import {
  applyEdits,
  insertMember,
  memberOf,
  parseJsonText,
  removeMember,
  type JsonNode,
  type TextEdit,
} from './json-text';
import {
  formatNotebook,
  splitText,
  validateNotebook,
  writeFileAtomic,
  type CellOutput,
  type Notebook,
  type NotebookCell,
} from './nbformat';

/** What a repair did. */
export interface RepairResult {
  readonly text: string;
  /** One line for each thing mended; none when the file was fine. */
  readonly mended: readonly string[];
  /** What is still wrong. */
  readonly left: readonly string[];
}

const widgetView = 'application/vnd.jupyter.widget-view+json';

/** An id that depends on the place and the content only: the same file gives the same repair. */
function idFor(seed: string, taken: Set<string>): string {
  for (let i = 0; ; i++) {
    const id = createHash('sha256').update(`${seed}#${i}`).digest('hex').slice(0, 8);
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

function widgetEdits(_text: string, root: JsonNode, mended: string[]): TextEdit[] {
  const metadata = memberOf(root, 'metadata')?.node;
  const widgets = memberOf(metadata, 'widgets')?.node;
  if (!metadata || !widgets) return [];
  const fine =
    widgets.members?.every(({ node }) => memberOf(node, 'state')?.node.members !== undefined) ?? false;
  if (fine) return [];
  const edits = [removeMember(metadata, 'widgets')];
  mended.push('metadata.widgets without state removed');
  for (const cell of memberOf(root, 'cells')?.node.elements ?? [])
    for (const output of memberOf(cell, 'outputs')?.node.elements ?? []) {
      const data = memberOf(output, 'data')?.node;
      if (data && memberOf(data, widgetView)) edits.push(removeMember(data, widgetView));
    }
  return edits.filter((edit) => edit !== null);
}

function cellEdits(text: string, root: JsonNode, mended: string[]): TextEdit[] {
  const edits: TextEdit[] = [];
  const minor = Number(memberOf(root, 'nbformat_minor')?.node.value ?? 0);
  const cells = memberOf(root, 'cells')?.node.elements ?? [];
  const taken = new Set(cells.map((cell) => String(memberOf(cell, 'id')?.node.value ?? '')));
  const seen = new Set<string>();
  for (const [i, cell] of cells.entries()) {
    const id = memberOf(cell, 'id')?.node;
    const seed = `${i}:${text.slice(cell.start, cell.end)}`;
    if (id && minor < 5) {
      const edit = removeMember(cell, 'id');
      if (edit) edits.push(edit);
      mended.push(`cell ${i + 1}: id removed (nbformat 4.${minor} has none)`);
    } else if (!id && minor >= 5) {
      edits.push(insertMember(text, cell, 'id', JSON.stringify(idFor(seed, taken))));
      mended.push(`cell ${i + 1}: id added`);
    } else if (id && (seen.has(String(id.value)) || !/^[\w-]{1,64}$/.test(String(id.value)))) {
      edits.push({ start: id.start, end: id.end, text: JSON.stringify(idFor(seed, taken)) });
      mended.push(`cell ${i + 1}: id ${JSON.stringify(id.value)} replaced`);
    }
    if (id) seen.add(String(id.value));
    const type = memberOf(cell, 'cell_type')?.node.value;
    const wanted: [string, string][] = [['metadata', '{}']];
    if (type === 'code') wanted.push(['outputs', '[]'], ['execution_count', 'null']);
    for (const [key, json] of wanted) {
      if (memberOf(cell, key)) continue;
      edits.push(insertMember(text, cell, key, json));
      mended.push(`cell ${i + 1}: ${key} added`);
    }
    for (const key of type === 'code' ? [] : ['outputs', 'execution_count']) {
      const edit = removeMember(cell, key);
      if (!edit) continue;
      edits.push(edit);
      mended.push(`cell ${i + 1}: ${key} removed`);
    }
  }
  return edits;
}

interface OldCell extends Record<string, unknown> {
  readonly cell_type?: unknown;
}

const oldMimes: Record<string, string> = {
  text: 'text/plain',
  html: 'text/html',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  latex: 'text/latex',
  json: 'application/json',
  javascript: 'application/javascript',
};

function upgradeOutput(output: Record<string, unknown>): CellOutput {
  const lines = (value: unknown): string[] =>
    splitText(Array.isArray(value) ? value.join('') : String(value ?? ''));
  switch (output.output_type) {
    case 'stream':
      return {
        output_type: 'stream',
        name: output.stream === 'stderr' ? 'stderr' : 'stdout',
        text: lines(output.text),
      };
    case 'pyerr':
      return {
        output_type: 'error',
        ename: String(output.ename),
        evalue: String(output.evalue),
        traceback: (output.traceback as string[] | undefined) ?? [],
      };
    default: {
      const data: Record<string, unknown> = {};
      for (const [key, mime] of Object.entries(oldMimes))
        if (key in output)
          data[mime] = mime.startsWith('image/p') || mime === 'image/jpeg' ? output[key] : lines(output[key]);
      return output.output_type === 'pyout'
        ? {
            output_type: 'execute_result',
            execution_count: Number(output.prompt_number ?? 0),
            data,
            metadata: {},
          }
        : { output_type: 'display_data', data, metadata: {} };
    }
  }
}

/** Converts a notebook of nbformat 3 (worksheets) to 4.5. */
export function upgradeNotebook(old: Record<string, unknown>): Notebook {
  const worksheets = (old.worksheets ?? []) as { cells?: OldCell[] }[];
  const taken = new Set<string>();
  const cells = worksheets
    .flatMap(({ cells: list = [] }) => list)
    .map((cell, i): NotebookCell => {
      const raw = cell.cell_type === 'code' ? cell.input : cell.source;
      const text = Array.isArray(raw) ? raw.join('') : String(raw ?? '');
      const id = idFor(`${i}:${text}`, taken);
      const metadata = (cell.metadata ?? {}) as Record<string, unknown>;
      if (cell.cell_type === 'heading')
        return {
          cell_type: 'markdown',
          id,
          metadata,
          source: splitText(`${'#'.repeat(Number(cell.level ?? 1))} ${text}`),
        };
      if (cell.cell_type !== 'code')
        return {
          cell_type: cell.cell_type === 'raw' ? 'raw' : 'markdown',
          id,
          metadata,
          source: splitText(text),
        };
      const outputs = ((cell.outputs ?? []) as Record<string, unknown>[]).map(upgradeOutput);
      const count = cell.prompt_number;
      return {
        cell_type: 'code',
        id,
        metadata,
        source: splitText(text),
        outputs,
        execution_count: typeof count === 'number' ? count : null,
      };
    });
  // `name` and `signature` belong to nbformat 3.
  const kept = Object.entries((old.metadata ?? {}) as Record<string, unknown>);
  const metadata = Object.fromEntries(kept.filter(([key]) => key !== 'name' && key !== 'signature'));
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
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
  const commas: TextEdit[] = [];
  const node = parseJsonText(current, commas);
  if (commas.length > 0) {
    current = applyEdits(current, commas);
    mended.push(`${commas.length} comma(s) before a closing bracket removed`);
  }
  const major = memberOf(node, 'nbformat')?.node.value;
  if (major === 3) {
    current = formatNotebook(upgradeNotebook(JSON.parse(current) as Record<string, unknown>));
    mended.push('converted from nbformat 3 to 4.5');
  } else if (major !== 4) throw new TunebookError('expected a notebook of nbformat 3 or 4');
  // One kind of edit at a time: their places then never overlap.
  for (const find of [widgetEdits, cellEdits]) {
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
