/** Check and repair, on notebooks in the shapes that are found in the wild. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../lib/notebook/check';
import { checkCellTypes } from '../../lib/notebook/check-types';
import { formatNotebook, validateNotebook, type Notebook } from '../../lib/notebook/nbformat';
import { repairText } from '../../lib/notebook/repair';
import { makeNotebook, Workplace } from './make-notebook';

const root = path.resolve(__dirname, '..', '..', '..');

describe('check', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const check = (notebook: Notebook, options = {}): string[] => {
    const file = place.file('checked.ipynb');
    fs.writeFileSync(file, formatNotebook(notebook));
    return checkNotebook(file, { types: false, ...options }).map(
      ({ where, message }) => `${where}: ${message}`,
    );
  };
  const expect = (found: string[], ...patterns: RegExp[]): void => {
    assert.equal(found.length, patterns.length, found.join('\n'));
    patterns.forEach((pattern, i) => assert.match(found[i], pattern));
  };

  it('finds nothing in a good notebook', () => {
    const good = makeNotebook([
      '# Title',
      '@parameters\nconst a: number = 1;',
      'import fs from "node:fs";\na + 1',
    ]);
    assert.deepEqual(check(good, { types: true }), []);
  });

  it('finds what the schema finds, in the terms of the cell at hand', () => {
    const notebook = makeNotebook(['1', '# two']);
    notebook.cells[0].outputs = [{ output_type: 'stream', name: 'stdout' } as never];
    Object.assign(notebook.cells[1], { outputs: [] });
    expect(
      check(notebook, { executed: true }),
      /cells\/0\/outputs\/0: must have required property 'text'/,
      /cells\/1: must NOT have additional properties \("outputs"\)/,
    );
  });

  it('finds duplicate ids, widgets without state, committed outputs, missing images, untyped parameters, scripts', () => {
    const notebook = makeNotebook(['@parameters\nconst rate = 0.1;', '1', 'import x from "left-pad";']);
    notebook.cells[1].id = notebook.cells[0].id;
    notebook.metadata.widgets = { 'application/vnd.jupyter.widget-state+json': { version_major: 2 } };
    const html = '<script>Plotly.newPlot()</script>';
    notebook.cells[1].outputs = [
      { output_type: 'display_data', data: { 'text/html': [html] }, metadata: {} },
    ];
    expect(
      check(notebook, { untrusted: true }),
      /cells\/1\/id: "cell-0" is also the id of cells\/0/,
      /widgets\/.*has no "state"/,
      /cell 2: has outputs/,
      /cell 2: shows a figure without a static image/,
      /cell 2: has an output of text\/html with a script/,
      /cell 1: parameter rate has no declared type; write `rate: number`/,
      /imports: left-pad is no dependency/,
    );
    notebook.cells[1].outputs.push({
      output_type: 'display_data',
      data: { 'image/png': 'AA==' },
      metadata: {},
    });
    assert.ok(!check(notebook).some((text) => text.includes('static image')));
  });

  it('type-checks cells strictly, by cell and line, and lets names be declared again', () => {
    const notebook = makeNotebook([
      '# Title',
      'import { EOL } from "node:os";\nconst a = 1;\nfunction twice(n: number) { return 2 * n; }',
      'const a = "now a text";\nconst upper: string = a.toUpperCase() + EOL;',
      'const list: number[] = [];\nconst first: number | undefined = list.at(0);\nfirst.toFixed(2);\nawait Promise.resolve();',
      'function loose(x) { return x; }\ntwice("no");',
      'let count = 0;\nconst mode: "full" | "lora" = "full";',
      'count = 2;\nif (mode === "lora") count++;',
    ]);
    const found = checkCellTypes(notebook, path.join(root, 'notebooks', 'x.ipynb'));
    assert.deepEqual(
      found.map(({ cell, line }) => [cell, line]),
      [
        [4, 3],
        [5, 1],
        [5, 2],
      ],
    );
    assert.match(found[0].message, /possibly 'undefined'/);
    assert.match(found[1].message, /implicitly has an 'any' type/);
  });

  it('sees exports as the kernel does, and says what the kernel does not know', () => {
    const notebook = makeNotebook([
      'export const side = 2;\nexport function twice(n: number) { return 2 * n; }',
      'const area: number = twice(side);\nexport const text: string = area;',
      '{\n  await using file = { async [Symbol.asyncDispose]() {} };\n}',
    ]);
    const found = checkCellTypes(notebook, path.join(root, 'notebooks', 'x.ipynb'));
    expect(
      found.slice(0, 2).map(({ cell, line, message }) => `${cell}:${line} ${message}`),
      /^2:2 Type 'number' is not assignable/,
      /^3:2 the kernel's TypeScript 5\.0\.4 does not know `using`/,
    );
  });

  it("passes the project's own notebooks", () => {
    const folder = path.join(root, 'notebooks');
    for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.ipynb')))
      assert.deepEqual(checkNotebook(path.join(folder, name)), [], name);
  });
});

describe('repair', () => {
  it('leaves a good notebook byte for byte', () => {
    const odd = JSON.stringify(makeNotebook(['1']), null, '\t').replace(/\n/g, '\r\n');
    assert.deepEqual(repairText(odd), { text: odd, mended: [], left: [] });
  });

  it('mends ids, missing parts and widgets, and nothing else', () => {
    const text = `{ "nbformat_minor": 5, "nbformat": 4,
  "cells": [ {"cell_type":"code", "source":"1",   "id":"a","metadata":{},"execution_count":null,"outputs":[]},
    {"cell_type":"code","source":"2","id":"a"},
    { "cell_type":"markdown","source":"x","metadata":{}, "outputs":[] } ],
  "metadata": {"widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}, "keep":  1.0} }`;
    const { text: mended, mended: what, left } = repairText(text);
    assert.deepEqual(left, []);
    assert.equal(what.length, 7);
    assert.ok(
      mended.includes(
        '{"cell_type":"code", "source":"1",   "id":"a","metadata":{},"execution_count":null,"outputs":[]}',
      ),
    );
    assert.ok(mended.includes('"metadata": {"keep":  1.0} }'));
    assert.deepEqual(repairText(mended).mended, [], 'a second repair finds nothing');
    assert.equal(repairText(text).text, mended, 'the same file gives the same repair');
  });

  it('removes ids that an older minor version does not know', () => {
    const notebook = { ...makeNotebook(['1']), nbformat_minor: 4 };
    assert.notDeepEqual(validateNotebook(notebook), [], 'wrong before');
    const { text, left } = repairText(formatNotebook(notebook));
    assert.deepEqual(left, []);
    assert.ok(!text.includes('"id"'));
  });

  it('reads broken JSON where what is meant is plain, and says where it cannot', () => {
    const good = formatNotebook(makeNotebook(['1']));
    const broken = `\uFEFF${good.replace('"nbformat_minor": 5', '"nbformat_minor": 5,')}`;
    const { text, mended } = repairText(broken);
    assert.equal(text, good);
    assert.equal(mended.length, 2);
    assert.throws(() => repairText(good.replace('"cells": [', '"cells": [ }')), /line 2: expected a value/);
    assert.throws(() => repairText('{}'), /nbformat 3 or 4/);
  });

  it('converts nbformat 3', () => {
    const old = {
      nbformat: 3,
      nbformat_minor: 0,
      metadata: { name: 'old' },
      worksheets: [
        {
          cells: [
            { cell_type: 'heading', level: 2, source: ['Head'] },
            {
              cell_type: 'code',
              input: ['1'],
              prompt_number: 3,
              language: 'python',
              outputs: [
                { output_type: 'stream', stream: 'stdout', text: ['a\n'] },
                { output_type: 'pyout', prompt_number: 3, text: ['1'], png: 'AA==' },
                { output_type: 'pyerr', ename: 'E', evalue: 'v', traceback: [] },
              ],
            },
          ],
        },
      ],
    };
    const { text, left } = repairText(JSON.stringify(old));
    assert.deepEqual(left, []);
    const { cells } = JSON.parse(text) as Notebook;
    assert.deepEqual(cells[0].source, ['## Head']);
    assert.deepEqual(
      cells[1].outputs?.map(({ output_type: type }) => type),
      ['stream', 'execute_result', 'error'],
    );
  });
});
