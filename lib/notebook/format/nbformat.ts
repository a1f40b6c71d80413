/**
 * Notebook files: read, check against the official nbformat schema, and write whole or not at all.
 * Source: nbformat 4.5 (`nbformat.v4.5.schema.json` beside this file, the official one, draft-04).
 */
import { randomBytes } from 'node:crypto';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import type { ValidateFunction } from 'ajv';
import type AjvDraft04 from 'ajv-draft-04';
import type { MimeBundle } from '../../display';
import { isJsonObject, requireLocalPath, writeFileAtomicSync } from '../../files';
import { messageOf, TunebookError } from '../../types';
import { foreignKind } from './foreign-file';
import schema from './nbformat.v4.5.schema.json';

/** A text as notebooks hold it: whole, or as lines that keep their line ends. */
export type MultilineText = string | string[];

/** Whether a value of that mime type is any JSON rather than text. */
export function isJsonMime(mime: string): boolean {
  return /^application\/(?:.*\+)?json$/.test(mime);
}

/** One output of a code cell. */
export type CellOutput =
  | { output_type: 'stream'; name: 'stdout' | 'stderr'; text: MultilineText }
  | { output_type: 'display_data'; data: MimeBundle; metadata: Record<string, unknown> }
  | {
      output_type: 'execute_result';
      execution_count: number | null;
      data: MimeBundle;
      metadata: Record<string, unknown>;
    }
  | { output_type: 'error'; ename: string; evalue: string; traceback: string[] };

/** One cell; `outputs` and `execution_count` exist on code cells only. */
export interface NotebookCell {
  cell_type: 'code' | 'markdown' | 'raw';
  id?: string;
  metadata: Record<string, unknown>;
  source: MultilineText;
  outputs?: CellOutput[];
  execution_count?: number | null;
}

/** A notebook of nbformat 4. */
export interface Notebook {
  cells: NotebookCell[];
  metadata: Record<string, unknown>;
  nbformat: number;
  nbformat_minor: number;
}

/** The text of a cell, whole. */
export function cellSource(cell: NotebookCell): string {
  return joinText(cell.source);
}

/** A text of a notebook, whole. */
export function joinText(text: MultilineText): string {
  return Array.isArray(text) ? text.join('') : text;
}

/** A text as nbformat writes it: lines that keep their line ends. */
export function splitText(text: string): string[] {
  return text === '' ? [] : text.split(/(?<=\n)/);
}

/** The tags of a cell. */
export function cellTags(cell: NotebookCell): string[] {
  const { tags } = cell.metadata;
  return Array.isArray(tags) ? tags.filter((tag): tag is string => typeof tag === 'string') : [];
}

/** A new cell with an id. */
export function makeCell(
  kind: 'code' | 'markdown',
  source: string,
  tags: readonly string[] = [],
): NotebookCell {
  const cell: NotebookCell = {
    cell_type: kind,
    id: randomBytes(4).toString('hex'),
    metadata: tags.length > 0 ? { tags: [...tags] } : {},
    source: splitText(source),
  };
  return kind === 'code' ? { ...cell, execution_count: null, outputs: [] } : cell;
}

type SchemaPart = 'notebook' | 'code_cell' | 'markdown_cell' | 'raw_cell' | CellOutput['output_type'];
const validators = new Map<SchemaPart, ValidateFunction>();
let ajv: AjvDraft04 | undefined;

/** The check of one part of the official schema, compiled on first use. */
function validatorOf(part: SchemaPart): ValidateFunction {
  let validate = validators.get(part);
  if (!validate) {
    if (!ajv) {
      const { default: Ajv } = createRequire(__filename)('ajv-draft-04') as typeof import('ajv-draft-04');
      ajv = new Ajv({ strict: false, allErrors: true });
      ajv.addSchema(schema, 'nbformat');
    }
    validate = ajv.compile({ $ref: part === 'notebook' ? 'nbformat' : `nbformat#/definitions/${part}` });
    validators.set(part, validate);
  }
  return validate;
}

