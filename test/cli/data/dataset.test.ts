/** `tunebook dataset build` and `map` through the built program: the sample, the triathlon example, wrong calls. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { SAMPLE_FOLDER } from '../../../data/hyrox/generate';
import { TRIATHLON_FOLDER } from '../../../data/triathlon/generate';
import { CLI } from '../../support/paths';
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-command-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const sample = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
const triathlon = path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv');
const mapping = path.join(TRIATHLON_FOLDER, 'mapping.json');

function build(...words: string[]): { status: number | null; stdout: string; stderr: string } {
  return spawnSync(process.execPath, [CLI, 'dataset', 'build', ...words], {
    cwd: folder,
    encoding: 'utf8',
  });
}

describe('tunebook dataset build', () => {
  it('makes the committed labels of the sample, and reports each problem with row and column', () => {
    const run = build(sample, '-o', 'plain.jsonl', '--answers', 'plain', '--report', 'report.json');
    assert.equal(run.status, 0, run.stderr);
    const committed = fs.readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample-corrected.jsonl'));
    assert.ok(fs.readFileSync(path.join(folder, 'plain.jsonl')).equals(committed));
    assert.match(run.stdout, /2401 rows, separated by ",", utf-8; 2395 labelled/);
    assert.match(run.stdout, /^duplicate +the same athlete and times again +2 +left out$/m);
    assert.match(run.stdout, /^ *1680 +50m Sled Push +zero-time +0 seconds +left out$/m);
    assert.match(run.stdout, /answers that their context determines +100\.0 %/);
    assert.match(run.stdout, /Written: plain\.jsonl, 2395 records/);
    const report = JSON.parse(fs.readFileSync(path.join(folder, 'report.json'), 'utf8')) as {
      records: number;
      input: { counts: unknown };
    };
    assert.equal(report.records, 2395);
    assert.deepEqual(report.input.counts, { duplicate: 2, 'bad-age-group': 2, 'zero-time': 2 });
  });

  it('replays the published labels, and says which rows have none', () => {
    const run = build(sample, '-o', 'published.jsonl', '--mode', 'asPublished');
    assert.equal(run.status, 0, run.stderr);
    const committed = fs.readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.jsonl'));
    assert.ok(fs.readFileSync(path.join(folder, 'published.jsonl')).equals(committed));
    assert.match(run.stdout, /4 more rows have no label/);
    assert.match(run.stdout, /RMSE on the test part, minutes +3\.154/);
  });

  it('takes another table through a mapping; rows that were lost are listed first', () => {
    const run = build(triathlon, '-o', 'triathlon.jsonl', '--mapping', mapping, '--list', '5');
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stdout, /600 rows, separated by ";", utf-8; 596 labelled/);
    assert.match(run.stdout, /Columns not used: Bib\./);
    assert.match(run.stdout, /Where\nrow .*\n-.*\n *72 +T1 +missing-value +no value +left out\n/);
    assert.match(run.stdout, /^… and 496 more/m);
    const lines = fs.readFileSync(path.join(folder, 'triathlon.jsonl'), 'utf8').trimEnd().split('\n');
    assert.equal(lines.length, 596);
    assert.match(lines[0], /"input":"Judge this triathlon/);
  });

  it('handles problems as requested, in general and by kind', () => {
    const imputed = build(sample, '-o', 'imputed.jsonl', '--on-problem', 'impute');
    assert.match(imputed.stdout, /2399 labelled/);
    assert.match(imputed.stdout, /^zero-time +zero seconds +2 +imputed$/m);
    // An imputed part no longer fits its sum, so the sums are to be imputed as well.
    const handle = ['zero-time=impute', 'sum-mismatch=impute', 'duplicate=keep'];
    const mixed = build(sample, '-o', 'mixed.jsonl', ...handle.flatMap((text) => ['--handle', text]));
    assert.match(mixed.stdout, /2399 labelled/);
    assert.match(mixed.stdout, /^bad-age-group +no age group +2 +left out$/m);
  });

  const wrong: [string, string[], number, RegExp][] = [
    [
      'a problem where it should stop',
      [sample, '--on-problem', 'stop'],
      1,
      /row 5\d\d: all times are those of row/,
    ],
    ['a file that is not there', ['none.csv'], 1, /none\.csv: cannot be read/],
    [
      'a mapping with published labels',
      [triathlon, '--mapping', mapping, '--mode', 'asPublished'],
      1,
      /'corrected' only/,
    ],
    ['an unknown mode', [sample, '--mode', 'best'], 2, /Allowed choices are corrected, asPublished/],
    ['an unknown kind', [sample, '--handle', 'colour=skip'], 2, /one of delimiter, encoding/],
    ['an unknown handling', [sample, '--handle', 'duplicate=drop'], 2, /kind=skip\|stop\|impute\|keep/],
    ['a seed that is no number', [sample, '--seed', 'x'], 2, /whole number/],
  ];
  for (const [what, words, status, message] of wrong) {
    it(`refuses ${what} and writes nothing`, () => {
      const run = build(...words, '-o', 'wrong.jsonl');
      assert.equal(run.status, status, run.stdout);
      assert.match(run.stderr, message);
      assert.equal(fs.existsSync(path.join(folder, 'wrong.jsonl')), false);
    });
  }

  it('requires an output path', () => {
    const run = build(sample);
    assert.equal(run.status, 2);
    assert.match(run.stderr, /required option '-o, --output <file>'/);
  });
});

describe('tunebook dataset build --state', () => {
  const [header, ...rows] = fs.readFileSync(sample, 'utf8').split('\n');
  const write = (name: string, ...lines: string[]): string => {
    fs.writeFileSync(path.join(folder, name), `${lines.join('\n')}\n`);
    return name;
  };
  const small = write('small.csv', header, ...rows.slice(0, 60));
  const one = write('one.csv', header, rows[2000]);

  it('labels a single row by the state that a build wrote beside its records', () => {
    const made = build(small, '-o', 'small.jsonl');
    assert.equal(made.status, 0, made.stderr);
    assert.match(made.stdout, /State: small\.state\.json/);
    const { status, stdout, stderr } = build(one, '-o', 'one.jsonl', '--state', 'small.state.json');
    assert.equal(status, 0, stderr);
    assert.match(stdout, /1 rows, .*; 1 labelled/);
    const record = JSON.parse(fs.readFileSync(path.join(folder, 'one.jsonl'), 'utf8')) as { context: string };
    assert.match(record.context, /^gender: [01], age: \d\d-\d\d, total_time: \d+, predicted: \d+, cluster/);
  });

  it('labels one row of another sport by the mapping in the state', () => {
    const [names, ...results] = fs.readFileSync(triathlon, 'utf8').split('\n');
    const made = build(triathlon, '-o', 'tri.jsonl', '--mapping', mapping);
    assert.equal(made.status, 0, made.stderr);
    const alone = build(
      write('tri-one.csv', names, results[3]),
      '-o',
      'tri-one.jsonl',
      '--state',
      'tri.state.json',
    );
    assert.equal(alone.status, 0, alone.stderr);
    assert.match(
      fs.readFileSync(path.join(folder, 'tri-one.jsonl'), 'utf8'),
      /sex: F, class: 40-49, finish: 12332/,
    );
  });

  const state = (change: (text: string) => string): string[] => {
    fs.writeFileSync(
      path.join(folder, 'changed.state.json'),
      change(fs.readFileSync(path.join(folder, 'small.state.json'), 'utf8')),
    );
    return [one, '--state', 'changed.state.json'];
  };
  const refused: [string, () => string[], RegExp][] = [
    [
      'a state of another version',
      () => state((text) => text.replace('"version":1', '"version":7')),
      /of version 1, got version 7\. Make one with: tunebook dataset build/,
    ],
    ['a state that was cut off', () => state((text) => text.slice(0, 5000)), /changed\.state\.json/],
    [
      'a state without its peers',
      () => state((text) => text.replace('"peers"', '"pears"')),
      /expectation\.peers.*The state is damaged/,
    ],
    [
      'records in place of a state',
      () => [one, '--state', 'report.json'],
      /expected a tunebook race state, got/,
    ],
    [
      'a state of another sport',
      () => [one, '--state', 'tri.state.json'],
      /one\.csv: expected the columns of the state \(Sex, Class, Swim.*the state is of another kind of table/,
    ],
    [
      'a table of another sport',
      () => [triathlon, '--state', 'small.state.json'],
      /expected the columns of the state \(gender, age_group.*the state is of another kind of table/,
    ],
    [
      'a table without one of its columns',
      () => [
        write('less.csv', ...[header, rows[0]].map((line) => line.split(',').slice(0, -3).join())),
        '--state',
        'small.state.json',
      ],
      /columns of the state; .*"100 Wall Balls" are missing/,
    ],
    [
      'a row with an impossible time',
      () => [write('bad.csv', header, rows[0].replace(/0:00:33/, '0:00:00')), '--state', 'small.state.json'],
      /no row is left of 1: row 2, column "roxzone_1": 0 seconds\. Fix the file/,
    ],
  ];
  for (const [what, words, message] of refused)
    it(`refuses ${what} and writes nothing`, () => {
      const run = build(...words(), '-o', 'wrong.jsonl');
      assert.equal(run.status, 1, run.stdout);
      assert.match(run.stderr, message);
      assert.equal(fs.existsSync(path.join(folder, 'wrong.jsonl')), false);
    });

  it('refuses to overwrite a state', () => {
    const run = build(one, '--state', 'small.state.json', '-o', 'small.state.json');
    assert.match(run.stderr, /an output beside the state, got the same file small\.state\.json/);
    assert.match(fs.readFileSync(path.join(folder, 'small.state.json'), 'utf8'), /^\{"format"/);
  });
});

describe('tunebook dataset map', () => {
  const map = (...words: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [CLI, 'dataset', 'map', ...words], { cwd: folder, encoding: 'utf8' });

  it('drafts a mapping that builds, with a reason for each column', () => {
    const run = map(triathlon, '-o', 'draft.json');
    assert.equal(run.status, 0, run.stderr);
    assert.equal(run.stdout, '');
    assert.match(run.stderr, /^Finish +target "finish" +the sum of 5 columns$/m);
    const built = build(triathlon, '-o', 'drafted.jsonl', '--mapping', 'draft.json');
    assert.equal(built.status, 0, built.stderr);
    assert.match(built.stdout, /596 labelled/);
  });

  it('prints the same JSON without -o, and overwrites no file', () => {
    const run = map(triathlon);
    assert.equal(run.stdout, fs.readFileSync(path.join(folder, 'draft.json'), 'utf8'));
    const again = map(triathlon, '-o', 'draft.json');
    assert.equal(again.status, 1);
    assert.match(again.stderr, /draft\.json: is there already/);
  });

  it('--help documents the mapping format', () => {
    const help = spawnSync(process.execPath, [CLI, 'dataset', '--help'], { encoding: 'utf8' }).stdout;
    for (const word of ['groups', 'segments', 'target', 'values', 'unit'])
      assert.match(help, new RegExp(`^ +${word} |; ${word}:`, 'm'));
  });
});
