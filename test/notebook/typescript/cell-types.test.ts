/** The one file of declarations that cells read: what they see of the package by it, and of TensorFlow.js beside it. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { createCellCompiler } from '../../../lib/notebook/compiler/cell-compiler';
import type { CellCompiler } from '../../../lib/notebook/compiler/cell-compiler';
import {
  CELL_TYPES,
  cellTypePaths,
  hasCellTypes,
  makeCellTypes,
} from '../../../lib/notebook/typescript/cell-types';
import { LEFT_HELPER } from '../../../lib/notebook/compiler/wrap-awaits';
import { Workplace } from '../../support/make-notebook';
import { ROOT } from '../../support/paths';
import { findAny } from './find-any';

const ts = createRequire(createRequire(__filename).resolve('tslab/package.json'))(
  '@tslab/typescript-for-tslab',
) as typeof TypeScript;

describe('the declarations of cells in one file', { timeout: 300_000 }, () => {
  const place = new Workplace();
  const home = process.cwd();
  let compiler: CellCompiler;
  before(() => {
    if (!hasCellTypes()) makeCellTypes();
    process.chdir(place.folder);
    Object.assign(globalThis, { [LEFT_HELPER]: (value: unknown) => value });
    compiler = createCellCompiler({ hasDocs: false });
  });
  after(() => {
    compiler.dispose();
    Reflect.deleteProperty(globalThis, LEFT_HELPER);
    process.chdir(home);
    place.remove();
  });
  let key = 0;
  const findings = (code: string): string[] =>
    compiler.compile(code, ++key).findings.map(({ message }) => message);

  it('has behind each door what its own files have, and nothing that has become any', () => {
    const doors = Object.keys(cellTypePaths()).filter((name) => !name.endsWith('*'));
    assert.ok(doors.length > 15);
    const options: TypeScript.CompilerOptions = {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.ESNext,
      moduleResolution: ts.ModuleResolutionKind.Node10,
      lib: ['lib.es2022.d.ts'],
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules', '@types')],
      noEmit: true,
    };
    const files = doors.map((door, i) => {
      fs.writeFileSync(place.file(`door${i}.ts`), `export * from '${door}';\n`);
      return place.file(`door${i}.ts`);
    });
    const own = Object.fromEntries(
      doors.map((door) => [door, [path.join(ROOT, '.build', 'lib', door.slice('tunebook'.length))]]),
    );
    const [one, many] = [cellTypePaths(), own].map((paths) => ts.createProgram(files, { ...options, paths }));
    assert.deepEqual(
      one.getSourceFiles().filter(({ fileName }) => /\.build\/lib\/|tfjs|zod|onnx/.test(fileName)),
      [],
    );
    const namesOf = (program: TypeScript.Program, file: string): string[] => {
      const module = program
        .getTypeChecker()
        .getSymbolAtLocation(program.getSourceFile(file) as TypeScript.Node);
      return program
        .getTypeChecker()
        .getExportsOfModule(module as TypeScript.Symbol)
        .map(({ name }) => name)
        .sort();
    };
    for (const [i, file] of files.entries()) {
      assert.deepEqual(namesOf(one, file), namesOf(many, file), doors[i]);
      assert.deepEqual(findAny(ts, one, file).any, [], doors[i]);
    }
  });

  it('gives cells the types, and finds what is wrong with them', () => {
    const head =
      "import { tf, TrainingArguments, hyrox } from 'tunebook'; import { architectureOf } from 'tunebook/models';";
    assert.deepEqual(
      findings(`${head} const args = new TrainingArguments({ outputDir: 'a', lrSchedulerType: 'cosine' });
        const side: number = tf.tensor1d([1]).square().dataSync()[0];
        const width: number = architectureOf({ model_type: 'gpt2', activation_function: 'gelu' }).width;`),
      [],
    );
    assert.match(
      findings(`${head} new TrainingArguments({ outputDir: 'a', lrSchedulerType: 'cosin' });`).join('\n'),
      /Type '"cosin"' is not assignable to type '"constant"/,
    );
    assert.match(
      findings(`${head} new TrainingArguments({ outputDir: 'a', maxStep: 1 });`).join('\n'),
      /'maxStep' does not exist in type/,
    );
    assert.match(findings(`${head} tf.tensor1d([1]).squar();`).join('\n'), /Property 'squar' does not exist/);
    assert.match(
      findings(`${head} const word: string = hyrox;`).join('\n'),
      /not assignable to type 'string'/,
    );
    assert.match(findings("import { x } from 'tunebook/nothing';").join('\n'), /Cannot find module/);
    assert.match(findings("import { x } from 'tunebook/models';").join('\n'), /no exported member/);
  });

  it("keeps a cell's types for the next one", async () => {
    const first = compiler.compile(
      "import { LoraConfig } from 'tunebook'; const made = [new LoraConfig({ r: 2 })].map((c) => ({ c }));",
      ++key,
    );
    assert.deepEqual(first.findings, []);
    await first.run();
    assert.deepEqual(findings('const r: number = made[0].c.r;'), []);
    assert.match(
      findings('const r: string = made[0].c.r;').join(),
      /'number' is not assignable to type 'string'/,
    );
  });

  it('is older than no declaration that it was made from', () => {
    const { mtimeMs } = fs.statSync(CELL_TYPES);
    const door = path.join(ROOT, '.build', 'lib', 'index.d.ts');
    assert.ok(fs.statSync(door).mtimeMs <= mtimeMs);
  });
});
