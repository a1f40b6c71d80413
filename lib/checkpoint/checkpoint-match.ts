/**
 * Whether the tensors of a checkpoint are those that a model has. Loading calls this before it reads a
 * single value, so that a wrong checkpoint costs no time and never loads in part.
 */
import { TunebookError } from '../types';

/** What is compared, and what may be passed over. */
export interface MatchStateDictOptions {
  /** Named in the error: a folder or file. */
  readonly where: string;
  /** Unknown tensors that are no fault, for instance buffers that old versions saved. */
  readonly ignoreUnexpected?: readonly RegExp[];
}

/** Most names that one group of the error lists. */
const MAX_LISTED = 20;

/**
 * Compares names and shapes.
 *
 * @param expected Shape of each tensor that the model has.
 * @param found Shape of each tensor that the checkpoint has.
 * @throws {TunebookError} One error that lists every missing, unknown and wrongly shaped tensor.
 */
export function matchStateDict(
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, readonly number[]>,
  { where, ignoreUnexpected = [] }: MatchStateDictOptions,
): void {
  const missing: string[] = [];
  const wrong: string[] = [];
  for (const [name, shape] of expected) {
    const other = found.get(name);
    if (other === undefined) missing.push(`${name} ${show(shape)}`);
    else if (show(other) !== show(shape)) wrong.push(`${name}: expected ${show(shape)}, got ${show(other)}`);
  }
  const unknown = [...found]
    .filter(([name]) => !expected.has(name) && !ignoreUnexpected.some((pattern) => pattern.test(name)))
    .map(([name, shape]) => `${name} ${show(shape)}`);
  if (missing.length + wrong.length + unknown.length === 0) return;
  throw new TunebookError(
    [
      `${where}: the tensors do not fit the model (${expected.size} expected, ${found.size} found).`,
      ...group('missing', missing),
      ...group('unknown', unknown),
      ...group('wrongly shaped', wrong),
      'Check that config.json and the weights belong to the same model.',
    ].join('\n'),
  );
}

function group(title: string, lines: readonly string[]): string[] {
  if (lines.length === 0) return [];
  const rest = lines.length - MAX_LISTED;
  return [
    `  ${title} (${lines.length}):`,
    ...lines.slice(0, MAX_LISTED).map((line) => `    ${line}`),
    ...(rest > 0 ? [`    ... and ${rest} more`] : []),
  ];
}

function show(shape: readonly number[]): string {
  return `[${shape.join(', ')}]`;
}
