/**
 * Repairs of structure by nbformat 4, as edits of the text that keep every other byte: members that cells and outputs
 * lack or must not have. Each function finds one kind of fault; `repair` applies them in turn.
 */
import { memberEdits, memberOf, removeItems, repeatedMembers, replaceNode } from '../format/json-edits';
import type { TextEdit } from '../format/json-edits';
import { lineOf } from '../format/json-text';
import type { JsonNode } from '../format/json-node';
import { isWidgetState, NEWEST_MINOR } from '../format/nbformat';
import { idFor, upgradeOutput } from '../format/upgrade-notebook';

/** Finds the edits of one kind and lists what they repair, a line each. */
export type FindEdits = (text: string, root: JsonNode, repaired: string[]) => TextEdit[];

/** The cells of a notebook; none if it has no list of them. */
export const cellsOf = (root: JsonNode): readonly JsonNode[] => memberOf(root, 'cells')?.node.elements ?? [];
/** The value of a member that is a string, number, boolean or null. */
export const valueOf = (node: JsonNode | undefined, key: string): unknown => memberOf(node, key)?.node.value;

const missing = (
  node: JsonNode,
  wanted: readonly (readonly [string, string])[],
): (readonly [string, string])[] => wanted.filter(([key]) => !memberOf(node, key));

/** Members unknown to nbformat; none in a newer minor version, which may have more. */
const unknown = (root: JsonNode, node: JsonNode, known: readonly string[]): string[] =>
  Number(valueOf(root, 'nbformat_minor')) > NEWEST_MINOR
    ? []
    : (node.members ?? []).map(({ key }) => key).filter((key) => !known.includes(key));

/** Members that an object names twice. Readers take the last one, so it stays. */
export const repeatedEdits: FindEdits = (text, root, repaired) => {
  const repeated = new Set(repeatedMembers(root));
  if (repeated.size === 0) return [];
  for (const { key, start } of repeated)
    repaired.push(
      `line ${lineOf(text, start)}: ${JSON.stringify(key)} stands twice in one object; the last stays`,
    );
  const edits: TextEdit[] = [];
  const visit = (node: JsonNode): void => {
    edits.push(...removeItems(node.members ?? [], (member) => repeated.has(member)));
    node.elements?.forEach(visit);
    for (const member of node.members ?? []) if (!repeated.has(member)) visit(member.node);
  };
  visit(root);
  return edits;
};

/** The version: missing although there are cells, or a number in quotes. */
export const versionEdits: FindEdits = (text, root, repaired) => {
  if (!memberOf(root, 'cells')?.node.elements && !memberOf(root, 'nbformat')) return [];
  const whole = (value: unknown): boolean => Number.isInteger(value) && Number(value) >= 0;
  // Ids came with 4.5; without a version the cells decide.
  const minor = cellsOf(root).some((cell) => memberOf(cell, 'id')) ? '5' : '4';
  const edits: TextEdit[] = [];
  const add: [string, string][] = [];
  for (const [key, json] of [
    ['nbformat', '4'],
    ['nbformat_minor', minor],
  ] as const) {
    const node = memberOf(root, key)?.node;
    if (node === undefined) {
      add.push([key, json]);
      repaired.push(`${key} added`);
    } else if (!whole(node.value)) {
      const quoted = typeof node.value === 'string' && /^\d$/.test(node.value) ? node.value : json;
      edits.push(replaceNode(node, quoted));
      repaired.push(`${key}: ${text.slice(node.start, node.end).slice(0, 40)} replaced by ${quoted}`);
    }
  }
  return [...memberEdits(text, root, { add }), ...edits];
};

/** The notebook's metadata and the kernel's name. */
export const headEdits: FindEdits = (text, root, repaired) => {
  const add = missing(root, [['metadata', '{}']]);
  const remove = unknown(root, root, ['cells', 'metadata', 'nbformat', 'nbformat_minor']);
  for (const [key] of add) repaired.push(`${key} added`);
  for (const key of remove) repaired.push(`${key} removed`);
  const edits = memberEdits(text, root, { add, remove });
  const kernelspec = memberOf(memberOf(root, 'metadata')?.node, 'kernelspec')?.node;
  const name = valueOf(kernelspec, 'name');
  if (kernelspec && typeof name === 'string' && !memberOf(kernelspec, 'display_name')) {
    repaired.push('metadata.kernelspec.display_name added');
    edits.push(...memberEdits(text, kernelspec, { add: [['display_name', JSON.stringify(name)]] }));
  }
  return edits;
};

