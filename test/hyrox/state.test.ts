/** The fitted state: a row's labels come from it alone, saved or not, and what is no state is refused. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  buildDataset,
  checkRaces,
  fit,
  labelCorrected,
  labelRaces,
  loadState,
  raceLabels,
  readRaces,
  saveState,
  selectRows,
} from '../../lib/hyrox';
import type { RaceState } from '../../lib/hyrox';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { TRIATHLON_FOLDER } from '../../data/triathlon/generate';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-state-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));
const at = (name: string): string => path.join(folder, name);

const sample = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
const { table: raw, log } = readRaces(sample);
const table = raceLabels(checkRaces(raw, log));
const labelled = labelCorrected(table);
const { state } = labelled;

describe('a fitted state', () => {
  it('labels a row alike, alone, in the file, and in any order', () => {
    const all = labelRaces(state, table);
    for (const i of [0, 7, 500, 2394])
      assert.deepEqual(labelRaces(state, selectRows(table, [i])).records[0], all.records[i]);
    const backwards = Array.from({ length: table.size }, (_, i) => table.size - 1 - i);
    assert.deepEqual(labelRaces(state, selectRows(table, backwards)).records, [...all.records].reverse());
  });

  it('agrees with labels from models that have not seen the row: expected totals within 20 seconds, 0.4 %', () => {
    const { predicted, verdicts } = labelRaces(state, table);
    const apart = predicted.map((value, i) => Math.abs(value - labelled.predicted[i])).sort();
    assert.ok(apart[apart.length >> 1] <= 20, `median ${apart[apart.length >> 1]} s`);
    const same = verdicts.filter((verdict, i) => verdict === labelled.verdicts[i]).length;
    assert.ok(same / verdicts.length > 0.95, `${same} of ${verdicts.length} verdicts`);
  });

  it('is the same after it was saved and loaded, with boosted trees as well', async () => {
    for (const model of ['linear', 'boosted'] as const) {
      const small = selectRows(
        table,
        Array.from({ length: 300 }, (_, i) => 8 * i),
      );
      const fitted = fit(small, { expect: { model } });
      const bytes = await saveState(at('s.json'), fitted);
      assert.equal(bytes, fs.statSync(at('s.json')).size);
      const loaded = await loadState(at('s.json'));
      assert.deepEqual(loaded, JSON.parse(JSON.stringify(fitted)));
      assert.deepEqual(labelRaces(loaded, table).records, labelRaces(fitted, table).records);
    }
  });

  it('accepts a table of races as well as one to label', () => {
    const again = readRaces(sample);
    assert.deepEqual(fit(checkRaces(again.table, again.log)), state);
  });

  it('holds no name and no line of the file it was made from', () => {
    assert.deepEqual(Object.keys(state.races), ['size', 'groups', 'segments', 'target']);
  });

  it('compares a group it has never seen with more people, and counts that', () => {
    const row = selectRows(table, [3]);
    const { levels } = labelRaces(state, { ...row, groups: { ...row.groups, age: ['95-99'] } }).peers;
    assert.deepEqual(levels, { allGroups: 0, firstGroup: 1, everyone: 0 });
    const stranger = { ...row, groups: { gender: ['9'], age: row.groups.age } };
    assert.deepEqual(labelRaces(state, stranger).peers.levels, { allGroups: 0, firstGroup: 0, everyone: 1 });
  });

  it('refuses a row without a value, and a table with other columns', () => {
    const row = selectRows(table, [3]);
    const gap = { ...row, segments: { ...row.segments, '1000m Row': Float64Array.of(NaN) } };
    assert.throws(() => labelRaces(state, gap), /row 0 of the checked table has no "1000m Row"/);
    const fewer = Object.fromEntries(Object.entries(row.segments).slice(1));
    assert.throws(() => labelRaces(state, { ...row, segments: fewer }), /expected the columns of the state/);
  });
});

describe('loadState', () => {
  const write = (change: (copy: RaceState) => unknown): string => {
    const copy = JSON.parse(JSON.stringify(state)) as RaceState;
    fs.writeFileSync(at('bad.json'), JSON.stringify(change(copy)));
    return at('bad.json');
  };

  it('names what is wrong with a file', async () => {
    const cases: readonly [RegExp, (copy: RaceState) => unknown][] = [
      [/expected a tunebook race state, got a, b/, () => ({ a: 1, b: 2 })],
      [/expected a tunebook race state of version 1, got version 2/, (copy) => ({ ...copy, version: 2 })],
      [/usual.*damaged/, (copy) => ({ ...copy, usual: ['a'] })],
      [/"races"/, (copy) => ({ ...copy, races: { ...copy.races, target: [1] } })],
      [/"centroids"/, (copy) => ({ ...copy, centroids: [[1]] })],
      [/Unrecognized key/, (copy) => ({ ...copy, more: 1 })],
    ];
    for (const [message, change] of cases) await assert.rejects(loadState(write(change)), message);
    fs.writeFileSync(at('bad.json'), '{"format":');
    await assert.rejects(loadState(at('bad.json')), /line 1/);
    await assert.rejects(loadState(at('none.json')), /none\.json/);
  });
});

describe('buildDataset with a state', () => {
  const one = at('one.csv');
  const [header, , row] = fs.readFileSync(sample, 'utf8').split('\n');
  fs.writeFileSync(one, `${header}\n${row}\n`);

  it('writes it beside the records, and labels one new row by it as the whole file would be', async () => {
    const built = await buildDataset({ input: sample, output: at('all.jsonl') });
    assert.equal(built.state, at('all.state.json'));
    assert.match(built.notes.join(), /55 rows are compared with all of the same gender: fewer than 20/);
    const alone = await buildDataset({ input: one, output: at('one.jsonl'), state: built.state });
    assert.equal(alone.records, 1);
    const everyone = await buildDataset({ input: sample, output: at('again.jsonl'), state: built.state });
    const lines = fs.readFileSync(everyone.output, 'utf8').split('\n');
    assert.equal(fs.readFileSync(alone.output, 'utf8'), `${lines[1]}\n`);
  });

  it('reads another sport by the mapping it was made with', async () => {
    const triathlon = path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv');
    const mapping = path.join(TRIATHLON_FOLDER, 'mapping.json');
    const { state: made, records } = await buildDataset({
      input: triathlon,
      mapping,
      output: at('tri.jsonl'),
    });
    const again = await buildDataset({ input: triathlon, state: made, output: at('tri2.jsonl') });
    assert.equal(again.records, records);
    const context = (file: string): string =>
      JSON.parse(fs.readFileSync(file, 'utf8').split('\n')[0]).context;
    assert.match(context(at('tri2.jsonl')), /^sex: M, class: 60-69, finish: 10915, predicted: \d+, .*swim/);
  });

  it('refuses what the state has decided, and imputing', async () => {
    const stated = { input: one, output: at('x.jsonl'), state: at('all.state.json') };
    await assert.rejects(
      buildDataset({ ...stated, seed: 1, answers: 'rich' }),
      /no answers, seed beside a state/,
    );
    await assert.rejects(buildDataset({ ...stated, onProblem: 'impute' }), /got 'impute'/);
    await assert.rejects(buildDataset({ ...stated, handle: { 'bad-time': 'impute' } }), /got 'impute'/);
    assert.equal(fs.existsSync(at('x.jsonl')), false);
  });
});
