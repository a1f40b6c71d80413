/**
 * The package as others get it: what is in it, and what npm installs of it into an empty folder. There README's own
 * program runs as a module and as CommonJS, and is type-checked in every way that TypeScript finds packages.
 */
import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import type { SpawnSyncReturns } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import ts from 'typescript';
import { installInto, readmeSample } from './installed';
import type { Installed } from './installed';
import { joinText, writeNotebook } from '../../lib/notebook/format/nbformat';
import type { Notebook } from '../../lib/notebook/format/nbformat';
import { sleep } from '../notebook/kernel/kernel-session';
import { makeNotebook } from '../support/make-notebook';
import { CLI, ROOT } from '../support/paths';

interface PackageJson {
  readonly exports: Readonly<Record<string, unknown>>;
  readonly devDependencies: Readonly<Record<string, string>>;
}

const PACKAGE = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as PackageJson;
const ROOMS = Object.keys(PACKAGE.exports).filter((name) => name.startsWith('./') && !name.includes('json'));

/** README's program on two steps. */
function shortSample(): string {
  const whole = readmeSample('In your own program');
  const sample = whole.replace('maxSteps: 20', 'maxSteps: 2');
  assert.notEqual(sample, whole, "README's program no longer says this");
  return sample;
}

/** A program as CommonJS: imports become `require`, and what awaits stands in a function. */
function asCommonJs(sample: string): string {
  const imports = /^import [\s\S]*?;\n/.exec(sample)?.[0] ?? '';
  const body = `${imports}export async function main(): Promise<void> {\n${sample.slice(imports.length)}}\n`;
  const { outputText } = ts.transpileModule(body, {
    compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.CommonJS },
  });
  return `${outputText}\nexports.main().catch((error) => { console.error(error); process.exit(1); });\n`;
}

function run(folder: string, file: string): string {
  return execFileSync(process.execPath, [file], { cwd: folder, encoding: 'utf8', timeout: 300_000 });
}

function typeErrors(folder: string, module: 'nodenext' | 'bundler' | 'node10'): string[] {
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
  const program = ts.createProgram([path.join(folder, 'sample.mts'), path.join(folder, 'rooms.mts')], {
    ...shared,
    ...ways[module],
  });
  return ts
    .getPreEmitDiagnostics(program)
    .map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, ' '));
}

