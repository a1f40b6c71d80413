/**
 * One rank of the tests of the process group: what argv names, and a line of JSON or a death at the end.
 */
import { spawn } from 'node:child_process';
import os from 'node:os';
import {
  allReduce,
  barrier,
  broadcast,
  destroyProcessGroup,
  getRank,
  getWorldSize,
  initProcessGroup,
  isInitialized,
  launchedProcessGroup,
  launcherDescriptor,
} from '../../lib/distributed';

const LARGE = 2_500_000; // three pieces

async function collectives(): Promise<void> {
  const before = [getRank(), getWorldSize(), isInitialized()];
  const group = initProcessGroup();
  const rank = getRank();
  const small = Float64Array.of(rank + 1, 10 * (rank + 1));
  await allReduce(small);
  const least = Int32Array.of(5 - rank);
  await allReduce(least, { op: 'min' });
  const most = Uint8Array.of(rank);
  await allReduce(most, { op: 'max' });
  const large = new Float32Array(LARGE).fill(rank + 0.5);
  // Not awaited one by one: they run one after the other all the same.
  const word = Buffer.from(rank === 1 ? 'from one' : '--------');
  await Promise.all([allReduce(large), broadcast(word, { root: 1 }), barrier()]);
  const edges = [large[0], large[(1 << 20) - 1], large[1 << 20], large[LARGE - 1]];
  const { library, localRank } = group;
  await destroyProcessGroup();
  const after = await allReduce(small).catch((error: Error) => error.message);
  const sums = [...small, ...least, ...most, ...edges];
  const cores = os.availableParallelism();
  console.log(
    JSON.stringify({ before, rank, localRank, library, sums, word: word.toString(), after, cores }),
  );
}

/** Small arrays, which V8 moves, while it collects garbage. */
async function garbage(): Promise<void> {
  initProcessGroup();
  let [wrong, kept]: [number, number[][]] = [0, []];
  for (let round = 0; round < 100; round++) {
    const values = Float64Array.of(round, getRank(), 1);
    // One rank is in MPI while it collects; the other comes last, by turns.
    const isLate = getRank() === round % 2;
    if (isLate) await new Promise((resolve) => setTimeout(resolve, 5));
    const sum = allReduce(values);
    await new Promise(setImmediate); // MPI has begun
    if (!isLate) for (let i = 0; i < 60; i++) kept = Array.from({ length: 2000 }, (_, j) => [j, round]);
    await sum;
    if (values[0] !== 2 * round || values[1] !== 1 || values[2] !== 2) wrong++;
  }
  await destroyProcessGroup();
  console.log(JSON.stringify({ rank: getRank(), wrong, kept: kept.length }));
}

/** Rank 1 ends in a given way while the other reduces. */
async function death(how: string): Promise<void> {
  const group =
    how === 'leave'
      ? launchedProcessGroup({ timeoutMs: 60_000 })
      : initProcessGroup({ timeoutMs: how === 'hang' ? 1500 : 60_000 });
  const values = new Float32Array(1e5).fill(1);
  for (let step = 0; step < 4; step++) {
    if (step === 2 && getRank() === 1) {
      if (how.startsWith('exit')) process.exit(Number(how.slice('exit'.length)));
      if (how === 'throw') throw new Error('this rank fell');
      if (how === 'kill') process.kill(process.pid, 'SIGKILL');
      if (how === 'abort') group?.abort('this rank gave up');
      if (how === 'hang') await new Promise((resolve) => setTimeout(resolve, 60_000));
    }
    await group?.allReduce(values, { purpose: `values of step ${step}` });
  }
  console.log(`rank ${getRank()} done`);
  if (how === 'none') await destroyProcessGroup();
}

/** A child is the rank, as a notebook's kernel is under `tunebook run`. */
function grandchild(): void {
  const descriptor = launcherDescriptor();
  const stdio: (number | 'ignore' | 'inherit')[] = ['ignore', 'inherit', 'inherit'];
  while (descriptor !== undefined && stdio.length < descriptor) stdio.push('ignore');
  if (descriptor !== undefined) stdio.push(descriptor);
  const child = spawn(process.execPath, [__filename, 'collectives'], { stdio });
  child.on('exit', (code) => (process.exitCode = code ?? 1));
}

async function main(): Promise<void> {
  const [what, how = ''] = process.argv.slice(2);
  if (what === 'collectives') return collectives();
  if (what === 'garbage') return garbage();
  if (what === 'death') return death(how);
  if (what === 'grandchild') return grandchild();
  throw new Error(`unknown: ${what}`);
}

void main();
