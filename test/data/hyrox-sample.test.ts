/** The built-in sample: what is committed is what the generator makes, and it has the calibrated statistics. */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { generateSample, loadCalibration, SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { measure } from '../../data/hyrox/calibrate';
import { FILE_COLUMNS, RACE_ORDER, SUMS, TIME_COLUMNS } from '../../lib/hyrox/tables/columns';
import { labelAsPublished } from '../../lib/hyrox/labels/as-published';
import { readRaces } from '../../lib/hyrox/tables/read';

const csv = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
const calibration = loadCalibration();
const { table } = readRaces(csv, { onProblem: 'keep' });
const measured = measure(table, 'sample');

describe('data/hyrox', () => {
  it('is what the generator makes, byte for byte', () => {
    assert.equal(fs.readFileSync(csv, 'utf8'), generateSample(calibration));
  });

  it('gives a different sample for another seed', () => {
    assert.notEqual(generateSample(calibration, { seed: 1 }), generateSample(calibration, { seed: 2 }));
  });

  it("has the real file's columns and times, and at least 2,000 athletes", () => {
    const lines = fs.readFileSync(csv, 'utf8').trimEnd().split('\n');
    assert.equal(lines[0], FILE_COLUMNS.join(','));
    assert.ok(lines.length - 1 >= 2000, `${lines.length - 1} rows`);
    for (const line of lines.slice(1)) {
      const cells = line.split(',');
      assert.equal(cells.length, 29);
      assert.match(cells[0], /^(male|female)$/);
      assert.match(cells[1], /^(\d\d-\d\d)?$/);
      for (const cell of cells.slice(2)) assert.match(cell, /^\d:\d\d:\d\d$/);
    }
  });

  it('adds up exactly in every row', () => {
    for (const [sum, parts] of Object.entries(SUMS)) {
      for (let i = 0; i < table.size; i++) {
        const added = parts.reduce((total, name) => total + table.seconds[name][i], 0);
        assert.equal(table.seconds[sum][i], added, `${sum} of row ${i}`);
      }
    }
  });

  it('has shares of strata within 0.3 points and of age groups within 1 point', () => {
    calibration.strata.forEach((wanted, s) => {
      const got = measured.strata[s];
      assert.equal(`${got.gender} ${got.doubles}`, `${wanted.gender} ${wanted.doubles}`);
      const difference = got.athletes / measured.athletes - wanted.athletes / calibration.athletes;
      assert.ok(Math.abs(difference) < 0.003, `share of stratum ${s} off by ${difference}`);
      for (const [group, share] of Object.entries(wanted.ages)) {
        const off = (got.ages[group] ?? 0) - share;
        assert.ok(Math.abs(off) < 0.01, `${got.gender} ${group} off by ${off}`);
      }
    });
  });

  it('has means within 1%, segment spreads within 5% and spreads of sums within 10%', () => {
    calibration.strata.forEach((wanted, s) => {
      for (const name of TIME_COLUMNS) {
        const want = wanted.columns[name];
        const got = measured.strata[s].columns[name];
        const spread = RACE_ORDER.includes(name) ? 0.05 : 0.1;
        assert.ok(Math.abs(got.mean / want.mean - 1) < 0.01, `${name}: mean ${got.mean}, not ${want.mean}`);
        assert.ok(Math.abs(got.sd / want.sd - 1) < spread, `${name}: sd ${got.sd}, not ${want.sd}`);
      }
    });
  });

  it('has quartiles within 8% of those of the real file (12% for the short transitions)', () => {
    calibration.strata.forEach((wanted, s) => {
      for (const name of TIME_COLUMNS) {
        for (const q of [3, 4, 5]) {
          const off = measured.strata[s].columns[name].quantiles[q] / wanted.columns[name].quantiles[q] - 1;
          const limit = name.startsWith('roxzone_') ? 0.12 : 0.08;
          assert.ok(Math.abs(off) < limit, `stratum ${s} ${name} quantile ${q} off by ${off}`);
        }
      }
    });
  });

  it('has rank correlations within 0.2 each and 0.05 on average', () => {
    calibration.strata.forEach((wanted, s) => {
      let sum = 0;
      let count = 0;
      wanted.spearman.forEach((row, i) =>
        row.forEach((want, j) => {
          if (j >= i) return;
          const off = Math.abs(measured.strata[s].spearman[i][j] - want);
          assert.ok(off < 0.2, `stratum ${s}, pair ${i},${j}: off by ${off}`);
          sum += off;
          count++;
        }),
      );
      assert.ok(sum / count < 0.05, `stratum ${s}: ${sum / count} on average`);
    });
  });

  it('is labelled as the label maker labels it, with each verdict at least one in ten', () => {
    const lines = fs
      .readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.jsonl'), 'utf8')
      .trimEnd()
      .split('\n');
    const { records } = labelAsPublished(table);
    assert.deepEqual(
      lines.map((line) => JSON.parse(line) as unknown),
      records,
    );
    assert.equal(records.length, table.size - 4);
    for (const mark of ['slower than expected', 'close to expected', 'outperformed']) {
      const share = records.filter(({ response }) => response.includes(mark)).length / records.length;
      assert.ok(share > 0.1, `${mark}: ${share}`);
    }
  });
});
