/** The executed notebook as a file: who may write it, what it says of the run, and what happens where it cannot be. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  cellSource,
  cellTags,
  joinText,
  readNotebook,
  validateNotebook,
} from '../../../lib/notebook/format/nbformat';
import { lockOutput } from '../../../lib/notebook/run/output-lock';
import { fillTemplate, listFiles, outputPlaces } from '../../../lib/notebook/run/output-places';
import { runNotebook } from '../../../lib/notebook/run/runner';
import { Workplace } from '../../support/make-notebook';

const place = new Workplace();
after(() => place.remove());

const recordOf = (file: string): Record<string, unknown> =>
  readNotebook(file).metadata.tunebook as Record<string, unknown>;

describe('two runs to one output', { timeout: 60_000 }, () => {
  it('the second is refused while the first runs, and changes nothing', async () => {
    const notebook = place.write('two.ipynb', ['console.log("one")']);
    const output = place.file('two/out.ipynb');
    const expected = `two/out\\.ipynb: another run \\(process ${process.pid}\\) is writing it; wait for its end`;
    let refused: Promise<unknown> = Promise.reject(new Error('no cell ran'));
    refused.catch(() => undefined);
    const first = await runNotebook({
      notebook,
      output,
      onEvent: ({ type }) => {
        if (type === 'cell-start')
          refused = assert.rejects(runNotebook({ notebook, output }), new RegExp(expected));
      },
    });
    await refused;
    assert.equal(first.status, 'ok');
    assert.deepEqual(fs.readdirSync(place.file('two')), ['out.ipynb'], 'nothing of the lock is left');
    assert.equal((await runNotebook({ notebook, output })).status, 'ok');
  });

  it('a lock counts while its process lives', async () => {
    const output = place.file('lock/out.ipynb');
    const file = place.file('lock/.out.ipynb.lock');
    const mine = { pid: process.pid, host: os.hostname(), began: null };
    const free = lockOutput(output);
    const { began } = JSON.parse(fs.readFileSync(file, 'utf8')) as { began: unknown };
    assert.throws(() => lockOutput(output), /another run/);
    assert.doesNotThrow(() => lockOutput(place.file('lock/other.ipynb'))());
    free();
    assert.equal(fs.existsSync(file), false);
    const child = spawn(process.execPath, ['-e', '']);
    await new Promise((resolve) => child.once('close', resolve));
    const stale: [string, string][] = [
      ['a process that is gone', JSON.stringify({ ...mine, pid: child.pid })],
      ['another host', JSON.stringify({ ...mine, began, host: 'elsewhere' })],
      ['nothing', ''],
      ...(began === null
        ? []
        : ([['a later process of that number', JSON.stringify({ ...mine, began: '1' })]] as [
            string,
            string,
          ][])),
    ];
    for (const [name, content] of stale) {
      fs.writeFileSync(file, content);
      assert.doesNotThrow(() => lockOutput(output)(), name);
    }
    fs.mkdirSync(file);
    assert.throws(() => lockOutput(output), {
      name: 'TunebookError',
      message: /out\.ipynb: cannot be written/,
    });
  });
});

describe('what an executed notebook records of its run', { timeout: 60_000 }, () => {
  it('the parameters with their defaults, how it ended, how long each cell took', async () => {
    const notebook = place.write('told.ipynb', [
      '@parameters\nconst a: number = 1;\nconst b: string[] = ["x"];',
      'if (a === 3) throw new Error("three")',
    ]);
    const output = place.file('told/out.ipynb');
    const seen: unknown[] = [];
    const run = (a: number): Promise<unknown> =>
      runNotebook({
        notebook,
        output,
        parameters: { a },
        onEvent: ({ type }) => type === 'cell-start' && seen.push(recordOf(output).status),
      });
    await run(2);
    const record = recordOf(output);
    assert.deepEqual(
      [record.notebook, record.parameters, record.defaults, record.status, record.partial],
      ['told.ipynb', { a: 2 }, { a: 1, b: ['x'] }, 'ok', false],
    );
    assert.deepEqual(seen, ['running', 'running', 'running']);
    assert.equal('message' in record, false);
    assert.equal((record.cells as unknown[]).length, 3);
    assert.ok(!Number.isNaN(Date.parse(String(record.startedAt))));
    for (const cell of readNotebook(output).cells)
      assert.equal(typeof (cell.metadata.tunebook as { durationMs: unknown }).durationMs, 'number');
    await run(3);
    assert.deepEqual([recordOf(output).status, recordOf(output).message], ['error', 'Error: three']);
  });

  it('run again, it records only its own failure', async () => {
    const notebook = place.write('again.ipynb', [
      '@parameters\nconst a: number = 1;',
      'if (a < 3) throw new Error(`a is ${a}`)',
    ]);
    const first = place.file('again/first.ipynb');
    await runNotebook({ notebook, output: first, parameters: { a: 2 } });
    const notes = (file: string): string[] =>
      readNotebook(file)
        .cells.filter((cell) => cellTags(cell).includes('tunebook-error'))
        .map(cellSource);
    assert.deepEqual([notes(first).length, notes(first)[0].includes('a is 2')], [2, true]);
    for (const [a, count] of [
      [1, 2],
      [3, 0],
    ]) {
      const output = place.file(`again/${a}.ipynb`);
      await runNotebook({ notebook: first, output, parameters: { a } });
      assert.deepEqual(validateNotebook(readNotebook(output)), []);
      assert.equal(notes(output).length, count);
      assert.ok(!notes(output).join('').includes('a is 2'));
    }
  });

  it('prepared only: the parameters are in it, and nothing has run', async () => {
    const notebook = place.write('prepared.ipynb', [
      '@parameters\nconst a: number = 1;',
      'import fs from "fs"; fs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/ran", "");',
    ]);
    const output = place.file('prepared/out.ipynb');
    const options = { notebook, output, parameters: { a: 5 } };
    const result = await runNotebook({ ...options, prepareOnly: true });
    assert.deepEqual([result.status, result.exitStatus, result.cells], ['ok', 0, []]);
    assert.deepEqual(fs.readdirSync(place.file('prepared')), ['out.ipynb']);
    const { cells } = readNotebook(output);
    assert.match(cellSource(cells[1]), /const a: number = 5;/);
    assert.deepEqual(validateNotebook(readNotebook(output)), []);
    assert.equal(recordOf(output).status, 'prepared');
    assert.equal(
      (await runNotebook({ ...options, resume: true })).cells.length,
      3,
      'it can be run from there',
    );
  });

  it('--from and --until count the cells of the source, and parameters are always set', async () => {
    const notebook = place.write('part.ipynb', [
      '# Title',
      '@parameters\nconst a: number = 1;\nconst b: number = 7;',
      'console.log("third", a, b)',
      'console.log("fourth", a, b)',
      'console.log("fifth")',
    ]);
    const output = place.file('part/out.ipynb');
    for (const parameters of [{}, { a: 2 }] as Record<string, number>[]) {
      const result = await runNotebook({ notebook, output, parameters, from: 4, until: 4 });
      assert.equal(result.status, 'ok', result.message);
      const texts = readNotebook(output).cells.flatMap(({ outputs = [] }) =>
        outputs.map((out) => ('text' in out ? joinText(out.text) : out.output_type)),
      );
      assert.deepEqual(texts, [`fourth ${parameters.a ?? 1} 7\n`]);
    }
    const wrong: [number, number | undefined, RegExp][] = [
      [3, 2, /expected --from up to --until, got 3 and 2/],
      [6, undefined, /the notebook has 5 cells, got --from 6/],
    ];
    for (const [from, until, message] of wrong)
      await assert.rejects(runNotebook({ notebook, output, from, ...(until ? { until } : {}) }), message);
  });
});

describe('a run whose notebook can no longer be written', { timeout: 60_000 }, () => {
  /** A cell that puts a file where the output's folder was. */
  const spoil = (then: string): string =>
    `import fs from "fs"; const folder = process.env.TUNEBOOK_OUTPUT!; fs.renameSync(folder, folder + "-old"); fs.writeFileSync(folder, ""); ${then}`;
  const run = async (name: string, sources: string[]): ReturnType<typeof runNotebook> =>
    runNotebook({ notebook: place.write(`${name}.ipynb`, sources), output: place.file(`${name}/out.ipynb`) });

  it('stops, names the cell, and ends with a status of its own', async () => {
    const { status, exitStatus, message, cells } = await run('lost', ['1', spoil('2'), '3']);
    assert.deepEqual([status, exitStatus, cells.length], ['not-saved', 1, 2]);
    assert.match(
      String(message),
      /^code cell 2 \(.*\): .*lost\/out\.ipynb: cannot be written \((?:ENOTDIR|EEXIST)\)$/,
    );
    assert.equal(
      recordOf(place.file('lost-old/out.ipynb')).status,
      'running',
      'what was saved before is whole',
    );
  });

  it('tells of a failing cell first', async () => {
    const { status, message } = await run('both', ['1', spoil('throw new Error("first")')]);
    assert.equal(status, 'error');
    assert.match(
      String(message),
      /^code cell 2 \(.*\): Error: first\n.*both\/out\.ipynb: cannot be written/s,
    );
  });

  it('leaves the outputs out that do not fit, and goes on from there when there is room', async () => {
    const notebook = place.write('full.ipynb', [
      'console.log("kept")',
      'console.log(process.env.BIG ? "x".repeat(5e6) : "small")',
      'console.log("end")',
    ]);
    const output = place.file('full/out.ipynb');
    const { writeFileSync } = fs;
    const text = (): string[] =>
      readNotebook(output).cells.flatMap(({ outputs = [] }) =>
        outputs.map((out) => ('text' in out ? joinText(out.text) : 'evalue' in out ? out.evalue : '')),
      );
    try {
      // A disk that has room for a megabyte.
      fs.writeFileSync = ((file: string, data: string | Uint8Array, ...rest: []) => {
        if (data.length > 1e6) throw Object.assign(new Error('full'), { code: 'ENOSPC' });
        writeFileSync(file, data, ...rest);
      }) as typeof fs.writeFileSync;
      const result = await runNotebook({ notebook, output, env: { BIG: '1' } });
      assert.equal(result.status, 'not-saved');
      assert.match(String(result.message), /^code cell 2 \(.*out\.ipynb: cannot be written \(ENOSPC\)$/);
    } finally {
      fs.writeFileSync = writeFileSync;
    }
    assert.deepEqual(text(), ['kept\n', `${output}: cannot be written (ENOSPC)`]);
    assert.match(cellSource(readNotebook(output).cells[0]), /code cell 2<\/a>/);
    assert.deepEqual(validateNotebook(readNotebook(output)), []);
    const again = await runNotebook({ notebook, output, resume: true });
    assert.equal(again.status, 'ok');
    assert.deepEqual(text(), ['kept\n', 'small\n', 'end\n']);
  });
});

