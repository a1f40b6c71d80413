/**
 * Measures the real result file and writes `calibration.json`: aggregate statistics per stratum (gender,
 * and singles or doubles, which race in ten-year age groups), never a row.
 *
 * Run once, by hand: `node .build/data/hyrox/calibrate.js RESULTS.csv`. The generator reads what it wrote.
 */
import fs from 'node:fs';
import path from 'node:path';
import { RACE_ORDER, TIME_COLUMNS, ageRange, columnOf } from '../../lib/hyrox/tables/columns';
import type { RaceTable } from '../../lib/hyrox/tables/columns';
import { readRaces } from '../../lib/hyrox/tables/read';
import {
  moments,
  quantile,
  ranks,
  sortedFinite,
  spearmanMatrix,
} from '../../lib/hyrox/statistics/statistics';
import { PACKAGE_ROOT } from '../../lib/environment';

/** Statistics of one time column, in seconds. */
export interface ColumnStatistics {
  mean: number;
  sd: number;
  skewness: number;
  /** The 0.5%, 2.5%, 10%, 25%, 50%, 75%, 90%, 97.5% and 99.5% quantiles. */
  quantiles: number[];
}

/** One gender in one kind of race. */
export interface Stratum {
  gender: string;
  /** True for pairs: age groups ten years wide. */
  doubles: boolean;
  athletes: number;
  /** Share of each age group. */
  ages: Record<string, number>;
  columns: Record<string, ColumnStatistics>;
  /** Spearman correlations; rows and columns: age, then `RACE_ORDER`. */
  spearman: number[][];
}

export interface Calibration {
  source: string;
  athletes: number;
  /** Runs of one stratum in the file, each ordered by finish time: which stratum, and its share of all rows. */
  blocks: { stratum: number; share: number }[];
  strata: Stratum[];
}

export const QUANTILE_LEVELS = [0.005, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.995];

/** True for a ten-year age group. */
export function isDoubles(ageGroup: string): boolean {
  const range = ageRange(ageGroup);
  // 16-24 is nine years wide and single; 16-29 is the youngest group of pairs.
  return range !== undefined && (range[1] - range[0] === 9 || ageGroup === '16-29');
}

/** Statistics of the rows `rows` of a table, which are one stratum. */
export function measureStratum(table: RaceTable, rows: readonly number[]): Stratum {
  const ages: Record<string, number> = {};
  for (const i of rows) ages[table.ageGroup[i]] = (ages[table.ageGroup[i]] ?? 0) + 1 / rows.length;
  const columns: Record<string, ColumnStatistics> = {};
  const values = (name: string): Float64Array => Float64Array.from(rows, (i) => columnOf(table, name)[i]);
  for (const name of TIME_COLUMNS) {
    const { mean, sd, skewness } = moments(values(name));
    const sorted = sortedFinite(values(name));
    columns[name] = {
      mean: rounded(mean, 2),
      sd: rounded(sd, 2),
      skewness: rounded(skewness, 3),
      quantiles: QUANTILE_LEVELS.map((q) => rounded(quantile(sorted, q), 1)),
    };
  }
  const age = Float64Array.from(rows, (i) => ageRange(table.ageGroup[i])?.[0] ?? 0);
  return {
    gender: table.gender[rows[0]],
    doubles: isDoubles(table.ageGroup[rows[0]]),
    athletes: rows.length,
    ages: Object.fromEntries(
      Object.entries(ages)
        .sort()
        .map(([name, share]) => [name, rounded(share, 5)]),
    ),
    columns,
    spearman: spearmanMatrix([ranks(age), ...RACE_ORDER.map(values)]).map((row) =>
      row.map((r) => rounded(r, 4)),
    ),
  };
}

/** Statistics of a whole table; rows without an age group are left out. */
export function measure(table: RaceTable, source: string): Calibration {
  const keys: string[] = [];
  const rowsOf: number[][] = [];
  const runs: { stratum: number; rows: number }[] = [];
  for (let i = 0; i < table.size; i++) {
    if (table.ageGroup[i] === '') continue;
    const key = `${table.gender[i]} ${isDoubles(table.ageGroup[i])}`;
    if (!keys.includes(key)) {
      keys.push(key);
      rowsOf.push([]);
    }
    const stratum = keys.indexOf(key);
    rowsOf[stratum].push(i);
    const last = runs.at(-1);
    if (last?.stratum === stratum) last.rows++;
    else runs.push({ stratum, rows: 1 });
  }
  const athletes = rowsOf.reduce((sum, rows) => sum + rows.length, 0);
  return {
    source,
    athletes,
    blocks: runs.map((run) => ({ stratum: run.stratum, share: rounded(run.rows / athletes, 5) })),
    strata: rowsOf.map((rows) => measureStratum(table, rows)),
  };
}

function rounded(value: number, digits: number): number {
  return Number(value.toFixed(digits));
}

if (require.main === module) {
  const source = process.argv[2];
  if (source === undefined) throw new Error('usage: node .build/data/hyrox/calibrate.js RESULTS.csv');
  const { table } = readRaces(source, { onProblem: 'keep' });
  const target = path.join(PACKAGE_ROOT, 'data', 'hyrox', 'calibration.json');
  fs.writeFileSync(target, `${JSON.stringify(measure(table, path.basename(source)))}\n`);
  console.log(`calibrate: ${table.size} rows -> ${target}`);
}
