/**
 * A notebook's parameters: the typed constants of the cell tagged `parameters`, parsed by the TypeScript compiler.
 * Given values are validated before anything runs and injected as data, never as code.
 */
import { didYouMean } from '../../options';
import { TunebookError } from '../../types';
import { cellSource, cellTags, makeCell } from '../format/nbformat';
import type { Notebook } from '../format/nbformat';
import { isOfType, parseValue, typeText } from './parameter-types';
import type { ParameterValue } from './parameter-types';
import { readParameterCell } from './read-parameters';
import type { FixedParameter, Parameter, ParameterCell } from './read-parameters';

/** Index of a notebook's parameters cell; -1 if no cell is tagged `parameters`. */
export function parameterCellIndex(notebook: Notebook): number {
  return notebook.cells.findIndex(
    (cell) => cell.cell_type === 'code' && cellTags(cell).includes('parameters'),
  );
}

/** The parameters of a notebook, in the order of the cell; then its names that cannot be set. */
export function notebookParameters(notebook: Notebook): readonly (Parameter | FixedParameter)[] {
  const at = parameterCellIndex(notebook);
  if (at < 0) return [];
  const { parameters, fixed } = readParameterCell(cellSource(notebook.cells[at]));
  return [...parameters, ...fixed];
}

/** Defaults of the parameters that the cell does not compute. */
export function defaultsOf(
  parameters: readonly (Parameter | FixedParameter)[],
): Record<string, ParameterValue> {
  const defaults: Record<string, ParameterValue> = {};
  for (const parameter of parameters)
    if ('type' in parameter && parameter.defaultValue !== undefined)
      defaults[parameter.name] = parameter.defaultValue;
  return defaults;
}

/** A line per parameter: name, type, default, comment; or why it cannot be set. */
export function describeParameters(parameters: readonly (Parameter | FixedParameter)[]): string {
  if (parameters.length === 0) return 'The notebook has no parameters (no cell is tagged "parameters").';
  const lines = parameters.map((parameter) => {
    if (!('type' in parameter)) return `  ${parameter.name} cannot be set: ${parameter.reason}`;
    const { name, typeText: type, defaultText, comment } = parameter;
    const given = defaultText === '' ? '   (no default)' : ` = ${defaultText}`;
    return `  ${name}: ${type.replace(/\s+/g, ' ')}${given}${comment === '' ? '' : `   // ${comment}`}`;
  });
  return `The notebook's parameters:\n${lines.join('\n')}`;
}

/** Values as given: texts of a command line, or values of a file or a program. */
export type GivenParameters = Readonly<Record<string, unknown>>;

/**
 * Checks given values against the parameters.
 * @param asText whether the values are texts of a command line, to be parsed by type
 * @throws TunebookError that lists every unknown or ill-typed parameter, and the known ones
 */
export function checkParameters(
  parameters: readonly (Parameter | FixedParameter)[],
  given: GivenParameters,
  asText: boolean,
): Record<string, ParameterValue> {
  const values: Record<string, ParameterValue> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const parameter = parameters.find((candidate) => candidate.name === name);
    if (!parameter) {
      const known = parameters.map((candidate) => candidate.name);
      const near = didYouMean(name, known).replace(/^ (.*)$/, ' ($1)');
      problems.push(`there is no parameter "${name}"${near}`);
      continue;
    }
    if (!('type' in parameter)) {
      problems.push(`${name} cannot be set: ${parameter.reason}`);
      continue;
    }
    const parsed =
      asText && typeof value === 'string'
        ? parseValue(parameter.type, value)
        : isOfType(parameter.type, value)
          ? value
          : undefined;
    if (parsed === undefined) {
      const shown = typeof value === 'string' ? value : JSON.stringify(value);
      const type = typeText(parameter.type);
      problems.push(`${name}: expected ${type}, got ${shown === undefined ? String(value) : shown}`);
    } else {
      values[name] = parsed;
    }
  }
  if (problems.length > 0)
    throw new TunebookError(`parameters: ${problems.join('; ')}.\n${describeParameters(parameters)}`);
  return values;
}

/**
 * A value as TypeScript: JSON, except for the two characters that end a line in TypeScript only, and for the member
 * `__proto__`, which would set the prototype.
 */
function literalText(value: ParameterValue): string {
  if (Array.isArray(value)) return `[${value.map(literalText).join(',')}]`;
  if (typeof value === 'object' && value !== null) {
    const members = Object.entries(value).map(
      ([name, member]) =>
        `${name === '__proto__' ? '["__proto__"]' : literalText(name)}:${literalText(member)}`,
    );
    return `{${members.join(',')}}`;
  }
  return JSON.stringify(value).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}

/** Source of the cell that overrides parameters; constants derived from them are recomputed. */
export function injectedSource(
  cell: ParameterCell,
  values: Readonly<Record<string, ParameterValue>>,
): string {
  const changed = new Set(Object.keys(values));
  const lines = cell.parameters
    .filter(({ name }) => changed.has(name))
    .map(
      ({ keyword, name, typeText: type }) => `${keyword} ${name}: ${type} = ${literalText(values[name])};`,
    );
  for (const { name, text, uses } of cell.derived) {
    if (changed.has(name) || ![...uses].some((used) => changed.has(used))) continue;
    changed.add(name);
    lines.push(text);
  }
  return ['// Injected by tunebook', ...lines].join('\n');
}

/**
 * A copy of the notebook with the values injected in a cell after the parameters; an earlier run's cell is replaced.
 * @throws TunebookError if there are values but no parameters cell
 */
export function injectParameters(
  notebook: Notebook,
  values: Readonly<Record<string, ParameterValue>>,
): Notebook {
  const cells = notebook.cells.filter((cell) => !cellTags(cell).includes('injected-parameters'));
  const copy: Notebook = { ...notebook, cells };
  if (Object.keys(values).length === 0) return copy;
  const at = parameterCellIndex(copy);
  if (at < 0) throw new TunebookError('parameters: no cell of the notebook is tagged "parameters"');
  const source = injectedSource(readParameterCell(cellSource(cells[at])), values);
  const injected = makeCell('code', source, ['injected-parameters']);
  return { ...copy, cells: [...cells.slice(0, at + 1), injected, ...cells.slice(at + 1)] };
}
