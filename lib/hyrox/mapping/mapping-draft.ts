/**
 * Drafts a mapping for an unknown table from its header and values, with a reason per column, for a person to review:
 * `tunebook dataset map`.
 */
import { requireOptions } from '../../options';
import { requireText, shortList, TunebookError } from '../../types';
import { sumParts } from '../statistics/sum-parts';
import { median } from '../statistics/statistics';
import { FILE_COLUMNS } from '../tables/columns';
import { profileTable } from '../tables/profile';
import type { ColumnProfile, TableProfile } from '../tables/profile';
import { formatTime } from '../tables/time';
import type { DatasetMapping } from './mapping';
import { draftGroups, missingText } from './mapping-groups';
import type { ColumnGuess } from './mapping-groups';
import { prettyName, prettyNames, stemOf } from './mapping-names';

/** A draft, and the reasons for it. */
export interface MappingDraft {
  /** To be written as JSON, and read by `readMapping`. */
  readonly mapping: DatasetMapping;
  /** A guess per column, in the order of the file. */
  readonly columns: readonly ColumnGuess[];
  /** What was not found, and what to review. */
  readonly notes: readonly string[];
  /** Rows examined. */
  readonly rows: number;
}

const TOTAL = /total|finish|overall|result|gesamt|ziel|(^|[^a-z])(net|sum|end)([^a-z]|$)/i;
const NO_TIME = /rank|place|pos|bib|(^|[^a-z])(no|nr|id|number|age|year|birth|weight|height)([^a-z]|$)/i;
/** At least this many parts of one name ("run 1" to "run 8") are replaced by a column with their sum. */
const SERIES = 3;

/**
 * Proposes a mapping for a table of results.
 * @param file CSV with a header, or a table with another separator
 * @throws TunebookError where fewer than two columns are times or numbers
 * @example
 * const { mapping } = hyrox.proposeMapping(projectPath('data/triathlon/triathlon-sample.csv'));
 * console.log(Object.keys(mapping.segments).join(), mapping.target.column); // 'swim,T1,bike,T2,run Finish'
 */
export function proposeMapping(file: string, options: { delimiter?: string } = {}): MappingDraft {
  requireText(file, { where: 'proposeMapping', what: 'the path of a table' });
  requireOptions<{ delimiter?: string }>(options, { where: 'proposeMapping', names: { delimiter: true } });
  const table = profileTable(file, options);
  const people = draftGroups(table);
  const rest = table.columns.filter(({ name }) => !people.guesses.has(name));
  const times = draftTimes(rest, { file, table });
  const guesses = new Map([...people.guesses, ...times.guesses]);
  return {
    mapping: {
      groups: people.groups,
      segments: times.segments,
      target: times.target,
      values: times.values,
      unit: times.unit,
    },
    columns: table.columns.map(
      ({ name }) => guesses.get(name) ?? { column: name, taken: 'left out', why: 'no time, no group' },
    ),
    notes: [
      ...table.twice.map((name) => `"${name}" names more than one column: the first is taken.`),
      ...people.notes,
      ...times.notes,
      ...hyroxNote(table),
    ],
    rows: table.rows,
  };
}

interface DraftedTimes extends Pick<DatasetMapping, 'segments' | 'target' | 'values' | 'unit'> {
  readonly guesses: Map<string, ColumnGuess>;
  readonly notes: readonly string[];
}

