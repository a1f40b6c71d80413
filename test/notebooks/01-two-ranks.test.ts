/**
 * Notebook 01 on two ranks, with few steps: the losses of one process with twice the accumulation, and one set of results.
 * With TUNEBOOK_LONG_TESTS=1.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { cellSource, readNotebook, writeNotebook } from '../../lib/notebook/format/nbformat';
import { FAMILIES, finished, launchRanks, MAIN, skipWithout } from '../distributed/mpi';
import { LONG } from '../support/long';
import { ROOT } from '../support/paths';

const NOTEBOOK = path.join(ROOT, 'notebooks', '01-gpt2-finetuning.ipynb');
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-01-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const GIVEN = {
  ...{ maxRecords: 60, maxSteps: 3, batchSize: 4, maxLength: 256, evalRecords: 2 },
  ...{ ggufType: 'null', webType: 'null', provider: 'cpu' },
};
const words = (output: string): string[] => [
  ...['-o', output, '--cwd', ROOT],
  ...Object.entries(GIVEN).flatMap(([name, value]) => ['-p', `${name}=${value}`]),
];

/** The notebook whose trainer accumulates two batches. */
function accumulating(): string {
  const notebook = readNotebook(NOTEBOOK);
  const before = 'perDeviceTrainBatchSize: batchSize,';
  const cell = notebook.cells.find((one) => cellSource(one).includes(before));
  assert.ok(cell !== undefined);
  cell.source = cellSource(cell).replace(before, `${before} gradientAccumulationSteps: 2,`);
  const file = path.join(folder, 'accumulating.ipynb');
  writeNotebook(file, notebook);
  return file;
}

interface LogEntry {
  readonly step: number;
  readonly loss?: number;
  readonly eval_loss?: number;
}

function losses(name: string): [number, number][] {
  const text = fs.readFileSync(path.join(folder, name, 'trainer_state.json'), 'utf8');
  const { log_history: history } = JSON.parse(text) as { log_history: LogEntry[] };
  return history.flatMap(({ step, loss, eval_loss: evalLoss }): [number, number][] => {
    const value = loss ?? evalLoss;
    return value === undefined ? [] : [[step, value]];
  });
}

let one: Promise<[number, number][]> | undefined;
const reference = (): Promise<[number, number][]> =>
  (one ??= (async () => {
    const args = [MAIN, 'run', accumulating(), ...words(path.join(folder, 'one', 'out.ipynb'))];
    const end = await finished(process.execPath, args, {});
    assert.equal(end.code, 0, end.output);
    return losses('one');
  })());

for (const family of FAMILIES)
  test(
    `${family}: notebook 01 on two ranks has the losses of one with twice the accumulation`,
    { skip: skipWithout(family) || LONG.skip },
    async () => {
      const command = ['run', NOTEBOOK, ...words(path.join(folder, family, 'out.ipynb'))];
      const end = await launchRanks({ family, program: '', command });
      assert.equal(end.code, 0, end.output);
      const [expected, found] = [await reference(), losses(family)];
      // Three steps, and an evaluation after each.
      assert.equal(expected.length, 6);
      assert.deepEqual(
        found.map(([step]) => step),
        expected.map(([step]) => step),
      );
      for (const [i, [step, loss]] of found.entries())
        assert.ok(Math.abs(loss / expected[i][1] - 1) < 1e-6, `step ${step}: ${loss}, ${expected[i][1]}`);
      const { metadata } = readNotebook(path.join(folder, family, 'out.ipynb'));
      assert.equal((metadata.tunebook as { status: string }).status, 'ok');
      assert.ok(fs.existsSync(path.join(folder, family, 'out.rank1.log')));
      assert.ok(fs.existsSync(path.join(folder, family, 'metrics.json')));
    },
  );
