/**
 * The published analysis replayed: on the real files where this machine has them, and on the built-in sample,
 * whose labels one can follow by hand.
 */
import { describe, it } from 'node:test';
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import {
  SEGMENTS,
  determinedShare,
  labelAsPublished,
  parseRaces,
  publishedBoosting,
  publishedElbow,
  readRaces,
} from '../../lib/hyrox';
import type { FeedbackRecord, PublishedIntermediate, PublishedResult } from '../../lib/hyrox';
import { SAMPLE_FOLDER } from '../../data/hyrox/generate';
import { REAL_DATA, missingRealData } from './shared-data';

const FILES = ['hyrox_data_1.csv', 'hyrox_json_instructed.jsonl', 'published_intermediate.csv'];
const real = (name: string): string => path.join(REAL_DATA, name);
const close = (got: number, want: number, tolerance: number): void =>
  assert.ok(Math.abs(got - want) <= tolerance, `${got}, not ${want}`);

function readRecords(file: string): FeedbackRecord[] {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n');
  return lines.map((line) => JSON.parse(line) as FeedbackRecord);
}

function readIntermediate(file: string): PublishedIntermediate {
  const lines = fs.readFileSync(file, 'utf8').trimEnd().split('\n').slice(1);
  const cells = lines.map((line) => line.split(',').map(Number));
  return { row: cells.map((c) => c[0]), cluster: cells.map((c) => c[2]), predicted: cells.map((c) => c[3]) };
}

/** The published facts that a label shows, whatever its list: verdict and cluster. */
function knownFrom(result: PublishedResult): string[] {
  return result.records.map(
    ({ response }, i) =>
      `${response.slice(0, 20)} ${result.lists[i].length === 0 ? 'None' : result.clusters[i]}`,
  );
}

describe('labelAsPublished on the real file', { skip: missingRealData(...FILES) }, () => {
  const read = (): ReturnType<typeof readRaces>['table'] =>
    readRaces(real(FILES[0]), { onProblem: 'keep' }).table;

  it('makes all 5,256 contexts and responses from the published split and clusters', () => {
    const published = readRecords(real(FILES[1]));
    const { records, figures } = labelAsPublished(read(), { given: readIntermediate(real(FILES[2])) });
    assert.equal(records.length, 5256);
    assert.deepEqual(records, published);
    close(figures.inertia, 390.485, 0.001); // about the means of the published labels
    close(figures.meanResidual, -192.6, 0.05);
    close(figures.sdResidual, 429.5, 0.05);
  });

  it('makes all of them with a split and a k-means of its own, and the published figures', () => {
    const published = readRecords(real(FILES[1]));
    const { records, figures } = labelAsPublished(read());
    assert.deepEqual(records, published);
    assert.deepEqual(figures.clusterSizes, [1015, 592, 708, 987, 1542, 412]);
    close(figures.inertia, 390.489, 0.0005);
    assert.equal(figures.test.rows, 1052);
    close(figures.test.mse, 23998.1, 0.05);
    close(figures.test.rmse / 60, 2.582, 0.0005);
    close(figures.test.r2, 0.97552, 0.000005);
  });

  it('finds 5,176 of 5,256 close once ages are scaled in both places, as the study of its mistakes did', () => {
    const { residual } = labelAsPublished(read(), { correct: ['ages'] });
    assert.equal(residual.filter((seconds) => Math.abs(seconds) <= 180).length, 5176);
  });

  it('makes the published elbow', () => {
    const inertias = publishedElbow(read()).map(({ inertia }) => Number(inertia.toFixed(1)));
    assert.deepEqual(inertias, [33402.4, 27720.7, 25047.4, 23131.6, 21768.0, 20548.5, 19540.2, 18808.8]);
  });

  it('comes near the published boosted model with trees of its own', () => {
    const { rmse, r2 } = publishedBoosting(read());
    close(rmse / 60, 2.91, 0.25);
    close(r2, 0.96886, 0.005);
  });

  it('counts what the publication counted, and how much the context determines', () => {
    const result = labelAsPublished(read());
    const answers = result.records.map(({ response }) => response);
    const count = (text: string): number => answers.filter((answer) => answer.includes(text)).length;
    assert.deepEqual(
      [
        count('outperformed'),
        count('slower than'),
        count('close to'),
        count('in line'),
        new Set(answers).size,
      ],
      [3393, 955, 908, 1721, 1522],
    );
    const listed = result.lists.reduce((sum, list) => sum + list.length, 0) / answers.length;
    close(listed, 2.157, 0.0005);
    close(determinedShare(knownFrom(result), answers), 0.4315, 0.00005);
    close(
      determinedShare(
        answers.map(() => ''),
        answers,
      ),
      0.2275,
      0.00005,
    );
  });
});

