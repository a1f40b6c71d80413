/** Runs in numbers: parameter files, summaries for CI, sweeps. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { JSDOM } from 'jsdom';
import { after, describe, it } from 'node:test';
import { parametersFromEnvironment, readParameterFile } from '../../lib/notebook/parameter-files';
import { inParallel, junitReport } from '../../lib/notebook/run-summary';
import type { RunResult } from '../../lib/notebook/runner';
import { flatNumbers, gridPoints, pointName, sweepNotebook } from '../../lib/notebook/sweep';
import { Workplace } from './make-notebook';

const place = new Workplace();
after(() => place.remove());

describe('parameter files', () => {
  it('are JSON or flat YAML', () => {
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
    assert.throws(() => readParameterFile(place.file('bad.yml')), /bad\.yml:2: expected `name: value`/);
    fs.writeFileSync(place.file('bad.json'), '[1]');
    assert.throws(() => readParameterFile(place.file('bad.json')), /expected an object/);
    assert.throws(() => readParameterFile(place.file('none.json')), /cannot be read \(ENOENT\)/);
    assert.throws(() => readParameterFile(place.file('python.ipynb')), /cannot be read|expected a \.json/);
  });

  it('may be the environment', () => {
    assert.deepEqual(parametersFromEnvironment({ TUNEBOOK_PARAM_rate: '1', OTHER: '2' }), { rate: '1' });
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

  it('and several notebooks with summaries are commands', () => {
    const one = place.write('one.ipynb', ['@parameters\nconst a: number = 1;', 'console.log(a)']);
    const two = place.write('two.ipynb', ['throw new Error("second")']);
    const cli = path.resolve(__dirname, '..', '..', 'lib', 'cli.js');
    const args = ['run', one, two, '-j', '2', '--junit', 'junit.xml', '--summary', 'summary.json'];
    const env = { ...process.env, TUNEBOOK_PARAM_a: '5' };
    const { status, stdout } = spawnSync(process.execPath, [cli, ...args], {
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
