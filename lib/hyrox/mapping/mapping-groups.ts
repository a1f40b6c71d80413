/**
 * Finds the columns of an unknown table that define peer groups, for the mapping draft.
 */
import { shortList } from '../../types';
import type { ColumnProfile, TableProfile } from '../tables/profile';
import { prettyName } from './mapping-names';

/** The draft's guess about a column. */
export interface ColumnGuess {
  /** As in the header. */
  readonly column: string;
  /** 'segment "bike"', 'group "sex"', 'target "finish"' or 'left out'. */
  readonly taken: string;
  /** The evidence for it. */
  readonly why: string;
}

export interface DraftedGroups {
  /** Name in the context -> column. */
  readonly groups: Record<string, string>;
  readonly guesses: ReadonlyMap<string, ColumnGuess>;
  readonly notes: readonly string[];
}

const SEX_WORDS = new Set(
  'm f w h d male female man woman men women males females mann frau herren damen homme femme x'.split(' '),
);
const SEX_NAME = /(^|[^a-z])(sex|gender|geschlecht|sexe|genre)([^a-z]|$)/i;
const AGE_NAME = /(^|[^a-z])(age|ak|altersklasse|ages)([^a-z]|$)/i;
const CLASS_NAME = /class|categor|division|(^|[^a-z])(cat|div|group)([^a-z]|$)/i;
const AGE_VALUE = /^[a-z]{0,3}\s?(?:\d{1,2}\s*[-–]\s*\d{1,2}|\d{2}\s?\+|[<>]\s?\d{2}|\d{2})$/i;
/** Most values of a group; columns with more name people. */
const MOST_GROUPS = 40;
/** Other columns with at most this many values are named as possible groups. */
const FEW_VALUES = 12;
const PERSON = 0.5; // least share of distinct values in a column that names people

/** Drafts groups: sex and age (or class), as far as there are such columns. */
export function draftGroups({ columns, rows }: TableProfile): DraftedGroups {
  const few = columns.filter(({ distinct }) => distinct.length > 0 && distinct.length <= MOST_GROUPS);
  const sex =
    few.find(({ distinct }) => distinct.every((value) => SEX_WORDS.has(value.toLowerCase()))) ??
    few.find(({ name, kind }) => SEX_NAME.test(name) && kind !== 'clock');
  const texts = few.filter((column) => column !== sex && column.kind === 'text');
  const ages = texts.filter(({ distinct }) => share(distinct, (value) => AGE_VALUE.test(value)) >= 0.8);
  const age =
    ages.find(({ name }) => AGE_NAME.test(name)) ??
    ages[0] ??
    texts.find(({ name }) => AGE_NAME.test(name)) ??
    texts.find(({ name }) => CLASS_NAME.test(name));
  const years = columns.find(({ name, kind }) => kind === 'number' && AGE_NAME.test(name));
  const guesses = new Map<string, ColumnGuess>();
  const guess = (column: ColumnProfile, taken: string, why: string): unknown =>
    guesses.set(column.name, { column: column.name, taken, why });
  const groups: Record<string, string> = {};
  if (sex) {
    groups.sex = sex.name;
    guess(sex, 'group "sex"', sample(sex));
  }
  if (age) {
    const name = ages.includes(age) || AGE_NAME.test(age.name) ? 'age' : prettyName(age.name);
    groups[name] = age.name;
    guess(age, `group "${name}"`, sample(age));
  }
  const notes: string[] = [];
  if (years) guess(years, 'left out', 'years, a group each would be too small');
  for (const column of columns) {
    if (guesses.has(column.name) || column.kind === 'clock') continue;
    const { name, kind, distinct } = column;
    if (kind === 'empty') guess(column, 'left out', 'no value');
    else if (rows >= 10 && distinct.length > PERSON * rows && (kind === 'text' || isCounted(column)))
      guess(column, 'left out', 'its own value in most rows: a person or a number');
    else if (kind === 'text') {
      guess(column, 'left out', sample(column));
      if (distinct.length > 1 && distinct.length <= FEW_VALUES)
        notes.push(
          `"${name}" (${shortList(distinct, 4)}) may be a group too: ` +
            'add it to "groups" if its people should be compared among themselves.',
        );
    }
  }
  if (!sex) notes.unshift('No column of the sex was found: women and men are compared with one another.');
  if (!age)
    notes.unshift(
      years === undefined
        ? 'No column of age groups was found: all ages are compared with one another.'
        : `"${years.name}" holds years. For peers of an age add a column of age groups, such as 30-39.`,
    );
  return { groups, guesses, notes };
}

/** Whole numbers that count the rows, in any order: a place, a bib. */
function isCounted({ kind, values, distinct, missing }: ColumnProfile): boolean {
  const given = values.filter((value) => !Number.isNaN(value)).sort();
  const range = given[given.length - 1] - given[0] + 1;
  return (
    kind === 'number' &&
    given.every(Number.isInteger) &&
    distinct.length > 0.98 * (values.length - missing) &&
    range < 1.2 * given.length
  );
}

function share<T>(values: readonly T[], test: (value: T) => boolean): number {
  return values.filter(test).length / values.length;
}

/** The first values, and how many there are. */
function sample({ distinct, missing }: ColumnProfile): string {
  const short = distinct.map((value) => (value.length > 20 ? `${value.slice(0, 19)}…` : value));
  const count = distinct.length > 4 ? ` (${distinct.length})` : '';
  return `${shortList(short, 4)}${count}${missingText(missing)}`;
}

/** '; empty in 4 rows' */
export function missingText(rows: number): string {
  return rows === 0 ? '' : `; empty in ${rows} row${rows === 1 ? '' : 's'}`;
}
