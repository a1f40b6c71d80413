/** Memory for generation: what was planned is taken, and where there is less, there is a way out. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { describe, test } from 'node:test';

const CHILD = path.join(__dirname, 'memory-child.js');
const isBoundable = process.platform === 'linux' && spawnSync('prlimit', ['--version']).status === 0;

function child<Result>(...args: string[]): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['--expose-gc', CHILD, ...args], {
    encoding: 'utf8',
  });
  assert.equal(status, 0, stderr);
  return JSON.parse(stdout.trim().split('\n').at(-1) ?? '') as Result;
}

describe('memory for generation', { skip: isBoundable ? false : 'prlimit (Linux) bounds it' }, () => {
  for (const form of ['nf4', 'int4'])
    test(`${form}: making codes takes what was planned, at most a tenth more`, () => {
      // What the collector has not freed yet counts as well: one of three runs has to keep to the plan.
      const ratios: number[] = [];
      const fits = [1, 2, 3].some(() => {
        const { layers, plannedBytes, takenBytes } = child<Record<string, number>>('planned', form, '14');
        assert.equal(layers, 14);
        const ratio = takenBytes / plannedBytes;
        ratios.push(ratio);
        return ratio > 0.85 && ratio < 1.1;
      });
      assert.ok(fits, `${ratios.join(', ')} of the plan`);
    });

  test('codes that ONNX Runtime finds no memory for give way to exact weights, in a line', () => {
    const { exact, tokens, again, lines } = child<Record<string, unknown>>('codes', '300e6');
    assert.deepEqual(tokens, exact);
    assert.deepEqual(again, exact);
    assert.deepEqual(lines, [
      'generate: tokens are computed in float32, not by codes: the codes do not fit into the memory that is left.',
    ]);
  });

  test('a prompt that finds no memory is an error with a way out, and the model goes on', () => {
    const { errors, before, after } = child<{ errors: string[]; before: unknown; after: unknown }>(
      'prompt',
      '120e6',
    );
    assert.equal(errors.length, 2);
    for (const error of errors)
      assert.match(
        error,
        /^generate: expected memory for 1 rows of up to 1903 tokens, got none \(.+\)\. Use fewer or shorter rows/s,
      );
    assert.deepEqual(after, before);
  });
});
