/** The progress of `tunebook export`: a line every five seconds with the time left, and one at the end. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { exportProgress } from '../../../lib/cli/models/export/progress';

test('prints a line every five seconds with the time left', () => {
  let ms = 0;
  const lines: string[] = [];
  const tell = exportProgress(
    (line) => lines.push(line),
    () => ms,
  );
  for (let done = 1; done <= 10; done++) {
    ms += 2000;
    tell(done, 10, `tensor ${done}`);
  }
  assert.deepEqual(lines, [
    '30 % written, 0:14 left: tensor 3',
    '60 % written, 0:08 left: tensor 6',
    '90 % written, 0:02 left: tensor 9',
    '100 % written: tensor 10',
  ]);
});
