/** Recovers the whole part of a truncated notebook file (a full disk, a broken download). */
import { JsonTextError, readJson } from '../format/json-text';
import type { JsonNode } from '../format/json-node';

/** The file's text up to its last whole cell, closed. */
export interface Recovered {
  readonly text: string;
  /** A line per loss, and the number of cells kept. */
  readonly lost: readonly string[];
}

/** Whether the text at `at` is a value, a key or a comma that the end of the text cuts off. */
function endsThere(text: string, at: number): boolean {
  if (text[at] !== '"')
    return /^(?:|-?[\d.eE+-]*|t|tr|tru|f|fa|fal|fals|n|nu|nul)$/.test(text.slice(at).trimEnd());
  for (let quote = text.indexOf('"', at + 1); quote >= 0; quote = text.indexOf('"', quote + 1)) {
    let slashes = 0;
    while (text[quote - 1 - slashes] === '\\') slashes++;
    if (slashes % 2 === 0) return text.slice(quote + 1).trim() === '';
  }
  return true;
}

/** The whole members of the object; `cut` is the key of the truncated one, `cutAt` the start of its value. */
function wholeMembers(
  text: string,
  from: number,
): { members: Map<string, JsonNode>; cut: string; cutAt: number } {
  const reader = readJson(text);
  const members = new Map<string, JsonNode>();
  let cut = '';
  let cutAt = -1;
  reader.at = from + 1;
  try {
    for (;;) {
      const { key } = reader.key();
      cut = key;
      reader.blank();
      cutAt = reader.at;
      members.set(key, reader.value());
      cut = '';
      reader.blank();
      if (text[reader.at++] !== ',') break;
    }
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
  }
  return { members, cut, cutAt };
}

/** The whole lines of a truncated source, as JSON; undefined if there are none. */
function wholeLines(text: string, from: number): string | undefined {
  if (text[from] === '[') {
    const reader = readJson(text);
    reader.at = from + 1;
    let end = -1; // after the last whole line
    try {
      for (;;) {
        const { value, end: at } = reader.value();
        if (typeof value !== 'string') return undefined;
        end = at;
        reader.blank();
        if (text[reader.at++] !== ',') break;
      }
    } catch (error) {
      if (!(error instanceof JsonTextError)) throw error;
    }
    return end < 0 ? undefined : `${text.slice(from, end)}]`;
  }
  // One text: up to its last line end that is not escaped.
  const ends = [...text.slice(from).matchAll(/\\(?:u[0-9a-fA-F]{4}|[^u])/g)].filter(
    ([escape]) => escape === '\\n',
  );
  const last = ends.at(-1);
  return text[from] !== '"' || last === undefined ? undefined : `${text.slice(from, from + last.index + 2)}"`;
}

/** The source of a truncated cell, whole or up to the cut. */
function salvage(text: string, from: number): { cell: string; isWhole: boolean } | undefined {
  const { members, cut, cutAt } = wholeMembers(text, from);
  const raw = (key: string): string | undefined => {
    const node = members.get(key);
    return node && text.slice(node.start, node.end);
  };
  const whole = raw('source');
  const source = whole ?? (cut === 'source' ? wholeLines(text, cutAt) : undefined);
  // nbformat writes a cell's kind first; where it is missing, only code has a count or outputs.
  const named = members.get('cell_type')?.value;
  const isCode = members.has('execution_count') || members.has('outputs');
  const type = typeof named === 'string' ? named : isCode ? 'code' : undefined;
  if (type === undefined || source === undefined) return undefined;
  const parts = [`"cell_type": ${JSON.stringify(type)}`, `"source": ${source}`];
  for (const key of ['id', 'metadata', 'execution_count']) {
    const value = raw(key);
    if (value !== undefined) parts.push(`${JSON.stringify(key)}: ${value}`);
  }
  return { cell: `{${parts.join(', ')}}`, isWhole: whole !== undefined };
}

