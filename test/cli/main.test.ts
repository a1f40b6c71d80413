/** The command itself: its version, and how it takes a misspelt name. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { CLI, ROOT } from '../support/paths';

describe('the command', () => {
  const call = (...words: string[]): { status: number | null; out: string; error: string } => {
    const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words], { encoding: 'utf8' });
    return { status, out: stdout, error: stderr };
  };

  const { version } = JSON.parse(fs.readFileSync(path.join(ROOT, 'package.json'), 'utf8')) as {
    version: string;
  };
  for (const option of ['--version', '-V'])
    it(`${option} prints the package's version`, () => {
      assert.deepEqual(call(option), { status: 0, out: `${version}\n`, error: '' });
    });

  it('a misspelt command is a wrong call, and the one that was meant is proposed', () => {
    const { status, error } = call('expotr');
    assert.equal(status, 2);
    assert.match(error, /unknown command 'expotr'\n\(Did you mean export\?\)/);
  });
});