const WIDGET_VIEW = 'application/vnd.jupyter.widget-view+json';

/** Colab writes widget models where their `state` should be: they are wrapped in one. */
function isModels(node: JsonNode): boolean {
  const members = node.members ?? [];
  return members.length > 0 && members.every(({ node: model }) => memberOf(model, 'model_name'));
}

/** `metadata.widgets` without `state`: GitHub's "Invalid Notebook". */
export const widgetEdits: FindEdits = (text, root, repaired) => {
  const metadata = memberOf(root, 'metadata')?.node;
  const widgets = memberOf(metadata, 'widgets')?.node;
  if (!metadata || !widgets) return [];
  const wrong = (widgets.members ?? []).filter(
    ({ key, node }) => isWidgetState(key) && !memberOf(node, 'state')?.node.members,
  );
  if (widgets.members && wrong.length === 0) return [];
  if (widgets.members && wrong.every(({ node }) => isModels(node))) {
    repaired.push('metadata.widgets: its models put into "state"');
    return wrong.map(({ node }) =>
      replaceNode(
        node,
        `{"state": ${text.slice(node.start, node.end)}, "version_major": 2, "version_minor": 0}`,
      ),
    );
  }
  repaired.push('metadata.widgets without state removed');
  const outputs = cellsOf(root).flatMap((cell) => memberOf(cell, 'outputs')?.node.elements ?? []);
  return [
    ...memberEdits(text, metadata, { remove: ['widgets'] }),
    ...outputs.flatMap((output) => {
      const data = memberOf(output, 'data')?.node;
      return data ? memberEdits(text, data, { remove: [WIDGET_VIEW] }) : [];
    }),
  ];
};

/** Cells and outputs that are null, and kinds that older versions had. */
export const kindEdits: FindEdits = (text, root, repaired) => {
  const edits: TextEdit[] = [];
  const dropNull = (nodes: readonly JsonNode[], name: (i: number) => string): void => {
    nodes.forEach((node, i) => node.value === null && repaired.push(`${name(i)}: null removed`));
    edits.push(...removeItems(nodes, (node) => node.value === null));
  };
  const cells = cellsOf(root);
  dropNull(cells, (i) => `cell ${i + 1}`);
  for (const [i, cell] of cells.entries()) {
    if (!cell.members) continue;
    const type = memberOf(cell, 'cell_type')?.node;
    const source = memberOf(cell, 'source')?.node;
    const become = (kind: string): unknown => repaired.push(`cell ${i + 1}: cell_type ${kind}`);
    if (type === undefined && (memberOf(cell, 'outputs') || memberOf(cell, 'execution_count'))) {
      become('code added');
      edits.push(...memberEdits(text, cell, { add: [['cell_type', '"code"']] }));
    } else if (type?.value === 'html') {
      become('html is now markdown');
      edits.push(replaceNode(type, '"markdown"'));
    } else if (type?.value === 'heading') {
      become('heading is now markdown');
      edits.push(replaceNode(type, '"markdown"'));
      const first = source?.elements?.[0] ?? source;
      const level = Math.min(6, Math.max(1, Number(valueOf(cell, 'level')) || 1));
      if (typeof first?.value === 'string')
        edits.push({ start: first.start + 1, end: first.start + 1, text: `${'#'.repeat(level)} ` });
    }
    const outputs = memberOf(cell, 'outputs')?.node.elements ?? [];
    dropNull(outputs, (j) => `cell ${i + 1}, output ${j + 1}`);
    for (const [j, output] of outputs.entries()) {
      const kind = valueOf(output, 'output_type');
      if (kind !== 'pyout' && kind !== 'pyerr') continue;
      const old = JSON.parse(text.slice(output.start, output.end)) as Record<string, unknown>;
      edits.push(replaceNode(output, JSON.stringify(upgradeOutput(old))));
      repaired.push(`cell ${i + 1}, output ${j + 1}: ${kind} converted from nbformat 3`);
    }
  }
  return edits;
};

