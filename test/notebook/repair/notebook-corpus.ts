/**
 * Notebooks in many layouts, made from a seed, and faults that are put into them: each is the reverse of what `repair`
 * does, so that the repaired file must be the good one, byte for byte but for ids that are made anew.
 */
import { applyEdits, memberOf } from '../../../lib/notebook/format/json-edits';
import type { TextEdit } from '../../../lib/notebook/format/json-edits';
import { parseJsonText } from '../../../lib/notebook/format/json-text';
import type { JsonNode } from '../../../lib/notebook/format/json-node';
import { KERNELSPEC } from '../../support/make-notebook';

/** Numbers from 0 up to 1, the same for the same seed. Source: mulberry32. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
}

const pick = <T>(random: () => number, from: readonly T[]): T => from[Math.floor(random() * from.length)];

/** Lines as people write them: with quotes, backslashes, other scripts, what looks like JSON or a conflict. */
const LINES = [
  'const a = "b";\n',
  '// größer als 3 → 4, 例\n',
  'let t = `\t$' + '{x}`;\n',
  '$\\alpha$ and \\\\n {"id": 1,}\n',
  '=======\n',
  'null, NaN, [1,,2]',
  '\u2028\u00a0 end "',
];
const shifts = [
  { shape: 'a', number: 1.5, list: [[], {}, [null]] },
  { vscode: { languageId: 'typescript' } },
  { colab: { base_uri: 'https://localhost:8080/' }, outputId: 'b-1' },
];

function makeOutput(random: () => number): object {
  const text = Array.from({ length: Math.floor(random() * 3) }, () => pick(random, LINES));
  return pick<() => object>(random, [
    () => ({ output_type: 'stream', name: 'stdout', text }),
    () => ({ output_type: 'display_data', data: { 'text/plain': text, 'image/png': 'AA==' }, metadata: {} }),
    () => ({
      metadata: {},
      data: { 'application/json': { a: [1] } },
      output_type: 'execute_result',
      execution_count: 2,
    }),
    () => ({ output_type: 'error', ename: 'E', evalue: '\u001b[31mv', traceback: text }),
  ])();
}

function makeCell(random: () => number, minor: number, i: number): object {
  const source = Array.from({ length: Math.floor(random() * 4) }, () => pick(random, LINES));
  const head = {
    ...(minor >= 5 ? { id: `cell-${i}` } : {}),
    metadata: random() < 0.6 ? {} : pick(random, shifts),
    source,
  };
  const outputs = Array.from({ length: Math.floor(random() * 3) }, () => makeOutput(random));
  return pick<() => object>(random, [
    () => ({ ...head, cell_type: 'code', execution_count: null, outputs }),
    () => ({ ...head, cell_type: 'code', outputs: [], execution_count: 7 }),
    () => ({ ...head, cell_type: 'markdown' }),
    () => ({ ...head, cell_type: 'markdown', attachments: { 'a.png': { 'image/png': 'AA==' } } }),
    () => ({ ...head, cell_type: 'raw' }),
  ])();
}

/** A valid notebook's text: any indent, any line ends, any order of its parts. */
export function makeGood(random: () => number): string {
  const minor = Math.floor(random() * 6);
  const cells = Array.from({ length: 1 + Math.floor(random() * 5) }, (_, i) => makeCell(random, minor, i));
  const metadata = { other: null, big: 1.5, kernelspec: KERNELSPEC, language_info: { name: 'typescript' } };
  const version = { nbformat: 4, nbformat_minor: minor };
  const whole = random() < 0.5 ? { cells, metadata, ...version } : { ...version, metadata, cells };
  const text = JSON.stringify(whole, null, pick<string | number>(random, [0, 1, 2, 4, '\t']));
  const wide = text.replace('"big": 1.5', '"big": 12345678901234567890.50');
  return (wide + pick(random, ['', '\n'])).replaceAll('\n', pick(random, ['\n', '\r\n']));
}

/** A fault: the edits that put it into a cell of a good notebook, or nothing where it does not fit. */
type Fault = (place: { text: string; root: JsonNode; cell: JsonNode }) => TextEdit[];

const insert = (at: number, text: string): TextEdit[] => [{ start: at, end: at, text }];
const swap = (node: JsonNode | undefined, text: string): TextEdit[] =>
  node ? [{ start: node.start, end: node.end, text }] : [];
const isEmpty = (node: JsonNode | undefined): boolean => (node?.members ?? node?.elements)?.length === 0;
const first = (node: JsonNode): number => (node.members ?? [])[0].start;
/** The first place of a text inside of a node, replaced. */
const inside = (text: string, { start, end }: JsonNode, from: string, to: string): TextEdit[] => {
  const at = text.slice(start, end).indexOf(from);
  return at < 0 ? [] : [{ start: start + at, end: start + at + from.length, text: to }];
};
const sourceOf = (cell: JsonNode): JsonNode => memberOf(cell, 'source')?.node ?? cell;
const outputOf = (cell: JsonNode): JsonNode | undefined => memberOf(cell, 'outputs')?.node.elements?.[0];

