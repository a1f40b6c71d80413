/** From a table to a label file: both modes, a mapped table, wrong options, and no partial file. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { buildDataset, readContext, readMapping } from '../../lib/hyrox';
import type { FeedbackRecord } from '../../lib/hyrox';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { TRIATHLON_FOLDER, generateTriathlon } from '../../data/triathlon/generate';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-build-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

const sample = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
const triathlon = path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv');
const mapping = path.join(TRIATHLON_FOLDER, 'mapping.json');
const out = (name: string): string => path.join(folder, name);
const read = (file: string): FeedbackRecord[] =>
  fs
    .readFileSync(file, 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as FeedbackRecord);

function write(name: string, text: string): string {
  fs.writeFileSync(out(name), text);
  return out(name);
}

describe('buildDataset', () => {
  it('writes corrected labels by default, and says what it left out', async () => {
    const built = await buildDataset({ input: sample, output: out('corrected.jsonl') });
    const records = read(built.output);
    assert.equal(records.length, built.records);
    assert.equal(built.records, 2395);
    assert.deepEqual(built.report.counts, { duplicate: 2, 'bad-age-group': 2, 'zero-time': 2 });
    assert.equal(built.report.rows, 2401);
    assert.equal(built.report.kept, 2395);
    assert.equal(built.sizeBytes, fs.statSync(built.output).size);
    for (const record of records) assert.deepEqual(Object.keys(record), ['input', 'context', 'response']);
  });

  it('writes the committed published labels', async () => {
    await buildDataset({ input: sample, output: out('published.jsonl'), mode: 'asPublished' });
    const committed = fs.readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.jsonl'));
    assert.deepEqual(fs.readFileSync(out('published.jsonl')), committed);
  });

  it('imputes when told to', async () => {
    const built = await buildDataset({ input: sample, output: out('imputed.jsonl'), onProblem: 'impute' });
    assert.equal(built.records, 2399);
  });

  it('stops when told to, and writes nothing', async () => {
    await assert.rejects(
      buildDataset({ input: sample, output: out('stopped.jsonl'), onProblem: 'stop' }),
      /row 586|row \d+.*(duplicate|age group|times)/,
    );
    assert.equal(fs.existsSync(out('stopped.jsonl')), false);
  });

  it('takes any table through a mapping', async () => {
    assert.equal(fs.readFileSync(triathlon, 'utf8'), generateTriathlon());
    const built = await buildDataset({ input: triathlon, output: out('triathlon.jsonl'), mapping });
    assert.equal(built.records, 596);
    assert.equal(built.report.counts['missing-value'], 4);
    assert.deepEqual(built.report.extraColumns, ['Bib']);
    const gap = built.report.problems.find(({ kind }) => kind === 'missing-value');
    assert.deepEqual([gap?.row, gap?.column], [72, 'T1']);
    const [first] = read(built.output);
    assert.equal(first.input, 'Judge this triathlon against prediction and peers');
    assert.ok(first.context.startsWith('sex: M, class: 60-69, finish: 10915, predicted: '));
    assert.deepEqual(
      new Set(readContext(first.context).segments.map(({ name }) => name)),
      new Set(['swim', 'first change', 'bike', 'second change', 'run']),
    );
    const imputed = await buildDataset({
      input: triathlon,
      output: out('all.jsonl'),
      mapping,
      onProblem: 'impute',
    });
    assert.equal(imputed.records, 600);
  });

  const table = `team;part a;part b\n${Array.from({ length: 80 }, (_, i) => `t${i % 2};${10 + ((i * 7) % 13)},5;${20 + ((i * 5) % 11)}`).join('\n')}\n`;
  const plain = {
    groups: { team: 'team' },
    segments: { a: 'part a', b: 'part b' },
    target: { name: 'sum' },
    values: 'number',
    unit: 'points',
  };

  it('takes plain numbers with decimal commas, a target that is a sum, and no templates', async () => {
    const input = write('points.csv', table);
    const built = await buildDataset({
      input,
      output: out('points.jsonl'),
      mapping: write('points.json', JSON.stringify(plain)),
    });
    assert.equal(built.records, new Set(table.trim().split('\n').slice(1)).size);
    assert.ok(read(built.output).every(({ context }) => /^team: t[01], sum: \d+, predicted/.test(context)));
  });

  const wrongMappings: [string, object | string, RegExp][] = [
    ['is no JSON', '{', /expected a mapping file in JSON/],
    ['lacks a part', { ...plain, target: undefined }, /target: /],
    ['has an unknown field', { ...plain, colour: 'red' }, /colour/],
    ['has a name with a comma', { ...plain, groups: { 'a, b': 'team' } }, /groups/],
    ['has one segment', { ...plain, segments: { a: 'part a' } }, /segments: at least two/],
    [
      'names a column that is not there',
      { ...plain, groups: { team: 'Team' } },
      /expected a column "Team", got team, part a/,
    ],
  ];
  for (const [what, content, error] of wrongMappings) {
    it(`refuses a mapping that ${what}`, async () => {
      const file = write('wrong.json', typeof content === 'string' ? content : JSON.stringify(content));
      await assert.rejects(
        buildDataset({ input: write('points.csv', table), output: out('wrong.jsonl'), mapping: file }),
        error,
      );
      assert.equal(fs.existsSync(out('wrong.jsonl')), false);
    });
  }

  it('refuses wrong options', async () => {
    const options = { input: sample, output: out('x.jsonl') };
    await assert.rejects(buildDataset({ ...options, mode: 'better' as 'corrected' }), /mode: /);
    await assert.rejects(buildDataset({ ...options, output: sample }), /output beside the input/);
    await assert.rejects(buildDataset({ ...options, mode: 'asPublished', mapping }), /'corrected' only/);
    await assert.rejects(buildDataset({ ...options, input: out('none.csv') }), /none\.csv: cannot be read/);
  });

  it('leaves nothing behind where the output cannot be written', async () => {
    await assert.rejects(
      buildDataset({ input: sample, output: out('no/such/folder.jsonl') }),
      /folder\.jsonl: cannot be written/,
    );
    fs.mkdirSync(out('taken.jsonl'));
    await assert.rejects(
      buildDataset({ input: sample, output: out('taken.jsonl') }),
      /taken\.jsonl: cannot be written/,
    );
    assert.deepEqual(
      fs.readdirSync(folder).filter((name) => name.endsWith('.tmp')),
      [],
    );
  });

  it('reports when no row is left', async () => {
    const header = fs.readFileSync(sample, 'utf8').split('\n')[0];
    await assert.rejects(
      buildDataset({ input: write('none.csv', `${header}\n`), output: out('none.jsonl') }),
      /no row is left of 0/,
    );
  });

  it('reads a mapping with its defaults', () => {
    const read = readMapping(
      write(
        'defaults.json',
        JSON.stringify({ groups: plain.groups, segments: plain.segments, target: { name: 't' } }),
      ),
    );
    assert.equal(read.values, 'time');
    assert.equal(read.unit, 'seconds');
  });
});
