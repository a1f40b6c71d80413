/** Check and repair on notebooks as other programs write them: Colab, VS Code, old and broken files. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { applyEdits, memberEdits } from '../../../lib/notebook/format/json-edits';
import { parseJsonText } from '../../../lib/notebook/format/json-text';
import { cellSource, formatNotebook, validateNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { repairFile, repairText } from '../../../lib/notebook/repair/repair';
import { makeNotebook, Workplace } from '../../support/make-notebook';

const WIDGET_STATE = 'application/vnd.jupyter.widget-state+json';
const model = {
  model_module: '@jupyter-widgets/controls',
  model_name: 'HBoxModel',
  model_module_version: '1.5.0',
  state: { _dom_classes: [], children: ['IPY_MODEL_2'] },
};

/** Two blanks of indent, versions first, ids in the metadata, widgets without "state", `tags: null`: Google Colab. */
const colab = `${JSON.stringify(
  {
    nbformat: 4,
    nbformat_minor: 0,
    metadata: {
      colab: { provenance: [], gpuType: 'T4', toc_visible: true },
      kernelspec: { name: 'python3', display_name: 'Python 3' },
      language_info: { name: 'python' },
      accelerator: 'GPU',
      widgets: { [WIDGET_STATE]: { aaa1: model, aaa2: { ...model, model_name: 'FloatProgressModel' } } },
    },
    cells: [
      { cell_type: 'markdown', source: ['# Title'], metadata: { id: 'q1' } },
      {
        cell_type: 'code',
        source: ['!pip install torch\n', 'x = 1'],
        metadata: { id: 'q2', colab: { base_uri: 'https://localhost:8080/' }, outputId: 'b-1', tags: null },
        execution_count: 1,
        outputs: [
          { output_type: 'stream', name: 'stdout', text: ['ok\n'], metadata: { tags: null } },
          {
            output_type: 'display_data',
            data: {
              'application/vnd.jupyter.widget-view+json': {
                model_id: 'aaa1',
                version_major: 2,
                version_minor: 0,
              },
              'application/vnd.google.colaboratory.intrinsic+json': { type: 'string' },
              'text/plain': ['HBox'],
            },
            metadata: {},
          },
        ],
      },
    ],
  },
  null,
  2,
)}\n`;

/** No ids, `orig_nbformat`, a cell with a language, attachments, outputs with what only a live session needs: VS Code. */
const vscode = `${JSON.stringify(
  {
    cells: [
      {
        attachments: { 'image.png': { 'image/png': 'iVBORw0KGgo=' } },
        cell_type: 'markdown',
        metadata: {},
        source: ['![image.png](attachment:image.png)'],
      },
      {
        cell_type: 'code',
        execution_count: null,
        metadata: { vscode: { languageId: 'typescript' } },
        outputs: [
          {
            output_type: 'execute_result',
            data: { 'text/plain': ['1'] },
            transient: { display_id: null },
          },
        ],
        source: ['const a: number = 1;\n', 'a'],
      },
    ],
    metadata: {
      kernelspec: { name: 'tslab', language: 'typescript' },
      language_info: { name: 'typescript', version: '5.0.4' },
      orig_nbformat: 4,
    },
    nbformat: 4,
    nbformat_minor: 2,
  },
  null,
  4,
)}\n`;

const lines = (text: string): Set<string> => new Set(text.split('\n').map((line) => line.trim()));
/** Lines of `before` that `after` no longer has. */
const gone = (before: string, after: string): string[] =>
  [...lines(before)].filter((line) => !lines(after).has(line));

