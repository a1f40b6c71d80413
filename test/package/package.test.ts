/**
 * The package as others get it: what is in it, and README's own program in an empty folder, as a module, as
 * CommonJS, and type-checked in every way that TypeScript finds packages.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import ts from 'typescript';
import { installInto, packedFiles, readmeSample } from './installed';
import { CLI, ROOT } from '../support/paths';

interface PackageJson {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const PACKAGE = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as PackageJson;
const ROOMS = Object.keys(PACKAGE.exports).filter((name) => name.startsWith('./') && !name.includes('json'));

/** The program as CommonJS: imports become `require`, and what awaits stands in a function. */
function asCommonJs(sample: string): string {
  const imports = /^import [\s\S]*?;\n/.exec(sample)?.[0] ?? '';
  const body = `${imports}export async function main(): Promise<void> {\n${sample.slice(imports.length)}}\n`;
  const { outputText } = ts.transpileModule(body, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
  });
  return `${outputText}\nexports.main().catch((error) => { console.error(error); process.exit(1); });\n`;
}

const newFolder = (): string => fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-package-'));

function run(folder: string, file: string): string {
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', timeout: 300_000 });
}

function typeErrors(folder: string, file: string, module: 'nodenext' | 'bundler' | 'node10'): string[] {
  const shared: ts.CompilerOptions = {
    strict: true,
    noEmit: true,
    skipLibCheck: true,
    target: ts.ScriptTarget.ES2022,
    lib: ['lib.es2023.d.ts'],
    types: ['node'],
    typeRoots: [path.join(ROOT, 'node_modules', '@types')],
  };
  const ways: Record<typeof module, ts.CompilerOptions> = {
    nodenext: { module: ts.ModuleKind.NodeNext, moduleResolution: ts.ModuleResolutionKind.NodeNext },
    bundler: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Bundler },
    node10: { module: ts.ModuleKind.ESNext, moduleResolution: ts.ModuleResolutionKind.Node10 },
  };
  const program = ts.createProgram([path.join(folder, file)], { ...shared, ...ways[module] });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('the package', { timeout: 900_000 }, () => {
  const sample = readmeSample('In your own program');
  const rooms = ROOMS.map((room, i) => `import * as room${i} from 'tunebook${room.slice(1)}';`).join('\n');
  const used = ROOMS.map((_, i) => `Object.keys(room${i}).length`).join(', ');
  let folder: string;

  before(() => {
    folder = newFolder();
    installInto(folder);
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }');
    const options = { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } };
    fs.writeFileSync(path.join(folder, 'sample.mts'), sample);
    fs.writeFileSync(path.join(folder, 'sample.mjs'), ts.transpileModule(sample, options).outputText);
    fs.writeFileSync(path.join(folder, 'sample.cjs'), asCommonJs(sample));
    fs.writeFileSync(path.join(folder, 'rooms.mts'), `${rooms}\nconsole.log([${used}].join());\n`);
    fs.writeFileSync(path.join(folder, 'rooms.mjs'), `${rooms}\nconsole.log([${used}].join());\n`);
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  it('holds the library, data, notebooks and papers, and nothing else', () => {
    const allowed = [
      /^\.build\/lib\/.*\.(js|d\.ts|json)$/,
      /^data\/coaching\/[\w-]+\.(json|jsonl|md)$/,
      /^data\/(fonts|models|tokenizers)\/.*(?<!\.ts)$/,
      /^data\/hyrox\/[\w-]+\.(csv|jsonl)$/,
      /^notebooks\/([\w-]+\.ipynb|images\/[\w-]+\.png)$/,
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
    ];
    const files = packedFiles();
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file))),
      [],
    );
    assert.ok(files.includes('notebooks/01-gpt2-finetuning.ipynb'));
    assert.ok(files.includes('data/models/gpt2-mini/model.safetensors'));
  });

  it('finds its rooms by their names, and no package that only the repository needs', () => {
    const counts = run(folder, 'rooms.mjs').trim().split(',').map(Number);
    assert.equal(counts.length, ROOMS.length);
    for (const [i, count] of counts.entries())
      assert.ok(count > 1, `tunebook${ROOMS[i].slice(1)}: ${count} names`);
    for (const name of Object.keys(PACKAGE.devDependencies).filter((one) => !one.startsWith('@types/')))
      assert.ok(!fs.existsSync(path.join(folder, 'node_modules', name)), `${name} is installed`);
  });

  it("runs README's program as a module", () => {
    assert.match(run(folder, 'sample.mjs'), /\S/);
    assert.ok(fs.existsSync(path.join(folder, 'outputs', 'mine', 'adapter', 'adapter_config.json')));
  });

  it("runs README's program as CommonJS", () => {
    fs.rmSync(path.join(folder, 'outputs'), { recursive: true });
    assert.match(run(folder, 'sample.cjs'), /\S/);
    assert.ok(fs.existsSync(path.join(folder, 'outputs', 'mine', 'adapter', 'adapter_config.json')));
  });

  for (const way of ['nodenext', 'bundler', 'node10'] as const)
    it(`has types for strict TypeScript under ${way}`, () => {
      assert.deepEqual(
        [...typeErrors(folder, 'sample.mts', way), ...typeErrors(folder, 'rooms.mts', way)],
        [],
      );
    });

  it('finds its notebooks from anywhere', () => {
    const command = path.join(folder, 'node_modules', 'tunebook', path.relative(ROOT, CLI));
    const args = [command, 'run', 'notebooks/01-gpt2-finetuning.ipynb', '--list-params'];
    assert.match(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }), /maxSteps/);
  });

  it('makes a folder to work in', () => {
    const command = path.join(folder, 'node_modules', 'tunebook', path.relative(ROOT, CLI));
    execFileSync(process.execPath, [command, 'init', 'mine', '--no-install'], { cwd: folder });
    const written = JSON.parse(fs.readFileSync(path.join(folder, 'mine', 'package.json'), 'utf8')) as {
      readonly dependencies: object;
      readonly overrides: object;
    };
    assert.deepEqual(Object.keys(written.dependencies).sort(), ['danfojs-node', 'tunebook']);
    assert.deepEqual(Object.keys(written.overrides), ['@xenova/transformers', 'danfojs-node']);
    assert.ok(fs.existsSync(path.join(folder, 'mine', 'notebooks', '02-mistral-lora.ipynb')));
  });

  // Half a minute and the registry: .ci/run asks for it where the registry answers.
  const skip = process.env.TUNEBOOK_TEST_REGISTRY === undefined && 'TUNEBOOK_TEST_REGISTRY is not set';
  it('is installed by npm alone', { skip }, () => {
    const empty = newFolder();
    const npm = (...args: string[]): string =>
      execFileSync('npm', args, { cwd: empty, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
    execFileSync('npm', ['pack', '--ignore-scripts', '--pack-destination', empty], {
      cwd: ROOT,
      stdio: 'ignore',
    });
    const [tarball] = fs.readdirSync(empty);
    npm('install', `./${tarball}`);
    fs.writeFileSync(path.join(empty, 'sample.cjs'), asCommonJs(sample));
    assert.match(run(empty, 'sample.cjs'), /\S/);
    fs.rmSync(empty, { recursive: true });
  });
});
