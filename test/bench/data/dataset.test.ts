/** The benchmark itself, on a small table: it measures a real build and cleans up. */
import { it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import { benchDataset } from './dataset';

it('benchDataset measures a build in a process of its own', async () => {
  const left = (): string[] =>
    fs.readdirSync(os.tmpdir()).filter((name) => name.startsWith('tunebook-bench-'));
  const before = left();
  const bench = await benchDataset(3000);
  assert.ok(bench.records > 2900 && bench.records <= 3001, `${bench.records} records`);
  assert.ok(bench.seconds > 0 && bench.seconds < 60, `${bench.seconds} s`);
  assert.ok(bench.peakBytes > 30e6 && bench.peakBytes < 2e9, `${bench.peakBytes} bytes`);
  assert.ok(bench.jsonlBytes > bench.csvBytes);
  assert.equal(bench.reached, true);
  assert.deepEqual(left(), before);
});
