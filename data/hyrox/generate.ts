/**
 * Makes the built-in sample: 2,400 athletes who never raced, with the columns and the statistics of the real
 * result file (`calibration.json`), and the records that the two label makers make of them.
 *
 * `node .build/data/hyrox/generate.js` writes `hyrox-sample.csv` and its labels, `hyrox-sample.jsonl` (as published)
 * and `hyrox-sample-corrected.jsonl`, beside this file; the same seed gives the same bytes. How: correlated normals (a Gaussian copula) give each segment its rank,
 * the stratum's quantiles give its seconds, and a last affine step makes mean and spread those of the stratum.
 * Sums are sums, as in the real file, and its flaws are here too: two missing age groups, two athletes twice,
 * two stations of zero seconds.
 */
import fs from 'node:fs';
import path from 'node:path';
import {
  FILE_COLUMNS,
  RACE_ORDER,
  ROXZONES,
  RUNS,
  STATIONS,
  TIME_COLUMNS,
} from '../../lib/hyrox/tables/columns';
import { buildDataset } from '../../lib/hyrox/labels/build';
import { seededRandom } from '../../lib/random';
import type { SeededRandom } from '../../lib/random';
import { moments, ranks } from '../../lib/hyrox/statistics/statistics';
import { formatTime } from '../../lib/hyrox/tables/time';
import { QUANTILE_LEVELS } from './calibrate';
import type { Calibration, Stratum } from './calibrate';
import { PACKAGE_ROOT } from '../../lib/environment';

/** One generated athlete. */
interface Athlete {
  gender: string;
  ageGroup: string;
  /** Seconds by column, sums included. */
  seconds: Record<string, number>;
}

export interface SampleOptions {
  /** Number of data rows, within rounding of the blocks. Default 2400. */
  athletes?: number;
  /**
   * Default 257: of the seeds 1 to 300 the one whose published verdicts fall much as those of the real file
   * (slower 19, close 17, outperformed 64 percent; there 18, 17, 65). They hang on what the published
   * model makes of raw ages, which is noise (mistake 3), so most seeds give labels that are nearly all alike.
   */
  seed?: number;
}

/** Where the generated files and the calibration are. */
export const SAMPLE_FOLDER = path.join(PACKAGE_ROOT, 'data', 'hyrox');

/** The committed aggregate statistics of the real file. */
export function loadCalibration(): Calibration {
  return JSON.parse(fs.readFileSync(path.join(SAMPLE_FOLDER, 'calibration.json'), 'utf8')) as Calibration;
}

/** The sample as CSV text, header included. */
export function generateSample(calibration: Calibration, options: SampleOptions = {}): string {
  const { athletes = 2400, seed = 257 } = options;
  const random = seededRandom(seed);
  const sizes = calibration.blocks.map((block) => Math.round(block.share * athletes));
  const perStratum = calibration.strata.map((stratum, s) => {
    const count = sizes.reduce((sum, n, b) => sum + (calibration.blocks[b].stratum === s ? n : 0), 0);
    return drawStratum(stratum, count, random);
  });
  const rows: Athlete[] = [];
  calibration.blocks.forEach((block, b) => {
    for (const row of pageByPage(perStratum[block.stratum].splice(0, sizes[b]))) rows.push(row);
  });
  addFlaws(rows);
  const lines = rows.map((row) =>
    [row.gender, row.ageGroup, ...TIME_COLUMNS.map((name) => formatTime(row.seconds[name]))].join(','),
  );
  return `${[FILE_COLUMNS.join(','), ...lines].join('\n')}\n`;
}

/** Two events' result lists, each by finish time, in turns of one page, as the real file was put together. */
function pageByPage(athletes: readonly Athlete[]): Athlete[] {
  const middle = Math.floor(athletes.length / 2);
  const lists = [athletes.slice(0, middle), athletes.slice(middle)].map((list) =>
    list.sort((x, y) => x.seconds.total_time - y.seconds.total_time),
  );
  const rows: Athlete[] = [];
  for (let from = 0; from < athletes.length; from += PAGE_ROWS) {
    for (const list of lists) rows.push(...list.slice(from, from + PAGE_ROWS));
  }
  return rows;
}

const PAGE_ROWS = 50;

/** Draws athletes of one stratum. */
function drawStratum(stratum: Stratum, count: number, random: SeededRandom): Athlete[] {
  const factor = cholesky(stratum.spearman.map((row) => row.map((r) => 2 * Math.sin((Math.PI * r) / 6))));
  const groups = Object.entries(stratum.ages);
  const age = new Float64Array(count);
  const drawn: Record<string, Float64Array> = Object.fromEntries(
    RACE_ORDER.map((name) => [name, new Float64Array(count)]),
  );
  for (let i = 0; i < count; i++) {
    const independent = factor.map(() => random.normal());
    const latent = factor.map((row) => row.reduce((sum, f, j) => sum + f * independent[j], 0));
    age[i] = latent[0];
    RACE_ORDER.forEach((name, k) => {
      drawn[name][i] = secondsAt(stratum.columns[name].quantiles, latent[k + 1]);
    });
  }
  for (const name of RACE_ORDER) matchMoments(drawn[name], stratum.columns[name]);
  // By rank, so that the shares of age groups are those of the stratum and not one more draw.
  return Array.from(ranks(age), (rank, i) => {
    const ageGroup = ageAt(groups, (rank - 0.5) / count);
    const seconds = Object.fromEntries(RACE_ORDER.map((name) => [name, drawn[name][i]]));
    return { gender: stratum.gender, ageGroup, seconds: withSums(seconds) };
  });
}

