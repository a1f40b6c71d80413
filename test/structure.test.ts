/**
 * The architecture, held by its imports: rooms and their sub-rooms depend one way, rooms are entered by a door, nothing
 * imports in a circle, folders and files stay small, and the top level of the project stays as it is meant to be.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { ROOT } from './support/paths';

/** What the files at the root of `lib` may be imported by: everything. Themselves they import only each other. */
const SHARED = ['types', 'tensor', 'environment', 'schema', 'options'];

/** Each room, lowest first: the rooms that it may import, and its sub-rooms, lowest first. */
const ROOMS: Record<string, { imports: readonly string[]; floors?: readonly string[] }> = {
  files: { imports: [] },
  random: { imports: [] },
  display: { imports: ['files'], floors: ['output', 'figures'] },
  engine: { imports: [], floors: ['graph', 'kernels', 'contract', 'ops', 'eager', 'compiled'] },
  quantization: { imports: [] },
  checkpoint: { imports: ['files'] },
  hub: { imports: ['files', 'checkpoint'] },
  tokenizer: { imports: ['files', 'hub'], floors: ['tables', 'transformers-js', 'python', 'jinja'] },
  prompts: { imports: ['files', 'tokenizer'], floors: ['conversations'] },
  models: {
    imports: ['files', 'random', 'engine', 'quantization', 'checkpoint', 'hub'],
    floors: ['families/parts', 'families', 'weights', 'lora', 'run', 'train'],
  },
  generation: {
    imports: ['random', 'engine', 'quantization', 'tokenizer', 'models'],
    floors: ['passes', 'decoders'],
  },
  pretrained: {
    imports: [
      'files',
      'random',
      'engine',
      'quantization',
      'checkpoint',
      'hub',
      'tokenizer',
      'prompts',
      'models',
      'generation',
    ],
    floors: ['companions', 'adapters'],
  },
  dataset: {
    imports: ['files', 'random', 'display', 'hub', 'tokenizer', 'prompts'],
    floors: ['files', 'splits', 'conversations', 'texts', 'stream'],
  },
  distributed: { imports: [] },
  trainer: {
    imports: [
      'distributed',
      'files',
      'random',
      'display',
      'engine',
      'checkpoint',
      'prompts',
      'models',
      'pretrained',
      'dataset',
    ],
    floors: [
      'optimizers',
      'parallel',
      'arguments',
      'state',
      'step',
      'checkpoints',
      'preflight',
      'reports',
      'preferences',
    ],
  },
  retrieval: {
    imports: ['files', 'engine', 'checkpoint', 'hub'],
    floors: ['numbers', 'documents', 'search', 'embeddings', 'stores'],
  },
  eval: { imports: ['files', 'random', 'display', 'generation', 'dataset'] },
  hyrox: {
    imports: ['files', 'random', 'display', 'dataset', 'retrieval', 'eval'],
    floors: ['statistics', 'tables', 'mapping', 'labels', 'metrics', 'evidence', 'feedback', 'page'],
  },
  export: {
    imports: [
      'files',
      'engine',
      'quantization',
      'checkpoint',
      'hub',
      'tokenizer',
      'prompts',
      'models',
      'generation',
      'pretrained',
      'dataset',
    ],
    floors: ['source', 'proof', 'gguf/types', 'gguf', 'onnx/graph', 'onnx', 'web'],
  },
  serve: {
    imports: ['tokenizer', 'prompts', 'models', 'generation', 'retrieval', 'hyrox'],
    floors: ['answers', 'page'],
  },
  notebook: {
    imports: ['files', 'display', 'engine', 'distributed', 'trainer'],
    floors: [
      'format',
      'page',
      'typescript',
      'parameters',
      'client',
      'compiler',
      'kernel',
      'run',
      'sweeps',
      'publish',
      'repair',
      'doctor',
    ],
  },
  cli: {
    floors: ['terminal', 'models/export', 'models', 'notebooks', 'data'],
    imports: [
      'files',
      'display',
      'engine',
      'distributed',
      'hub',
      'quantization',
      'tokenizer',
      'pretrained',
      'generation',
      'dataset',
      'retrieval',
      'hyrox',
      'export',
      'serve',
      'notebook',
    ],
  },
};

