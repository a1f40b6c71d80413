/**
 * Repairs of values of the wrong kind: `source: null`, a traceback that is one text, tags that are no list. Required
 * members are replaced; optional ones (metadata) are removed, as the schema says.
 */
import { memberEdits, memberOf, replaceNode } from '../format/json-edits';
import type { TextEdit } from '../format/json-edits';
import type { JsonNode } from '../format/json-node';
import { isJsonMime, wrongMetadata } from '../format/nbformat';
import type { MetadataOf } from '../format/nbformat';
import { cellsOf, valueOf } from './structure-repairs';
import type { FindEdits } from './structure-repairs';

const isTexts = ({ elements }: JsonNode): boolean =>
  elements?.every((line) => typeof line.value === 'string') ?? false;
const isWord = ({ value }: JsonNode): boolean => typeof value === 'string';
const isText = (node: JsonNode): boolean => isWord(node) || isTexts(node);

/** A value as a list of lines where that is clear: null is empty, a number its digits. */
function textsJson(value: unknown): string | undefined {
  const lines: unknown[] = Array.isArray(value) ? value : [value];
  if (lines.some((line) => typeof line === 'object' && line !== null)) return undefined;
  return JSON.stringify(lines.filter((line) => line !== null).map(String));
}

/** A member's expected kind, and the JSON that replaces another; undefined where that is unclear. */
type Rule = readonly [fits: (node: JsonNode) => boolean, json: (value: unknown) => string | undefined];

const OBJECT: Rule = [({ members }) => members !== undefined, () => '{}'];
const TEXT: Rule = [isText, textsJson];
const COUNT: Rule = [
  ({ value }) => value === null || (Number.isInteger(value) && Number(value) >= 0),
  () => 'null',
];
const WORD: Rule = [
  isWord,
  (value) =>
    JSON.stringify(value === null ? '' : typeof value === 'object' ? JSON.stringify(value) : String(value)),
];

const cellRules: Record<string, Rule> = {
  metadata: OBJECT,
  source: TEXT,
  outputs: [({ elements }) => elements !== undefined, () => '[]'],
  execution_count: COUNT,
};
const outputRules: Record<string, Rule> = {
  name: [isWord, () => '"stdout"'],
  text: TEXT,
  data: OBJECT,
  metadata: OBJECT,
  execution_count: COUNT,
  ename: WORD,
  evalue: WORD,
  traceback: [isTexts, textsJson],
};

/** A valid list of tags: texts without commas, each once. */
function tagsJson(value: unknown): string | undefined {
  if (!Array.isArray(value)) return undefined;
  const tags = value.filter((tag): tag is string => typeof tag === 'string').flatMap((tag) => tag.split(','));
  return JSON.stringify([...new Set(tags.map((tag) => tag.trim()).filter((tag) => tag !== ''))]);
}

/** Replaces or removes members of the wrong kind anywhere in a notebook. */
export const valueEdits: FindEdits = (file, root, repaired) => {
  const edits: TextEdit[] = [];
  const read = (node: JsonNode): unknown => JSON.parse(file.slice(node.start, node.end));
  const replace = (node: JsonNode, json: string, where: string): void => {
    const was = file.slice(node.start, Math.min(node.end, node.start + 40));
    edits.push(replaceNode(node, json));
    repaired.push(`${where}: ${was.replace(/\s+/g, ' ')} replaced by ${json.slice(0, 40)}`);
  };
  const apply = (holder: JsonNode, rules: Record<string, Rule>, where: string): void => {
    for (const [key, [fits, json]] of Object.entries(rules)) {
      const node = memberOf(holder, key)?.node;
      if (!node || fits(node)) continue;
      const put = json(read(node));
      if (put !== undefined) replace(node, put, `${where}: ${key}`);
    }
  };
  const metadata = (holder: JsonNode, of: MetadataOf, where: string): void => {
    const node = memberOf(holder, 'metadata')?.node;
    if (!node?.members) return;
    const remove: string[] = [];
    for (const key of wrongMetadata(of, read(node) as Record<string, unknown>)) {
      const own = memberOf(node, key)?.node;
      const tags = key === 'tags' && own ? tagsJson(read(own)) : undefined;
      const kernel = valueOf(own, 'name');
      const display = memberOf(own, 'display_name')?.node;
      if (own && tags !== undefined) replace(own, tags, `${where}: tags`);
      else if (key === 'kernelspec' && typeof kernel === 'string' && display)
        replace(display, JSON.stringify(kernel), `${where}.kernelspec.display_name`);
      else {
        remove.push(key);
        repaired.push(`${where}: ${key} that nbformat refuses removed`);
      }
    }
    edits.push(...memberEdits(file, node, { remove }));
  };
  const head = memberOf(root, 'metadata')?.node;
  if (head && !head.members) replace(head, '{}', 'metadata');
  metadata(root, 'notebook', 'metadata');
  for (const [i, cell] of cellsOf(root).entries()) {
    const where = `cell ${i + 1}`;
    const type = valueOf(cell, 'cell_type');
    if (type !== 'code' && type !== 'markdown' && type !== 'raw') continue;
    apply(cell, cellRules, where);
    metadata(cell, type, where);
    const attachments = memberOf(cell, 'attachments')?.node;
    if (attachments && !attachments.members) {
      edits.push(...memberEdits(file, cell, { remove: ['attachments'] }));
      repaired.push(`${where}: attachments that are none removed`);
    }
    for (const [j, output] of (memberOf(cell, 'outputs')?.node.elements ?? []).entries()) {
      const place = `${where}, output ${j + 1}`;
      apply(output, outputRules, place);
      const data = memberOf(output, 'data')?.node;
      const nothing = (data?.members ?? []).filter(
        ({ key, node }) => node.value === null && !isJsonMime(key),
      );
      if (data) edits.push(...memberEdits(file, data, { remove: nothing.map(({ key }) => key) }));
      for (const { key } of nothing) repaired.push(`${place}: ${key} null removed`);
      for (const { key, node } of data?.members ?? []) {
        if (isJsonMime(key) || node.value === null || isText(node)) continue;
        const put = textsJson(read(node));
        if (put !== undefined) replace(node, put, `${place}: ${key}`);
      }
    }
  }
  return edits;
};
