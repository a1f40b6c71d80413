/** A notebook's run folder is below outputs/, whatever name it gives. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, it } from 'node:test';
import { runFolder } from '../../lib/notebook';

const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-places-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

it('names that leave outputs/ are refused', () => {
  for (const name of ['', '..', '../x', 'a/../../x', 'a\\..\\x', './x', '/tmp/x']) {
    assert.throws(() => runFolder(name), { name: 'TunebookError', message: /a name below outputs/ }, name);
  }
});

it('the runner chooses the folder where it was told one', () => {
  const before = process.env.TUNEBOOK_OUTPUT;
  process.env.TUNEBOOK_OUTPUT = path.join(scratch, 'here');
  try {
    assert.equal(runFolder('anything'), path.join(scratch, 'here'));
    assert.ok(fs.statSync(path.join(scratch, 'here')).isDirectory());
  } finally {
    if (before === undefined) delete process.env.TUNEBOOK_OUTPUT;
    else process.env.TUNEBOOK_OUTPUT = before;
  }
});
