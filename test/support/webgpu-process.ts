/** Test programs in a process of their own, with the environment that WebGPU needs. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';

export interface Ended {
  readonly code: number | string | null;
  readonly output: string;
}

/** Runs a file of tests (`node file.js ...`) and waits for its end, for so long. */
export function runTests(
  program: readonly string[],
  env: Record<string, string>,
  timeout = 240_000,
): Promise<Ended> {
  const inherited = { ...process.env };
  delete inherited.NODE_TEST_CONTEXT;
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--test-reporter=tap', ...program],
      { env: { ...inherited, ...env }, timeout },
      (error, stdout, stderr) =>
        resolve({
          code: error === null ? 0 : (error.code ?? error.signal ?? 1),
          output: `${stdout}\n${stderr}`,
        }),
    );
  });
}

/** @param count tests that have to have passed */
export function assertPassed(ended: Ended | undefined, count: number): void {
  assert.equal(ended?.code, 0, `ended with ${ended?.code}\n${ended?.output}`);
  assert.match(ended?.output ?? '', new RegExp(`^# pass ${count}$`, 'm'));
}