/**
 * Closes a truncated notebook.
 * @returns undefined if the text is broken in another way, or ends before its first cell
 */
export function recoverTruncated(text: string): Recovered | undefined {
  const reader = readJson(text);
  /** Whole members after the cells, with their JSON. */
  const have = new Map<string, string>();
  /** Members before the cut. */
  const before = new Set<string>();
  let failedAt = -1;
  let cellsEnd = -1; // after the last whole cell
  let cutCell = -1;
  let cells = 0;
  let cutKey = '';
  try {
    reader.blank();
    if (text[reader.at] !== '{') return undefined;
    reader.at++;
    for (let more = true; more;) {
      const { key } = reader.key();
      cutKey = key;
      reader.blank();
      if (key === 'cells' && text[reader.at] === '[') {
        cellsEnd = ++reader.at;
        for (reader.blank(); text[reader.at] !== ']';) {
          cutCell = reader.at;
          reader.value();
          cutCell = -1;
          cells++;
          cellsEnd = reader.at;
          reader.blank();
          if (text[reader.at] !== ',' && text[reader.at] !== ']') throw new JsonTextError(reader.at, 'cut');
          if (text[reader.at] === ',') reader.at++;
          reader.blank();
          if (reader.at >= text.length) throw new JsonTextError(reader.at, 'cut');
        }
        cellsEnd = ++reader.at;
        before.add(key);
      } else {
        const { start, end } = reader.value();
        if (cellsEnd < 0) before.add(key);
        else have.set(key, text.slice(start, end));
      }
      cutKey = '';
      reader.blank();
      if (reader.at >= text.length) throw new JsonTextError(reader.at, 'cut');
      more = text[reader.at++] === ',';
    }
    return undefined; // whole
  } catch (error) {
    if (!(error instanceof JsonTextError)) throw error;
    failedAt = error.at;
  }
  if (cellsEnd < 0 || !endsThere(text, failedAt)) return undefined;
  const lost: string[] = [];
  let kept = text.slice(0, cellsEnd);
  const saved = cutCell < 0 ? undefined : salvage(text, cutCell);
  if (saved !== undefined) {
    kept += `${cells > 0 ? ',' : ''}\n  ${saved.cell}`;
    const what = saved.isWhole ? 'its source is kept' : 'the lines before the cut are kept';
    lost.push(`cell ${cells + 1}: cut off; ${what}, its outputs are lost`);
  } else if (cutCell >= 0) lost.push(`cell ${cells + 1}: cut off and lost`);
  if (!before.has('cells')) kept += '\n ]';
  const tail: string[] = [];
  for (const [key, json] of [
    ['metadata', '{}'],
    ['nbformat', '4'],
    ['nbformat_minor', /"id"\s*:/.test(kept) ? '5' : '4'],
  ] as const) {
    if (before.has(key)) continue;
    const value = have.get(key);
    if (value === undefined && key === 'metadata') lost.push('the metadata of the notebook');
    tail.push(`\n "${key}": ${value ?? json}`);
  }
  const more = tail.length > 0 ? `,${tail.join(',')}` : '';
  const what = cutKey === '' || cutKey === 'cells' ? '' : ` in "${cutKey}"`;
  lost.unshift(`the file ends too early${what}: ${cells} whole cell(s) kept`);
  return { text: `${kept}${more}\n}\n`, lost };
}

/** First line of each of git's conflict markers; a file with them is two files. */
export function conflictLines(text: string): number[] {
  const marks = text
    .split('\n')
    .flatMap((line, i) =>
      /^(?:<{7}|={7}|>{7}|\|{7})(?:\s|$)/.test(line) ? [{ mark: line[0], line: i + 1 }] : [],
    );
  // A row of equal signs alone may underline a title in a string with raw line ends.
  return marks.some(({ mark }) => mark !== '=') ? marks.map(({ line }) => line) : [];
}
