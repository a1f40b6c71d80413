/** The compiler of cells by its interface, without a kernel around it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import Module from 'node:module';
import { after, describe, it } from 'node:test';
import { createCellCompiler } from '../../../lib/notebook/typescript/cell-compiler';
import { AWAIT_HELPER, LEFT_HELPER } from '../../../lib/notebook/typescript/wrap-awaits';
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
    return cell.run();
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

  it('tells what does not compile, and runs nothing of it', () => {
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

  it('imports source files beside the notebook, and shows through package tslab', async () => {
    fs.writeFileSync(place.file('beside.ts'), 'export const word: string = "beside";');
    assert.equal(await run('import { word } from "./beside"; word'), 'beside');
    await run('import * as tslab from "tslab"; tslab.display.html("<b>x</b>")');
    assert.match(JSON.stringify(shown), /<b>x<\/b>/);
  });
});
