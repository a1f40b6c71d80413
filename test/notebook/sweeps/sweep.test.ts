/** Runs in numbers: parameter files, summaries for CI, sweeps. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { JSDOM } from 'jsdom';
import { after, describe, it } from 'node:test';
import { readParameterFile } from '../../../lib/notebook/parameters/parameter-files';
import { tunebookEnvironment } from '../../../lib/environment';
import { inParallel } from '../../../lib/notebook/run/in-parallel';
import { junitReport } from '../../../lib/notebook/run/run-summary';
import type { RunResult } from '../../../lib/notebook/run/run-types';
import {
  flatNumbers,
  gridPoints,
  gridValues,
  pointName,
  pointNames,
  sweepNotebook,
} from '../../../lib/notebook/sweeps/sweep';
import type { SweepRun } from '../../../lib/notebook/sweeps/sweep';
import { Workplace } from '../../support/make-notebook';
import { CLI } from '../../support/paths';

const place = new Workplace();
after(() => place.remove());

describe('parameter files', () => {
  it('are JSON or YAML', () => {
    fs.writeFileSync(place.file('p.json'), '{"a": 1, "b": ["x"]}');
    const yaml =
      "# comment\n---\na: 1e-3  # unit\nname: 'it''s'\nlist: [1, 2]\nmore:\n  - x\n  - \"y z\"\nflag: true\nnone: null\n";
    fs.writeFileSync(place.file('p.yaml'), yaml);
    assert.deepEqual(readParameterFile(place.file('p.json')), { a: 1, b: ['x'] });
    assert.deepEqual(readParameterFile(place.file('p.yaml')), {
      a: 0.001,
      name: "it's",
      list: [1, 2],
      more: ['x', 'y z'],
      flag: true,
      none: null,
    });
    fs.writeFileSync(place.file('bad.yml'), 'a: 1\n  nested: 2\n');
    assert.throws(
      () => readParameterFile(place.file('bad.yml')),
      /bad\.yml:1: expected YAML: Nested mappings/,
    );
    fs.writeFileSync(place.file('bad.json'), '[1]');
    assert.throws(() => readParameterFile(place.file('bad.json')), /expected an object/);
    assert.throws(() => readParameterFile(place.file('none.json')), /cannot be read \(ENOENT\)/);
    assert.throws(() => readParameterFile(place.file('python.ipynb')), /cannot be read|expected a \.json/);
  });

  it('come from the environment, then a file, then the command line: the later ones win', () => {
    const notebook = place.write('ways.ipynb', [
      '@parameters\nconst a: number = 1;\nconst b: number = 1;\nconst c: number = 1;\nconst d: string[] = [];',
      'console.log(a, b, c, d);',
    ]);
    fs.writeFileSync(place.file('ways.yaml'), 'b: 3\nc: 3\nd: [x, y]\n');
    const env = { ...process.env };
    for (const name of ['a', 'b', 'c', 'other']) env[`TUNEBOOK_PARAM_${name}`] = '2';
    const run = (...more: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [CLI, 'run', notebook, '--params-file', 'ways.yaml', ...more], {
        cwd: place.folder,
        encoding: 'utf8',
        env,
      });
    const { status, stdout } = run('-p', 'c=4');
    assert.equal(status, 0);
    assert.match(stdout, /2 3 4 \[ 'x', 'y' \]/);
    env.TUNEBOOK_PARAM_a = 'many';
    const wrong = run();
    assert.equal(wrong.status, 1);
    assert.match(wrong.stderr, /a: expected number, got many/);
  });

  it('may be the environment', () => {
    assert.deepEqual(tunebookEnvironment({ TUNEBOOK_PARAM_rate: '1', OTHER: '2' }).parameters, { rate: '1' });
  });
});

describe('summaries', () => {
  it("are JUnit's XML, whatever the errors contain", () => {
    const result: RunResult = {
      status: 'error',
      exitStatus: 1,
      notebook: 'a&b.ipynb',
      output: 'o',
      outputFolder: 'f',
      parameters: {},
      durationMs: 1500,
      cells: [
        { number: 1, title: 'const a = "<x>";', status: 'ok', durationMs: 500 },
        {
          number: 2,
          title: 't',
          status: 'error',
          durationMs: 1000,
          message: 'E: ]]> \u0000\u001b[31m<&"',
          traceback: ['\u001b[31mline\u001b[39m'],
        },
      ],
      message: 'm',
    };
    const died: RunResult = { ...result, status: 'kernel-died', cells: [] };
    const { document } = new JSDOM(junitReport([result, died]), { contentType: 'text/xml' }).window;
    const [first, second] = [...document.querySelectorAll('testsuite')];
    assert.equal(first.getAttribute('name'), 'a&b.ipynb');
    assert.deepEqual([first.getAttribute('tests'), first.getAttribute('failures')], ['2', '1']);
    assert.equal(first.querySelector('failure')?.textContent, 'line');
    assert.equal(first.querySelector('failure')?.getAttribute('message'), 'E: ]]> <&"');
    assert.equal(second.getAttribute('failures'), '1');
  });

  it('of parallel tasks keep their order and the limit', async () => {
    let running = 0;
    let most = 0;
    const results = await inParallel([30, 5, 20, 1], 2, async (ms) => {
      most = Math.max(most, ++running);
      await new Promise((resolve) => setTimeout(resolve, ms));
      running--;
      return ms;
    });
    assert.deepEqual(results, [30, 5, 20, 1]);
    assert.equal(most, 2);
  });
});

describe('sweep', { timeout: 120_000 }, () => {
  it('takes every point of the grid, under names that are safe as folders', () => {
    const points = gridPoints({ a: ['1', '2'], b: ['x', '../y'] });
    assert.deepEqual(points.map(pointName), ['a=1,b=x', 'a=1,b=.._y', 'a=2,b=x', 'a=2,b=.._y']);
    assert.deepEqual(flatNumbers({ a: 1, b: { c: 2, d: 'x', e: [3] } }), { a: 1, 'b.c': 2 });
  });

  it('gives no two points the same folder, whatever their values', () => {
    const long = 'x'.repeat(300);
    const values = [
      'a/b',
      'a\\\\b',
      'a b',
      'A_B',
      'a_b~2',
      '..',
      '.',
      '',
      long,
      `${long}y`,
      'é',
      'ß',
      'a',
      'a',
    ];
    const names = pointNames(gridPoints({ v: values }));
    assert.equal(new Set(names.map((name) => name.toLowerCase())).size, values.length, names.join('\n'));
    for (const name of names) {
      assert.match(name, /^[\w=][\w.,=+~-]*$/);
      assert.ok(name.length < 130);
      assert.equal(path.dirname(path.join('/sweep', name)), '/sweep');
    }
    assert.deepEqual(names.slice(0, 4), ['v=a_b', 'v=a_b~2', 'v=a_b~3', 'v=A_B~4']);
    assert.deepEqual(pointNames([{ '.v': '1' }, { '../v': '1' }]), ['_v=1', '__v=1']);
  });

  it('reads the values of a grid; commas in brackets and quotes belong to a value', () => {
    assert.deepEqual(gridValues('1,2, 3'), ['1', '2', ' 3']);
    assert.deepEqual(gridValues('[4, 8],[16],[]'), ['[4, 8]', '[16]', '[]']);
    assert.deepEqual(gridValues('["a,]b"],c'), ['["a,]b"]', 'c']);
    assert.deepEqual(gridValues(`it's,5"`), ["it's", '5"']);
    assert.deepEqual(gridValues(''), ['']);
  });

  it('runs points with the same folder name in folders of their own, and its table stays one', () => {
    const notebook = place.write('same.ipynb', [
      "@parameters\nconst mode: string = 'a';\nconst ranks: number[] = [1];",
      'import fs from "fs";\nfs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/metrics.json", JSON.stringify({ length: mode.length + ranks.length }));',
    ]);
    const args = ['sweep', notebook, '-g', 'mode=a|b,a/b', '-g', 'ranks=[1,2]', '-o', 'same'];
    const { status, stderr } = spawnSync(process.execPath, [CLI, ...args], {
      cwd: place.folder,
      encoding: 'utf8',
    });
    assert.equal(status, 0, stderr);
    const folders = fs.readdirSync(place.file('same'), { withFileTypes: true });
    assert.deepEqual(
      folders.filter((entry) => entry.isDirectory()).map(({ name }) => name),
      ['mode=a_b,ranks=_1,2_', 'mode=a_b,ranks=_1,2_~2'],
    );
    const rows = fs.readFileSync(place.file('same/sweep.md'), 'utf8').trim().split('\n');
    assert.equal(rows.length, 4);
    assert.match(rows[2], /^\| a\\\|b \| \[1,2\] \| ok \| [\d.]+ \| 5 \|$/);
    assert.match(rows[3], /^\| a\/b \| \[1,2\] \| ok \|/);
  });

  it('runs each point in its folder and compares the metrics; a failing run stops no other', async () => {
    const notebook = place.write('swept.ipynb', [
      '@parameters\nconst rate: number = 1;\nconst base: number = 0;',
      'import fs from "fs";\nif (rate === 3) throw new Error("diverged");',
      'fs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/metrics.json", JSON.stringify({ loss: base + 1 / rate, eval: { f1: rate } }));',
    ]);
    const folder = place.file('sweep');
    await assert.rejects(sweepNotebook({ notebook, grid: { rat: ['1'] }, folder }), /no parameter "rat"/);
    await assert.rejects(
      sweepNotebook({ notebook, grid: { rate: ['1', 'x'] }, folder }),
      /rate: expected number, got x/,
    );
    assert.equal(fs.existsSync(folder), false, 'nothing runs before all is checked');
    const runs = await sweepNotebook({
      notebook,
      grid: { rate: ['1', '2', '3'] },
      parameters: { base: '10' },
      folder,
      jobs: 2,
    });
    assert.deepEqual(
      runs.map(({ name, status, metrics }) => [name, status, metrics]),
      [
        ['rate=1', 'ok', { loss: 11, 'eval.f1': 1 }],
        ['rate=2', 'ok', { loss: 10.5, 'eval.f1': 2 }],
        ['rate=3', 'error', {}],
      ],
    );
    assert.ok(fs.existsSync(path.join(folder, 'rate=2', 'swept.ipynb')));
    assert.match(
      fs.readFileSync(path.join(folder, 'sweep.md'), 'utf8'),
      /\| rate \| status \| seconds \| loss \| eval\.f1 \|\n.*\n\| 1 \| ok \|/,
    );
    const again = await sweepNotebook({ notebook, grid: { rate: ['1'] }, folder, metric: 'loss' });
    assert.equal(again[0].status, 'ok');
    assert.match(fs.readFileSync(path.join(folder, 'sweep.svg'), 'utf8'), /^<svg[^]*loss/);
  });

  const metricsOf = (loss: string): string =>
    `import fs from "fs"; fs.writeFileSync(process.env.TUNEBOOK_OUTPUT + "/metrics.json", JSON.stringify({ loss: ${loss} }));`;

  it('resumes: finished points stay, failed ones go on, changed ones start over', async () => {
    const sources = (last: string): string[] => [
      '@parameters\nconst rate: number = 1;\nconst base: number = 0;',
      'import fs2 from "fs"; fs2.appendFileSync(process.env.TUNEBOOK_OUTPUT + "/log", "first ");',
      `if (${last}) throw new Error("diverged");`,
      metricsOf('rate'),
    ];
    const folder = place.file('half');
    const sweep = async (last: string, more = {}): Promise<SweepRun[]> => {
      const notebook = place.write('half.ipynb', sources(last));
      return sweepNotebook({ notebook, grid: { rate: ['1', '2'] }, folder, resume: true, ...more });
    };
    const told = (runs: readonly SweepRun[]): unknown[] =>
      runs.map(({ status, kept, metrics }) => [status, kept === true, metrics]);
    const log = (name: string): string => fs.readFileSync(path.join(folder, name, 'log'), 'utf8');
    assert.deepEqual(told(await sweep('rate === 2')), [
      ['ok', false, { loss: 1 }],
      ['error', false, {}],
    ]);
    const [first] = (await sweep('rate === 2')).map(({ durationMs }) => durationMs);
    assert.deepEqual([log('rate=1'), log('rate=2')], ['first ', 'first ']);
    // Another text of a done cell: the first begins anew, the second goes on from where it failed.
    assert.deepEqual(told(await sweep('rate === 5')), [
      ['ok', false, { loss: 1 }],
      ['ok', false, { loss: 2 }],
    ]);
    assert.deepEqual([log('rate=1'), log('rate=2')], ['first first ', 'first ']);
    const whole = await sweep('rate === 5', { grid: { rate: ['1', '2', '3'] } });
    assert.deepEqual(told(whole), [
      ['ok', true, { loss: 1 }],
      ['ok', true, { loss: 2 }],
      ['ok', false, { loss: 3 }],
    ]);
    assert.ok(whole[0].durationMs > 0 && first > 0, 'a run that is kept keeps its time');
    const rows = fs.readFileSync(path.join(folder, 'sweep.md'), 'utf8').trim().split('\n');
    assert.equal(rows.length, 5, 'the table has the kept runs too');
    const other = await sweep('rate === 5', { parameters: { base: 1 } });
    assert.deepEqual(
      told(other)
        .flat()
        .filter((value) => value === true),
      [],
      'other parameters begin anew',
    );
  });

  it('without --resume starts over, and shows no metrics of an earlier run', async () => {
    const folder = place.file('anew');
    const sweep = (fails: boolean): Promise<SweepRun[]> => {
      const notebook = place.write('anew.ipynb', [
        '@parameters\nconst rate: number = 1;',
        `if (${fails}) throw new Error("now")`,
        metricsOf('rate'),
      ]);
      return sweepNotebook({ notebook, grid: { rate: ['4'] }, folder });
    };
    assert.deepEqual((await sweep(false))[0].metrics, { loss: 4 });
    const [failed] = await sweep(true);
    assert.deepEqual([failed.status, failed.metrics], ['error', {}]);
    assert.match(String(failed.message), /^code cell 3 \(.*Error: now$/);
  });

  it('a point that cannot be written stops no other, and an interrupt starts no more', async () => {
    const notebook = place.write('points.ipynb', ['@parameters\nconst rate: number = 1;', metricsOf('rate')]);
    const folder = place.file('points');
    fs.mkdirSync(folder);
    fs.writeFileSync(path.join(folder, 'rate=1'), 'a file');
    fs.mkdirSync(path.join(folder, 'rate=3'));
    fs.writeFileSync(path.join(folder, 'rate=3', 'metrics.json'), '{"loss": 9}'); // of another run
    const control = new AbortController();
    const runs = await sweepNotebook({
      notebook,
      grid: { rate: ['1', '2', '3', '4'] },
      folder,
      run: { interrupt: control.signal },
      onRun: ({ name }) => name === 'rate=2' && control.abort(),
    });
    assert.deepEqual(
      runs.map(({ status }) => status),
      ['refused', 'ok', 'interrupted', 'interrupted'],
    );
    assert.deepEqual(
      runs.map(({ metrics }) => metrics),
      [{}, { loss: 2 }, {}, {}],
    );
    assert.match(String(runs[0].message), /rate=1: cannot be made/);
    assert.equal(fs.existsSync(path.join(folder, 'rate=3', 'points.ipynb')), false);
    const { runs: saved } = JSON.parse(fs.readFileSync(path.join(folder, 'sweep.json'), 'utf8')) as {
      runs: SweepRun[];
    };
    assert.deepEqual(saved, JSON.parse(JSON.stringify(runs)));
  });

  it('takes its grid from a file and from flags, its parameters from everywhere', () => {
    place.write('ways.ipynb', [
      "@parameters\nconst a: number = 0;\nconst b: string = '';\nconst c: number = 0;\nconst d: number = 0;",
      metricsOf('a + c + d'),
    ]);
    fs.writeFileSync(place.file('grid.yaml'), 'a: [1, 2]\nb: ["x,y", null]\n');
    fs.writeFileSync(place.file('shared.json'), '{"c": 10, "d": 5}');
    const call = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
      spawnSync(process.execPath, [CLI, 'sweep', 'ways.ipynb', ...args], {
        cwd: place.folder,
        encoding: 'utf8',
        env: { ...process.env, TUNEBOOK_PARAM_c: '3', TUNEBOOK_PARAM_other: '3' },
      });
    const args = ['--grid-file', 'grid.yaml', '-g', 'a=7', '--params-file', 'shared.json', '-p', 'd=100'];
    const { status, stdout, stderr } = call(...args, '-j', '2', '-o', 'ways');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /\| 7 \| x,y \| ok \| [\d.]+ \| 117 \|\n\| 7 \| null \| ok \| [\d.]+ \| 117 \|/);
    const again = call(...args, '-o', 'ways', '--resume');
    assert.match(again.stdout, /^a=7,b=x,y: ok already, it took .*\na=7,b=null: ok already/);
    const none = call();
    assert.deepEqual([none.status, none.stderr.includes('expected a grid')], [2, true]);
    fs.writeFileSync(place.file('wrong.yaml'), 'a: 1\n');
    const wrong = call('--grid-file', 'wrong.yaml');
    assert.deepEqual([wrong.status, wrong.stderr.includes('a: expected a list of values, got 1')], [1, true]);
  });

  it('works as a command, and so do several notebooks with summaries', () => {
    const one = place.write('one.ipynb', ['@parameters\nconst a: number = 1;', 'console.log(a)']);
    const two = place.write('two.ipynb', ['throw new Error("second")']);
    const args = ['run', one, two, '-j', '2', '--junit', 'junit.xml', '--summary', 'summary.json'];
    const env = { ...process.env, TUNEBOOK_PARAM_a: '5' };
    const { status, stdout } = spawnSync(process.execPath, [CLI, ...args], {
      cwd: place.folder,
      encoding: 'utf8',
      env,
    });
    assert.equal(status, 1);
    assert.match(stdout, /one\.ipynb: ok in/);
    assert.match(stdout, /two\.ipynb: error in [^]*Error: second/);
    const summary = JSON.parse(fs.readFileSync(place.file('summary.json'), 'utf8')) as {
      ok: boolean;
      runs: RunResult[];
    };
    assert.equal(summary.ok, false);
    assert.deepEqual(
      summary.runs.map((run) => [run.status, run.parameters]),
      [
        ['ok', { a: 5 }],
        ['error', {}],
      ],
    );
    assert.match(
      fs.readFileSync(place.file('junit.xml'), 'utf8'),
      /<failure type="error" message="Error: second">/,
    );
  });
});