describe('notebooks of other programs', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const check = (text: string, options = {}): string[] => {
    fs.writeFileSync(place.file('wild.ipynb'), text);
    return checkNotebook(place.file('wild.ipynb'), { executed: true, ...options }).map(
      ({ where, message }) => `${where}: ${message}`,
    );
  };

  it("Colab's: what GitHub refuses is found and repaired, the widgets stay", () => {
    const found = check(colab).join('\n');
    assert.match(found, /widgets: .*has no "state"/);
    assert.match(found, /cell 2, output 1: must NOT have additional properties \("metadata"\)/);
    assert.match(found, /metadata: the notebook is in python, not in TypeScript/);
    assert.doesNotMatch(found, /cell 2, line/, 'Python is not type-checked as TypeScript');
    const { text, repaired, left } = repairText(colab);
    assert.deepEqual(left, []);
    assert.deepEqual(repaired, [
      'metadata.widgets: its models put into "state"',
      'cell 2, output 1: metadata removed',
      'cell 2: tags that nbformat refuses removed',
    ]);
    const { metadata, cells } = JSON.parse(text) as Notebook;
    const { state, version_major: major } = (metadata.widgets as Record<string, Record<string, unknown>>)[
      WIDGET_STATE
    ];
    assert.deepEqual(Object.keys(state as object), ['aaa1', 'aaa2']);
    assert.equal(major, 2);
    assert.ok(JSON.stringify(cells[1].outputs).includes('widget-view'), 'the view has its state now');
    assert.ok(gone(colab, text).length <= 7, gone(colab, text).join('\n'));
    assert.equal(repairText(text).text, text);
  });

  it("VS Code's: members of a live session go, missing ones come, all else stays", () => {
    assert.match(
      check(vscode, { types: false }).join('\n'),
      /display_name[^]*must NOT have additional properties \("transient"\)/,
    );
    const { text, repaired, left } = repairText(vscode);
    assert.deepEqual(left, []);
    assert.deepEqual(repaired, [
      'metadata.kernelspec.display_name added',
      'cell 2, output 1: execution_count added',
      'cell 2, output 1: metadata added',
      'cell 2, output 1: transient removed',
    ]);
    assert.ok(text.includes('"attachments"') && text.includes('"orig_nbformat": 4'));
    assert.deepEqual(gone(vscode, text), ['},', '"transient": {', '"display_id": null'].slice(1));
    assert.deepEqual(check(text, { types: false }), []);
  });

  for (const minor of [0, 1, 2, 3, 4])
    it(`nbformat 4.${minor} is valid without ids`, () => {
      const notebook = { ...makeNotebook(['1', '# two']), nbformat_minor: minor };
      notebook.cells.forEach((cell) => delete cell.id);
      assert.deepEqual(validateNotebook(notebook), []);
      const text = formatNotebook(notebook);
      assert.deepEqual(repairText(text), { text, repaired: [], left: [] });
    });

  it('4.5 without ids gets them; a file without versions the right one', () => {
    const notebook = makeNotebook(['1', '2']);
    notebook.cells.forEach((cell) => delete cell.id);
    const { text, left } = repairText(formatNotebook(notebook));
    assert.deepEqual(left, []);
    const ids = (JSON.parse(text) as Notebook).cells.map(({ id }) => id);
    assert.ok(ids.every((id) => /^[0-9a-f]{8}$/.test(String(id))) && ids[0] !== ids[1]);
    const bare = '{"nbformat": 4, "cells": [{"cell_type": "markdown", "source": "x"}]}';
    const repaired = repairText(bare);
    assert.deepEqual(repaired.left, []);
    assert.equal((JSON.parse(repaired.text) as Notebook).nbformat_minor, 4);
  });

  it('several worksheets of nbformat 3 become one notebook', () => {
    const sheet = (input: string): unknown => ({
      cells: [
        {
          cell_type: 'code',
          input,
          collapsed: true,
          language: 'python',
          outputs: [
            { output_type: 'display_data', svg: ['<svg/>'], metadata: {} },
            { output_type: 'pyout', prompt_number: 1, latex: ['x'], json: ['{}'] },
          ],
        },
        { cell_type: 'heading', level: 9, source: 'Deep' },
        { cell_type: 'html', source: '<b>x</b>' },
      ],
    });
    const old = {
      nbformat: 3,
      nbformat_minor: 0,
      metadata: { name: '', signature: 'sha256:0' },
      worksheets: [sheet('a'), sheet('b')],
    };
    const { text, left } = repairText(JSON.stringify(old));
    assert.deepEqual(left, []);
    const { cells, metadata } = JSON.parse(text) as Notebook;
    assert.deepEqual(
      cells.map((cell) => cellSource(cell)),
      ['a', '###### Deep', '<b>x</b>', 'b', '###### Deep', '<b>x</b>'],
    );
    assert.deepEqual(metadata, {});
    assert.equal(new Set(cells.map(({ id }) => id)).size, 6);
  });

  it('Windows line ends stay, a byte order mark goes', () => {
    const good = formatNotebook(makeNotebook(['console.log(1);\n2'])).replace(/\n/g, '\r\n');
    const marked = `\uFEFF${good}`;
    assert.match(check(marked).join('\n'), /^file: starts with a byte order mark/);
    assert.deepEqual(check(good), []);
    fs.writeFileSync(place.file('marked.ipynb'), marked);
    assert.deepEqual(repairFile(place.file('marked.ipynb')).repaired, ['byte order mark removed']);
    assert.equal(fs.readFileSync(place.file('marked.ipynb'), 'utf8'), good);
  });

  it('NaN, Python words and raw line ends in strings are repaired in place', () => {
    const good = formatNotebook(makeNotebook(['1', 'let a = 1;\na']));
    const broken = good
      .replace('"metadata": {},', '"metadata": {"a": NaN, "b": [-Infinity, True, None,], "c": 1.50},')
      .replace('let a = 1;\\n', 'let a = 1;\n');
    assert.throws(() => JSON.parse(broken));
    const { text, repaired, left } = repairText(broken);
    assert.deepEqual(left, []);
    assert.equal(
      text,
      good.replace('"metadata": {},', '"metadata": {"a": null, "b": [null, true, null], "c": 1.50},'),
    );
    assert.equal(repaired.length, 3);
  });

  it('with conflict markers of git are refused with their lines', () => {
    const good = formatNotebook(makeNotebook(['1']));
    const broken = good
      .replace('\n "metadata"', '\n<<<<<<< HEAD\n "metadata"')
      .replace(/$/, '=======\n>>>>>>> b\n');
    assert.throws(() => repairText(broken), /lines \d+, \d+, \d+: git's conflict markers/);
    assert.match(check('{').join(''), /is no JSON: line 1: .*tunebook repair/);
    assert.match(
      checkNotebook(place.file('absent.ipynb'))
        .map(({ message }) => message)
        .join(''),
      /cannot be read \(ENOENT\)/,
    );
  });

  it('removes several members of an object at once, wherever they are', () => {
    const text = '{"a": 1, "b": 2, "c": 3, "d": 4}';
    const without = (...keys: string[]): string =>
      applyEdits(text, memberEdits(text, parseJsonText(text), { remove: keys }));
    assert.equal(without('c', 'd'), '{"a": 1, "b": 2}');
    assert.equal(without('a', 'b'), '{"c": 3, "d": 4}');
    assert.equal(without('b', 'd'), '{"a": 1, "c": 3}');
    assert.equal(without('a', 'b', 'c', 'd'), '{}');
  });
});

