/** Training with real ranks: two processes under each launcher are one process with twice the accumulation. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { FAMILIES, runRanks, skipWithout } from './mpi';
import { assertTrained, rankRequest } from './trained-ranks';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-mpi-training-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

for (const family of FAMILIES)
  test(
    `${family}: two ranks train as one, to the byte as two fake ranks`,
    { skip: skipWithout(family) },
    async () => {
      const folder = path.join(temporary, family);
      const end = await runRanks({ family, program: 'training-rank', args: [rankRequest(folder)] });
      await assertTrained(end, folder);
    },
  );
