/**
 * Lines to the rows of a CSV table (RFC 4180, and what programs write beside it): any mixture of line ends, a
 * line end inside a quoted value kept as it is, a quote inside an unquoted value kept as it is.
 */
import type { LineEnd } from './lines';

/** A row of values, or why there is none; lines count from 1. A blank line is a row without values. */
export type CsvRow =
  | { readonly line: number; readonly lastLine: number; readonly cells: readonly string[] }
  | { readonly line: number; readonly reason: string };

/** Characters of one row; a quote that opens and never closes would hold the rest of a file. */
const MAX_ROW_LENGTH = 1 << 24;

const NOT_CLOSED = 'a quote is opened and never closed';

interface Line {
  readonly number: number;
  readonly text: string;
  readonly end: LineEnd;
}

/** Excel's first line `sep=;` names the delimiter. */
export function delimiterLine(text: string): string | undefined {
  return /^\uFEFF?sep=(.)$/i.exec(text)?.[1];
}

/**
 * Takes lines and gives the rows that they complete. A row with broken quotes costs that row alone: reading goes
 * on in the line after the one where it began.
 */
export class CsvRows {
  private readonly delimiter: string;
  /** The lines of the row in progress. */
  private held: Line[] = [];
  private heldLength = 0;
  private cells: string[] = [];
  /** The quoted value that goes on in the next line. */
  private open: string | undefined;

  /** @param delimiter one character */
  constructor(delimiter: string) {
    this.delimiter = delimiter;
  }

  /** The rows that are complete with this line. */
  push(line: Line): CsvRow[] {
    return this.take([line]);
  }

  /** The rows that are left where the text ends. */
  end(): CsvRow[] {
    const rows: CsvRow[] = [];
    while (this.held.length > 0) {
      const { row, rest } = this.giveUp(NOT_CLOSED);
      rows.push(row);
      for (const again of this.take(rest)) rows.push(again);
    }
    return rows;
  }

  private take(lines: readonly Line[]): CsvRow[] {
    const rows: CsvRow[] = [];
    let queue = lines;
    for (let at = 0; at < queue.length; at++) {
      const line = queue[at];
      const { number, text } = line;
      if (this.held.length === 0 && !text.includes('"')) {
        const isBlank = text.trim() === '' && !text.includes(this.delimiter);
        rows.push({ line: number, lastLine: number, cells: isBlank ? [] : text.split(this.delimiter) });
        continue;
      }
      this.held.push(line);
      this.heldLength += text.length;
      const reason = this.scan(line) ?? (this.heldLength > MAX_ROW_LENGTH ? NOT_CLOSED : undefined);
      if (reason !== undefined) {
        const { row, rest } = this.giveUp(reason);
        rows.push(row);
        queue = rest.concat(queue.slice(at + 1));
        at = -1;
      } else if (this.open === undefined) {
        rows.push({ line: this.held[0].number, lastLine: number, cells: this.cells });
        this.clear();
      }
    }
    return rows;
  }

  /** Gives up the row in progress. @returns it, and its further lines, to be read anew */
  private giveUp(reason: string): { row: CsvRow; rest: Line[] } {
    const [first, ...rest] = this.held;
    this.clear();
    return { row: { line: first.number, reason }, rest };
  }

  private clear(): void {
    [this.held, this.heldLength, this.cells, this.open] = [[], 0, [], undefined];
  }

  /** Reads on in the row in progress. @returns what is wrong, if anything */
  private scan({ text, end }: Line): string | undefined {
    const { delimiter, cells } = this;
    for (let at = 0; ;) {
      if (this.open === undefined) {
        if (text[at] === '"') {
          this.open = '';
          at++;
          continue;
        }
        const next = text.indexOf(delimiter, at);
        cells.push(text.slice(at, next < 0 ? text.length : next));
        if (next < 0) return undefined;
        at = next + 1;
        continue;
      }
      const close = text.indexOf('"', at);
      if (close < 0) {
        this.open += text.slice(at) + end;
        return undefined;
      }
      this.open += text.slice(at, close);
      if (text[close + 1] === '"') {
        this.open += '"';
        at = close + 2;
        continue;
      }
      at = close + 1;
      if (at < text.length && text[at] !== delimiter) return 'a closing quote is followed by more text';
      cells.push(this.open);
      this.open = undefined;
      if (at === text.length) return undefined;
      at++;
    }
  }
}