/** A kernel that never answers. */
const silentKernel = [process.execPath, '-e', 'setInterval(() => {}, 1000)'];

describe('a run that is interrupted before its first cell', { timeout: 60_000 }, () => {
  it('starts no kernel and leaves an earlier notebook as it was', async () => {
    const notebook = place.write('early.ipynb', ['console.log("done")']);
    const output = place.file('early/out.ipynb');
    await runNotebook({ notebook, output });
    const before = fs.readFileSync(output, 'utf8');
    const kernelArgv = [process.execPath, '-e', 'require("fs").writeFileSync("started", "")'];
    const interrupt = AbortSignal.abort();
    const result = await runNotebook({ notebook, output, interrupt, kernelArgv });
    assert.deepEqual([result.status, result.exitStatus], ['interrupted', 130]);
    assert.equal(fs.readFileSync(output, 'utf8'), before);
    assert.equal(fs.existsSync(place.file('started')), false);
    assert.equal(fs.existsSync(place.file('early/.out.ipynb.lock')), false);
  });

  it('gives up on a kernel that has not started', async () => {
    const control = new AbortController();
    const notebook = place.write('slow.ipynb', ['1']);
    setTimeout(() => control.abort(), 700);
    const result = await runNotebook({
      notebook,
      output: place.file('slow/out.ipynb'),
      interrupt: control.signal,
      startTimeoutMs: 600_000,
      kernelArgv: silentKernel,
    });
    assert.deepEqual([result.status, result.exitStatus], ['interrupted', 130]);
    assert.match(String(result.message), /interrupted before the first cell/);
    assert.equal(recordOf(place.file('slow/out.ipynb')).status, 'interrupted');
  });

  it('tries a start three times, each as long as it is told', async () => {
    const notebook = place.write('never.ipynb', ['1']);
    const result = await runNotebook({
      notebook,
      output: place.file('never/out.ipynb'),
      startTimeoutMs: 1500,
      kernelArgv: silentKernel,
    });
    assert.equal(result.status, 'kernel-died');
    assert.match(String(result.message), /could not be started in 3 tries: kernel: no answer within 1\.5 s/);
  });
});

