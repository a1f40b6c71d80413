/** What two real ranks of `training-rank` must say: what two fake ones do, to the byte, and one process does, nearly. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { assertSameRun, rankRun, ranksRun } from '../trainer/ranks/runs';
import type { RankRequest, RankRun } from '../trainer/ranks/runs';

/** Three layers, of which two go out while the backward pass goes on. */
const REQUEST = {
  config: { n_layer: 3 },
  options: { maxSteps: 4, saveStrategy: 'steps', saveSteps: 4, ddpBucketCapMb: 1e-5 },
} as const;

/** The argument of `training-rank`. */
export const rankRequest = (outputDir: string): string =>
  JSON.stringify({ ...REQUEST, options: { ...REQUEST.options, outputDir } } satisfies RankRequest);

/** One process, and two fake ranks, which sum in the same order as two real ones. */
let expected: Promise<RankRun> | undefined;
async function reference(): Promise<RankRun> {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-reference-'));
  try {
    const { config, options } = REQUEST;
    const of = (name: string): string => path.join(folder, name);
    const one = await rankRun({
      config,
      options: { ...options, outputDir: of('one'), gradientAccumulationSteps: 2 },
    });
    const fake = await ranksRun(2, { config, options: { ...options, outputDir: of('fake') } });
    assertSameRun(one, fake);
    return fake[0];
  } finally {
    fs.rmSync(folder, { recursive: true, force: true });
  }
}

/**
 * @param outputDir that of the ranks, which rank 0 alone wrote to
 * @param localRanks their numbers on their machines
 */
export async function assertTrained(
  end: { code: number | null; output: string },
  outputDir: string,
  localRanks: readonly number[] = [0, 1],
): Promise<void> {
  assert.equal(end.code, 0, end.output);
  const fake = await (expected ??= reference());
  const lines = end.output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line) as { place: number[] })
    .sort((a, b) => a.place[0] - b.place[0]);
  const hash = createHash('sha256').update(new Uint8Array(fake.weights.buffer)).digest('hex');
  const { losses } = fake;
  assert.deepEqual(
    lines,
    [0, 1].map((rank) => ({
      losses,
      hash,
      place: [rank, localRanks[rank], 2],
      stopped: 'finished',
      step: 4,
    })),
  );
  assert.deepEqual(fs.readdirSync(outputDir).sort(), ['checkpoint-4', 'trainer_state.json']);
}
