/**
 * The architecture, held by its imports: rooms depend one way and enter each other by the door, files stay
 * small, and the top level of the project stays as it is meant to be.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from './support/paths';
const lib = path.join(ROOT, 'lib');

/** What each room may import; lib/types.ts is open to all. */
const ALLOWED: Record<string, readonly string[]> = {
  files: [],
  engine: [],
  quantization: [],
  tokenizer: ['files'],
  dataset: ['files', 'tokenizer'],
  models: ['files', 'engine', 'quantization'],
  trainer: ['files', 'models', 'engine', 'dataset'],
  generation: ['files', 'models', 'engine', 'tokenizer'],
  eval: ['files', 'generation', 'dataset'],
  notebook: [
    'files',
    'engine',
    'quantization',
    'tokenizer',
    'dataset',
    'models',
    'trainer',
    'generation',
    'eval',
  ],
};

const sources = fs
  .readdirSync(lib, { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map((name) => name.split(path.sep).join('/'));

function importsOf(file: string): string[] {
  const text = fs.readFileSync(path.join(lib, file), 'utf8');
  return [...text.matchAll(/(?:from|import\(?|require\()\s*'(\.[^']*)'/g)].map(([, target]) =>
    path.posix.normalize(path.posix.join(path.posix.dirname(file), target)).replace(/\.js$/, ''),
  );
}

test('rooms depend one way, and enter each other by the door', () => {
  const wrong: string[] = [];
  for (const file of sources) {
    const room = file.includes('/') ? file.split('/')[0] : '';
    if (room === '') continue; // index.ts and cli.ts see everything
    assert.ok(ALLOWED[room] !== undefined, `lib/${room} is not a room of the design`);
    for (const target of importsOf(file)) {
      const other = target.split('/')[0];
      if (other === room || target === 'types') continue;
      if (!ALLOWED[room].includes(other)) wrong.push(`${file} imports ${target}`);
      else if (!/^\w+(\/index)?$/.test(target) && target !== 'dataset/hyrox')
        wrong.push(`${file} passes the door of ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('no file is long, none is called utils', () => {
  const long = sources.filter(
    (file) => fs.readFileSync(path.join(lib, file), 'utf8').split('\n').length > 401,
  );
  assert.deepEqual(long, []);
  assert.deepEqual(
    sources.filter((file) => /utils?\.ts$/.test(file)),
    [],
  );
});

test('the top level holds what it is meant to hold', () => {
  const tracked = execFileSync('git', ['ls-files'], { cwd: ROOT, encoding: 'utf8', maxBuffer: 1 << 26 });
  const top = new Set(
    tracked
      .split('\n')
      .filter(Boolean)
      .map((file) => file.split('/')[0]),
  );
  const allowed = [
    'package.json',
    'package-lock.json',
    'tsconfig.json',
    'notebooks',
    'lib',
    'data',
    'outputs',
    'test',
    'README.md',
    'LICENSE',
    'CHANGELOG.md',
  ];
  assert.deepEqual(
    [...top].filter((name) => !name.startsWith('.') && !allowed.includes(name)),
    [],
  );
});
