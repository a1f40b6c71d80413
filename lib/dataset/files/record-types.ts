/** What reading records and keeping splits take and give. */
import type { DataRecord, RecordFormat } from './row';

/** How a data file is read. */
export interface LoadOptions {
  /** Default: by the file's extension. Others than the built-in ones come by `registerReader`. */
  format?: RecordFormat | (string & {});
  /** New field name -> name in the file; fields not named are dropped. Default: all fields as they are. */
  fieldMapping?: Readonly<Record<string, string>>;
  /** Fields (after mapping) that must be present and not empty. Default: none; an empty field is no fault. */
  requiredFields?: readonly string[];
  /** Stop at the first malformed record. Default false: skip it and report it. */
  strict?: boolean;
  /** CSV only. Default: ',' or, for .tsv, a tab. */
  delimiter?: string;
  /** JSON only: the member of the file's object that holds the records, as in `{"version": 1, "data": [...]}`. */
  field?: string;
  /** Text encoding, as TextDecoder names it. Default: by the byte order mark, else UTF-8, else Windows-1252. */
  encoding?: string;
  /** Read at most so many good records. Default: all. */
  limit?: number;
}

/** A record that could not be used. */
export interface RecordProblem {
  file: string;
  /** 1-based line in the file; for Parquet and JSON arrays the 1-based row. */
  line: number;
  reason: string;
}

/** What `loadRecords` found. */
export interface LoadReport {
  file: string;
  format: string;
  sizeBytes: number;
  loaded: number;
  /** How many records were malformed. */
  skipped: number;
  /** The first 100 of them. */
  problems: readonly RecordProblem[];
  /** What else a person has to know, such as an encoding that was found out. */
  notes: readonly string[];
}

/** Records of a file, and the report on those that could not be used. */
export interface LoadedRecords {
  records: DataRecord[];
  report: LoadReport;
}

/** Records for training, for validation while training, and for the test at the end. */
export interface Splits<R = DataRecord> {
  train: R[];
  validation: R[];
  test: R[];
}

/** How records are split. */
export interface SplitOptions {
  /** Shares that sum to 1. Default 0.8 / 0.1 / 0.1. */
  ratios?: { train: number; validation: number; test: number };
  /** Default 42. */
  seed?: number;
}

/** A split as it lies on disk. */
export interface SplitFile {
  file: string;
  records: number;
  sizeBytes: number;
  sha256: string;
}

/** `splits.json`, beside the split files. */
export interface SplitManifest {
  version: 1;
  seed: number;
  ratios: { train: number; validation: number; test: number };
  /** Where the records came from. */
  source: string | null;
  files: { train: SplitFile; validation: SplitFile; test: SplitFile };
}