describe('notebooks that end too early', () => {
  const whole = makeNotebook(['first', '# second', 'third']);
  whole.cells[2].outputs = [{ output_type: 'stream', name: 'stdout', text: ['out "put"\n', 'more\n'] }];
  const sorted = formatNotebook(whole);
  const headFirst = formatNotebook({
    nbformat: 4,
    nbformat_minor: 5,
    metadata: whole.metadata,
    cells: whole.cells,
  });

  for (const [name, text] of [
    ['cells first', sorted],
    ['cells last', headFirst],
  ])
    it(`wherever they end, whole cells are kept and what is lost is said (${name})`, () => {
      const start = text.indexOf('"cells"') + 10;
      const counts = new Set<number>();
      for (let end = start; end < text.length - 2; end++) {
        const cut = text.slice(0, end);
        const { text: repaired, left, repaired: said } = repairText(cut);
        assert.deepEqual(left, [], `cut at ${end}`);
        const { cells, metadata } = JSON.parse(repaired) as Notebook;
        const kept = Number(/too early.*: (\d+) whole/.exec(said[0])?.[1]);
        assert.deepEqual(cells.slice(0, kept), whole.cells.slice(0, kept), `cut at ${end}`);
        assert.ok(cells.length <= kept + 1);
        if (cells.length > kept) assert.deepEqual(cells[kept].source, whole.cells[kept].source);
        counts.add(kept);
        if (name === 'cells last') assert.deepEqual(metadata, whole.metadata);
        const lastWhole = cut.lastIndexOf('"cell-1"');
        if (kept > 1) assert.ok(repaired.startsWith(cut.slice(0, lastWhole)), 'byte for byte before the end');
      }
      assert.deepEqual([...counts], [0, 1, 2, 3]);
    });

  it('keep the source of a cell that is cut in its outputs, when the source comes first', () => {
    const cell = { cell_type: 'code', source: ['long()'], metadata: {}, execution_count: 3, outputs: ['x'] };
    const text = JSON.stringify({ nbformat: 4, nbformat_minor: 0, metadata: {}, cells: [cell] });
    const { text: repaired, repaired: said } = repairText(text.slice(0, text.indexOf('"x"') + 2));
    const { cells } = JSON.parse(repaired) as Notebook;
    assert.deepEqual(cells, [
      { outputs: [], cell_type: 'code', source: ['long()'], metadata: {}, execution_count: 3 },
    ]);
    assert.match(said.join('\n'), /0 whole cell\(s\) kept\n.*its source is kept, its outputs are lost/);
    const named = text
      .replace('"metadata":{},"execution', '"id":"own","metadata":{},"execution')
      .replace('minor":0', 'minor":5');
    const result = repairText(named.slice(0, named.indexOf('"x"') + 2));
    assert.equal((JSON.parse(result.text) as Notebook).cells[0].id, 'own');
  });

  it('with other faults before the cut are repaired and closed', () => {
    const odd = sorted.replace('"metadata": {}', '"metadata": {"a": NaN,}').replace('first', 'a\tb');
    for (let end = odd.indexOf('"cell-1"'); end < odd.length - 2; end++) {
      const { text, repaired, left } = repairText(odd.slice(0, end));
      assert.deepEqual(left, [], `cut at ${end}`);
      assert.deepEqual((JSON.parse(text) as Notebook).cells[0], {
        ...whole.cells[0],
        metadata: { a: null },
        source: ['a\tb'],
      });
      assert.match(repaired.join(), /1 comma.*1 control character|1 value.*too early/, `cut at ${end}`);
    }
  });

  it('before their first cell are refused, and so is what is broken otherwise', () => {
    assert.throws(() => repairText(sorted.slice(0, 8)), /line 2: expected/);
    assert.throws(() => repairText(sorted.replace('"first"', '"first" oops')), /expected "," or "\]"/);
  });
});
