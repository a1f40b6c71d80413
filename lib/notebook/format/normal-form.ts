/**
 * A notebook's text as nbformat writes it, so that saving it in Jupyter changes nothing: one blank of indent, keys
 * sorted, texts as lists of lines. Numbers stay as they are written: 1.0, and what is longer than a double.
 * Source: nbformat 5, `v4/nbjson.py` and `v4/rwbase.py`.
 */
import { memberOf } from './json-edits';
import { parseJsonText } from './json-text';
import type { JsonNode } from './json-node';
import { isJsonMime } from './nbformat';

/** Lines as Python's `splitlines(keepends=True)` has them. */
function pythonLines(text: string): string[] {
  return text === '' ? [] : text.split(/(?<=\r\n|\n|\r(?!\n)|[\v\f\u001c-\u001e\u0085\u2028\u2029])(?=[^])/);
}

/** The text of a node that is a string or a list of strings; undefined for another. */
function textOf({ value, elements }: JsonNode): string | undefined {
  if (typeof value === 'string') return value;
  return elements?.every((line) => typeof line.value === 'string')
    ? elements.map((line) => line.value as string).join('')
    : undefined;
}

/** How texts are written: `lines` as a list, `whole` as one string. */
type TextForm = 'lines' | 'whole';

function bundleForm(mime: string): TextForm | undefined {
  if (isJsonMime(mime)) return undefined;
  return /^text\/|^application\/javascript$|^image\/svg\+xml$/.test(mime) ? 'lines' : 'whole';
}

function textForms(root: JsonNode): Map<JsonNode, TextForm> {
  const forms = new Map<JsonNode, TextForm>();
  const addBundle = (bundle: JsonNode | undefined): void => {
    for (const { key, node } of bundle?.members ?? []) {
      const form = bundleForm(key);
      if (form) forms.set(node, form);
    }
  };
  for (const cell of memberOf(root, 'cells')?.node.elements ?? []) {
    const source = memberOf(cell, 'source')?.node;
    if (source) forms.set(source, 'lines');
    for (const { node } of memberOf(cell, 'attachments')?.node.members ?? []) addBundle(node);
    for (const output of memberOf(cell, 'outputs')?.node.elements ?? []) {
      const text = memberOf(output, 'text')?.node;
      if (text) forms.set(text, 'lines');
      addBundle(memberOf(output, 'data')?.node);
    }
  }
  return forms;
}

/** What belongs to a session and not into a file. */
const PASSING: Record<string, readonly string[]> = {
  notebook: ['orig_nbformat', 'orig_nbformat_minor', 'signature'],
  cell: ['trusted'],
};

function passingMembers(root: JsonNode): Set<JsonNode> {
  const metadata = (node: JsonNode, keys: readonly string[]): JsonNode[] => {
    const own = memberOf(node, 'metadata')?.node;
    return keys.flatMap((key) => memberOf(own, key)?.node ?? []);
  };
  const cells = memberOf(root, 'cells')?.node.elements ?? [];
  return new Set([
    ...metadata(root, PASSING.notebook),
    ...cells.flatMap((cell) => metadata(cell, PASSING.cell)),
  ]);
}

/** The text of a notebook of nbformat 4 in nbformat's own form. @throws JsonTextError when it is not JSON */
export function normalForm(text: string): string {
  const root = parseJsonText(text);
  const forms = textForms(root);
  const passes = passingMembers(root);
  const json = (value: unknown): string => JSON.stringify(value);
  const write = (node: JsonNode, indent: string): string => {
    const inner = `${indent} `;
    const block = (open: string, items: readonly string[], close: string): string =>
      items.length === 0 ? open + close : `${open}\n${inner}${items.join(`,\n${inner}`)}\n${indent}${close}`;
    const form = forms.get(node);
    const own = form && textOf(node);
    if (own !== undefined) return form === 'whole' ? json(own) : block('[', pythonLines(own).map(json), ']');
    if (node.elements)
      return block(
        '[',
        node.elements.map((item) => write(item, inner)),
        ']',
      );
    if (!node.members)
      return typeof node.value === 'string' ? json(node.value) : text.slice(node.start, node.end);
    const members = node.members
      .filter((member) => !passes.has(member.node))
      .sort((a, b) => (a.key < b.key ? -1 : 1));
    return block(
      '{',
      members.map(({ key, node: value }) => `${json(key)}: ${write(value, inner)}`),
      '}',
    );
  };
  return `${write(root, '')}\n`;
}
