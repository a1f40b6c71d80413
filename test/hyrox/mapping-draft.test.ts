/** A mapping drafted from a table: what is taken as what, the draft reads its own table, what is not found is said. */
import { after, describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import {
  checkRaces,
  proposeMapping,
  raceLabels,
  readMappedTable,
  readMapping,
  readRaces,
} from '../../lib/hyrox';
import { sumParts } from '../../lib/hyrox/statistics/sum-parts';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { TRIATHLON_FOLDER } from '../../data/triathlon/generate';
import { REAL_DATA, missingRealData } from './shared-data';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-draft-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

/** Writes a table of so many rows. */
function tableOf(header: string, row: (i: number) => string, rows = 60): string {
  const file = path.join(folder, 'table.csv');
  fs.writeFileSync(file, [header, ...Array.from({ length: rows }, (_, i) => row(i)), ''].join('\n'));
  return file;
}
const clock = (seconds: number): string =>
  `${Math.floor(seconds / 60)}:${String(Math.round(seconds) % 60).padStart(2, '0')}`;
/** Different, and in no order. */
const part = (i: number, from: number, times: number): number => from + ((i * times) % 97);

describe('sumParts', () => {
  it('finds sums of sums by their single parts, past a few wrong rows', () => {
    const a = Array.from({ length: 80 }, (_, i) => part(i, 50, 31));
    const b = a.map((_, i) => part(i, 90, 53));
    const c = a.map((_, i) => part(i, 300, 17));
    const ab = a.map((value, i) => value + b[i] + (i === 7 ? 400 : 0));
    const all = ab.map((value, i) => value + c[i]);
    const other = a.map((_, i) => part(i, 500, 71));
    assert.deepEqual(sumParts([all, a, b, ab, c, other]), [
      [1, 2, 4],
      undefined,
      undefined,
      [1, 2],
      undefined,
      undefined,
    ]);
  });
  it('finds none when there are too few rows to tell', () => {
    assert.deepEqual(
      sumParts([
        [3, 5],
        [1, 2],
        [2, 3],
      ]),
      [undefined, undefined, undefined],
    );
  });
});

describe('proposeMapping', () => {
  const hyrox = {
    groups: { sex: 'gender', age: 'age_group' },
    segments: {
      roxzone: 'roxzone_time',
      run: 'work_run_time',
      ski: '1000m Ski',
      'sled push': '50m Sled Push',
      'sled pull': '50m Sled Pull',
      'burpee broad jump': '80m Burpee Broad Jump',
      row: '1000m Row',
      'farmer carry': '200m Farmer Carry',
      'sandbag lunges': '100m Sandbag Lunges',
      'wall balls': '100 Wall Balls',
    },
    target: { name: 'total', column: 'total_time' },
    values: 'time',
    unit: 'seconds',
  };

  it('finds the segments of the sample, a series by its sum, and reads the same times as without a mapping', () => {
    const file = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
    const { mapping, notes, columns } = proposeMapping(file);
    assert.deepEqual(mapping, hyrox);
    assert.deepEqual(notes, [
      'These are the columns of HYROX results: dataset build and feedback read them without a mapping.',
    ]);
    assert.equal(columns.length, 29);
    const { table, log } = readRaces(file);
    const own = raceLabels(checkRaces(table, log));
    const mapped = readMappedTable(file, mapping).table;
    assert.equal(mapped.target[0], own.target[0]);
    for (const [name, column] of Object.entries(mapping.segments))
      assert.equal(mapped.segments[name][5], own.segments[column][5]);
  });

  it('finds those of the real file', { skip: missingRealData('hyrox_data_1.csv') }, () => {
    assert.deepEqual(proposeMapping(path.join(REAL_DATA, 'hyrox_data_1.csv')).mapping, hyrox);
  });

  it('finds what the committed mapping of the triathlon names', () => {
    const { mapping, columns, notes } = proposeMapping(path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv'));
    const committed = readMapping(path.join(TRIATHLON_FOLDER, 'mapping.json'));
    assert.deepEqual(Object.values(mapping.segments), Object.values(committed.segments));
    assert.deepEqual(Object.values(mapping.groups), Object.values(committed.groups));
    assert.deepEqual(mapping.target, committed.target);
    assert.deepEqual(notes, []);
    assert.deepEqual(columns[0], {
      column: 'Bib',
      taken: 'left out',
      why: 'its own value in most rows: a person or a number',
    });
    assert.equal(columns[4].why, 'times, median 0:03:04; empty in 4 rows');
  });

  it('leaves out names, places and gun times, and says which column may be a group', () => {
    const file = tableOf('Place,Name,Wave,Swim,Run,Finish,Gun', (i) => {
      const [swim, run] = [part(i, 900, 31), part(i, 1500, 53)];
      return [
        i + 1,
        `P${i}`,
        i % 2 ? 'red' : 'blue',
        clock(swim),
        clock(run),
        clock(swim + run),
        clock(swim + run + part(i, 5, 71)),
      ].join();
    });
    const { mapping, columns, notes } = proposeMapping(file);
    assert.deepEqual(mapping.segments, { swim: 'Swim', run: 'Run' });
    assert.deepEqual(mapping.target, { name: 'finish', column: 'Finish' });
    assert.deepEqual(mapping.groups, {});
    assert.deepEqual(
      columns.filter(({ taken }) => taken === 'left out').map(({ column }) => column),
      ['Place', 'Name', 'Wave', 'Gun'],
    );
    assert.match(
      notes.join('\n'),
      /No column of age groups.*\n.*No column of the sex.*\n"Wave" \(blue, red\) may be a group/,
    );
    assert.equal(readMappedTable(file, mapping).table.size, 60);
  });

  const cases: [string, string, (i: number) => string, RegExp][] = [
    [
      'no total',
      'Sex,A,B',
      (i) => ['F', clock(part(i, 60, 31)), clock(part(i, 90, 53))].join(),
      /No total was found: the sum/,
    ],
    [
      'times since the start',
      'Sex,5k,10k,15k,Finish',
      (i) => ['F', ...[1, 2, 3, 4].map((n) => clock(n * part(i, 1200, 31) + part(i, 0, 53 + n)))].join(),
      /look like times since the start/,
    ],
    [
      'a total that the parts do not reach',
      'Sex,A,B,Total',
      (i) => ['F', clock(part(i, 60, 31)), clock(part(i, 90, 53)), clock(part(i, 1000, 71))].join(),
      /"Total" is not the sum of the segments \(median difference \d+\)/,
    ],
    [
      'plain numbers',
      'Sex,Score_a,Score_b',
      (i) => `F,${part(i, 3, 31)},${part(i, 5, 53)}.5`,
      /lower one counts[^]*No unit was found/,
    ],
    [
      'ages in years',
      'Sex,Age,A,B',
      (i) => `M,${20 + (i % 40)},${clock(part(i, 60, 31))},${clock(part(i, 90, 53))}`,
      /"Age" holds years/,
    ],
    [
      'a name that stands twice',
      'Sex,A,B,A',
      (i) => `M,${clock(part(i, 60, 31))},${clock(part(i, 90, 53))},1:00`,
      /"A" names more than one column/,
    ],
  ];
  for (const [what, header, row, note] of cases)
    it(`mentions ${what}, and the draft reads the table`, () => {
      const file = tableOf(header, row);
      const { mapping, notes } = proposeMapping(file);
      assert.match(notes.join('\n'), note);
      assert.ok(readMappedTable(file, mapping).table.size > 0);
    });

  it('refuses a table without two times, and names what its columns are', () => {
    const file = tableOf('Name,Swim', (i) => `P${i},${clock(part(i, 60, 31))}`);
    assert.throws(
      () => proposeMapping(file),
      /table\.csv: expected at least two columns of times .* got "Swim" only among Name \(text\), Swim \(times\)/,
    );
    assert.throws(
      () => proposeMapping(tableOf('A,B', () => '', 0)),
      /got none among A \(empty\), B \(empty\)/,
    );
  });
});
