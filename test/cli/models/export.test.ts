/** `tunebook export` as it is typed: what it writes, what it says, and what it refuses. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { ExportEntry } from '../../../lib/export/proof/report';
import { temporaryFolder } from '../../support/temporary-folder';
import { CLI } from '../../support/paths';

function tunebook(
  cwd: string,
  ...words: string[]
): { status: number | null; stdout: string; stderr: string } {
  const env = { ...process.env, TUNEBOOK_LLAMA_CPP: '' };
  return spawnSync(process.execPath, [CLI, 'export', ...words], { cwd, encoding: 'utf8', env });
}

describe('tunebook export', () => {
  it('writes a file and reads it back; without a runtime it says that answers were not compared', async (t) => {
    const folder = await temporaryFolder(t);
    const run = tunebook(folder, 'gpt2-mini', '--to', 'gguf', '-t', 'q4_k_m', '-o', 'out.gguf');
    assert.equal(run.status, 0, run.stderr);
    assert.match(
      run.stdout,
      /rows of 96, 384 values, which blocks of 256 do not divide: they are stored as Q8_0/,
    );
    assert.match(run.stdout, /Read back.*not compared: llama.cpp is not installed.*npm install/);
    const report = JSON.parse(fs.readFileSync(path.join(folder, 'export-report.json'), 'utf8')) as Record<
      string,
      ExportEntry
    >;
    const { isReadBack, agreement, isProven, type } = report['out.gguf'];
    assert.deepEqual(
      { isReadBack, agreement, isProven, type },
      {
        ...{ isReadBack: true, agreement: null, isProven: true, type: 'q4_k_m' },
      },
    );
  });

  it('refuses wrong calls, listing the choices', async (t) => {
    const folder = await temporaryFolder(t);
    const calls: [string[], RegExp][] = [
      [['gpt2-mini', '--to', 'ggml', '-o', 'x'], /expected --to gguf, .*got "ggml".*Did you mean gguf\?/],
      [['gpt2-mini', '--to', 'gguf', '-t', 'q8', '-o', 'x'], /expected --type .*q8_0.*got "q8"/],
      [['gpt2-mini', '--to', 'gguf-lora', '-o', 'x'], /expected --adapter for --to gguf-lora/],
      [['--to', 'gguf', '-o', 'x'], /expected a model or --adapter, got neither/],
      [['gpt2-mini', '--to', 'gguf'], /-o, --output/],
    ];
    for (const [words, message] of calls) {
      const run = tunebook(folder, ...words);
      assert.equal(run.status, 2, words.join(' '));
      assert.match(run.stderr, message);
    }
    assert.deepEqual(fs.readdirSync(folder), []);
  });
});
