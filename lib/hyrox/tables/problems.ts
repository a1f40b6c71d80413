/**
 * What can be wrong with a result file, and what to do about it.
 * Where it stands: shared by reading and checking; every problem has a row and a column.
 */
import { TunebookError } from '../../types';

/** What is wrong. */
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
 * What happens to a row with a problem: 'skip' leaves it out, 'stop' ends with an error, 'impute' puts a
 * value in its place, 'keep' takes it as it is. Whatever happens is reported and counted.
 */
export type Handling = 'skip' | 'stop' | 'impute' | 'keep';

export interface RaceProblem {
  kind: ProblemKind;
  /** 1-based row of the file, the header being 1; a quoted cell with line breaks does not count twice. */
  row: number;
  /** Column name; '' where the whole row is meant. */
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

/** Kinds that only say how the file is written: no row is lost to them unless one asks for it. */
const NOTES: ReadonlySet<ProblemKind> = new Set<ProblemKind>(['delimiter', 'encoding', 'mixed-format']);

const MAX_LISTED = 1000;

/** Collects problems and answers what to do with each. */
export class ProblemLog {
  readonly listed: RaceProblem[] = [];
  readonly counts: Partial<Record<ProblemKind, number>> = {};
  private readonly file: string;
  private readonly options: ProblemOptions;

  constructor(file: string, options: ProblemOptions) {
    this.file = file;
    this.options = options;
  }

  /** What the person chose for this kind. */
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
    const handling = this.handlingOf(kind);
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    if (this.listed.length < MAX_LISTED) this.listed.push({ kind, row, column, reason, handling });
    if (handling === 'stop') {
      throw new TunebookError(
        `${this.file}, row ${row}${column === '' ? '' : `, column "${column}"`}: ${reason}. ` +
          `Mend the file, or choose what to do with '${kind}' (skip, impute or keep).`,
      );
    }
    return handling;
  }
}
