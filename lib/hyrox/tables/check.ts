/**
 * Checks the values of a result table: sums, zeros, impossible times, genders, age groups, duplicates. The user chooses
 * what happens to a bad row (`problems.ts`).
 */
import { requireObject } from '../../types';
import { RACE_ORDER, SUMS, TIME_COLUMNS, ageRange, columnOf } from './columns';
import type { RaceTable } from './columns';
import { requireRaces } from './label-table';
import type { ProblemLog } from './problems';
import { median } from '../statistics/statistics';

/** Bounds in seconds that no athlete has exceeded, per kind of column; wide on purpose. */
const POSSIBLE: Readonly<Record<string, readonly [number, number]>> = {
  total_time: [2400, 21600],
  work_strength_time: [600, 14400],
  roxzone_time: [60, 7200],
  work_run_time: [900, 14400],
};
const POSSIBLE_PART: readonly [number, number] = [5, 3600];
const TOLERANCE_S = 1;

/**
 * Checks every row, imputes or drops what is wrong, and reports all of it.
 *
 * Imputed times: the one missing part of a known sum exactly; else the median of the same gender; sums are
 * computed again. Imputed genders and age groups: the most frequent one. A duplicate is left out under 'impute' too.
 *
 * @throws TunebookError where the handling of a found problem is 'stop'
 */
export function checkRaces(table: RaceTable, log: ProblemLog): RaceTable {
  requireRaces(table, 'checkRaces');
  requireObject(log, {
    ...{ where: 'checkRaces', what: 'a log of problems', fields: ['report'] },
    remedy: "Pass readRaces('races.csv').log.",
  });
  const seconds = Object.fromEntries(TIME_COLUMNS.map((name) => [name, columnOf(table, name).slice()]));
  const copy = { ...table, seconds, gender: [...table.gender], ageGroup: [...table.ageGroup] };
  const medians = new Map<string, number>();
  const typical = (name: string, gender: string): number => {
    const key = `${name} ${gender}`;
    let value = medians.get(key);
    if (value === undefined) {
      value = median(
        columnOf(table, name).filter(
          (time, i) => time >= POSSIBLE_PART[0] && time <= POSSIBLE_PART[1] && table.gender[i] === gender,
        ),
      );
      if (Number.isNaN(value)) value = median(columnOf(table, name));
      medians.set(key, Math.round(value));
    }
    return value;
  };
  const common = { gender: mostFrequent(table.gender), ageGroup: mostFrequent(table.ageGroup) };
  const seen = new Map<string, number>();
  const kept: number[] = [];
  for (let i = 0; i < table.size; i++) {
    const row = { table: copy, at: i, log, typical, common };
    if (checkPeople(row) && checkParts(row) && checkSums(row) && !isDuplicate(row, seen)) kept.push(i);
  }
  return keepRows(copy, kept);
}

interface Row {
  table: RaceTable & { gender: string[]; ageGroup: string[] };
  at: number;
  log: ProblemLog;
  typical: (name: string, gender: string) => number;
  common: { gender: string; ageGroup: string };
}

/** Checks gender and age group; false to drop the row. */
function checkPeople({ table, at, log, common }: Row): boolean {
  const gender = table.gender[at];
  if (gender !== 'male' && gender !== 'female') {
    const handling = log.report(
      'bad-gender',
      table.line[at],
      'gender',
      `expected male or female, got "${gender}"`,
    );
    if (handling === 'skip') return false;
    if (handling === 'impute') table.gender[at] = common.gender;
  }
  const group = table.ageGroup[at];
  if (ageRange(group) === undefined) {
    const reason = group === '' ? 'no age group' : `expected a group such as 25-29, got "${group}"`;
    const handling = log.report('bad-age-group', table.line[at], 'age_group', reason);
    if (handling === 'skip') return false;
    if (handling === 'impute') table.ageGroup[at] = common.ageGroup;
  }
  return true;
}

/** Checks single times: missing, zero, impossible. */
function checkParts({ table, at, log, typical }: Row): boolean {
  const missing = RACE_ORDER.filter((name) => Number.isNaN(table.seconds[name][at]));
  if (missing.length === 1) {
    const rest = RACE_ORDER.reduce((sum, name) => sum + (table.seconds[name][at] || 0), 0);
    const left = table.seconds.total_time[at] - rest;
    if (left > 0) table.seconds[missing[0]][at] = left;
  }
  for (const name of RACE_ORDER) {
    const value = table.seconds[name][at];
    const kind =
      value === 0
        ? 'zero-time'
        : value < POSSIBLE_PART[0] || value > POSSIBLE_PART[1]
          ? 'impossible-time'
          : '';
    if (kind !== '') {
      const handling = log.report(kind, table.line[at], name, `${value} seconds`);
      if (handling === 'skip') return false;
      if (handling === 'impute') table.seconds[name][at] = typical(name, table.gender[at]);
    } else if (Number.isNaN(value) && log.handlingOf('missing-value') === 'impute') {
      table.seconds[name][at] = typical(name, table.gender[at]);
    }
  }
  return true;
}

/** Checks sums against their parts; computes missing sums. */
function checkSums({ table, at, log }: Row): boolean {
  for (const [name, parts] of Object.entries(SUMS)) {
    const sum = parts.reduce((total, part) => total + table.seconds[part][at], 0);
    const value = table.seconds[name][at];
    if (Number.isNaN(value)) {
      table.seconds[name][at] = sum;
    } else if (Math.abs(value - sum) > TOLERANCE_S) {
      const reason = `${value} seconds, but its parts add up to ${sum}`;
      const handling = log.report('sum-mismatch', table.line[at], name, reason);
      if (handling === 'skip') return false;
      if (handling === 'impute') table.seconds[name][at] = sum;
    }
    const [low, high] = POSSIBLE[name];
    const now = table.seconds[name][at];
    if (now < low || now > high) {
      const handling = log.report('impossible-time', table.line[at], name, `${now} seconds`);
      if (handling === 'skip' || handling === 'impute') return false;
    }
  }
  return true;
}

/** Whether a row repeats another's person and times; under 'keep' it stays. */
function isDuplicate({ table, at, log }: Row, seen: Map<string, number>): boolean {
  const key = [
    table.gender[at],
    table.ageGroup[at],
    ...RACE_ORDER.map((name) => table.seconds[name][at]),
  ].join();
  const first = seen.get(key);
  if (first === undefined) {
    seen.set(key, table.line[at]);
    return false;
  }
  return log.report('duplicate', table.line[at], '', `all times are those of row ${first}`) !== 'keep';
}

function mostFrequent(values: readonly string[]): string {
  const counts = new Map<string, number>();
  for (const value of values) if (value !== '') counts.set(value, (counts.get(value) ?? 0) + 1);
  return [...counts].reduce((best, entry) => (entry[1] > best[1] ? entry : best), ['', 0] as [
    string,
    number,
  ])[0];
}

function keepRows(table: RaceTable, rows: readonly number[]): RaceTable {
  return {
    size: rows.length,
    gender: rows.map((i) => table.gender[i]),
    ageGroup: rows.map((i) => table.ageGroup[i]),
    seconds: Object.fromEntries(
      Object.entries(table.seconds).map(([name, values]) => [
        name,
        Float64Array.from(rows, (i) => values[i]),
      ]),
    ),
    line: Int32Array.from(rows, (i) => table.line[i]),
  };
}
