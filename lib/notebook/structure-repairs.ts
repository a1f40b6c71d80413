/**
 * What a notebook's cells and outputs lack or have too much of by nbformat 4, as edits of the text: every other byte
 * stays. Each function looks at one kind of fault; `repair` applies them one after the other.
 */
import { insertMember, memberOf, removeMembers, type JsonNode, type TextEdit } from './json-text';
import { idFor } from './upgrade-notebook';

/** Finds the edits of one kind and notes what they mend, a line each. */
export type FindEdits = (text: string, root: JsonNode, mended: string[]) => TextEdit[];

const cellsOf = (root: JsonNode): readonly JsonNode[] => memberOf(root, 'cells')?.node.elements ?? [];
const textOf = (node: JsonNode | undefined, key: string): unknown => memberOf(node, key)?.node.value;

function lacking(
  text: string,
  node: JsonNode,
  wanted: readonly (readonly [string, string])[],
  note: (key: string) => void,
): TextEdit[] {
  return wanted
    .filter(([key]) => !memberOf(node, key))
    .map(([key, json]) => {
      note(key);
      return insertMember(text, node, key, json);
    });
}

function unknown(node: JsonNode, known: readonly string[], note: (key: string) => void): TextEdit[] {
  const keys = (node.members ?? []).map(({ key }) => key).filter((key) => !known.includes(key));
  keys.forEach(note);
  return removeMembers(node, keys);
}

/** The notebook itself: its version, its metadata, the kernel's name. */
export const headEdits: FindEdits = (text, root, mended) => {
  const added = (key: string): unknown => mended.push(`${key} added`);
  // Ids came with 4.5; without a version, what the cells have decides.
  const ids = cellsOf(root).some((cell) => memberOf(cell, 'id'));
  const edits = lacking(
    text,
    root,
    [
      ['nbformat_minor', ids ? '5' : '4'],
      ['metadata', '{}'],
    ],
    added,
  );
  edits.push(
    ...unknown(root, ['cells', 'metadata', 'nbformat', 'nbformat_minor'], (key) =>
      mended.push(`${key} removed`),
    ),
  );
  const kernelspec = memberOf(memberOf(root, 'metadata')?.node, 'kernelspec')?.node;
  const name = textOf(kernelspec, 'name');
  if (kernelspec && typeof name === 'string')
    edits.push(
      ...lacking(text, kernelspec, [['display_name', JSON.stringify(name)]], (key) =>
        mended.push(`metadata.kernelspec.${key} added`),
      ),
    );
  return edits;
};

const widgetView = 'application/vnd.jupyter.widget-view+json';

/** Colab writes the widgets' models where their `state` should be: they are put into one. */
function isModels(node: JsonNode): boolean {
  const members = node.members ?? [];
  return members.length > 0 && members.every(({ node: model }) => memberOf(model, 'model_name'));
}

/** `metadata.widgets` without `state`: GitHub's "Invalid Notebook". */
export const widgetEdits: FindEdits = (text, root, mended) => {
  const metadata = memberOf(root, 'metadata')?.node;
  const widgets = memberOf(metadata, 'widgets')?.node;
  if (!metadata || !widgets) return [];
  const wrong = (widgets.members ?? []).filter(({ node }) => !memberOf(node, 'state')?.node.members);
  if (widgets.members && wrong.length === 0) return [];
  if (widgets.members && wrong.every(({ node }) => isModels(node))) {
    mended.push('metadata.widgets: its models put into "state"');
    return wrong.map(({ node }) => ({
      start: node.start,
      end: node.end,
      text: `{"state": ${text.slice(node.start, node.end)}, "version_major": 2, "version_minor": 0}`,
    }));
  }
  mended.push('metadata.widgets without state removed');
  const outputs = cellsOf(root).flatMap((cell) => memberOf(cell, 'outputs')?.node.elements ?? []);
  return [
    ...removeMembers(metadata, ['widgets']),
    ...outputs.flatMap((output) => {
      const data = memberOf(output, 'data')?.node;
      return data ? removeMembers(data, [widgetView]) : [];
    }),
  ];
};

const cellMembers: Record<string, readonly string[]> = {
  code: ['id', 'cell_type', 'metadata', 'execution_count', 'source', 'outputs'],
  markdown: ['id', 'cell_type', 'metadata', 'attachments', 'source'],
  raw: ['id', 'cell_type', 'metadata', 'attachments', 'source'],
};

/** Cells: ids, missing members, members of another kind of cell, tags that are none. */
export const cellEdits: FindEdits = (text, root, mended) => {
  const edits: TextEdit[] = [];
  const minor = Number(textOf(root, 'nbformat_minor') ?? 0);
  const cells = cellsOf(root);
  const taken = new Set(cells.map((cell) => String(textOf(cell, 'id') ?? '')));
  const seen = new Set<string>();
  for (const [i, cell] of cells.entries()) {
    const where = `cell ${i + 1}`;
    const type = String(textOf(cell, 'cell_type'));
    const id = memberOf(cell, 'id')?.node;
    const seed = `${i}:${text.slice(cell.start, cell.end)}`;
    if (!id && minor >= 5) {
      edits.push(insertMember(text, cell, 'id', JSON.stringify(idFor(seed, taken))));
      mended.push(`${where}: id added`);
    } else if (id && minor >= 5 && (seen.has(String(id.value)) || !/^[\w-]{1,64}$/.test(String(id.value)))) {
      edits.push({ start: id.start, end: id.end, text: JSON.stringify(idFor(seed, taken)) });
      mended.push(`${where}: id ${JSON.stringify(id.value)} replaced`);
    }
    if (id) seen.add(String(id.value));
    const code: [string, string][] = [
      ['outputs', '[]'],
      ['execution_count', 'null'],
    ];
    edits.push(
      ...lacking(
        text,
        cell,
        [['metadata', '{}'], ['source', '[]'], ...(type === 'code' ? code : [])],
        (key) => mended.push(`${where}: ${key} added`),
      ),
    );
    const known = (cellMembers[type] ?? []).filter((key) => key !== 'id' || minor >= 5);
    if (cellMembers[type])
      edits.push(
        ...unknown(cell, known, (key) =>
          mended.push(`${where}: ${key} removed${key === 'id' ? ` (nbformat 4.${minor} has none)` : ''}`),
        ),
      );
    const metadata = memberOf(cell, 'metadata')?.node;
    if (metadata && memberOf(metadata, 'tags') && !memberOf(metadata, 'tags')?.node.elements) {
      edits.push(...removeMembers(metadata, ['tags']));
      mended.push(`${where}: tags that are no list removed`);
    }
  }
  return edits;
};

/** Members of each kind of output, with what stands for a missing one. */
const outputMembers: Record<string, readonly (readonly [string, string])[]> = {
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

/** Outputs of code cells: missing members, and those that other programs leave (`transient`, a stream's metadata). */
export const outputEdits: FindEdits = (text, root, mended) =>
  cellsOf(root).flatMap((cell, i) => {
    if (textOf(cell, 'cell_type') !== 'code') return [];
    return (memberOf(cell, 'outputs')?.node.elements ?? []).flatMap((output, j) => {
      const where = `cell ${i + 1}, output ${j + 1}`;
      const members = outputMembers[String(textOf(output, 'output_type'))];
      if (!members) return [];
      const known = ['output_type', ...members.map(([key]) => key)];
      return [
        ...lacking(text, output, members, (key) => mended.push(`${where}: ${key} added`)),
        ...unknown(output, known, (key) => mended.push(`${where}: ${key} removed`)),
      ];
    });
  });
