/** What an import of the library loads: files of its own and nothing else; each package comes with its first use. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { CLI, ROOT } from '../support/paths';

/** The packages that a fresh process has loaded after a program, with how many files of each. */
function loadedPackages(program: string, args: readonly string[] = []): Record<string, number> {
  const count = `process.on('exit', () => {
    const loaded = {};
    for (const file of Object.keys(require.cache)) {
      const name = /.*node_modules[\\\\/]((?:@[^\\\\/]+[\\\\/])?[^\\\\/]+)/.exec(file)?.[1];
      if (name !== undefined) loaded[name] = (loaded[name] ?? 0) + 1;
    }
    console.log('\\n' + JSON.stringify(loaded));
  });`;
  const command = ['-e', `${count}\n${program}`, '--', ...args];
  const text = execFileSync(process.execPath, command, { cwd: ROOT, encoding: 'utf8', timeout: 60_000 });
  return JSON.parse(text.trim().split('\n').at(-1) ?? '') as Record<string, number>;
}

describe('an import', () => {
  const { exports } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    readonly exports: Readonly<Record<string, unknown>>;
  };
  for (const door of Object.keys(exports).filter((name) => !name.endsWith('.json')))
    it(`of tunebook${door.slice(1)} loads no package`, () => {
      const file = path.join(ROOT, '.build', 'lib', door.slice(1), 'index.js');
      assert.deepEqual(loadedPackages(`require(${JSON.stringify(file)})`), {});
    });

  it("has the same names by ES modules' import as by require, of every door", () => {
    const names = Object.keys(exports)
      .filter((name) => !name.endsWith('.json'))
      .map((door) => `tunebook${door.slice(1)}`);
    // What node adds to a module that it did not make.
    const program = `import { createRequire } from 'node:module';
      const require = createRequire(process.cwd() + '/');
      const added = new Set(['default', 'module.exports', '__esModule']);
      const namesOf = (all) => Object.keys(all).filter((name) => !added.has(name)).sort();
      const doors = ${JSON.stringify(names)};
      const pairs = [];
      for (const door of doors) pairs.push([namesOf(await import(door)), namesOf(require(door))]);
      console.log(JSON.stringify(pairs));`;
    const text = execFileSync(process.execPath, ['--input-type=module', '-e', program], {
      ...{ cwd: ROOT, encoding: 'utf8', timeout: 60_000 },
    });
    const pairs = JSON.parse(text) as [string[], string[]][];
    assert.equal(pairs.length, names.length);
    for (const [imported, required] of pairs) {
      assert.ok(required.length > 0);
      assert.deepEqual(imported, required);
    }
  });

  it('is followed by a package at its first use', () => {
    const main = JSON.stringify(path.join(ROOT, '.build', 'lib', 'index.js'));
    const loaded = loadedPackages(`require(${main}).rougeL(['a b'], ['a c'])`);
    assert.deepEqual(Object.keys(loaded), ['js-rouge']);
  });

  it('of the command loads what reads its arguments', () => {
    const program = `process.argv.splice(1, 0, 'tunebook'); require(${JSON.stringify(CLI)})`;
    const loaded = Object.keys(loadedPackages(program, ['--help']));
    assert.deepEqual(loaded.sort(), ['commander', 'parse5']);
  });
});