/** Finds the segments and their total. */
function draftTimes(
  columns: readonly ColumnProfile[],
  { file, table }: { file: string; table: TableProfile },
): DraftedTimes {
  const clocks = columns.filter(({ kind }) => kind === 'clock');
  const values = clocks.length >= 2 ? 'time' : 'number';
  const candidates = columns.filter(
    ({ kind, name }) => kind === 'clock' || (kind === 'number' && !NO_TIME.test(name)),
  );
  if (candidates.length < 2)
    throw new TunebookError(
      `${file}: expected at least two columns of times (m:ss, h:mm:ss) or numbers, got ` +
        `${candidates.length === 0 ? 'none' : `"${candidates[0].name}" only`} among ` +
        `${table.columns.map(({ name, kind }) => `${name} (${kind === 'clock' ? 'times' : kind})`).join(', ')}. ` +
        'A mapping needs the time of each segment, a column each.',
    );
  const sums = partsByName(candidates, table.rows);
  const total = findTotal(candidates, sums);
  const { chosen, within } = chooseSegments(candidates, { total, sums, values });
  if (chosen.length < 2)
    throw new TunebookError(
      `${file}: expected at least two segments beside the total "${total?.name ?? ''}", got ` +
        `${chosen.map(({ name }) => `"${name}"`).join(', ') || 'none'}. Give a table with the time of each segment.`,
    );
  const names = prettyNames(chosen.map(({ name }) => within.get(name)?.stem ?? name));
  const guesses = new Map<string, ColumnGuess>();
  const guess = (column: string, taken: string, why: string): unknown =>
    guesses.set(column, { column, taken, why });
  chosen.forEach((column, i) => {
    const together = within.get(column.name);
    const of = together === undefined ? '' : `, the sum of its ${together.parts.length} columns`;
    guess(column.name, `segment "${names[i]}"`, `${typical(column, values)}${of}`);
  });
  for (const [name, parts] of sums)
    if (!guesses.has(name) && name !== total?.name)
      guess(name, 'left out', `the sum of ${shortList(parts, 3)}`);
  for (const [name, { parts }] of within)
    for (const part of parts) guess(part, 'left out', `a part of "${name}"`);
  for (const { name, kind } of candidates)
    if (!guesses.has(name) && name !== total?.name)
      guess(name, 'left out', kind === 'clock' ? `no part of "${total?.name ?? ''}"` : 'a number, no time');
  const parts = total === undefined ? undefined : sums.get(total.name);
  const targetName = total === undefined ? 'total' : prettyName(total.name);
  if (total !== undefined)
    guess(
      total.name,
      `target "${targetName}"`,
      parts === undefined ? 'by its name' : `the sum of ${parts.length} columns`,
    );
  const unit = unitOf(chosen, values);
  return {
    segments: Object.fromEntries(names.map((name, i) => [name, chosen[i].name])),
    target: { name: targetName, ...(total === undefined ? {} : { column: total.name }) },
    ...{ values, unit: unit ?? 'points', guesses },
    notes: [
      ...(total === undefined
        ? ['No total was found: the sum of the segments is judged. Name its column as target.column.']
        : parts === undefined
          ? differenceNotes(total, chosen)
          : []),
      ...(values === 'number' ? ['The segments are plain numbers: the lower one counts as better.'] : []),
      ...(unit === undefined ? ['No unit was found: write the word after numbers in "unit".'] : []),
    ],
  };
}

/** The parts of each column that is a sum, by name. */
function partsByName(columns: readonly ColumnProfile[], rows: number): Map<string, readonly string[]> {
  const whole = Array.from({ length: rows }, (_, row) => row).filter((row) =>
    columns.every(({ values }) => Number.isFinite(values[row])),
  );
  const parts = sumParts(columns.map(({ values }) => whole.map((row) => values[row])));
  return new Map(
    columns.flatMap(({ name }, c): [string, readonly string[]][] => {
      const own = parts[c];
      return own === undefined ? [] : [[name, own.map((part) => columns[part].name)]];
    }),
  );
}

/** The largest sum; without one, the largest column named as a total that exceeds all others. */
function findTotal(
  columns: readonly ColumnProfile[],
  sums: ReadonlyMap<string, readonly string[]>,
): ColumnProfile | undefined {
  const bySize = columns.slice().sort((a, b) => median(b.values) - median(a.values));
  const largest = bySize.find(({ name }) => sums.has(name));
  if (largest !== undefined && (TOTAL.test(largest.name) || largest === bySize[0])) return largest;
  return bySize.find(({ name }) => TOTAL.test(name)) ?? largest;
}