function partProblems(part: SchemaPart, value: unknown, where: string): string[] {
  const validate = validatorOf(part);
  if (validate(value)) return [];
  const errors = validate.errors ?? [];
  // Where one of several kinds is allowed, each kind's own complaint is noise.
  const choices = errors.filter(({ keyword }) => keyword === 'oneOf').map(({ instancePath }) => instancePath);
  const texts = errors
    .filter(
      ({ keyword, instancePath }) =>
        keyword === 'oneOf' || !choices.some((at) => instancePath.startsWith(at)),
    )
    .map(({ instancePath, message, params, keyword }) => {
      const place = instancePath.slice(1).replaceAll('~1', '/').replaceAll('~0', '~');
      const kinds = `must be a text or ${place.endsWith('mode') ? 'an object' : 'a list of texts'}`;
      const extra =
        keyword === 'additionalProperties' ? ` (${JSON.stringify(params.additionalProperty)})` : '';
      return `${where}${place && ' '}${place}: ${keyword === 'oneOf' ? kinds : (message ?? keyword)}${extra}`;
    });
  return [...new Set(texts)];
}

/** What has metadata by the schema: the notebook, or a kind of cell. */
export type MetadataOf = 'notebook' | NotebookCell['cell_type'];

/** Members of metadata that the schema refuses. */
export function wrongMetadata(of: MetadataOf, metadata: Record<string, unknown>): string[] {
  const cell = { cell_type: of, id: 'x', source: '', metadata };
  const validate = validatorOf(of === 'notebook' ? of : `${of}_cell`);
  const whole =
    of === 'notebook'
      ? { cells: [], nbformat: 4, nbformat_minor: 5, metadata }
      : of === 'code'
        ? { ...cell, outputs: [], execution_count: null }
        : cell;
  if (validate(whole)) return [];
  const keys = (validate.errors ?? []).map(({ instancePath }) => instancePath.split('/')[2] ?? '');
  return [...new Set(keys.map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~')))].filter(
    (key) => key in metadata,
  );
}

/** The newest minor version that the schema beside this file describes. */
export const NEWEST_MINOR = 5;
const ADDITIONAL = 'must NOT have additional properties';

/**
 * What keeps a notebook from being valid: the schema's findings, part by part so that each message is about the
 * kind of cell at hand, then what the schema misses and readers stumble over (duplicate cell ids, widget metadata
 * without state: GitHub's "Invalid Notebook").
 * @returns one line for each problem; none for a valid notebook
 */
export function validateNotebook(notebook: unknown): string[] {
  if (!isJsonObject(notebook)) return ['notebook: expected an object'];
  const { cells, nbformat_minor: minor } = notebook as { cells?: unknown; nbformat_minor?: unknown };
  // Before 4.5 cells had no ids; the rest of the format is the same.
  const old = typeof minor === 'number' && Number.isInteger(minor) && minor >= 0 && minor < 5;
  const head = {
    ...notebook,
    ...(Array.isArray(cells) ? { cells: [] } : {}),
    ...(old ? { nbformat_minor: 5 } : {}),
  };
  const problems: string[] = [];
  // A newer minor version may have members that this schema does not know: they are no fault, as nbformat has it.
  const isNewer = typeof minor === 'number' && minor > NEWEST_MINOR;
  const add = (found: readonly string[]): void => {
    problems.push(...(isNewer ? found.filter((text) => !text.includes(ADDITIONAL)) : found));
  };
  add(partProblems('notebook', head, 'notebook'));
  for (const [i, cell] of (Array.isArray(cells) ? (cells as unknown[]) : []).entries()) {
    const where = `cell ${i + 1}`;
    if (old && typeof cell === 'object' && cell !== null && 'id' in cell)
      problems.push(`${where}: nbformat 4.${minor} has no cell ids`);
    add(cellProblems(old && typeof cell === 'object' ? { id: 'none', ...cell } : cell, where));
  }
  problems.push(...duplicateIds(notebook), ...widgetProblems(notebook));
  return problems;
}

function cellProblems(cell: unknown, where: string): string[] {
  const { cell_type: type, outputs } = (cell ?? {}) as { cell_type?: unknown; outputs?: unknown };
  if (type !== 'code' && type !== 'markdown' && type !== 'raw')
    return [`${where}: expected a cell_type of code, markdown or raw, got ${JSON.stringify(type)}`];
  if (type !== 'code' || !Array.isArray(outputs)) return partProblems(`${type}_cell`, cell, where);
  const problems = partProblems('code_cell', { ...(cell as object), outputs: [] }, where);
  for (const [i, output] of (outputs as unknown[]).entries()) {
    const kind = (output as { output_type?: unknown } | null)?.output_type;
    if (kind === 'stream' || kind === 'display_data' || kind === 'execute_result' || kind === 'error')
      problems.push(...partProblems(kind, output, `${where}, output ${i + 1}`));
    else
      problems.push(
        `${where}, output ${i + 1}: expected an output of nbformat 4, got ${JSON.stringify(kind)}`,
      );
  }
  return problems;
}

function duplicateIds(notebook: unknown): string[] {
  const cells = (notebook as Partial<Notebook> | null)?.cells;
  if (!Array.isArray(cells)) return [];
  const seen = new Map<string, number>();
  const problems: string[] = [];
  cells.forEach((cell, i) => {
    if (typeof cell?.id !== 'string') return;
    const before = seen.get(cell.id);
    if (before === undefined) seen.set(cell.id, i);
    else problems.push(`cell ${i + 1}: id "${cell.id}" is also that of cell ${before + 1}`);
  });
  return problems;
}

/** Whether a member of `metadata.widgets` holds the state of widgets; ipywidgets before 7 wrote others. */
export function isWidgetState(name: string): boolean {
  return name.endsWith('widget-state+json');
}

/** Widget metadata that GitHub and others refuse. */
export function widgetProblems(notebook: unknown): string[] {
  const metadata = (notebook as Partial<Notebook> | null)?.metadata;
  const widgets: unknown = metadata?.widgets;
  if (widgets === undefined) return [];
  if (!isJsonObject(widgets)) return ['metadata.widgets: expected an object'];
  return Object.entries(widgets)
    .filter(
      ([name, value]) => isWidgetState(name) && !isJsonObject((value as { state?: unknown } | null)?.state),
    )
    .map(([name]) => `metadata.widgets: ${name} has no "state" ("Invalid Notebook" on GitHub)`);
}

/**
 * Reads a notebook of nbformat 4.
 * @throws TunebookError when the file is no notebook, or of another major version
 */
export function readNotebook(file: string): Notebook {
  requireLocalPath(file, 'notebook');
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new TunebookError(
      `${file}: ${code === 'ENOENT' ? 'there is no such notebook' : `cannot be read (${code})`}`,
    );
  }
  if (text.trim() === '') throw new TunebookError(`${file}: expected a notebook, got an empty file`);
  const foreign = foreignKind(Buffer.from(text.slice(0, 4), 'latin1'), text);
  if (foreign !== undefined) throw new TunebookError(`${file}: the file ${foreign}`);
  let value: unknown;
  try {
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (error) {
    throw new TunebookError(`${file}: expected JSON: ${messageOf(error)}; \`tunebook repair\` may fix it`);
  }
  const { nbformat, cells, metadata } = (value ?? {}) as Partial<Notebook>;
  if (nbformat !== 4)
    throw new TunebookError(
      `${file}: expected a notebook of nbformat 4, got ${nbformat === undefined ? 'no notebook' : `version ${String(nbformat)}`}` +
        `${nbformat === 3 ? '; `tunebook repair` converts it' : ''}`,
    );
  if (!Array.isArray(cells) || typeof metadata !== 'object' || metadata === null)
    throw new TunebookError(`${file}: expected "cells" and "metadata"; see \`tunebook check ${file}\``);
  for (const [i, cell] of cells.entries()) {
    const known = ['code', 'markdown', 'raw'].includes(cell?.cell_type);
    if (!known || (typeof cell.source !== 'string' && !Array.isArray(cell.source)))
      throw new TunebookError(
        `${file}: cell ${i + 1} is no cell of nbformat 4; see \`tunebook check ${file}\``,
      );
    cell.metadata ??= {};
  }
  return value as Notebook;
}

/** The text of a notebook file, in nbformat's own form: one blank of indent, lines as arrays, a last line end. */
export function formatNotebook(notebook: Notebook): string {
  // A source may have been read as one string, which the schema allows and nbformat never writes.
  const cells = notebook.cells.map((cell) => ({ ...cell, source: splitText(cellSource(cell)) }));
  return `${JSON.stringify({ ...notebook, cells }, null, 1)}\n`;
}

/** Writes a notebook whole or not at all. */
export function writeNotebook(file: string, notebook: Notebook): void {
  writeFileAtomicSync(file, formatNotebook(notebook));
}
