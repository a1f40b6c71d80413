/** Every name behind a public door has its sentence, which completion and hover show. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import ts from 'typescript';
import { ROOT } from '../support/paths';

const PACKAGE = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
  readonly exports: Readonly<Record<string, { readonly types?: string }>>;
};

it('every name behind a public door has a sentence', () => {
  const doors = Object.values(PACKAGE.exports).flatMap(({ types }) => types ?? []);
  assert.ok(doors.length > 15, `${doors.length} doors`);
  const program = ts.createProgram(
    doors.map((door) => path.join(ROOT, door)),
    {
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      skipLibCheck: true,
    },
  );
  const checker = program.getTypeChecker();
  const silent = doors.flatMap((door) => {
    const source = program.getSourceFile(path.join(ROOT, door));
    const symbol = source && checker.getSymbolAtLocation(source);
    assert.ok(symbol, door);
    return checker
      .getExportsOfModule(symbol)
      .map((name) => (name.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(name) : name))
      .filter((name) => !(name.flags & ts.SymbolFlags.ValueModule))
      .filter((name) => ts.displayPartsToString(name.getDocumentationComment(checker)).trim() === '')
      .map((name) => `${door}: ${name.getName()}`);
  });
  assert.deepEqual(silent, []);
});
