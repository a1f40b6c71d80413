/** The compiler of a headless run: it reads no documentation, and types and findings are the same. */
import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { createCellCompiler } from '../../../lib/notebook/compiler/cell-compiler';

describe('the compiler without documentation', () => {
  const compiler = createCellCompiler({ hasDocs: false });
  after(() => compiler.dispose());

  it("gives a library's types and nothing else", () => {
    assert.equal(
      compiler.inspect('parseInt', 3)?.trim(),
      'function parseInt(string: string, radix?: number): number',
    );
    const code = 'import fs from "fs"; fs.existsSync';
    assert.match(
      compiler.inspect(code, code.length - 2) ?? '',
      /^[^\n]*existsSync\(path: [^\n]*\): boolean\s*$/,
    );
  });

  it("keeps a cell's own documentation, and what does not compile", () => {
    const code = '/** Adds one. */ const next = (n: number): number => n + 1; next';
    assert.match(compiler.inspect(code, code.length - 2) ?? '', /Adds one\./);
    const { findings } = compiler.compile(
      'import fs from "fs";\nfs.existsSync(1);\nconst word: string = [1].length;',
      1,
    );
    assert.deepEqual(
      findings.map(({ line, column, message }) => [line, column, message.split('\n')[0]]),
      [
        [1, 14, "Argument of type 'number' is not assignable to parameter of type 'PathLike'."],
        [2, 6, "Type 'number' is not assignable to type 'string'."],
      ],
    );
  });
});