/** Faults of one cell. */
export const cellFaults: Record<string, Fault> = {
  'comma before a closing bracket': ({ cell }) => insert(cell.end - 1, ','),
  'comma twice': ({ text, cell }) => (text[cell.end] === ',' ? insert(cell.end, ',') : []),
  'comma missing at a line end': ({ text, cell }) =>
    /^,\r?\n/.test(text.slice(cell.end)) ? [{ start: cell.end, end: cell.end + 1, text: '' }] : [],
  'raw line end in a string': ({ text, cell }) => inside(text, sourceOf(cell), '\\n"', '\n"'),
  'raw tab in a string': ({ text, cell }) => inside(text, sourceOf(cell), '\\t', '\t'),
  'escape that is none': ({ text, cell }) => inside(text, sourceOf(cell), '\\\\alpha', '\\alpha'),
  'null among the cells': ({ cell }) => insert(cell.start, 'null,'),
  'member of another format': ({ cell }) => insert(first(cell), '"prompt_number": 3,'),
  'member twice': ({ cell }) => insert(memberOf(cell, 'source')?.start ?? 0, '"source": ["old", {"a": 1}],'),
  'no id': ({ cell }) => {
    const [id, next] = cell.members ?? [];
    return id.key === 'id' && id.node.value !== 'cell-0'
      ? [{ start: id.start, end: next.start, text: '' }]
      : [];
  },
  'id of another cell': ({ root, cell }) =>
    cell === memberOf(root, 'cells')?.node.elements?.[0] ? [] : swap(memberOf(cell, 'id')?.node, '"cell-0"'),
  'id that is null': ({ cell }) => {
    const node = memberOf(cell, 'id')?.node;
    return node?.value === 'cell-0' ? [] : swap(node, 'null');
  },
  'no metadata': ({ cell }) => {
    const [metadata, next] = cell.members ?? [];
    return metadata.key === 'metadata' && isEmpty(metadata.node)
      ? [{ start: metadata.start, end: next.start, text: '' }]
      : [];
  },
  'metadata null': ({ cell }) => {
    const node = memberOf(cell, 'metadata')?.node;
    return isEmpty(node) ? swap(node, 'null') : [];
  },
  'tags null': ({ cell }) => {
    const node = memberOf(cell, 'metadata')?.node;
    return isEmpty(node) ? swap(node, '{"tags": null}') : [];
  },
  'source null': ({ cell }) => (isEmpty(sourceOf(cell)) ? swap(sourceOf(cell), 'null') : []),
  'execution count of a running cell': ({ cell }) => {
    const node = memberOf(cell, 'execution_count')?.node;
    return node?.value === null ? swap(node, '"*"') : [];
  },
  'outputs an object': ({ cell }) => {
    const node = memberOf(cell, 'outputs')?.node;
    return isEmpty(node) ? swap(node, '{}') : [];
  },
  'output null': ({ cell }) => {
    const output = outputOf(cell);
    return output ? insert(output.start, 'null, ') : [];
  },
  'output of a live session': ({ cell }) => {
    const output = outputOf(cell);
    return output ? insert(first(output), '"transient": {"display_id": null},') : [];
  },
  'traceback null': ({ cell }) => {
    const node = memberOf(outputOf(cell), 'traceback')?.node;
    return isEmpty(node) ? swap(node, 'null') : [];
  },
};

/** Faults of the whole file. */
export const fileFaults: Record<string, Fault> = {
  'NaN in the metadata': ({ root }) => swap(memberOf(memberOf(root, 'metadata')?.node, 'other')?.node, 'NaN'),
  'widgets without state': ({ root }) =>
    insert(
      memberOf(memberOf(root, 'metadata')?.node, 'other')?.start ?? 0,
      '"widgets": {"application/vnd.jupyter.widget-state+json": {"version_major": 2}},',
    ),
  'signature of nbformat 3': ({ root }) => insert(first(root), '"signature": "sha256:0",'),
  'version in quotes': ({ root }) => swap(memberOf(root, 'nbformat')?.node, '"4"'),
  'byte order mark': () => insert(0, '\uFEFF'),
  'zero bytes at the end': ({ text }) => insert(text.length, '\0\0\0'),
};

/** A good notebook, and the same with faults. */
export interface Broken {
  readonly good: string;
  readonly broken: string;
  /** Names of the faults. */
  readonly faults: readonly string[];
}

/** A notebook with up to five faults, no two of them in one cell. */
export function makeBroken(random: () => number): Broken {
  const good = makeGood(random);
  const root = parseJsonText(good);
  const edits: TextEdit[] = [];
  const faults: string[] = [];
  const put = (from: Record<string, Fault>, cell: JsonNode): void => {
    const name = pick(random, Object.keys(from));
    const found = from[name]({ text: good, root, cell });
    if (found.length === 0) return;
    edits.push(...found);
    faults.push(name);
  };
  for (const cell of memberOf(root, 'cells')?.node.elements ?? []) if (random() < 0.8) put(cellFaults, cell);
  if (random() < 0.5) put(fileFaults, root);
  return { good, broken: applyEdits(good, edits), faults };
}

/** Ids that a repair makes depend on the broken cell, so they are left out of a comparison. */
export function withoutIds(text: string): string {
  return text.replace(/"id":( ?)"(?:cell-\d+|[0-9a-f]{8})"/g, '"id":$1"-"');
}
