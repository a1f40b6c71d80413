/**
 * Runs every test file of `test/` (or those whose path contains an argument) on node's test runner, and says at the
 * end which files cost most. A program, not a shell glob: it works on each system and with each Node from 20.19, and a
 * compiled test whose source is gone is not run.
 */
import type { ChildProcess } from 'node:child_process';
import { subscribe } from 'node:diagnostics_channel';
import fs from 'node:fs';
import path from 'node:path';
import { run } from 'node:test';
import { spec } from 'node:test/reporters';

/** Files at a time: one more than CI has processors, as tests of kernels wait for half of their time. */
const AT_A_TIME = 3;
/** Started first, so that none of them runs alone at the end. */
const LONG = [
  'package/package',
  'notebooks/',
  'trainer/device',
  'classic-jupyter',
  'docs/examples',
  'cli/run',
];
const SHOWN = 15;

const root = path.resolve(__dirname, '..', '..');
const wanted = process.argv.slice(2);
const isLong = (name: string): boolean => LONG.some((part) => name.includes(part));
const names = fs
  .readdirSync(path.join(root, 'test'), { recursive: true, encoding: 'utf8' })
  .filter((name) => name.endsWith('.test.ts'))
  .filter((name) => wanted.length === 0 || wanted.some((part) => name.includes(part)))
  .sort((a, b) => Number(isLong(b)) - Number(isLong(a)) || (a < b ? -1 : 1));

/** Two lists as one in which each keeps its order and is spread evenly. */
function interleave<T>(...lists: readonly (readonly T[])[]): T[] {
  const placed = lists.flatMap((list) => list.map((one, i) => ({ one, at: (i + 0.5) / list.length })));
  return placed.sort((a, b) => a.at - b.at).map(({ one }) => one);
}
const ofKernels = (name: string): boolean => name.startsWith(`notebook${path.sep}`);
const files = interleave(
  names.filter((name) => !ofKernels(name)),
  names.filter(ofKernels),
).map((name) => path.join(root, '.build', 'test', name.replace(/\.ts$/, '.js')));

if (files.length === 0) {
  console.error(`test/run: no test file matches ${wanted.join(' ')}`);
  process.exit(1);
}

/** Processor seconds of the processes that have ended, theirs included; 0 where the system does not say. */
function cpuSecondsOfEnded(): number {
  if (process.platform !== 'linux') return 0;
  const fields = fs
    .readFileSync('/proc/self/stat', 'utf8')
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[13]) + Number(fields[14])) / 100;
}

const times: { readonly file: string; readonly seconds: number; readonly cpuSeconds: number }[] = [];
let counted = 0;
subscribe('child_process', (message) => {
  const { process: child } = message as { readonly process: ChildProcess };
  const start = performance.now();
  child.once('exit', () => {
    const [before, now] = [counted, cpuSecondsOfEnded()];
    counted = now;
    const file = path.relative(path.join(root, '.build', 'test'), child.spawnargs.at(-1) ?? '');
    times.push({ file, seconds: (performance.now() - start) / 1000, cpuSeconds: now - before });
  });
});

process.on('exit', () => {
  if (files.length === 1) return;
  const sum = (of: (one: (typeof times)[number]) => number): number =>
    times.reduce((all, one) => all + of(one), 0);
  const row = (cpuSeconds: number, seconds: number, name: string): string =>
    `${cpuSeconds.toFixed(0).padStart(6)} ${seconds.toFixed(0).padStart(6)}  ${name}`;
  const slowest = times.sort((a, b) => b.cpuSeconds - a.cpuSeconds || b.seconds - a.seconds).slice(0, SHOWN);
  console.log('\ncpu s  wall s  the files that cost most');
  for (const { file, seconds, cpuSeconds } of slowest) console.log(row(cpuSeconds, seconds, file));
  console.log(
    row(
      sum((one) => one.cpuSeconds),
      sum((one) => one.seconds),
      `all ${times.length} files`,
    ),
  );
});

// Files run side by side, so one thread each: more would wait for each other. What the tests compare is the processor's;
// those of WebGPU start it themselves.
process.env.TUNEBOOK_THREADS ??= '1';
process.env.TUNEBOOK_PROVIDER ??= 'cpu';
process.chdir(root);
const report = run({ files, concurrency: AT_A_TIME });
report.on('test:fail', () => (process.exitCode = 1));
report.compose(new spec()).pipe(process.stdout);