interface ChosenSegments {
  readonly chosen: readonly ColumnProfile[];
  /** Segment that stands for a series -> the stem of its parts' names, and the parts. */
  readonly within: ReadonlyMap<string, { stem: string; parts: readonly string[] }>;
}

/** The parts of the total; a series ("run 1", "run 2", ...) is represented by its sum, if there is one. */
function chooseSegments(
  columns: readonly ColumnProfile[],
  found: {
    total: ColumnProfile | undefined;
    sums: ReadonlyMap<string, readonly string[]>;
    values: 'time' | 'number';
  },
): ChosenSegments {
  const { total, sums, values } = found;
  const ofTotal = total === undefined ? undefined : sums.get(total.name);
  const single = new Set(
    ofTotal ??
      columns
        .filter(({ name }) => !sums.has(name) && name !== total?.name)
        .filter(({ kind }) => values === 'number' || kind === 'clock')
        .map(({ name }) => name),
  );
  const within = new Map<string, { stem: string; parts: readonly string[] }>();
  for (const [name, parts] of sums) {
    const stems = new Set(parts.map(stemOf));
    const [stem] = stems;
    if (name === total?.name || stems.size > 1 || parts.length < SERIES || stem === '') continue;
    if (!parts.every((part) => single.has(part))) continue;
    for (const part of parts) single.delete(part);
    within.set(name, { stem, parts });
  }
  return { chosen: columns.filter(({ name }) => single.has(name) || within.has(name)), within };
}

/** Why the named total and the segments may not fit. */
function differenceNotes(total: ColumnProfile, segments: readonly ColumnProfile[]): string[] {
  const rows = Array.from(total.values, (_, row) => row).filter((row) =>
    [total, ...segments].every(({ values }) => Number.isFinite(values[row])),
  );
  if (rows.length === 0) return [];
  const grows = rows.filter((row) =>
    segments.every(({ values }, s) => s === 0 || values[row] > segments[s - 1].values[row]),
  ).length;
  const last = segments[segments.length - 1];
  const reaches = rows.filter((row) => last.values[row] > 0.7 * total.values[row]).length;
  if (segments.length > 2 && grows > 0.95 * rows.length && reaches > 0.95 * rows.length)
    return [
      `The columns ${segments[0].name} to ${last.name} grow from one to the next, up to the total: they look like ` +
        'times since the start. A segment is the time between two of them: make these columns first.',
    ];
  const off = median(
    rows.map((row) => total.values[row] - segments.reduce((sum, { values }) => sum + values[row], 0)),
  );
  return Math.abs(off) <= 1.5
    ? []
    : [
        `"${total.name}" is not the sum of the segments (median difference ${Math.round(off)}): a part of it may have ` +
          'no column here.',
      ];
}

function typical({ values, missing }: ColumnProfile, kind: 'time' | 'number'): string {
  const middle = median(values);
  const shown = kind === 'time' ? formatTime(middle) : String(Number(middle.toPrecision(4)));
  return `${kind === 'time' ? 'times' : 'numbers'}, median ${shown}${missingText(missing)}`;
}

/** Clock times are in seconds; for numbers the header may name the unit. */
function unitOf(columns: readonly ColumnProfile[], values: 'time' | 'number'): string | undefined {
  if (values === 'time') return 'seconds';
  const said = (pattern: RegExp): boolean => columns.every(({ name }) => pattern.test(name));
  if (said(/(^|[^a-z])(s|secs?|seconds)([^a-z]|$)/i)) return 'seconds';
  return said(/(^|[^a-z])(min|mins|minutes)([^a-z]|$)/i) ? 'minutes' : undefined;
}

/** Notes that HYROX results need no mapping. */
function hyroxNote({ columns }: TableProfile): string[] {
  const names = new Set(columns.map(({ name }) => name));
  return FILE_COLUMNS.every((name) => names.has(name))
    ? ['These are the columns of HYROX results: dataset build and feedback read them without a mapping.']
    : [];
}
