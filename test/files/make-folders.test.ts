/** Folders are made or refused, and never waited for: below Linux's /proc node's own recursive call has no end. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { makeFolders, makeFoldersSync } from '../../lib/files';
import { CLI, ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const NOT_LINUX = process.platform === 'linux' ? false : 'only Linux has such a /proc';
const FILES = path.join(ROOT, '.build', 'lib', 'files');

for (const [name, make] of Object.entries({ makeFolders, makeFoldersSync }))
  test(`${name} makes those above, keeps what is there, and names a file in the way`, async (t) => {
    const folder = await temporaryFolder(t);
    const deep = path.join(folder, 'a', 'b', 'c');
    await make(deep);
    await make(deep);
    await make(`${deep}${path.sep}`);
    assert.ok(fs.statSync(deep).isDirectory());
    fs.writeFileSync(path.join(folder, 'file'), '');
    const inTheWay = (place: string) => async (): Promise<void> => make(path.join(folder, place));
    await assert.rejects(inTheWay('file'), { code: 'EEXIST' });
    await assert.rejects(inTheWay('file/x'), { code: 'ENOTDIR' });
    fs.symlinkSync(path.join(folder, 'nowhere', 'at', 'all'), path.join(folder, 'link'));
    await assert.rejects(inTheWay('link/x'), { code: /ENOENT|ENOTDIR|EEXIST/ });
  });

/** A call that does not end would hold this process: it gets its own, and half a minute. */
function ended(args: readonly string[]): { status: number | null; told: string } {
  const { status, stderr, stdout } = spawnSync(process.execPath, args, { timeout: 30_000, encoding: 'utf8' });
  return { status, told: stdout + stderr };
}

test('a folder below /proc is refused', { skip: NOT_LINUX }, () => {
  for (const name of ['makeFolders', 'makeFoldersSync']) {
    const script = `(async () => require(${JSON.stringify(FILES)}).${name}('/proc/nope/x'))().catch((e) => console.log(e.code))`;
    assert.deepEqual(ended(['-e', script]), { status: 0, told: 'ENOENT\n' }, name);
  }
});

test('every command that writes refuses a place below /proc in words', { skip: NOT_LINUX }, () => {
  const table = path.join(ROOT, 'data', 'hyrox', 'hyrox-sample.csv');
  const notebook = path.join(ROOT, 'notebooks', '00-hyrox-analysis.ipynb');
  for (const args of [
    ['export', 'gpt2-mini', '--to', 'gguf', '-o', '/proc/nope/x/model.gguf'],
    ['export', 'gpt2-mini', '--to', 'web', '-o', '/proc/nope/x'],
    ['dataset', 'build', table, '-o', '/proc/nope/x.jsonl'],
    ['run', notebook, '-o', '/proc/nope/x/run.ipynb'],
    ['init', '/proc/nope/x', '--no-install'],
    ['sweep', notebook, '--write-dockerfile', '-o', '/proc/nope/x'],
  ]) {
    const { status, told } = ended([CLI, ...args]);
    assert.ok(status === 1 || status === 2, `${args.join(' ')}: ended with ${status}\n${told}`);
    assert.match(told, /\/proc\/nope/, args.join(' '));
    assert.doesNotMatch(told, /\n {4}at /, args.join(' '));
  }
});
