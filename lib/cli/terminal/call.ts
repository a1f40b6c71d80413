/** Command-line parsing that several commands share. */
import { InvalidArgumentError } from 'commander';
import type { Command } from 'commander';
import { isHubAddress, requireLocalPath } from '../../files';
import type { RunNotebookOptions } from '../../notebook/run';
import { messageOf, TunebookError } from '../../types';

/** An invalid call: exit status 2. */
export class WrongCallError extends TunebookError {
  override name = 'WrongCallError';
}

/** Options and arguments whose values are paths, by the names that the help shows. */
const PATHS = /^(file|folder|notebooks?|input)$/;

/** Refuses URLs before a command begins; a table may be on the hub. @throws WrongCallError */
export function requireLocalPaths(command: Command): void {
  const given = [
    ...command.options.map((option): [string, string | undefined, unknown] => [
      option.long ?? option.flags,
      /[<[](\w+)/.exec(option.flags)?.[1],
      command.getOptionValue(option.attributeName()),
    ]),
    ...command.registeredArguments.map((argument, i): [string, string, unknown] => [
      command.name(),
      argument.name(),
      command.processedArgs[i],
    ]),
  ];
  for (const [where, kind, value] of given) {
    if (kind === undefined || !PATHS.test(kind)) continue;
    for (const place of [value].flat()) {
      const isData = kind === 'input' && typeof place === 'string' && isHubAddress(place);
      if (typeof place === 'string' && !isData) checkPath(place, where);
    }
  }
}

function checkPath(place: string, where: string): void {
  try {
    requireLocalPath(place, where);
  } catch (error) {
    throw new WrongCallError(messageOf(error));
  }
}

/** Reads `name=value` arguments. @throws WrongCallError for other texts */
export function readAssignments(texts: readonly string[]): Record<string, string> {
  const values: Record<string, string> = {};
  for (const text of texts) {
    const at = text.indexOf('=');
    if (at < 1) throw new WrongCallError(`${text}: expected name=value`);
    values[text.slice(0, at)] = text.slice(at + 1);
  }
  return values;
}

/** Collects the values of a repeatable option. */
export const collect = (value: string, before: readonly string[]): string[] => [...before, value];

/** A number of seconds above 0. @throws InvalidArgumentError for other texts */
export function seconds(text: string): number {
  const value = Number(text);
  if (!(value > 0)) throw new InvalidArgumentError('expected a number of seconds above 0');
  return value;
}

/** A whole number above 0. @throws InvalidArgumentError for other texts */
export function count(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 1)
    throw new InvalidArgumentError('expected a whole number above 0');
  return value;
}

/** A number above 0. @throws InvalidArgumentError for other texts */
export function positive(text: string): number {
  const value = Number(text);
  if (!(value > 0 && Number.isFinite(value))) throw new InvalidArgumentError('expected a number above 0');
  return value;
}

/** A whole number, 0 included. @throws InvalidArgumentError for other texts */
export function wholeNumber(text: string): number {
  const value = Number(text);
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('expected a whole number from 0');
  return value;
}

/** Options that limit a run or select part of it. */
export interface LimitOptions {
  readonly timeout?: number;
  readonly cellTimeout?: number;
  readonly startTimeout?: number;
  readonly cwd?: string;
  readonly stdin?: string;
  readonly from?: number;
  readonly until?: number;
  readonly prepareOnly?: boolean;
  readonly resume?: boolean;
}

/** A run's limits and folder from the command line. */
export function limitsOf(options: LimitOptions): Partial<RunNotebookOptions> {
  const ms = (seconds: number | undefined, name: keyof RunNotebookOptions): Partial<RunNotebookOptions> =>
    seconds === undefined ? {} : { [name]: seconds * 1000 };
  return {
    ...ms(options.timeout, 'timeoutMs'),
    ...ms(options.cellTimeout, 'cellTimeoutMs'),
    ...ms(options.startTimeout, 'startTimeoutMs'),
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.stdin === undefined ? {} : { stdin: options.stdin }),
    ...(options.resume ? { resume: true } : {}),
    ...(options.prepareOnly ? { prepareOnly: true } : {}),
    ...(options.from === undefined ? {} : { from: options.from }),
    ...(options.until === undefined ? {} : { until: options.until }),
  };
}
