/**
 * From a data file to records. Where it stands: the first step of the dataset room. Each format gives rows
 * with the line they stand on; this file maps fields, refuses what is malformed, and keeps the report.
 */
import { createRequire } from 'node:module';
import { basename, extname } from 'node:path';
import type { z } from 'zod';
import type * as Hub from '../../hub';
import { lazySchema, prettifyError } from '../../schema';
import { isHubAddress, requireLocalPath } from '../../files';
import { requireText, TunebookError } from '../../types';
import { openDataFile } from './data-file';
import { notePlace } from './places';
import { formatOfExtension, knownExtensions, readerOf } from './readers';
import { reportLines } from './report-lines';
import type { DataRecord, JsonValue } from './row';
import type { LoadedRecords, LoadOptions, LoadReport, RecordProblem } from './record-types';

/** Problems that the report keeps; all are counted. */
const KEPT_PROBLEMS = 100;

const optionsSchema = lazySchema((z) =>
  z.strictObject({
    format: z.string().optional(),
    fieldMapping: z.record(z.string(), z.string()).optional(),
    requiredFields: z.array(z.string()).optional(),
    strict: z.boolean().default(false),
    delimiter: z.string().length(1).optional(),
    encoding: z.string().optional(),
    field: z.string().min(1).optional(),
    limit: z.int().min(1).optional(),
  }),
);

/**
 * Reads the records of a JSONL, JSON, CSV or Parquet file; the first three may be packed with gzip. A data set on the hub
 * is `hf://datasets/OWNER/NAME[@REVISION][/FILE, SPLIT or FOLDER]`, cached as models are. Malformed ones are left out, named in the
 * report by file, line and reason, and counted on the console; with `strict` the first of them is an error.
 *
 * @throws TunebookError where the file is missing, empty, not what its name says, or has no usable record.
 * @example
 * ```ts
 * import { loadRecords, projectPath } from 'tunebook';
 *
 * const { records, report } = await loadRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { limit: 20 });
 * console.log(report.loaded, report.skipped); // 20 0
 * console.log(records[0]?.response);
 * ```
 */
export async function loadRecords(path: string, options: LoadOptions = {}): Promise<LoadedRecords> {
  requireText(path, { where: 'loadRecords', what: 'the path of a data file' });
  if (!isHubAddress(path)) requireLocalPath(path, 'loadRecords');
  const parsed = optionsSchema().safeParse(options);
  if (!parsed.success) throw new TunebookError(`loadRecords: ${prettifyError(parsed.error)}`);
  const loaded = await (isHubAddress(path) ? loadFromHub : loadFile)(path, parsed.data);
  for (const line of reportLines(loaded.report)) console.warn(line);
  return loaded;
}

type CheckedOptions = z.infer<ReturnType<typeof optionsSchema>>;

/** The shards of a data set on the hub, one after the other. */
async function loadFromHub(address: string, options: CheckedOptions): Promise<LoadedRecords> {
  const { resolveDataset } = createRequire(__filename)('../../hub') as typeof Hub;
  const { files, note } = await resolveDataset(address);
  if (note !== undefined) console.warn(note);
  const records: DataRecord[] = [];
  const reports: LoadReport[] = [];
  const { limit = Infinity } = options;
  for (const file of files) {
    const rest = limit === Infinity ? undefined : limit - records.length;
    const loaded = await loadFile(file, { ...options, limit: rest });
    for (const record of loaded.records) records.push(record);
    reports.push(loaded.report);
    if (records.length >= limit) break;
  }
  const sum = (name: 'sizeBytes' | 'loaded' | 'skipped'): number =>
    reports.reduce((total, report) => total + report[name], 0);
  const report: LoadReport = {
    ...{ file: address, format: reports[0].format, loaded: sum('loaded'), skipped: sum('skipped') },
    ...{ sizeBytes: sum('sizeBytes'), notes: reports.flatMap(({ notes }) => notes) },
    problems: reports.flatMap(({ problems }) => problems).slice(0, KEPT_PROBLEMS),
  };
  return { records, report };
}

