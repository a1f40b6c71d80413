/** The committed label files of the built-in sample are what the generator makes of its table. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SAMPLE_FOLDER, writeLabels } from '../../data/hyrox/generate';
import { readContext, slowSegments, verdictOf } from '../../lib/hyrox';
import type { FeedbackRecord } from '../../lib/hyrox';

describe('label files of the sample', () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-labels-'));
  after(() => fs.rmSync(folder, { recursive: true, force: true }));
  const committed = path.join(SAMPLE_FOLDER, 'hyrox-sample-corrected.jsonl');

  it('are what the generator makes, byte for byte', async () => {
    const written = await writeLabels(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), folder);
    assert.deepEqual(
      written.map((file) => path.basename(file)),
      ['hyrox-sample.jsonl', 'hyrox-sample-corrected.jsonl'],
    );
    for (const file of written)
      assert.ok(
        fs.readFileSync(file).equals(fs.readFileSync(path.join(SAMPLE_FOLDER, path.basename(file)))),
        `${path.basename(file)} is not what the generator makes: node .build/data/hyrox/generate.js`,
      );
  });

  it('hold, where corrected, nothing that the context does not say, under 2 MB', () => {
    assert.ok(fs.statSync(committed).size < 2e6);
    const lines = fs.readFileSync(committed, 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 2395);
    const verdicts = {
      slower: 'slower than expected',
      close: 'close to expected',
      outperformed: 'outperformed',
    };
    for (const line of lines) {
      const { context, response } = JSON.parse(line) as FeedbackRecord;
      const facts = readContext(context);
      const list = slowSegments(facts, 0.5).map(({ name }) => name);
      assert.ok(response.includes(verdicts[verdictOf(facts)]), response);
      assert.ok(
        response.endsWith(list.length === 0 ? 'your peers.' : `improve: ${list.join(', ')}.`),
        response,
      );
    }
  });
});
