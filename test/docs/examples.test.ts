/**
 * Every example in a docstring (a `ts` block under @example) and in README is a program: it type-checks in strict mode
 * and runs offline, in an empty folder that has tunebook installed. README's runs in `test/package`, installed by npm.
 */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import ts from 'typescript';
import { readmeSample } from '../package/installed';
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

const README_EXAMPLES = examplesOf('README.md');
const EXAMPLES = [
  ...README_EXAMPLES,
  ...fs
    .readdirSync(path.join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => `lib/${name.split(path.sep).join('/')}`)
    .sort()
    .flatMap(examplesOf),
];

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

/**
 * Runs programs one after the other in one process, each in its own folder, as modules that share what they import:
 * loading that for each again would take most of the time.
 */
const RUN_ALL = `
const { pathToFileURL } = require('node:url');
(async () => {
  for (const file of process.argv.slice(1)) {
    process.chdir(require('node:path').dirname(file));
    const fault = await import(pathToFileURL(file).href).then(() => '', (error) => String(error?.stack ?? error));
    await new Promise((sent) => process.send([file, fault], sent));
  }
  process.exit(); // whatever a program left open
})();`;

/** What each program ended with: '' where it went well; one that ended the process, or hung, is missing. */
async function runPrograms(programs: readonly string[]): Promise<Map<string, string>> {
  const child = spawn(process.execPath, ['-e', RUN_ALL, '--', ...programs], {
    env: { ...process.env, HF_HUB_OFFLINE: '1', TUNEBOOK_PROVIDER: 'cpu' },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
    timeout: 600_000,
  });
  const ended = new Map<string, string>();
  child.on('message', ([file, fault]: [string, string]) => ended.set(file, fault));
  await once(child, 'close');
  return ended;
}

describe('examples', () => {
  it('are there for the entry points', () => {
    assert.ok(EXAMPLES.length >= 30, `${EXAMPLES.length} examples`);
    assert.deepEqual(
      README_EXAMPLES.map(({ code }) => code),
      [readmeSample('In your own program')],
      'an example of README that test/package does not run',
    );
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

  const programs = SOURCES.map((source) => source.replace(/\.mts$/, '.mjs'));
  let ended: ReadonlyMap<string, string>;
  before(async () => {
    const options = { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext };
    for (const [i, { code }] of EXAMPLES.entries())
      fs.writeFileSync(programs[i], ts.transpileModule(code, { compilerOptions: options }).outputText);
    ended = await runPrograms(programs.slice(README_EXAMPLES.length));
  });
  for (const [i, { where }] of EXAMPLES.entries())
    if (i >= README_EXAMPLES.length)
      it(`${where} runs`, () => {
        assert.equal(ended.get(programs[i]), '');
      });
});
