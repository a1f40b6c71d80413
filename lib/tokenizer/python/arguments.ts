/** A call's arguments by the names of a function's parameters. Where it stands: under methods, filters and tests. */
import { textOf, raise } from './values';
import type { Arguments, Value } from './values';

/**
 * The arguments in the order of `names`; undefined for one that is not given.
 * @throws {TunebookError} If there are more, one is given twice, or one of the first `required` is not given.
 */
export function bind(
  args: Arguments,
  { of, names, required = 0 }: { of: string; names: readonly string[]; required?: number },
): readonly (Value | undefined)[] {
  if (args.positional.length > names.length)
    raise(`${of} takes at most ${names.length} arguments, got ${args.positional.length}`);
  const bound: (Value | undefined)[] = names.map((_, i) => args.positional[i]);
  for (const [name, value] of args.named) {
    const at = names.indexOf(name);
    if (at < 0) raise(`${of} has no argument "${name}"`);
    if (bound[at] !== undefined) raise(`${of} got "${name}" twice`);
    bound[at] = value;
  }
  const lacking = names.slice(0, required).find((_, i) => bound[i] === undefined);
  if (lacking !== undefined) raise(`${of} needs "${lacking}"`);
  return bound;
}

/** @throws {TunebookError} If a value is not text. */
export function textArgument(value: Value | undefined, of: string): string {
  const text = value === undefined ? undefined : textOf(value);
  return text ?? raise(`${of}: expected text${value === null ? ', got None' : ''}`);
}
