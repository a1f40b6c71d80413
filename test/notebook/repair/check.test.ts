/** Check and repair, on notebooks in the shapes that are found in the wild. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { checkCellTypes, missingDependencies } from '../../../lib/notebook/repair/check-types';
import {
  cellSource,
  cellTags,
  formatNotebook,
  readNotebook,
  validateNotebook,
} from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { repairText } from '../../../lib/notebook/repair/repair';
import { makeNotebook, Workplace } from '../../support/make-notebook';
import { ROOT } from '../../support/paths';

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
      /cell 1, output 1: must have required property 'text'/,
      /cell 2: must NOT have additional properties \("outputs"\)/,
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
      /cell 2: id "cell-0" is also that of cell 1/,
      /widgets: .*has no "state"/,
      /cell 2: has an output of text\/html with a script/,
      /cell 2: has outputs/,
      /cell 2: shows a figure without a static image/,
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
    const found = checkCellTypes(notebook, path.join(ROOT, 'notebooks', 'x.ipynb'));
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

  it('finds the modules that the kernel has everywhere, and points at lines that the cell has', () => {
    const notebook = makeNotebook([
      'import * as tslab from "tslab";\nimport { Trainer } from "tunebook";\ntslab.display.html(Trainer.name);',
      'let late;\nlate = 1;',
      'late.toFixed();',
    ]);
    const file = place.write('elsewhere.ipynb', []);
    const found = checkCellTypes(notebook, file);
    assert.ok(found.length > 0);
    for (const { cell, line, message } of found)
      assert.match(`${cell}:${line} ${message}`, /^3:1 Variable 'late' .*any/);
    assert.deepEqual(missingDependencies(notebook, file), []);
  });

  const files: [name: string, text: string, ...found: RegExp[]][] = [
    ['empty', '', /^file: is empty$/],
    ['blank, with a mark', '\uFEFF \r\n', /^file: starts with a byte order mark/, /^file: is empty$/],
    [
      'of nbformat 3',
      '{"nbformat": 3, "worksheets": []}',
      /^file: is of nbformat 3.*`tunebook repair` converts it$/,
    ],
    [
      'in conflict',
      '{\n<<<<<<< a\n=======\n>>>>>>> b\n}',
      /^file: holds git's conflict markers, in lines 2, 3, 4$/,
    ],
    [
      'with a member twice',
      '{"nbformat": 4, "nbformat_minor": 4, "cells": [],\n "metadata": {}, "cells": []}',
      /^line 1: "cells" stands twice in one object; readers see only the last$/,
    ],
    ['a list', '[]', /^notebook: expected an object$/],
  ];
  for (const [name, text, ...found] of files)
    it(`says of a file that it is ${name}`, () => {
      fs.writeFileSync(place.file('checked.ipynb'), text);
      expect(
        checkNotebook(place.file('checked.ipynb')).map(({ where, message }) => `${where}: ${message}`),
        ...found,
      );
    });

  it('finds a number left by a run without outputs; packages with a scope; cells that are not to be checked', () => {
    const notebook = makeNotebook([
      '@skip-type-check\nconst n: number = "no";',
      'import type { X } from "@scope/name/deep";',
    ]);
    notebook.cells[0].execution_count = 3;
    expect(
      check(notebook, { types: true }).filter((text) => !text.includes('Cannot find module')),
      /cell 1: has outputs/,
      /imports: @scope\/name is no dependency/,
    );
  });

  it('wants an image for each figure of a cell', () => {
    const notebook = makeNotebook(['1']);
    const show = (data: Record<string, unknown>): void => {
      notebook.cells[0].outputs?.push({ output_type: 'display_data', data, metadata: {} });
    };
    const missing = (): boolean =>
      check(notebook, { executed: true }).some((text) => text.includes('static image'));
    const steps: [data: Record<string, unknown>, missing: boolean][] = [
      [{ 'text/html': ['<script>Plotly', '.newPlot()</script>'] }, true],
      [{ 'image/svg+xml': ['<svg/>'] }, false],
      [{ 'application/vnd.plotly.v1+json': { data: [] } }, true],
      [{ 'text/html': '<table></table>' }, true],
      [{ 'image/jpeg': 'AA==' }, false],
      [{ 'application/vnd.plotly.v1+json': {}, 'image/png': 'AA==' }, false],
    ];
    for (const [data, expected] of steps) {
      show(data);
      assert.equal(missing(), expected, JSON.stringify(data));
    }
  });

  it('treats exports as the kernel does, and reports what the kernel does not know', () => {
    const notebook = makeNotebook([
      'export const side = 2;\nexport function twice(n: number) { return 2 * n; }',
      'const area: number = twice(side);\nexport const text: string = area;',
      '{\n  await using file = { async [Symbol.asyncDispose]() {} };\n}',
    ]);
    const found = checkCellTypes(notebook, path.join(ROOT, 'notebooks', 'x.ipynb'));
    expect(
      found.slice(0, 2).map(({ cell, line, message }) => `${cell}:${line} ${message}`),
      /^2:2 Type 'number' is not assignable/,
      /^3:2 the kernel's TypeScript 5\.0\.4 does not know `using`/,
    );
  });

  it("passes the project's own notebooks", () => {
    const folder = path.join(ROOT, 'notebooks');
    for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.ipynb')))
      assert.deepEqual(
        checkNotebook(path.join(folder, name), { outputs: 'required', untrusted: true }),
        [],
        name,
      );
  });

  it("the project's own notebooks have short cells, with words before and after each, and one for parameters", () => {
    const folder = path.join(ROOT, 'notebooks');
    for (const name of fs.readdirSync(folder).filter((file) => file.endsWith('.ipynb'))) {
      const { cells } = readNotebook(path.join(folder, name));
      const isParameters = cells.map((cell) => cellTags(cell).includes('parameters'));
      assert.equal(isParameters.filter(Boolean).length, 1, name);
      for (const [i, cell] of cells.entries()) {
        if (cell.cell_type !== 'code') continue;
        const lines = cellSource(cell).split('\n').length;
        assert.ok(lines <= 25 || isParameters[i], `${name}, cell ${i + 1}: ${lines} lines`);
        assert.equal(cells[i - 1].cell_type, 'markdown', `${name}, cell ${i + 1}: no words before it`);
        // The last cell of 01 and 02 lists what was written: nothing is left to say.
        if (i < cells.length - 1) assert.equal(cells[i + 1].cell_type, 'markdown', `${name}, cell ${i + 1}`);
      }
    }
  });
});

describe('repair', () => {
  it('leaves a good notebook byte for byte', () => {
    const odd = JSON.stringify(makeNotebook(['1']), null, '\t').replace(/\n/g, '\r\n');
    assert.deepEqual(repairText(odd), { text: odd, repaired: [], left: [] });
  });

  it('repairs ids, missing parts and widgets, and nothing else', () => {
    const text = `{ "nbformat_minor": 5, "nbformat": 4,
  "cells": [ {"cell_type":"code", "source":"1",   "id":"a","metadata":{},"execution_count":null,"outputs":[]},
    {"cell_type":"code","source":"2","id":"a"},
    { "cell_type":"markdown","source":"x","metadata":{}, "outputs":[] } ],
  "metadata": {"widgets": {"application/vnd.jupyter.widget-state+json": {"a": {}}}, "keep":  1.0} }`;
    const { text: repaired, repaired: what, left } = repairText(text);
    assert.deepEqual(left, []);
    assert.equal(what.length, 7);
    assert.ok(
      repaired.includes(
        '{"cell_type":"code", "source":"1",   "id":"a","metadata":{},"execution_count":null,"outputs":[]}',
      ),
    );
    assert.ok(repaired.includes('"metadata": {"keep":  1.0} }'));
    assert.deepEqual(repairText(repaired).repaired, [], 'a second repair finds nothing');
    assert.equal(repairText(text).text, repaired, 'the same file gives the same repair');
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
    const { text, repaired } = repairText(broken);
    assert.equal(text, good);
    assert.equal(repaired.length, 2);
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