async function loadFile(path: string, options: CheckedOptions): Promise<LoadedRecords> {
  const { fieldMapping, strict, delimiter, field, encoding, limit = Infinity } = options;
  const required = options.requiredFields ?? [];
  const format = options.format ?? formatOf(path);
  const reader = readerOf(format);
  const file = await openDataFile(path, { format, encoding, unpacks: reader.unpacks === true });

  const records: DataRecord[] = [];
  const problems: RecordProblem[] = [];
  const notes: string[] = [];
  const unseen = new Set(Object.values(fieldMapping ?? {}));
  let has: readonly string[] | undefined;
  let skipped = 0;
  const columns = fieldMapping && Object.values(fieldMapping);
  for await (const row of reader.read(file, { delimiter, columns, field })) {
    if ('note' in row) {
      notes.push(row.note);
      continue;
    }
    if ('record' in row) has ??= Object.keys(row.record);
    const checked = 'record' in row ? checkRow(row, { fieldMapping, required, unseen }) : row;
    if ('record' in checked) {
      records.push(notePlace(checked.record, { file: path, line: checked.line }));
      if (records.length >= limit) break;
      continue;
    }
    const { line, reason } = checked;
    if (strict) {
      throw new TunebookError(
        `${path}:${line}: ${reason}. Fix the line, or leave out strict to skip and count such lines.`,
      );
    }
    skipped++;
    if (problems.length < KEPT_PROBLEMS) problems.push({ file: path, line, reason });
  }
  if (records.length === 0) throw nothingUsable(path, { format, problems, skipped });
  if (unseen.size > 0) throw nowhere(path, [...unseen], has ?? []);
  const { sizeBytes } = file;
  const report = { file: path, format, sizeBytes, loaded: records.length, skipped, problems, notes };
  return { records, report };
}

/** The format of a file by its name. @throws TunebookError where the name says none */
export function formatOf(path: string): string {
  const extension = extname(path.replace(/\.gz$/i, '')).toLowerCase();
  const format = formatOfExtension(extension);
  if (format !== undefined) return format;
  throw new TunebookError(
    `${path}: expected a name that ends in ${knownExtensions().join(', ')}, got ` +
      `${JSON.stringify(extension || basename(path))}. Say which it is with format.`,
  );
}

/** A row with its fields mapped, or why it cannot be used. */
export function checkRow(
  { line, record }: { line: number; record: DataRecord },
  options: {
    fieldMapping: Readonly<Record<string, string>> | undefined;
    required: readonly string[];
    /** Mapped fields that no record had so far. */
    unseen: Set<string>;
  },
): { line: number; record: DataRecord } | { line: number; reason: string } {
  let mapped = record;
  if (options.fieldMapping !== undefined) {
    const fields: [string, JsonValue][] = [];
    for (const [name, source] of Object.entries(options.fieldMapping)) {
      const value = Object.hasOwn(record, source) ? record[source] : undefined;
      if (value === undefined) continue;
      fields.push([name, value]);
      options.unseen.delete(source);
    }
    mapped = Object.fromEntries(fields);
  }
  for (const field of options.required) {
    const value = Object.hasOwn(mapped, field) ? mapped[field] : undefined;
    const source = options.fieldMapping?.[field] ?? field;
    if (value === undefined) {
      const has = Object.keys(record).join(', ') || 'nothing';
      return { line, reason: `expected the field "${source}", got ${has}` };
    }
    if (value === null || (typeof value === 'string' && value.trim() === '')) {
      return { line, reason: `the field "${source}" is empty` };
    }
  }
  for (const [field, value] of Object.entries(mapped)) {
    const wrong = notFinite(value);
    const source = options.fieldMapping?.[field] ?? field;
    if (wrong !== undefined)
      return { line, reason: `the field "${source}" has ${wrong}, which JSON cannot hold` };
  }
  return { line, record: mapped };
}

/** The first NaN or Infinity in a value: saved as JSON it would be null. */
function notFinite(value: JsonValue | undefined): number | undefined {
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : value;
  if (typeof value !== 'object' || value === null) return undefined;
  for (const inner of Object.values(value) as JsonValue[]) {
    const wrong = notFinite(inner);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** A mapped field may be missing in some records; missing in all it is a slip. */
function nowhere(path: string, fields: readonly string[], has: readonly string[]): TunebookError {
  const named = fields.map((field) => `"${field}"`).join(', ');
  return new TunebookError(
    `${path}: expected the field${fields.length > 1 ? 's' : ''} ${named} in some record, got ${has.join(', ')}. ` +
      'Fix fieldMapping.',
  );
}

function nothingUsable(
  path: string,
  found: { format: string; problems: readonly RecordProblem[]; skipped: number },
): TunebookError {
  const first = found.problems[0];
  if (first === undefined) {
    return new TunebookError(
      `${path}: expected ${found.format} records, got none. The file has no data rows. Check that it was written to its end.`,
    );
  }
  return new TunebookError(
    `${path}: expected ${found.format} records, got none that can be used; ${found.skipped} were refused, ` +
      `the first in line ${first.line}: ${first.reason}. Fix these, or see whether format, encoding and fieldMapping fit.`,
  );
}
