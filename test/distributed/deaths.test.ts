/**
 * How a training run of two real ranks ends: whatever happens to one of them, all end, the status says so, and the last
 * checkpoint is whole. Two deaths of each family run always, the rest with TUNEBOOK_LONG_TESTS=1.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointFault, listCheckpoints } from '../../lib/trainer';
import { LONG } from '../support/long';
import { FAMILIES, launchRanks, skipWithout } from './mpi';
import type { RanksEnd } from './mpi';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-deaths-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

const PATIENCE_MS = 10_000;

/** Waits until the processes that said their number are gone. */
async function requireGone({ output }: RanksEnd): Promise<void> {
  const pids = [...output.matchAll(/^pid (\d+)/gm)].map(([, pid]) => Number(pid));
  assert.equal(pids.length, 2, output);
  const alive = (): number[] => pids.filter((pid) => fs.existsSync(`/proc/${pid}`));
  for (let ms = 0; ms < PATIENCE_MS && alive().length > 0; ms += 50)
    await new Promise((resolve) => setTimeout(resolve, 50));
  assert.deepEqual(alive(), [], output);
}

async function requireCheckpoint(folder: string, step: number | undefined): Promise<void> {
  const checkpoints = await listCheckpoints(folder);
  const last = checkpoints.at(-1);
  assert.ok(last !== undefined, 'no checkpoint');
  if (step !== undefined) assert.equal(last.step, step);
  assert.equal(await checkpointFault(path.join(folder, `checkpoint-${last.step}`)), undefined);
}

// Which rank ends before step 3, how, the status, what is said; always or long.
const DEATHS: [rank: number, how: string, status: RegExp, words: RegExp, isShort: boolean][] = [
  [1, 'kill', /^137$/, /^/, true],
  [0, 'kill', /^137$/, /^/, false],
  [1, 'throw', /^1$/, /this rank fell/, false],
  [0, 'throw', /^1$/, /this rank fell/, false],
  [1, 'exit', /^86$/, /rank 1 of 2 ended before destroyProcessGroup\(\)/, false],
  [0, 'exit', /^86$/, /rank 0 of 2 ended before destroyProcessGroup\(\)/, false],
  [
    1,
    'hang',
    /^1$/,
    /rank 0 of 2: allReduce of gradients of step 3 \(collective \d+\) has waited for the other ranks for 3 s/,
    false,
  ],
  [
    0,
    'hang',
    /^1$/,
    /rank 1 of 2: allReduce of gradients of step 3 \(collective \d+\) has waited for the other ranks for 3 s/,
    false,
  ],
];
for (const family of FAMILIES)
  for (const [rank, how, status, words, isShort] of DEATHS)
    test(
      `${family}: rank ${rank} ends by ${how}`,
      { skip: skipWithout(family) || (isShort ? false : LONG.skip) },
      async () => {
        const folder = path.join(temporary, `${family}-${rank}-${how}`);
        const end = await launchRanks({ family, program: 'death-rank', args: [folder, String(rank), how] });
        assert.match(String(end.code), status, end.output);
        assert.match(end.output, words);
        await requireGone(end);
        await requireCheckpoint(folder, 2);
      },
    );

// The signal to `tunebook launch`, its status; always or long.
const SIGNALS: [signal: NodeJS.Signals, status: number, isShort: boolean][] = [
  ['SIGTERM', 143, true],
  ['SIGINT', 130, false],
];
for (const family of FAMILIES)
  for (const [signal, status, isShort] of SIGNALS)
    test(
      `${family}: ${signal} to the launcher ends in a checkpoint of the step`,
      { skip: skipWithout(family) || (isShort ? false : LONG.skip) },
      async () => {
        const folder = path.join(temporary, `${family}-${signal}`);
        let sent = false;
        const end = await launchRanks({
          family,
          program: 'death-rank',
          args: [folder, '-1', 'signal'],
          onOutput: (text, launcher) => {
            if (!sent && /step [3-9]\//.test(text)) sent = launcher.kill(signal);
          },
        });
        assert.equal(end.code, status, end.output);
        // Both ranks stopped in the same step, and that is the one that was saved.
        const stops = [...end.output.matchAll(/rank (\d): interrupted after (\d+)/g)];
        assert.deepEqual(stops.map(([, rank]) => rank).sort(), ['0', '1'], end.output);
        assert.equal(stops[0][2], stops[1][2]);
        await requireGone(end);
        await requireCheckpoint(folder, Number(stops[0][2]));
      },
    );

for (const family of FAMILIES)
  test(
    `${family}: a launcher that is killed takes the ranks along, which leave a checkpoint`,
    { skip: skipWithout(family) || LONG.skip },
    async () => {
      const folder = path.join(temporary, `${family}-orphans`);
      let sent = false;
      const end = await launchRanks({
        ...{ family, program: 'death-rank', args: [folder, '-1', 'signal'] },
        onOutput: (text, launcher) => {
          if (!sent && /step [3-9]\//.test(text)) sent = launcher.kill('SIGKILL');
        },
      });
      // The output ends when the last rank does.
      assert.equal(end.signal, 'SIGKILL', end.output);
      const stops = [...end.output.matchAll(/rank (\d): interrupted after (\d+)/g)];
      assert.equal(stops.length, 2, end.output);
      await requireGone(end);
      await requireCheckpoint(folder, Number(stops[0][2]));
    },
  );

/** A disk of two MiB, where this process may mount one. */
function smallDisk(folder: string): (() => void) | undefined {
  fs.mkdirSync(folder);
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', folder], { stdio: 'pipe' });
  } catch {
    return undefined;
  }
  return () => void execFileSync('umount', [folder], { stdio: 'pipe' });
}

for (const family of FAMILIES)
  test(`${family}: a disk that is full on rank 0`, { skip: skipWithout(family) || LONG.skip }, async (t) => {
    const folder = path.join(temporary, `${family}-disk`);
    const unmount = smallDisk(folder);
    if (unmount === undefined) return t.skip('needs the right to mount');
    try {
      const end = await launchRanks({ family, program: 'death-rank', args: [folder, '0', 'fill'] });
      assert.equal(end.code, 1, end.output);
      assert.match(end.output, /checkpoint-3 could not be written/);
      assert.match(end.output, /rank 0 of 2 failed \(checkpoint-3\)/);
      await requireGone(end);
      await requireCheckpoint(folder, 2);
    } finally {
      unmount();
    }
  });

for (const family of FAMILIES)
  test(`${family}: a host that cannot be reached`, { skip: skipWithout(family) || LONG.skip }, async () => {
    const file = path.join(temporary, `${family}-hosts`);
    fs.writeFileSync(file, 'no-such-host.invalid\n');
    const args = [path.join(temporary, 'unused'), '-1', 'none'];
    const end = await launchRanks({ family, program: 'death-rank', args, flags: ['--hostfile', file] });
    assert.equal(end.code, 1, end.output);
    assert.match(end.output, /expected all hosts to answer ssh.*no-such-host\.invalid/);
    assert.doesNotMatch(end.output, /^pid/m);
  });
