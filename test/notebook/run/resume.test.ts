/** Going on after a failure: what is needed runs again, what is done stays. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { changedFiles, namedFiles } from '../../../lib/notebook/run/input-files';
import { joinText, readNotebook, validateNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { NothingLeftError, resumePoint } from '../../../lib/notebook/run/resume';
import { runNotebook } from '../../../lib/notebook/run/runner';
import type { RunResult } from '../../../lib/notebook/run/run-types';
import { makeNotebook, Workplace } from '../../support/make-notebook';

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
    const { result, notes } = await run('log("fixed " + process.env.TUNEBOOK_RESUME + " ");', {
      resume: true,
    });
    assert.equal(result.status, 'ok');
    // The slow cell is left out; the data and what changes it are needed.
    assert.equal(fs.readFileSync(log, 'utf8'), 'data push fixed 1 end ');
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

  it('refuses where it cannot, and says why', async () => {
    const fixed = 'log("fixed " + process.env.TUNEBOOK_RESUME + " ");';
    await assert.rejects(run(fixed, { resume: true }), /went through to its end/);
    await assert.rejects(run('1', { resume: true }), /code cell 6 was done, and is now another/);
    await run('throw new Error("x");');
    await assert.rejects(
      run('1', { resume: true, parameters: { scale: 3 } }),
      /the parameter scale was its default and is now 3; run without --resume/,
    );
    await assert.rejects(run('1', { resume: true, output: place.file('none.ipynb') }), /no such notebook/);
    await run('throw new Error("x");', { until: 6 });
    await assert.rejects(run('1', { resume: true }), /was of a part of the notebook \(--from, --until\)/);
    await assert.rejects(run('1', { resume: true, until: 3 }), /expected it without --from and --until/);
    const foreign = place.write('foreign.ipynb', ['1']);
    await assert.rejects(run('1', { resume: true, output: foreign }), /is of no run of tunebook/);
    fs.writeFileSync(place.file('cut.ipynb'), '{"cells": [');
    await assert.rejects(
      run('1', { resume: true, output: place.file('cut.ipynb') }),
      /^ResumeError: resume: .*cut\.ipynb: expected JSON/,
    );
  });
});

/** An executed notebook whose cells before the last are done and whose last has failed, and the next run's notebook. */
function earlierRun(
  before: readonly string[],
  now: readonly string[] = before,
  record: Record<string, unknown> = {},
): { previous: Notebook; next: Notebook } {
  const previous = makeNotebook(before);
  const cells = before.map((_, i) => ({ status: i + 1 < before.length ? 'ok' : 'error' }));
  previous.metadata.tunebook = { cells, ...record };
  for (const [i, cell] of previous.cells.entries())
    cell.outputs = [{ output_type: 'stream', name: 'stdout', text: [`${i}`] }];
  return { previous, next: makeNotebook(now) };
}

