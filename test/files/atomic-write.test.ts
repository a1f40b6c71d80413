/** Files that appear whole or not at all. The full disk is tried in test/models, on real checkpoints. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { makeFolder, makeFolderSync, writeFileAtomic } from '../../lib/files';
import { isError } from '../support/refusals';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-files-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

describe('writeFileAtomic', () => {
  it('makes folders, replaces what was there, and leaves nothing beside it', async () => {
    const file = path.join(scratch, 'a', 'b', 'c.txt');
    await writeFileAtomic(file, 'one');
    await writeFileAtomic(file, Buffer.from('two'));
    assert.equal(fs.readFileSync(file, 'utf8'), 'two');
    assert.deepEqual(fs.readdirSync(path.dirname(file)), ['c.txt']);
  });

  it('says what failed, and keeps what was there', async () => {
    const folder = path.join(scratch, 'taken');
    fs.mkdirSync(path.join(folder, 'inner'), { recursive: true });
    for (const path of [folder, `${folder}/`, `${scratch}/new/`]) {
      let isAsked = false;
      const write = writeFileAtomic(path, async () => void (isAsked = true));
      await assert.rejects(write, isError(path, "the path of a file, got a folder's", 'Nothing was written'));
      assert.equal(isAsked, false);
    }
    assert.deepEqual(fs.readdirSync(folder), ['inner']);
    assert.ok(!fs.readdirSync(scratch).some((name) => name.endsWith('.tmp')));
    // No folder can be made inside a device, nor a file.
    const inner = '/dev/null/x';
    const words = isError(inner, 'cannot be made (', 'without a file in it');
    await assert.rejects(makeFolder(inner), words);
    assert.throws(() => makeFolderSync(inner), words);
    await assert.rejects(writeFileAtomic('/dev/null/x', 'x'), {
      name: 'TunebookError',
      message: /untouched and no partial file was left|Create it first/,
    });
  });
});