/** Adds the sums of the real file's first columns. */
function withSums(seconds: Record<string, number>): Record<string, number> {
  const sum = (names: readonly string[]): number => names.reduce((total, name) => total + seconds[name], 0);
  const strength = sum(STATIONS);
  const roxzone = sum(ROXZONES);
  const run = sum(RUNS);
  return {
    ...seconds,
    work_strength_time: strength,
    roxzone_time: roxzone,
    work_run_time: run,
    total_time: strength + roxzone + run,
  };
}

/** Seconds of the athlete at `z` standard deviations: linear between the quantiles, in logarithms. */
function secondsAt(quantiles: readonly number[], z: number): number {
  const knots = LEVEL_SCORES;
  let at = 0;
  while (at < knots.length - 2 && z > knots[at + 1]) at++;
  const share = (z - knots[at]) / (knots[at + 1] - knots[at]);
  const low = Math.log(Math.max(quantiles[at], 5));
  const high = Math.log(Math.max(quantiles[at + 1], 5));
  return Math.exp(low + share * (high - low));
}

/** The age group at a share of the stratum's athletes, youngest first. */
function ageAt(groups: readonly (readonly [string, number])[], share: number): string {
  let passed = 0;
  for (const [name, part] of groups) {
    passed += part;
    if (share < passed) return name;
  }
  return groups[groups.length - 1][0];
}

/** Shifts and stretches a column to the wanted mean and spread; whole seconds, at least half the 0.5% quantile. */
function matchMoments(values: Float64Array, wanted: Stratum['columns'][string]): void {
  const { mean, sd } = moments(values);
  const least = Math.max(5, wanted.quantiles[0] / 2);
  for (let i = 0; i < values.length; i++) {
    const moved = wanted.mean + ((values[i] - mean) * wanted.sd) / sd;
    values[i] = Math.round(Math.max(least, moved));
  }
}

/** The real file's flaws, at the same places of the list. */
function addFlaws(rows: Athlete[]): void {
  const at = (share: number): number => Math.floor(share * rows.length);
  for (const share of [0.2838, 0.8194]) rows[at(share)].ageGroup = '';
  for (const [share, station] of [
    [0.6992, '50m Sled Push'],
    [0.7034, '100m Sandbag Lunges'],
  ] as const) {
    const row = rows[at(share)];
    row.seconds = withSums({ ...row.seconds, [station]: 0 });
  }
  for (const share of [0.2433, 0.5306]) {
    const from = rows[at(share)];
    rows[at(share) + 3] = { ...from, seconds: { ...from.seconds } };
  }
}

/** Lower Cholesky factor; the matrix is drawn towards the identity until it has one. */
function cholesky(matrix: readonly (readonly number[])[]): number[][] {
  for (let ridge = 0; ridge < 1; ridge += 0.01) {
    const factor = tryCholesky(matrix.map((row, i) => row.map((r, j) => (i === j ? 1 : r * (1 - ridge)))));
    if (factor) return factor;
  }
  throw new Error('internal: the correlation matrix has no Cholesky factor');
}

function tryCholesky(a: readonly (readonly number[])[]): number[][] | undefined {
  const l = a.map((row) => row.map(() => 0));
  for (let i = 0; i < a.length; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a[i][j];
      for (let k = 0; k < j; k++) sum -= l[i][k] * l[j][k];
      if (i === j && sum <= 1e-9) return undefined;
      l[i][j] = i === j ? Math.sqrt(sum) : sum / l[j][j];
    }
  }
  return l;
}

/** Standard normal distribution function (Abramowitz and Stegun 7.1.26; error under 1.5e-7). */
function normalShare(z: number): number {
  const x = Math.abs(z) / Math.SQRT2;
  const t = 1 / (1 + 0.3275911 * x);
  const poly =
    t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))));
  const erf = 1 - poly * Math.exp(-x * x);
  return z >= 0 ? (1 + erf) / 2 : (1 - erf) / 2;
}

/** Standard normal scores of `QUANTILE_LEVELS`, by bisection of `normalShare`. */
const LEVEL_SCORES: readonly number[] = QUANTILE_LEVELS.map((level) => {
  let low = -6;
  let high = 6;
  for (let i = 0; i < 60; i++) {
    const middle = (low + high) / 2;
    if (normalShare(middle) < level) low = middle;
    else high = middle;
  }
  return (low + high) / 2;
});

/** The label files and how they are made of the table: as published, and corrected with one wording for each fact. */
const LABEL_FILES = [
  { name: 'hyrox-sample.jsonl', mode: 'asPublished' },
  { name: 'hyrox-sample-corrected.jsonl', mode: 'corrected' },
] as const;

/**
 * Writes both label files of a table.
 *
 * @returns their paths
 */
export async function writeLabels(csv: string, folder: string): Promise<string[]> {
  const written: string[] = [];
  for (const { name, mode } of LABEL_FILES) {
    const output = path.join(folder, name);
    await buildDataset({ input: csv, output, mode, answers: 'plain' });
    written.push(output);
  }
  return written;
}

/** Writes all three files. */
async function main(): Promise<void> {
  const csv = path.join(SAMPLE_FOLDER, 'hyrox-sample.csv');
  fs.writeFileSync(csv, generateSample(loadCalibration()));
  const labels = await writeLabels(csv, SAMPLE_FOLDER);
  console.log(`generate: ${[csv, ...labels].join(', ')}`);
}

if (require.main === module) void main();