describe('deciding what to resume', () => {
  // The cells that run again, by the last cell's needs and by what the cells set; the last cell has failed.
  const plans: [string, string[], number[]][] = [
    ['cells that nothing needs are left out', ['const a = 1;', 'console.log("slow")', 'a'], [1]],
    ['all that a needed cell needs', ['const a = 1;', 'const b = a;', 'const c = b;', 'c'], [1, 2, 3]],
    ['what may change a needed value', ['const a = [1];', 'a.push(2)', 'a'], [1, 2]],
    ['a literal cannot change', ['const a = 1;', 'console.log(a)', 'a'], [1]],
    ['a let can', ['let a = 1;', 'a = 2', 'a'], [1, 2]],
    ['not a property named like a later variable', ['console.log({ n: 1 })', 'let n = 5;', 'n'], [2]],
    ['destructured names', ['const { x: [y] } = { x: [1] };', 'y'], [1]],
    ['functions, classes and enums', ['function f() {}', 'class C {}', 'enum E {}', 'f(C, E)'], [1, 2, 3]],
    ['imports', ['import fs, { x as y } from "fs";', 'import * as all from "os";', 'all; y'], [1, 2]],
    ['names of a later cell', ['const a = 1;', '1', 'console.log(2)', 'console.log(a)', '3'], []],
    ['the environment', ['process.env.A = "1";', 'delete process.env.B;', 'process.env.C', '1'], [1, 2]],
    [
      'globals and prototypes',
      ['globalThis.x = 1', 'Array.prototype.at = f', 'Number.x += 1', '1'],
      [1, 2, 3],
    ],
    [
      'settings of a library',
      ['setSeed(1)', 'await tf.setBackend("cpu")', 'seedAll()', 'process.chdir("/")', '1'],
      [1, 2, 3, 4],
    ],
    [
      'and what only looks like one',
      ['setTimeout(() => 1, 1)', 'const n = setUp()', 'console.log(1)', 'await fix()', '1'],
      [],
    ],
    [
      'changes of own variables are no settings',
      [
        'const o = { a: 1 };',
        'o.a = 2; for (const r of [o]) r.a = 3;',
        '((q) => { q.a = 1; })({ a: 2 })',
        '1',
      ],
      [],
    ],
    ['a setting needs its own names', ['const seed = 5;', 'setSeed(seed)', '1'], [1, 2]],
  ];
  for (const [name, cells, again] of plans)
    it(`runs again: ${name}`, () => {
      const { previous, next } = earlierRun(cells);
      const { skip, notes } = resumePoint(previous, next, {});
      const done = next.cells.slice(0, -1);
      const ran = done.flatMap((cell, i) => (skip.has(cell) ? [] : [i + 1]));
      assert.deepEqual(ran, again);
      assert.deepEqual(
        notes.slice(1).map((note) => Number(/^code cell (\d+) runs again: /.exec(note)?.[1])),
        again,
      );
      assert.match(
        notes[0],
        new RegExp(`from code cell ${cells.length} of ${cells.length}, ${done.length - again.length} `),
      );
      for (const [i, cell] of done.entries())
        assert.deepEqual(cell.outputs, skip.has(cell) ? previous.cells[i].outputs : []);
    });

  it('says why a cell runs again', () => {
    const { previous, next } = earlierRun(['const a = [1];', 'process.env.A = "1";', 'a']);
    assert.deepEqual(resumePoint(previous, next, {}).notes.slice(1), [
      'code cell 1 runs again: "a" is needed below',
      'code cell 2 runs again: it sets process.env.A',
    ]);
  });

  const refusals: [string, ReturnType<typeof earlierRun>, Record<string, number>, RegExp][] = [
    [
      'a changed cell',
      earlierRun(['1', '2', '3'], ['1', '0', '3']),
      {},
      /code cell 2 was done, and is now another/,
    ],
    ['a cell that is gone', earlierRun(['1', '2', '3'], ['1']), {}, /code cell 2 was done, and is now gone/],
    ['a cell put before the others', earlierRun(['1', '2'], ['0', '1', '2']), {}, /code cell 1 was done/],
    [
      'a parameter',
      earlierRun(['1', '2'], undefined, { parameters: { a: 1, b: 2 } }),
      { a: 3 },
      /parameter a was 1 and is now 3, b was 2 and is now its default;/,
    ],
    [
      'a file that is gone',
      earlierRun(['1', '2'], undefined, { files: { '/none': { sizeBytes: 1, modifiedMs: 1 } } }),
      {},
      /\/none is gone since the earlier run, whose results would be mixed/,
    ],
  ];
  for (const [name, { previous, next }, parameters, message] of refusals)
    it(`notices ${name}`, () => {
      assert.throws(() => resumePoint(previous, next, parameters), { name: 'ResumeError', message });
    });

  it('accepts changes to cells that have not run yet', () => {
    const { previous, next } = earlierRun(['1', '2'], ['1', '3', '4']);
    assert.equal(resumePoint(previous, next, {}).skip.size, 1);
    const first = earlierRun(['1'], ['2'], { parameters: { a: 1 }, files: { '/none': {} } });
    assert.equal(resumePoint(first.previous, first.next, { a: 2 }).skip.size, 0, 'nothing was done');
  });

  it('a run whose last cells were not reached goes on, one that was finished does not', () => {
    const { previous, next } = earlierRun(['1', '2', '3']);
    previous.metadata.tunebook = { cells: [{ status: 'ok' }, { status: 'ok' }] }; // interrupted between two cells
    assert.equal(resumePoint(previous, next, {}).skip.size, 2);
    previous.metadata.tunebook = {
      durationMs: 7,
      cells: [{ status: 'ok' }, { status: 'ok' }, { status: 'ok' }],
    };
    assert.throws(
      () => resumePoint(previous, next, {}),
      (error) => error instanceof NothingLeftError && error.record.durationMs === 7,
    );
  });
});

describe('the files that parameters name', () => {
  const place = new Workplace();
  after(() => place.remove());

  it('are identified by size and time; a run notices a change', async () => {
    fs.writeFileSync(place.file('data.csv'), 'a\n');
    const values = {
      data: 'data.csv',
      more: ['none.csv', place.file('data.csv')],
      n: 1,
      folder: '.',
      empty: '',
    };
    const files = namedFiles(values, place.folder);
    assert.deepEqual(Object.keys(files), [place.file('data.csv')]);
    assert.deepEqual(changedFiles(files), []);
    const [packaged] = Object.keys(namedFiles({ file: 'package.json' }, place.folder));
    assert.ok(fs.existsSync(packaged), 'as projectPath finds them');

    const sources = ['@parameters\nconst data: string = "data.csv";', '1', 'throw new Error("first")'];
    const options = { notebook: place.write('n.ipynb', sources), output: place.file('o.ipynb') };
    assert.equal((await runNotebook(options)).status, 'error');
    fs.utimesSync(place.file('data.csv'), 1, 1);
    await assert.rejects(
      runNotebook({ ...options, resume: true }),
      /data\.csv has changed since the earlier run/,
    );
    fs.writeFileSync(place.file('data.csv'), 'a,b\n');
    assert.deepEqual(changedFiles(files), [`${place.file('data.csv')} has changed`]);
    fs.rmSync(place.file('data.csv'));
    assert.deepEqual(changedFiles(files), [`${place.file('data.csv')} is gone`]);
  });
});
