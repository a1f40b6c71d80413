/**
 * Problems of a result file, and their handling. Each has a row and a column.
 */
import { TunebookError } from '../../types';

/** Kind of a problem. */
export type ProblemKind =
  | 'delimiter'
  | 'encoding'
  | 'missing-column'
  | 'ragged-row'
  | 'missing-value'
  | 'bad-time'
  | 'mixed-format'
  | 'zero-time'
  | 'impossible-time'
  | 'sum-mismatch'
  | 'bad-gender'
  | 'bad-age-group'
  | 'duplicate';

/**
 * Handling of a row with a problem: 'skip' drops it, 'stop' throws, 'impute' replaces the value, 'keep' leaves it as it
 * is. All of it is reported and counted.
 */
export type Handling = 'skip' | 'stop' | 'impute' | 'keep';

/** A cell or a row that is not as it should be, and what was done about it. */
export interface RaceProblem {
  kind: ProblemKind;
  /** 1-based row of the file, the header being 1; a quoted cell with line breaks does not count twice. */
  row: number;
  /** Column name; '' for the whole row. */
  column: string;
  reason: string;
  /** What was done. */
  handling: Handling;
}

/** The choices: one for all, and exceptions by kind. */
export interface ProblemOptions {
  /** Default 'skip'. */
  onProblem?: Handling;
  /** Exceptions by kind. */
  handle?: Partial<Record<ProblemKind, Handling>>;
}

/** Kinds about the file's format: they drop no row unless so chosen. */
const NOTES: ReadonlySet<ProblemKind> = new Set<ProblemKind>(['delimiter', 'encoding', 'mixed-format']);

const MAX_LISTED = 1000;

/** Collects problems and returns the handling of each. */
export class ProblemLog {
  readonly listed: RaceProblem[] = [];
  readonly counts: Partial<Record<ProblemKind, number>> = {};
  private readonly file: string;
  private readonly options: ProblemOptions;

  constructor(file: string, options: ProblemOptions) {
    this.file = file;
    this.options = options;
  }

  /** The handling chosen for a kind. */
  handlingOf(kind: ProblemKind): Handling {
    const chosen = this.options.handle?.[kind];
    if (chosen !== undefined) return chosen;
    const general = this.options.onProblem ?? 'skip';
    return NOTES.has(kind) && general !== 'stop' ? 'keep' : general;
  }

  /**
   * Records a problem.
   *
   * @returns what to do with the row
   * @throws TunebookError where that is 'stop'
   */
  report(kind: ProblemKind, row: number, column: string, reason: string): Handling {
    return this.record({ kind, row, column, reason, handling: this.handlingOf(kind) });
  }

  /**
   * Records a value that is not in the file and follows from others: it is filled in, and no row is lost.
   *
   * @throws TunebookError where the handling of its kind is 'stop'
   */
  computed(kind: ProblemKind, row: number, column: string, reason: string): void {
    const handling = this.handlingOf(kind) === 'stop' ? 'stop' : 'impute';
    this.record({ kind, row, column, reason, handling });
  }

  private record({ kind, row, column, reason, handling }: RaceProblem): Handling {
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (this.listed.length < MAX_LISTED) this.listed.push({ kind, row, column, reason, handling });
    if (handling === 'stop') {
      throw new TunebookError(
        `${this.file}, row ${row}${column === '' ? '' : `, column "${column}"`}: ${reason}. ` +
          `Fix the file, or choose what to do with '${kind}' (skip, impute or keep).`,
      );
    }
    return handling;
  }
}