describe('the package', { timeout: 900_000 }, () => {
  const sample = shortSample();
  const rooms = ROOMS.map((room, i) => `import * as room${i} from 'tunebook${room.slice(1)}';`).join('\n');
  const used = ROOMS.map((_, i) => `Object.keys(room${i}).length`).join(', ');
  let folder: string;
  let installed: Installed;

  before(async () => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-package-'));
    installed = await installInto(folder);
    const options = { compilerOptions: { target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext } };
    fs.writeFileSync(path.join(folder, 'sample.mts'), sample);
    fs.writeFileSync(path.join(folder, 'sample.mjs'), ts.transpileModule(sample, options).outputText);
    fs.writeFileSync(path.join(folder, 'sample.cjs'), asCommonJs(sample));
    fs.writeFileSync(path.join(folder, 'rooms.mts'), `${rooms}\nconsole.log([${used}].join());\n`);
    fs.writeFileSync(path.join(folder, 'rooms.mjs'), `${rooms}\nconsole.log([${used}].join());\n`);
  });
  after(() => fs.rmSync(folder, { recursive: true, force: true }));

  /** What a cell prints, or its error, in a notebook that the installed command runs. */
  function cell(source: string): string {
    writeNotebook(path.join(folder, 'cell.ipynb'), makeNotebook([source]));
    const args = [command(), 'run', 'cell.ipynb', '-o', '-'];
    const { stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
    const { cells } = JSON.parse(stdout) as Notebook;
    const outputs = cells.flatMap((one) => one.outputs ?? []);
    const texts = outputs.map((out) =>
      'text' in out ? joinText(out.text) : 'evalue' in out ? out.evalue : out.output_type,
    );
    return texts.join('');
  }
  const command = (): string => path.join(folder, 'node_modules', 'tunebook', path.relative(ROOT, CLI));

  it('is installed by npm alone, from what package-lock.json lists, and no script downloads anything', () => {
    assert.deepEqual(installed.registry.unknown, []);
    assert.ok(installed.registry.fetched.some((name) => name.startsWith('onnxruntime-web@')));
    const { dependencies, ...rest } = JSON.parse(
      fs.readFileSync(path.join(folder, 'package.json'), 'utf8'),
    ) as { readonly dependencies: Readonly<Record<string, string>> };
    assert.deepEqual([Object.keys(dependencies), rest], [['tunebook'], {}]);
    const runtime = path.join(folder, 'node_modules', 'onnxruntime-node', 'bin', 'napi-v6', 'linux', 'x64');
    const cuda = fs.readdirSync(runtime).filter((name) => name.includes('_providers_'));
    if (process.platform === 'linux' && process.arch === 'x64')
      assert.deepEqual(
        cuda.map((name) => fs.statSync(path.join(runtime, name)).size),
        [0, 0, 0],
      );
  });

  // The checkout's .npmrc keeps `npm pack` from building first.
  it('refuses to be installed where it was packed before it was built', () => {
    const bare = path.join(folder, 'bare');
    fs.mkdirSync(bare);
    for (const name of ['package.json', '.npmrc', 'README.md'])
      fs.copyFileSync(path.join(ROOT, name), path.join(bare, name));
    const call = (command: string, args: readonly string[], cwd = bare): SpawnSyncReturns<string> =>
      spawnSync(command, args, { cwd, encoding: 'utf8' });
    const tarball = call('npm', ['pack']).stdout.trim();
    call('tar', ['-xf', tarball]);
    const packed = path.join(bare, 'package');
    const { status, stderr } = call('npm', ['run', 'preinstall'], packed);
    assert.match(stderr, /tunebook: this package was packed before it was built. Make it by: npm run pack/);
    assert.equal(status, 1);
    fs.writeFileSync(path.join(packed, 'tsconfig.json'), '{}');
    assert.equal(
      call('npm', ['run', 'preinstall'], packed).status,
      0,
      'a checkout is built after its install',
    );
  });

  it('contains the library, data, notebooks, README with the pages it links to, licence and change log, and nothing else', () => {
    const allowed = [
      /^\.build\/lib\/.*\.(js|d\.ts|json)$/,
      /^data\/coaching\/[\w-]+\.(json|jsonl|md)$/,
      /^data\/(fonts|models|tokenizers)\/.*(?<!\.ts)$/,
      /^data\/serve\/page\.(css|js)$|^data\/serve\/index\.html$/,
      /^data\/hyrox\/[\w-]+\.(csv|jsonl)$/,
      /^notebooks\/([\w-]+\.ipynb|images\/[\w-]+\.png)$/,
      /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
      /^(lib\/\w+|data)\/README\.md$|^data\/triathlon\/mapping\.json$/,
    ];
    const { files } = installed;
    assert.deepEqual(
      files.filter((file) => !allowed.some((pattern) => pattern.test(file))),
      [],
    );
    assert.ok(files.includes('notebooks/01-gpt2-finetuning.ipynb'));
    assert.ok(files.includes('data/models/gpt2-mini/model.safetensors'));
    for (const page of files.filter((file) => /(^|\/)README\.md$/.test(file))) {
      const links = [
        ...fs.readFileSync(path.join(ROOT, page), 'utf8').matchAll(/\]\((?!https?:)([^)#\s]+)/g),
      ];
      const targets = links.map(([, link]) => path.posix.join(path.posix.dirname(page), link));
      assert.deepEqual(
        targets.filter((target) => !files.includes(target)),
        [],
        `dead links of ${page}`,
      );
    }
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
      assert.deepEqual(typeErrors(folder, way), []);
    });

  it('finds its notebooks from anywhere', () => {
    const args = [command(), 'run', 'notebooks/01-gpt2-finetuning.ipynb', '--list-params'];
    assert.match(execFileSync(process.execPath, args, { cwd: folder, encoding: 'utf8' }), /maxSteps/);
  });

  it('init makes a folder to work in', () => {
    execFileSync(process.execPath, [command(), 'init', 'mine', '--no-install'], { cwd: folder });
    const written = JSON.parse(fs.readFileSync(path.join(folder, 'mine', 'package.json'), 'utf8')) as {
      readonly dependencies: object;
      readonly overrides: object;
    };
    assert.deepEqual(Object.keys(written.dependencies).sort(), ['danfojs-node', 'tunebook']);
    assert.deepEqual(Object.keys(written.overrides), ['danfojs-node']);
    assert.ok(fs.existsSync(path.join(folder, 'mine', 'notebooks', '02-mistral-lora.ipynb')));
  });

  it('has its rooms in cells, with their types', async () => {
    const source = `import { instructionTemplate } from 'tunebook/dataset';
import { PROVIDERS } from 'tunebook/engine';
import { parseTime } from 'tunebook/hyrox';
import { StandardScaler } from 'tunebook/retrieval';

function wrong(): void {
  // @ts-expect-error: a number
  instructionTemplate({ system: 3 });
  // @ts-expect-error: a list
  const providers: number = PROVIDERS;
  // @ts-expect-error: a number
  parseTime(3);
  // @ts-expect-error: rows
  new StandardScaler().transform('rows');
}
const [row] = new StandardScaler().fit([[1, 10], [3, 30]]).transform([[2, 40]]);
const prompt = instructionTemplate({ system: 'You.' }).formatPrompt({ input: 'Hello?', response: '' });
console.log(prompt.includes('Hello?'), PROVIDERS.includes('cpu'), parseTime('0:01:30')?.seconds, row);`;
    assert.equal(cell(source), 'true true 90 Float64Array(2) [ 0, 2 ]\n');
    assert.match(
      cell(source.replace('parseTime(3)', "parseTime('3')")),
      /Unused '@ts-expect-error' directive/,
    );
    // The first run has set off what later ones start from.
    const images = path.join(folder, 'node_modules', 'tunebook', '.build', 'kernel-image');
    const names = (): string[] => fs.readdirSync(images);
    for (let i = 0; i < 1200 && (names().includes('making') || names().length === 0); i++) await sleep(100);
    assert.match(names().join(), /^project-[0-9a-f]{16}\.blob$/);
    assert.ok(fs.statSync(path.join(images, names()[0])).size > 1e6);
  });
});