describe('labelAsPublished on the built-in sample', () => {
  const { table } = readRaces(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), { onProblem: 'keep' });
  const result = labelAsPublished(table);

  it('loses the rows without an age, and as many at the end (mistake 2)', () => {
    const missing = table.ageGroup.flatMap((group, i) => (group === '' ? [i] : []));
    assert.equal(missing.length, 2);
    const lost = new Set([...missing, table.size - 1, table.size - 2]);
    assert.deepEqual(
      [...result.rows],
      Array.from({ length: table.size }, (_, i) => i).filter((i) => !lost.has(i)),
    );
  });

  it("shows an athlete below the gap the next athlete's segments (mistakes 1 and 2)", () => {
    const first = table.ageGroup.indexOf('');
    const kept = table.ageGroup.flatMap((group, i) => (group === '' ? [] : [i]));
    const shown = (at: number): number => (at < first ? at : kept[at]);
    const scaled = SEGMENTS.map((name) => {
      const values = kept.map((i) => table.seconds[name][i]);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      return (row: number): number => (table.seconds[name][row] - low) / (high - low);
    });
    const rows = [...result.rows];
    for (const at of [first - 1, first, first + 40]) {
      const own = rows.flatMap((row, i) => (result.clusters[i] === result.clusters[at] ? [row] : []));
      const faster = SEGMENTS.filter((_, s) => {
        const mean = own.reduce((sum, row) => sum + scaled[s](shown(row)), 0) / own.length;
        return scaled[s](shown(rows[at])) < mean - 0.05;
      });
      assert.deepEqual(result.lists[at], faster);
    }
    assert.notEqual(shown(first + 40), first + 40);
  });

  it('says verdict and list in the published words', () => {
    result.records.forEach(({ context, response }, i) => {
      const residual = result.residual[i];
      if (Math.abs(Math.abs(residual) - 180) > 1) {
        const word = residual > 180 ? 'slower than' : residual < -180 ? 'outperformed' : 'close to';
        assert.ok(response.includes(word), response);
      }
      const list = result.lists[i];
      assert.equal(response.includes('in line'), list.length === 0);
      if (list.length > 0)
        assert.ok(
          response.endsWith(`(#${result.clusters[i]}.0), you may want to improve: ${list.join(', ')}.`),
        );
      assert.ok(context.endsWith(`cluster: ${list.length === 0 ? 'None' : result.clusters[i]}`));
    });
  });

  it('is determined by its context in less than half of the answers', () => {
    const share = determinedShare(
      knownFrom(result),
      result.records.map(({ response }) => response),
    );
    assert.ok(share > 0.2 && share < 0.5, String(share));
  });

  it('corrects each mistake on its own', () => {
    const close = (r: PublishedResult): number =>
      r.residual.filter((s) => Math.abs(s) <= 180).length / r.residual.length;
    const sign = labelAsPublished(table, { correct: ['sign'] });
    sign.lists.forEach((list, i) => assert.ok(list.every((name) => !result.lists[i].includes(name))));
    assert.deepEqual(sign.predicted, result.predicted);

    const shift = labelAsPublished(table, { correct: ['shift'] });
    assert.equal(shift.records.length, table.size - 2);
    assert.ok(shift.figures.test.r2 > 0.9999999, 'with the rows in place the features give the target away');

    const ages = labelAsPublished(table, { correct: ['ages'] });
    assert.ok(close(ages) > 0.9 && close(result) < 0.3, `${close(ages)} and ${close(result)} are close`);

    const both = labelAsPublished(table, { correct: ['shift', 'ages'] });
    assert.equal(close(both), 1, 'the leak: nobody is ever slow or fast');

    const leak = labelAsPublished(table, { correct: ['shift', 'ages', 'leak'] });
    assert.ok(close(leak) > 0.4 && close(leak) < 0.9, String(close(leak)));
  });

  it('refuses clusters of another file, and rows without times', () => {
    const given = { row: [0, 1], cluster: [0, 0], predicted: [1, 1] };
    assert.throws(() => labelAsPublished(table, { given }), /of 2 other rows/);
    const text = fs.readFileSync(path.join(SAMPLE_FOLDER, 'hyrox-sample.csv'), 'utf8').split('\n');
    text[5] = text[5].replace(/^((?:[^,]*,){7})[^,]*/, '$1');
    const gap = parseRaces(Buffer.from(text.join('\n')), { file: 'gap.csv', onProblem: 'keep' });
    assert.throws(() => labelAsPublished(gap.table), /a time is missing/);
  });
});

describe('determinedShare', () => {
  it('counts the most frequent answer of each key', () => {
    assert.equal(determinedShare(['a', 'a', 'a', 'b'], ['x', 'x', 'y', 'z']), 0.75);
    assert.equal(determinedShare([], []), 0);
  });
});
