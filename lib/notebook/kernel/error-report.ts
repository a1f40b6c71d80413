/** Turns what a cell threw, or what the compiler found, into the `error` message of the Jupyter protocol. */
import { inspect, stripVTControlCharacters } from 'node:util';
import { errorAdvice, withAdvice } from './compiler-advice';
import type { Finding } from '../compiler/cell-compiler';
import type { Place } from '../typescript/source-map';

/** Content of an `error` message; `traceback` may contain ANSI colours. */
export interface ErrorReport {
  readonly ename: string;
  readonly evalue: string;
  readonly traceback: string[];
}

/** Source text of cell `n`. */
export type CellSource = (cell: number) => string | undefined;

/** The place in a cell's source of a place in the code that ran (zero-based); undefined: the cell did not write it. */
export type LocatePlace = (cell: number, generated: Place) => Place | undefined;

/** Raised in a cell that is interrupted, as in other kernels. */
export class KeyboardInterrupt extends Error {
  override name = 'KeyboardInterrupt';
  constructor(message = 'the cell was interrupted') {
    super(message);
  }
}

const red = (text: string): string => `\u001b[31m${text}\u001b[39m`;
const CELL_FRAME = /In\[(-?\d+)\]:(\d+):(\d+)/;
const INTERNAL_FRAME =
  /node:|[\\/]tslab[\\/]dist[\\/]|[\\/]lib[\\/]notebook[\\/](?:typescript|compiler|kernel)[\\/]/;

/**
 * What `Error.prepareStackTrace` answers: a stack as V8 writes it, with the cells' own lines and without the kernel's
 * frames around them. So an error that a cell prints itself points to the cell too.
 */
export function writeStack(error: unknown, sites: readonly NodeJS.CallSite[], locate: LocatePlace): string {
  const frames: string[] = [];
  let end = 0;
  for (const site of sites) {
    const text = String(site);
    const [place, cell, row, column] = CELL_FRAME.exec(text) ?? [];
    if (place === undefined) {
      frames.push(text);
      continue;
    }
    const own = locate(Number(cell), { line: Number(row) - 1, column: Number(column) - 1 });
    if (!own) continue;
    const at = `In[${cell}]:${own.line + 1}:${own.column + 1}`;
    end = frames.push(text.replace(place, at).replace(/^(async )?Proxy\./, '$1')); // cells' names live in a proxy
  }
  let head = 'Error';
  try {
    head = Error.prototype.toString.call(error);
  } catch {
    // its name or message cannot be read
  }
  return [head, ...(end > 0 ? frames.slice(0, end) : frames)].join('\n    at ');
}

function frameText(source: string, line: number, column: number): string[] {
  const lines = source.split('\n');
  const first = Math.max(0, line - 2);
  return lines.slice(first, line + 2).map((text, i) => {
    const number = String(first + i + 1).padStart(4);
    if (first + i !== line) return `  ${number} | ${text}`;
    return `${red('>')} ${number} | ${text}\n${' '.repeat(9 + column)}${red('^')}`;
  });
}

/** A member of an error as text, also where its getter throws. */
function member(error: Error, key: 'name' | 'message' | 'stack'): string {
  try {
    const value: unknown = error[key];
    return typeof value === 'string' ? value : key === 'stack' ? '' : String(value);
  } catch {
    return key === 'name' ? 'Error' : key === 'stack' ? '' : '(its message cannot be read)';
  }
}

/** The number of the outermost cell in an error's stack; undefined where there is none. */
export function outermostCell(thrown: unknown): number | undefined {
  if (!(thrown instanceof Error)) return undefined;
  const cells = [...member(thrown, 'stack').matchAll(new RegExp(CELL_FRAME, 'g'))];
  const cell = cells.at(-1)?.[1];
  return cell === undefined ? undefined : Number(cell);
}

