/** A sweep as files: what a task reads, and what is left of an earlier attempt when a point is submitted again. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import {
  clearStatus,
  pointStates,
  readSweepFile,
  writeSweepFile,
  writeStatus,
} from '../../../lib/notebook/sweeps/sweep-file';
import { Workplace } from '../../support/make-notebook';

const workplace = new Workplace();
after(() => workplace.remove());

for (const fresh of [true, false])
  test(`a point that is submitted ${fresh ? 'anew' : 'to go on'} has no earlier end, the others keep theirs`, () => {
    const notebook = workplace.write('run.ipynb', ['@parameters\nconst rate: number = 1;']);
    const folder = workplace.file(`sweep-${fresh}`);
    const sweepFile = writeSweepFile({ notebook, folder, grid: { rate: ['1', '2'] }, limits: {} });
    assert.deepEqual(readSweepFile(folder), sweepFile);
    const executed = sweepFile.points.map(({ name }) => path.join(folder, name, path.basename(notebook)));
    for (const [i, { name, parameters }] of sweepFile.points.entries()) {
      fs.mkdirSync(path.join(folder, name), { recursive: true });
      fs.writeFileSync(executed[i], '{}');
      writeStatus(folder, {
        name,
        parameters,
        status: 'error',
        durationMs: 5,
        metrics: {},
        message: 'it broke',
      });
    }
    const ended = (): string[] => pointStates(folder, sweepFile).map(({ status }) => status);
    assert.deepEqual(ended(), ['error', 'error']);
    clearStatus(folder, sweepFile, [1], { fresh });
    assert.deepEqual(ended(), ['error', 'missing']);
    assert.deepEqual(executed.map(fs.existsSync), [true, !fresh]);
  });
