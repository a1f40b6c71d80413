/**
 * Compares the tensors of a checkpoint with those of a model, before any value is read: a wrong checkpoint costs no
 * time and never loads in part.
 */
import { TunebookError } from '../types';

/** Where the tensors are, and which may be ignored. */
export interface MatchStateDictOptions {
  /** A folder or file, for the error. */
  readonly where: string;
  /** Unknown tensors to ignore, for instance buffers that old versions saved. */
  readonly ignoreUnexpected?: readonly RegExp[];
  /** Unknown tensors alone are no error; they are returned. */
  readonly allowUnexpected?: boolean;
}

/** Most names listed in one group of the error. */
const MAX_LISTED = 20;

/**
 * Compares the names and shapes of tensors.
 *
 * @param expected The shape of each tensor of the model, by name.
 * @param found The shape of each tensor of the checkpoint, by name.
 * @returns Unknown tensors, with their shapes.
 * @throws {TunebookError} Listing every missing, unknown and wrongly shaped tensor.
 */
export function matchStateDict(
  expected: ReadonlyMap<string, readonly number[]>,
  found: ReadonlyMap<string, readonly number[]>,
  { where, ignoreUnexpected = [], allowUnexpected = false }: MatchStateDictOptions,
): string[] {
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
  if (missing.length + wrong.length === 0 && (allowUnexpected || unknown.length === 0)) return unknown;
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
