/** What streams of records and of examples take and give. */
import type { EncodedExample } from '../../types';
import type { LoadOptions } from '../files/record-types';
import type { DataRecord, RowPlace } from '../files/row';

/** How files are streamed. */
export interface StreamOptions extends Omit<LoadOptions, 'strict' | 'limit'> {
  /**
   * Records that are in memory and mixed at a time; the order of the files is mixed too. Default 0: the records come in
   * the files' own order.
   */
  shuffleBuffer?: number;
  /** Default 42. The same seed gives the same order. */
  seed?: number;
}

/** A place in the files from which reading may begin. */
export interface StreamPlace extends RowPlace {
  /** Records of the pass before it. */
  readonly record: number;
  /** Number of the file, in the order of the pass. */
  readonly file: number;
}

/** Where a stream is taken up. */
export interface StreamPosition {
  /** Passes over the files that are done. */
  readonly epoch: number;
  /** Records of this pass that are done. */
  readonly record: number;
  /** Examples of the next record that are done: a conversation may give several. */
  readonly example: number;
  /** Where reading begins for it; without one the pass is read from its start, and what is done is passed over. */
  readonly place?: StreamPlace;
}

/** What a stream has met so far. */
export interface StreamCounts {
  /** Records that were given. */
  records: number;
  /** Malformed ones that were left out. */
  malformed: number;
}

/** Records of files that are read again in each pass, in little memory. */
export interface RecordStream extends AsyncIterable<DataRecord> {
  /** The files, in their order. */
  readonly files: readonly string[];
  /** Names, sizes, seed and buffer: what a resumed run must agree on. */
  readonly identity: string;
  readonly counts: Readonly<StreamCounts>;
  /**
   * The records of a pass. Resumed at a position they are the ones that an unbroken pass would give.
   * @throws TunebookError where a file cannot be read, or has no usable record
   */
  records(from?: Partial<StreamPosition>): AsyncGenerator<DataRecord, void, undefined>;
}

/** Encoded examples of a stream, pass after pass without end. */
export interface ExampleStream {
  /** As that of the records, with the settings of the encoding. */
  readonly identity: string;
  /** Examples given and records left out so far. */
  readonly counts: Readonly<{ examples: number; dropped: number }>;
  /**
   * The examples from a position on, each with the position after it.
   * @throws TunebookError where a record is wrong, or a whole pass gives no example
   */
  examples(
    from?: Partial<StreamPosition>,
  ): AsyncGenerator<{ readonly example: EncodedExample; readonly next: StreamPosition }, void, undefined>;
}
