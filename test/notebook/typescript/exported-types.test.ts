/**
 * What a cell sees of `tunebook`: with tslab's own TypeScript (5.0.4, not strict, Node10 resolution) every
 * declaration file is understood, and nothing that is exported has silently become `any`.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { before, describe, it } from 'node:test';
import path from 'node:path';
import type * as TypeScript from '@tslab/typescript-for-tslab';
import { findAny } from './find-any';
import { Session } from '../kernel/kernel-session';
import { packageProgram } from '../../../lib/notebook/typescript/cell-types';
import { ROOT } from '../../support/paths';

interface PackageTypes {
  readonly typesVersions: { readonly '*': Readonly<Record<string, readonly [string]>> };
}

const fromTslab = createRequire(createRequire(__filename).resolve('tslab/package.json'));

describe("the package's types under tslab's TypeScript", { timeout: 300_000 }, () => {
  let ts: typeof TypeScript;
  let program: TypeScript.Program;
  const door = path.join(ROOT, '.build', 'lib', 'index.d.ts');
  const { typesVersions } = JSON.parse(readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as PackageTypes;
  const rooms = Object.values(typesVersions['*']).map(([file]) => path.join(ROOT, file));

  before(() => {
    ts = fromTslab('@tslab/typescript-for-tslab') as typeof TypeScript;
    program = packageProgram(ts, [door, ...rooms]);
  });

  it('understands every declaration file', () => {
    assert.match(ts.version, /^5\.0\./);
    const own = program.getSourceFiles().filter(({ fileName }) => fileName.includes('/.build/lib/'));
    assert.ok(own.length > 50, `${own.length} files`);
    const problems = own.flatMap((file) =>
      [...program.getSyntacticDiagnostics(file), ...program.getSemanticDiagnostics(file)].map(
        ({ messageText, start }) => {
          const { line } = file.getLineAndCharacterOfPosition(start ?? 0);
          return `${path.relative(ROOT, file.fileName)}:${line + 1}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
        },
      ),
    );
    assert.deepEqual(problems, []);
  });

  it('gives every exported name and every public member a type', () => {
    const found = [door, ...rooms].map((file) => findAny(ts, program, file));
    const names = found.reduce((sum, one) => sum + one.names, 0);
    assert.ok(names > 300, `${names} names`);
    assert.deepEqual(
      found.flatMap(({ any }) => any),
      [],
    );
  });

  it('shows each exported name in a cell, on completion and on hover', async () => {
    const checker = program.getTypeChecker();
    const file = program.getSourceFile(door);
    const module = file && checker.getSymbolAtLocation(file);
    const names = module ? checker.getExportsOfModule(module).map(({ name }) => name) : [];
    assert.ok(names.length > 110 && names.length < 136, `a door of about 120 names, not ${names.length}`);
    const session = await Session.start(path.join(ROOT, 'notebooks'));
    const ask = async (type: string, code: string, cursor: number): Promise<Record<string, unknown>> =>
      (await session.kernel.request('shell', type, { code, cursor_pos: cursor }).done).content;
    const { matches } = await ask('complete_request', 'import {  } from "tunebook"', 9);
    assert.deepEqual(
      names.filter((name) => !(matches as string[]).includes(name)),
      [],
    );
    const list = `import { ${names.join(', ')} } from 'tunebook'`;
    const unclear: string[] = [];
    for (const name of names) {
      const at = new RegExp(`(?<= )${name}(?=[, ])`).exec(list)?.index ?? 0;
      const { data } = await ask('inspect_request', list, at);
      const text = (data as Record<string, string>)['text/plain'] ?? '';
      // Of a namespace the hover says its name only: its members are completed.
      const members = `${list}\n${name}.`;
      const clear = /^import \w+$/.test(text)
        ? ((await ask('complete_request', members, members.length)).matches as string[]).length > 0
        : text.includes(name) && !/^\(alias\) (?:const|let|var) \w+: any\b/.test(text);
      if (!clear) unclear.push(`${name}: ${text}`);
    }
    assert.deepEqual(unclear, []);
    await session.kernel.shutdown();
  });

  it('would notice one', () => {
    const text =
      'export interface Broken { readonly weights: NoInfer<Float32Array>; }\n' +
      'export declare class Box { read(at: Float32Array<ArrayBuffer>): Promise<Missing[]>; fine: number; }\n';
    const host = ts.createCompilerHost({});
    const file = ts.createSourceFile('/broken.d.ts', text, ts.ScriptTarget.ES2018, true);
    const broken = ts.createProgram(
      ['/broken.d.ts'],
      { types: [] },
      {
        ...host,
        getSourceFile: (name, ...rest) =>
          name === '/broken.d.ts' ? file : host.getSourceFile(name, ...rest),
        fileExists: (name) => name === '/broken.d.ts' || host.fileExists(name),
      },
    );
    assert.deepEqual(findAny(ts, broken, '/broken.d.ts').any, [
      'Broken.weights',
      'Box.read(at)',
      'Box.read()',
    ]);
  });
});