const posix = (file: string): string => file.split(path.sep).join('/');
const SOURCES = fs
  .readdirSync(path.join(ROOT, 'lib'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.ts'))
  .map(posix);
const EXISTS = new Set(SOURCES);
const TEXTS = new Map(SOURCES.map((file) => [file, fs.readFileSync(path.join(ROOT, 'lib', file), 'utf8')]));

/** The files of lib that a file imports or re-exports, types included. */
function importsOf(file: string): string[] {
  const targets = [...(TEXTS.get(file) ?? '').matchAll(/(?:\bfrom|\bimport\(|\brequire\()\s*'(\.[^']*)'/g)];
  return targets.flatMap(([, target]) => {
    const place = path.posix.join(path.posix.dirname(file), target);
    return [`${place}.ts`, path.posix.join(place, 'index.ts')].filter((name) => EXISTS.has(name)).slice(0, 1);
  });
}

const IMPORTS = new Map(SOURCES.map((file) => [file, importsOf(file)]));
const roomOf = (file: string): string => (file.includes('/') ? file.slice(0, file.indexOf('/')) : '');
const subRoomOf = (file: string): string => file.split('/').slice(1, -1).join('/');

test('rooms depend one way, and enter each other by a door', () => {
  const wrong: string[] = [];
  const order = Object.keys(ROOMS);
  for (const [room, { imports }] of Object.entries(ROOMS))
    for (const other of imports)
      if (order.indexOf(other) >= order.indexOf(room))
        wrong.push(`${room} stands below ${other}, and may import it`);
  for (const file of SOURCES) {
    const room = roomOf(file);
    if (room === '') {
      if (file !== 'index.ts' && !SHARED.includes(file.slice(0, -'.ts'.length)))
        wrong.push(`lib/${file} is in no room`);
      continue;
    }
    assert.ok(ROOMS[room] !== undefined, `lib/${room} is not a room of the design`);
    for (const target of IMPORTS.get(file) ?? []) {
      const other = roomOf(target);
      if (other === '') {
        if (target === 'index.ts') wrong.push(`${file} imports the public door`);
      } else if (other === room) {
        if (target === `${room}/index.ts`) wrong.push(`${file} imports its own room's door`);
      } else if (!ROOMS[room].imports.includes(other)) wrong.push(`${file} imports ${target}`);
      else if (!target.endsWith('/index.ts')) wrong.push(`${file} passes the door of ${target}`);
    }
  }
  assert.deepEqual(wrong, []);
});

test('sub-rooms depend one way, and never on the files above them', () => {
  const wrong: string[] = [];
  for (const [room, { floors = [] }] of Object.entries(ROOMS)) {
    const files = SOURCES.filter((file) => roomOf(file) === room);
    const found = new Set(files.map(subRoomOf).filter(Boolean));
    assert.deepEqual([...found].sort(), [...floors].sort(), `sub-rooms of lib/${room}`);
    const floorOf = (file: string): number => floors.indexOf(subRoomOf(file)); // files at the room's root: -1, on top
    for (const file of files)
      for (const target of (IMPORTS.get(file) ?? []).filter((other) => roomOf(other) === room)) {
        const [from, to] = [floorOf(file), floorOf(target)];
        if (from >= 0 && (to < 0 || to > from)) wrong.push(`${file} imports ${target}`);
      }
  }
  assert.deepEqual(wrong, []);
});

test('nothing imports in a circle, types included', () => {
  const circles: string[] = [];
  const state = new Map<string, 'open' | 'done'>();
  const visit = (file: string, trail: readonly string[]): void => {
    if (state.get(file) === 'done') return;
    if (state.get(file) === 'open') {
      circles.push([...trail.slice(trail.indexOf(file)), file].join(' -> '));
      return;
    }
    state.set(file, 'open');
    for (const target of IMPORTS.get(file) ?? []) visit(target, [...trail, file]);
    state.set(file, 'done');
  };
  for (const file of SOURCES) visit(file, []);
  assert.deepEqual(circles, []);
});

test('no folder is crowded, no file is long, none is called utils', () => {
  const folders = new Map<string, number>();
  for (const file of SOURCES)
    folders.set(path.posix.dirname(file), (folders.get(path.posix.dirname(file)) ?? 0) + 1);
  assert.deepEqual(
    [...folders].filter(([, count]) => count > 16), // fifteen and a door
    [],
  );
  assert.deepEqual(
    SOURCES.filter((file) => (TEXTS.get(file) ?? '').split('\n').length > 401),
    [],
  );
  assert.deepEqual(
    SOURCES.filter((file) => /utils?\.ts$/.test(file)),
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
