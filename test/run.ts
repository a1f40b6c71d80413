/**
 * Runs every test file of `test/` (or those whose path contains an argument) on node's test runner.
 * A program, not a shell glob: it works on each system and with each Node from 20.19, and a compiled
 * test whose source is gone is not run.
 */
import fs from 'node:fs';
import path from 'node:path';
import { spawnSync } from 'node:child_process';

const root = path.resolve(__dirname, '..', '..');
const wanted = process.argv.slice(2);
const files = fs
  .readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort()
  .map((name) => path.join(root, '.build', 'test', name.replace(/\.ts$/, '.js')));

if (files.length === 0) {
  console.error(`test/run: no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}
const result = spawnSync(
  process.execPath,
  ['--test', '--test-concurrency=2', '--test-reporter=spec', ...files],
  // Two files run at a time, so one thread each: more would wait for each other. What the tests compare is the
  // processor's; those of WebGPU start it themselves.
  { cwd: root, stdio: 'inherit', env: { TUNEBOOK_THREADS: '1', TUNEBOOK_PROVIDER: 'cpu', ...process.env } },
);
process.exit(result.status ?? 1);
