/** Files that appear whole or not at all. The full disk is tried in test/models, on real checkpoints. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { writeFileAtomic } from '../../lib/files';

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
    await assert.rejects(writeFileAtomic(folder, 'x'), {
      name: 'TunebookError',
      message: /taken: could not be written/,
    });
    assert.deepEqual(fs.readdirSync(folder), ['inner']);
    assert.ok(!fs.readdirSync(scratch).some((name) => name.endsWith('.tmp')));
    // No folder can be made inside a device.
    await assert.rejects(writeFileAtomic('/dev/null/x', 'x'), {
      name: 'TunebookError',
      message: /untouched and no partial file was left|Create it first/,
    });
  });
});
