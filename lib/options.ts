/** Options at public doors: a misspelt name is refused, not passed over. */
import { kindOf, TunebookError } from './types';

/** Every name of an options type, so that the compiler holds the list to the type. */
export type OptionNames<Options> = { readonly [Name in keyof Required<Options>]: true };

/**
 * Refuses options that are no object, or have a name that nothing reads. Undefined passes: what is required says so
 * itself.
 *
 * @throws {TunebookError} "where: expected options a, b, got "bb". Did you mean b?"
 */
export function requireOptions<Options extends object>(
  options: Options | undefined,
  { where, names }: { readonly where: string; readonly names: OptionNames<Options> },
): void {
  if (options === undefined) return;
  const known = Object.keys(names);
  const expected = `${where}: expected options ${known.join(', ')}, got`;
  const given: unknown = options;
  if (typeof given !== 'object' || given === null || Array.isArray(given))
    throw new TunebookError(`${expected} ${kindOf(given)}. Pass { ${known[0]}: ... }.`);
  const unknown = Object.keys(given).filter((name) => !known.includes(name));
  if (unknown.length === 0) return;
  const hints = unknown.map((name) => didYouMean(name, known)).join('');
  throw new TunebookError(`${expected} ${unknown.map((name) => JSON.stringify(name)).join(', ')}.${hints}`);
}

/** " Did you mean x?" where one of the names is near, or a part of the other; else nothing. */
export function didYouMean(name: string, known: readonly string[]): string {
  const distances = known.map((one) => distance(plain(name), plain(one)));
  const least = Math.min(...distances);
  return least > Math.max(2, name.length / 3) ? '' : ` Did you mean ${known[distances.indexOf(least)]}?`;
}

function distance(a: string, b: string): number {
  const [short, long] = a.length < b.length ? [a, b] : [b, a];
  const isPart = short.length > 3 && (long.startsWith(short) || long.endsWith(short));
  return isPart ? 1 : editDistance(a, b);
}

/** learning_rate, learningrate and learningRate are one name. */
const plain = (name: string): string => name.toLowerCase().replaceAll(/[_-]/g, '');

/** Letters to add, drop or replace (Levenshtein 1966). */
function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++)
      next.push(Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1)));
    row = next;
  }
  return row[b.length];
}