/** The lines of an error's stack, without those of node and the kernel, and the first place in a cell. */
function stackLines(error: Error): { frames: string[]; first: [number, Place] | undefined } {
  const frames = member(error, 'stack')
    .split('\n')
    .filter((line) => /^\s+at /.test(line) && !INTERNAL_FRAME.test(line) && !/at <anonymous>:/.test(line));
  const [, cell, row, column] = frames.map((line) => CELL_FRAME.exec(line)).find((found) => found) ?? [];
  if (cell === undefined) return { frames, first: undefined };
  return { frames, first: [Number(cell), { line: Number(row) - 1, column: Number(column) - 1 }] };
}

function describe(error: Error): string {
  const extra = Object.keys(error).filter((key) => key !== 'stack' && key !== 'message' && key !== 'name');
  if (extra.length === 0) return '';
  return ` ${inspect(Object.fromEntries(extra.map((key) => [key, (error as unknown as Record<string, unknown>)[key]])), { depth: 1 })}`;
}

function traceError(error: Error, sourceOf: CellSource, depth = 0): string[] {
  const { frames, first } = stackLines(error);
  const out: string[] = [];
  const source = first && sourceOf(first[0]);
  if (first && source !== undefined && source !== null)
    out.push(
      `In[${first[0]}], line ${first[1].line + 1}:`,
      ...frameText(source, first[1].line, first[1].column),
    );
  out.push(`${red(member(error, 'name'))}: ${member(error, 'message')}${describe(error)}`, ...frames);
  const causes = error instanceof AggregateError ? (error.errors as unknown[]).slice(0, 5) : [];
  if (error.cause !== undefined) causes.push(error.cause);
  for (const cause of depth < 3 ? causes : []) {
    out.push('caused by:');
    out.push(...(cause instanceof Error ? traceError(cause, sourceOf, depth + 1) : [inspect(cause)]));
  }
  return out;
}

/** The report of a thrown value, an Error or not; whatever it does when it is looked at. */
export function reportThrown(thrown: unknown, sourceOf: CellSource): ErrorReport {
  try {
    return describeThrown(thrown, sourceOf);
  } catch {
    const evalue = `a ${typeof thrown} was thrown that cannot be shown`;
    return { ename: 'ThrownValue', evalue, traceback: [`${red('ThrownValue')}: ${evalue}`] };
  }
}

function describeThrown(thrown: unknown, sourceOf: CellSource): ErrorReport {
  if (!(thrown instanceof Error)) {
    const text = typeof thrown === 'string' ? thrown : inspect(thrown, { depth: 2 });
    return {
      ename: 'ThrownValue',
      evalue: text,
      traceback: [
        `${red('ThrownValue')}: ${text}`,
        `    (a ${typeof thrown} was thrown, so there is no stack; throw an Error)`,
      ],
    };
  }
  const [name, message] = [member(thrown, 'name'), member(thrown, 'message')];
  const advice = errorAdvice({ name, message, stack: member(thrown, 'stack') });
  const evalue = stripVTControlCharacters(message);
  const traceback = traceError(thrown, sourceOf);
  if (advice === undefined) return { ename: name, evalue, traceback };
  // Where node looked for a module says nothing that the advice does not.
  const short = evalue.replace(/\nRequire stack:[^]*/, '');
  return {
    ename: name,
    evalue: `${short}: ${advice}`,
    traceback: [...traceback, `${red('What to do')}: ${advice}`],
  };
}

/** The report of a cell that does not compile: each finding with its line. */
export function reportFindings(all: readonly Finding[], source: string): ErrorReport {
  const findings = withAdvice(all, source);
  const at = (finding: Finding): string =>
    `${finding.file ? `${finding.file}, ` : ''}line ${finding.line + 1}:${finding.column + 1}`;
  return {
    ename: 'TypeScriptError',
    evalue: findings.map((finding) => `${at(finding)}: ${finding.message}`).join('\n'),
    traceback: findings.flatMap((finding) => [
      `${red('TypeScriptError')}: ${at(finding)}: ${finding.message}`,
      ...(finding.file ? [] : frameText(source, finding.line, finding.column)),
    ]),
  };
}
