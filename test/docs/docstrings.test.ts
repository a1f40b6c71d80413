/** Every name behind a public door has its sentence, which completion and hover show. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import ts from 'typescript';
import { ROOT } from '../support/paths';

it('every public name has a sentence', () => {
  const door = path.join(ROOT, '.build', 'lib', 'index.d.ts');
  assert.ok(fs.existsSync(door));
  const program = ts.createProgram([door], {
    module: ts.ModuleKind.NodeNext,
    moduleResolution: ts.ModuleResolutionKind.NodeNext,
    skipLibCheck: true,
  });
  const checker = program.getTypeChecker();
  const source = program.getSourceFile(door);
  const symbol = source && checker.getSymbolAtLocation(source);
  assert.ok(symbol);
  const silent = checker
    .getExportsOfModule(symbol)
    .map((name) => (name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name))
    .filter((name) => !(name.flags & ts.SymbolFlags.ValueModule))
    .filter((name) => ts.displayPartsToString(name.getDocumentationComment(checker)).trim() === '')
    .map((name) => name.getName());
  assert.deepEqual(silent, []);
});
