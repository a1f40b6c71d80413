/** Training with real ranks: two processes under each launcher are one process with twice the accumulation. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { assertSameRun, rankRun, ranksRun } from '../trainer/ranks/runs';
import type { RankRun } from '../trainer/ranks/runs';
import { FAMILIES, runRanks, skipWithout } from './mpi';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-mpi-training-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
const folder = (name: string): string => path.join(temporary, name);
const OPTIONS = { maxSteps: 4, saveStrategy: 'steps', saveSteps: 4 } as const;

interface RankLine {
  readonly losses: number[];
  readonly hash: string;
  readonly place: number[];
  readonly stopped: string;
  readonly step: number;
}

/** One process, and two fake ranks, which sum in the same order as two real ones. */
let expected: { one: RankRun; fake: RankRun } | undefined;
async function reference(): Promise<{ one: RankRun; fake: RankRun }> {
  expected ??= {
    one: await rankRun({ options: { ...OPTIONS, outputDir: folder('one'), gradientAccumulationSteps: 2 } }),
    fake: (await ranksRun(2, { options: { ...OPTIONS, outputDir: folder('fake') } }))[0],
  };
  return expected;
}

for (const family of FAMILIES)
  test(
    `${family}: two ranks train as one, to the byte as two fake ranks`,
    { skip: skipWithout(family) },
    async () => {
      const { one, fake } = await reference();
      assertSameRun(one, [fake]);
      const options = { ...OPTIONS, outputDir: folder(family) };
      const end = await runRanks({ family, program: 'training-rank', args: [JSON.stringify({ options })] });
      assert.equal(end.code, 0, end.output);
      const lines = end.output
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as RankLine)
        .sort((a, b) => a.place[0] - b.place[0]);
      const hash = createHash('sha256').update(new Uint8Array(fake.weights.buffer)).digest('hex');
      assert.deepEqual(
        lines,
        [0, 1].map((rank) => ({
          losses: fake.losses,
          hash,
          place: [rank, rank, 2],
          stopped: 'finished',
          step: 4,
        })),
      );
      assert.deepEqual(fs.readdirSync(folder(family)).sort(), ['checkpoint-4', 'trainer_state.json']);
    },
  );