describe('where a run writes', () => {
  it('is outputs/NAME, or what is given, with parameters in it', () => {
    const notebook = place.write('named.ipynb', [
      '@parameters\nconst rate: number = 0.1;\nconst model: string = "m";\nconst sizes: number[] = [1, 2];',
    ]);
    assert.deepEqual(outputPlaces('a/b.ipynb'), { folder: 'outputs/b', file: 'outputs/b/b.ipynb' });
    assert.deepEqual(outputPlaces('a/b.ipynb', 'c/d.ipynb'), { folder: 'c', file: 'c/d.ipynb' });
    assert.deepEqual(outputPlaces(notebook, 'runs/{model}/{rate}-{sizes}.ipynb', { rate: 5 }), {
      folder: 'runs/m',
      file: 'runs/m/5-_1,2_.ipynb',
    });
    assert.throws(() => outputPlaces(notebook, '{epochs}.ipynb'), {
      name: 'TunebookError',
      message: '-o {epochs}.ipynb: {epochs} is no parameter of the notebook; it has rate, model, sizes',
    });
  });

  it('a value stays within one name: it leads into no other folder', () => {
    for (const value of ['../x', '/etc/x', '..', '.', 'a/b', 'a\\b', 'a\0b', '~', ''])
      assert.equal(path.dirname(fillTemplate('runs/{v}.ipynb', { v: value })), 'runs', value);
    for (const value of ['..', '.', '/', '\\'])
      assert.match(fillTemplate('runs/{v}/x.ipynb', { v: value }), /^runs\/_+\.?\/x\.ipynb$/, value);
    assert.throws(() => fillTemplate('{constructor}', {}), /it has none/);
  });

  it('lists what is there, and nothing where there is nothing', () => {
    fs.mkdirSync(place.file('list/sub'), { recursive: true });
    fs.writeFileSync(place.file('list/sub/b'), '12');
    fs.writeFileSync(place.file('list/a'), '1');
    fs.symlinkSync(place.file('gone'), place.file('list/link'));
    assert.deepEqual(
      listFiles(place.file('list')).map(({ file, sizeBytes }) => ({ file, sizeBytes })),
      [
        { file: place.file('list/a'), sizeBytes: 1 },
        { file: place.file('list/sub/b'), sizeBytes: 2 },
      ],
    );
    assert.deepEqual(listFiles(place.file('absent')), []);
    assert.deepEqual(listFiles(place.file('list/a')), []);
  });
});
