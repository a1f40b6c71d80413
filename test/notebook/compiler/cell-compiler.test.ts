/** The compiler of cells by its interface, without a kernel around it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import Module from 'node:module';
import { after, describe, it } from 'node:test';
import { createCellCompiler } from '../../../lib/notebook/compiler/cell-compiler';
import { AWAIT_HELPER, LEFT_HELPER } from '../../../lib/notebook/compiler/wrap-awaits';
import { Workplace } from '../../support/make-notebook';

describe('the compiler of cells', () => {
  const place = new Workplace();
  const home = process.cwd();
  const patchable = (): unknown[] => [
    (Module as unknown as { _resolveFilename: unknown })._resolveFilename,
    process.getBuiltinModule('node:vm').runInThisContext,
    globalThis.setTimeout,
    Object.keys(globalThis).filter((name) => name.startsWith('__tunebook')),
  ];
  const before = patchable();
  process.chdir(place.folder);
  const shown: unknown[] = [];
  const compiler = createCellCompiler({ display: (data) => void shown.push(data) });
  let key = 0;
  const run = async (source: string): Promise<unknown> => {
    const cell = compiler.compile(source, ++key);
    assert.deepEqual(cell.findings, []);
    return (await cell.run())?.value;
  };
  const helpers = [AWAIT_HELPER, LEFT_HELPER];
  for (const helper of helpers) Object.assign(globalThis, { [helper]: (value: unknown) => value });
  after(() => {
    compiler.dispose();
    process.chdir(home);
    place.remove();
    for (const helper of helpers) Reflect.deleteProperty(globalThis, helper);
    assert.deepEqual(patchable(), before, 'every patch is taken back');
  });

  it('gives each cell the names of those before it, and the value of its last expression', async () => {
    assert.equal(await run('const a: number = 20; let n = 1; const next = () => ++n;'), undefined);
    assert.equal(await run('a + 1'), 21);
    assert.equal(await run('n = 5; next()'), 6);
    assert.equal(await run('const b = await Promise.resolve(a); b + a'), 40);
    assert.equal(await run(''), undefined);
  });

  it('reports what does not compile, and runs none of it', () => {
    const { findings } = compiler.compile('const fine = 1;\nconst c: string = a;', ++key);
    assert.deepEqual(
      findings.map(({ line, column, message, file }) => ({ line, column, message, file })),
      [{ line: 1, column: 6, message: "Type 'number' is not assignable to type 'string'.", file: undefined }],
    );
    assert.equal(compiler.compile('fine', ++key).findings.length, 1);
  });

  it('keeps what a failed cell has defined, and what it has not reached stays as it was', async () => {
    const cell = compiler.compile('const reached = 1;\nthrow new Error("x");\nconst a = "late";', ++key);
    await assert.rejects(cell.run(), /^Error: x/);
    cell.keepDefined();
    assert.equal(await run('reached + a'), 21);
  });

  it('finds the line of a place in the code that ran', async () => {
    await run('const before = 1;\nfunction fails(): void {\n  throw new Error("here");\n}');
    const number = key;
    await assert.rejects(run('fails()'), (error: Error) => {
      const [, line, column] = new RegExp(`In\\[${number}\\]:(\\d+):(\\d+)`).exec(error.stack ?? '') ?? [];
      const at = compiler.locate(number, { line: Number(line) - 1, column: Number(column) - 1 });
      return at?.line === 2;
    });
  });

  it('completes and explains names, and knows a whole cell', () => {
    const { candidates, start, end } = compiler.complete('reac', 4);
    assert.deepEqual([candidates, start, end], [['reached'], 0, 4]);
    assert.match(compiler.inspect('next', 2) ?? '', /next: \(\) => number/);
    assert.equal(compiler.inspect(' ', 0), undefined);
    assert.deepEqual(compiler.isComplete('const x = 1;'), { isComplete: true, indent: '' });
    assert.equal(compiler.isComplete('function f() {').isComplete, false);
    assert.equal(compiler.isComplete('const t = `a').isComplete, false);
  });

  it('completes within strings in place of what was typed, and imports by folders and packages', () => {
    fs.writeFileSync(place.file('deep.ts'), 'export const zebra = 1;');
    fs.writeFileSync(place.file('data.json'), '{}');
    const zod = path.join(place.folder, 'node_modules', 'zod');
    fs.mkdirSync(zod, { recursive: true });
    fs.writeFileSync(path.join(zod, 'package.json'), '{ "name": "zod", "version": "1.0.0" }');
    /** `|` is the cursor; the cell with the first proposal in its place, and what kind of thing that is. */
    const rows: [code: string, completed: string, kind: string][] = [
      [
        "const o: { mode: 'fast' | 'slow' } = { mode: 'fa|",
        "const o: { mode: 'fast' | 'slow' } = { mode: 'fast",
        'value',
      ],
      [
        "const o: { mode: 'fast' | 'slow' } = { mode: 'f|a' }",
        "const o: { mode: 'fast' | 'slow' } = { mode: 'fast' }",
        'value',
      ],
      [
        "const o: { mode: 'fast' | 'slow' } = { mode: `sl|",
        "const o: { mode: 'fast' | 'slow' } = { mode: `slow",
        'value',
      ],
      ["const x: 'a b' | 'a c' = 'a |'", "const x: 'a b' | 'a c' = 'a b'", 'value'],
      ["const k: keyof { aa: 1 } = '|", "const k: keyof { aa: 1 } = 'aa", 'value'],
      ["({ alpha: 1 })['al|']", "({ alpha: 1 })['alpha']", 'property'],
      ["import * as fs from 'f|'", "import * as fs from 'fs'", 'module'],
      ["import('node:f|", "import('node:fs", 'module'],
      ["require('fs/p|')", "require('fs/promises')", 'module'],
      ["import d from './d|'", "import d from './data.json'", 'path'],
      ["import d from './de|'", "import d from './deep'", 'path'],
      ["import z from 'zo|", "import z from 'zod", 'module'],
      ["import * as tb from 'tune|", "import * as tb from 'tunebook", 'module'],
      ["import * as tb from 'tunebook/eng|'", "import * as tb from 'tunebook/engine'", 'module'],
      ["import { read|F } from 'fs'", "import { readFile } from 'fs'", 'function'],
      ["'😀'.len|", "'😀'.length", 'property'],
      ['Math.ro|', 'Math.round', 'method'],
      ['new Ma|', 'new Map', 'instance'],
    ];
    for (const [marked, completed, kind] of rows) {
      const position = marked.indexOf('|', marked.lastIndexOf('=') + 1);
      const code = marked.slice(0, position) + marked.slice(position + 1);
      const { candidates, kinds, start, end } = compiler.complete(code, position);
      assert.equal(code.slice(0, start) + candidates[0] + code.slice(end), completed);
      assert.equal(kinds[0], kind, marked);
      assert.equal(kinds.length, candidates.length);
    }
    for (const text of ["const s = 'plain te", '`in a template te', "import d from './none/x"])
      assert.deepEqual(compiler.complete(text, text.length).candidates, []);
  });

  it('imports source files beside the notebook, and shows through package tslab', async () => {
    fs.writeFileSync(place.file('beside.ts'), 'export const word: string = "beside";');
    assert.equal(await run('import { word } from "./beside"; word'), 'beside');
    await run('import * as tslab from "tslab"; tslab.display.html("<b>x</b>")');
    assert.match(JSON.stringify(shown), /<b>x<\/b>/);
  });
});
