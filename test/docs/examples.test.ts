/**
 * Every example in a docstring (a `ts` block under @example) and in README is a program: it type-checks in strict mode
 * and runs by itself, offline, in an empty folder that has tunebook installed.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { promisify } from 'node:util';
import ts from 'typescript';
import { ROOT } from '../support/paths';

interface Example {
  /** 'lib/dataset/encode.ts:12' */
  readonly where: string;
  readonly code: string;
}

function examplesOf(file: string): Example[] {
  const text = fs.readFileSync(path.join(ROOT, file), 'utf8');
  const isReadme = file.endsWith('.md');
  const fence = isReadme ? /```ts\n([^]*?)```/g : /@example\s*\n\s*\* ```ts\n([^]*?)\* ```/g;
  return [...text.matchAll(fence)]
    .map(({ 1: code, index }) => ({
      where: `${file}:${text.slice(0, index).split('\n').length}`,
      code: isReadme ? code : code.replace(/^[ \t]*\* ?/gm, ''),
    }))
    .filter(({ code }) => /^import /m.test(code)); // a fragment of README leans on the sample above it
}

const EXAMPLES = [
  'README.md',
  ...fs
    .readdirSync(path.join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `lib/${name.split(path.sep).join('/')}`)
    .sort(),
].flatMap(examplesOf);

const FOLDER = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-examples-'));
after(() => fs.rmSync(FOLDER, { recursive: true, force: true }));
fs.mkdirSync(path.join(FOLDER, 'node_modules', '@types'), { recursive: true });
fs.symlinkSync(ROOT, path.join(FOLDER, 'node_modules', 'tunebook'), 'junction');
fs.symlinkSync(
  path.join(ROOT, 'node_modules', '@types', 'node'),
  path.join(FOLDER, 'node_modules', '@types', 'node'),
  'junction',
);
const SOURCES = EXAMPLES.map(({ code }, i) => {
  const folder = path.join(FOLDER, `example-${i}`);
  fs.mkdirSync(folder);
  const file = path.join(folder, 'example.mts');
  fs.writeFileSync(file, `${code}\nexport {};\n`);
  return file;
});

describe('examples', { concurrency: 2 }, () => {
  it('are there for the entry points', () => {
    assert.ok(EXAMPLES.length >= 30, `${EXAMPLES.length} examples`);
  });

  it('type-check in strict mode', () => {
    const program = ts.createProgram(SOURCES, {
      target: ts.ScriptTarget.ES2022,
      module: ts.ModuleKind.NodeNext,
      moduleResolution: ts.ModuleResolutionKind.NodeNext,
      strict: true,
      noEmit: true,
      skipLibCheck: true,
      types: ['node'],
      typeRoots: [path.join(ROOT, 'node_modules', '@types')],
    });
    const faults = ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
      const at = SOURCES.indexOf(path.normalize(file?.fileName ?? ''));
      const line = file === undefined ? 0 : file.getLineAndCharacterOfPosition(start).line + 1;
      return `${EXAMPLES[at]?.where}, its line ${line}: ${ts.flattenDiagnosticMessageText(messageText, ' ')}`;
    });
    assert.deepEqual(faults, []);
  });

  for (const [i, { where, code }] of EXAMPLES.entries()) {
    it(`${where} runs`, { timeout: 180_000 }, async () => {
      const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
      const { outputText } = ts.transpileModule(code, { compilerOptions: options });
      const program = path.join(path.dirname(SOURCES[i]), 'example.mjs');
      fs.writeFileSync(program, outputText);
      const env = { ...process.env, HF_HUB_OFFLINE: '1', TUNEBOOK_PROVIDER: 'cpu' };
      await promisify(execFile)(process.execPath, [program], { cwd: path.dirname(program), env });
    });
  }
});