const CELL_MEMBERS: Record<string, readonly string[]> = {
  code: ['id', 'cell_type', 'metadata', 'execution_count', 'source', 'outputs'],
  markdown: ['id', 'cell_type', 'metadata', 'attachments', 'source'],
  raw: ['id', 'cell_type', 'metadata', 'attachments', 'source'],
};

/** Cells: ids, missing members, members of another kind of cell. */
export const cellEdits: FindEdits = (text, root, repaired) => {
  const edits: TextEdit[] = [];
  const minor = Number(valueOf(root, 'nbformat_minor') ?? 0);
  const cells = cellsOf(root);
  const taken = new Set(cells.map((cell) => String(valueOf(cell, 'id') ?? '')));
  const seen = new Set<unknown>();
  for (const [i, cell] of cells.entries()) {
    const where = `cell ${i + 1}`;
    const type = String(valueOf(cell, 'cell_type'));
    if (!Object.hasOwn(CELL_MEMBERS, type)) continue;
    const id = memberOf(cell, 'id')?.node;
    const seed = `${i}:${text.slice(cell.start, cell.end)}`;
    const add: (readonly [string, string])[] = [];
    if (!id && minor >= 5) add.push(['id', JSON.stringify(idFor(seed, taken))]);
    else if (id && minor >= 5) {
      const good = typeof id.value === 'string' && /^[\w-]{1,64}$/.test(id.value) && !seen.has(id.value);
      if (!good) {
        edits.push(replaceNode(id, JSON.stringify(idFor(seed, taken))));
        repaired.push(`${where}: id ${text.slice(id.start, id.end).slice(0, 80)} replaced`);
      }
      seen.add(id.value);
    }
    add.push(
      ...missing(cell, [
        ['metadata', '{}'],
        ['source', '[]'],
        ...(type === 'code'
          ? ([
              ['outputs', '[]'],
              ['execution_count', 'null'],
            ] as const)
          : []),
      ]),
    );
    for (const [key] of add) repaired.push(`${where}: ${key} added`);
    const known = CELL_MEMBERS[type].filter((key) => key !== 'id' || minor >= 5);
    const remove = unknown(root, cell, known);
    for (const key of remove)
      repaired.push(`${where}: ${key} removed${key === 'id' ? ` (nbformat 4.${minor} has none)` : ''}`);
    edits.push(...memberEdits(text, cell, { add, remove }));
  }
  return edits;
};

/** Members of each kind of output, with the default of a missing one. */
const OUTPUT_MEMBERS: Record<string, readonly (readonly [string, string])[]> = {
  stream: [
    ['name', '"stdout"'],
    ['text', '[]'],
  ],
  display_data: [
    ['data', '{}'],
    ['metadata', '{}'],
  ],
  execute_result: [
    ['execution_count', 'null'],
    ['data', '{}'],
    ['metadata', '{}'],
  ],
  error: [
    ['ename', '""'],
    ['evalue', '""'],
    ['traceback', '[]'],
  ],
};

/** Outputs of code cells: missing members, and those that other programs add (`transient`, a stream's metadata). */
export const outputEdits: FindEdits = (text, root, repaired) =>
  cellsOf(root).flatMap((cell, i) => {
    if (valueOf(cell, 'cell_type') !== 'code') return [];
    return (memberOf(cell, 'outputs')?.node.elements ?? []).flatMap((output, j) => {
      const where = `cell ${i + 1}, output ${j + 1}`;
      const type = String(valueOf(output, 'output_type'));
      if (!Object.hasOwn(OUTPUT_MEMBERS, type)) return [];
      const members = OUTPUT_MEMBERS[type];
      const add = missing(output, members);
      const remove = unknown(root, output, ['output_type', ...members.map(([key]) => key)]);
      for (const [key] of add) repaired.push(`${where}: ${key} added`);
      for (const key of remove) repaired.push(`${where}: ${key} removed`);
      return memberEdits(text, output, { add, remove });
    });
  });
