/** Going on after a failure: what is needed runs again, what is done stays. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { joinText, readNotebook, validateNotebook } from '../../lib/notebook/nbformat';
import { runNotebook, type RunResult } from '../../lib/notebook/runner';
import { Workplace } from './make-notebook';

describe('resume', { timeout: 60_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const sources = (last: string): string[] => [
    '@parameters\nconst scale: number = 2;',
    'import fs from "node:fs";\nconst log = (text: string) => fs.appendFileSync(process.env.TUNEBOOK_OUTPUT + "/log", text);',
    'const data = [1, 2, 3].map((n) => n * scale); log("data ");',
    'let unrelated = 7; log("slow "); console.log("slow cell was here");',
    'data.push(100); log("push ");',
    last,
    'log("end "); console.log(data.length);',
  ];
  const output = place.file('out/done.ipynb');
  const log = place.file('out/log');
  const run = async (last: string, extra = {}): Promise<{ result: RunResult; notes: string[] }> => {
    const notebook = place.write('resumed.ipynb', sources(last));
    const notes: string[] = [];
    const result = await runNotebook({
      notebook,
      output,
      onEvent: (event) => event.type === 'note' && notes.push(event.text),
      ...extra,
    });
    return { result, notes };
  };

  it('goes on from the failed cell, twice if need be', async () => {
    const failed = await run('log("fail "); throw new Error("first time");');
    assert.equal(failed.result.status, 'error');
    assert.equal(fs.readFileSync(log, 'utf8'), 'data slow push fail ');
    fs.rmSync(log);
    const again = await run('throw new Error("second time");', { resume: true });
    assert.equal(again.result.status, 'error');
    fs.rmSync(log);
    const { result, notes } = await run('log("mended " + process.env.TUNEBOOK_RESUME + " ");', {
      resume: true,
    });
    assert.equal(result.status, 'ok');
    // The slow cell is left out; the data and what changes it are needed.
    assert.equal(fs.readFileSync(log, 'utf8'), 'data push mended 1 end ');
    assert.match(notes[0], /from code cell 6 of 7, 1 cell\(s\) left out/);
    assert.ok(
      notes.some((note) => /code cell 5 runs again: "data"/.test(note)),
      notes.join('\n'),
    );
    const saved = readNotebook(output);
    assert.deepEqual(validateNotebook(saved), []);
    const texts = saved.cells.flatMap(({ outputs = [] }) =>
      outputs.map((out) => (out.output_type === 'stream' ? joinText(out.text) : out.output_type)),
    );
    assert.deepEqual(texts, ['slow cell was here\n', '4\n']);
  });

  it('says where it cannot', async () => {
    await assert.rejects(run('1', { resume: true }), /went through to its end/);
    await run('throw new Error("x");');
    await assert.rejects(
      run('1', { resume: true, parameters: { scale: 3 } }),
      /code cell 2 was done, and is now another/,
    );
    await assert.rejects(run('1', { resume: true, output: place.file('none.ipynb') }), /no such notebook/);
    await run('throw new Error("x");', { until: 6 });
    await assert.rejects(run('1', { resume: true }), /was of a part of the notebook \(--from, --until\)/);
    const foreign = place.write('foreign.ipynb', ['1']);
    await assert.rejects(run('1', { resume: true, output: foreign }), /is of no run of tunebook/);
  });
});
