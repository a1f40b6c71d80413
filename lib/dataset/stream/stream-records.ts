/**
 * Records of files that do not fit into memory: read line by line (Parquet: row group by row group), mixed within a buffer.
 * Where it stands: beside `loadRecords`. The order is a pure function of seed, pass and files, so a position alone takes a
 * stream up again.
 */
import { readdirSync, statSync } from 'node:fs';
import { extname, join } from 'node:path';
import { requireLocalPath } from '../../files';
import { requireOptions } from '../../options';
import { createRandom } from '../../random';
import { messageOf, requireList, requireText, TunebookError } from '../../types';
import { openDataFile } from '../files/data-file';
import { notePlace } from '../files/places';
import { formatOfExtension, knownExtensions, readerOf } from '../files/readers';
import { checkRow, formatOf } from '../files/records';
import type { DataRecord } from '../files/row';
import type { RecordStream, StreamCounts, StreamOptions, StreamPlace, StreamPosition } from './types';

const SEED = 42;

/** Malformed records that are named; all are counted. */
const NAMED = 3;

/**
 * Streams the records of a file, of several files, or of all data files of a folder (shards), as
 * `load_dataset(streaming=True)` does: only a buffer of them is in memory. Malformed records are left out, counted and
 * named on the console.
 *
 * @throws TunebookError where a file is missing, or an option is wrong
 * @example
 * ```ts
 * import { projectPath, streamRecords } from 'tunebook';
 *
 * const stream = streamRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { shuffleBuffer: 100, seed: 7 });
 * for await (const record of stream.records({ record: 20 })) {
 *   console.log(record.response);
 *   break;
 * }
 * ```
 */
export function streamRecords(source: string | readonly string[], options: StreamOptions = {}): RecordStream {
  requireOptions<StreamOptions>(options, {
    where: 'streamRecords',
    names: {
      ...{ format: true, fieldMapping: true, requiredFields: true, delimiter: true, field: true },
      ...{ encoding: true, shuffleBuffer: true, seed: true },
    },
  });
  const { shuffleBuffer = 0, seed = SEED } = options;
  if (!Number.isInteger(shuffleBuffer) || shuffleBuffer < 0)
    throw new TunebookError(
      `streamRecords: expected a number of records in shuffleBuffer, got ${shuffleBuffer}. 10,000 is a usual one.`,
    );
  const files = filesOf(source);
  const sizes = files.map((file) => `${file}:${statSync(file).size}`);
  const counts: StreamCounts = { records: 0, malformed: 0 };
  const pass = ({ epoch = 0, record: from = 0, place }: Partial<StreamPosition> = {}): AsyncGenerator<
    DataRecord,
    void,
    undefined
  > => {
    const isMixed = shuffleBuffer > 1;
    const order = isMixed ? createRandom('shards', seed, epoch).shuffle(files) : files;
    const firstOfBuffer = isMixed ? from - (from % shuffleBuffer) : from;
    const start = place && place.record <= firstOfBuffer ? place : { record: 0, file: 0, line: 0 };
    const all = rowsOf(order, { options, counts, start });
    const own = { from, done: start.record };
    return counted(isMixed ? mix(all, { ...own, size: shuffleBuffer, seed, epoch }) : skip(all, own), counts);
  };
  return {
    ...{ files, counts, records: pass },
    identity: JSON.stringify({ files: sizes, seed, shuffleBuffer, ...options }),
    [Symbol.asyncIterator]: () => pass(),
  };
}

function filesOf(source: string | readonly string[]): string[] {
  const where = 'streamRecords';
  if (typeof source !== 'string') requireList(source, { where, what: 'a path, or a list of them' });
  const files = [source].flat().flatMap((path) => {
    requireText(path, { where, what: 'the path of a data file or folder' });
    requireLocalPath(path, where);
    return isFolder(path) ? shardsOf(path) : [path];
  });
  if (files.length > 0) return files;
  throw new TunebookError(
    `streamRecords: expected data files (${knownExtensions().join(', ')}), got none in ${[source].flat().join(', ')}.`,
  );
}

function isFolder(path: string): boolean {
  try {
    return statSync(path).isDirectory();
  } catch (error) {
    throw new TunebookError(`${path}: cannot be read (${messageOf(error)}). Check the path.`, {
      cause: error,
    });
  }
}

function shardsOf(folder: string): string[] {
  return readdirSync(folder)
    .filter((name) => formatOfExtension(extname(name.replace(/\.gz$/i, '')).toLowerCase()) !== undefined)
    .sort()
    .map((name) => join(folder, name));
}

/** For a record that was given: where reading begins for it again. */
const places = new WeakMap<DataRecord, StreamPlace>();

/** Where reading may begin for a record of a stream, and for the one after it. */
export function placeInStream(record: DataRecord): StreamPlace | undefined {
  return places.get(record);
}

/** A record, and the last place before it from which reading may begin. */
interface Placed {
  readonly record: DataRecord;
  readonly place: StreamPlace;
}

/** All good records of files from a place on, one after the other. */
async function* rowsOf(
  files: readonly string[],
  { options, counts, start }: { options: StreamOptions; counts: StreamCounts; start: StreamPlace },
): AsyncGenerator<Placed, void, undefined> {
  const { fieldMapping, requiredFields: required = [], delimiter, field, encoding } = options;
  let good = start.record;
  for (const [number, path] of files.entries()) {
    if (number < start.file) continue;
    let place = number === start.file ? start : { record: good, file: number, line: 0 };
    const from = place.line > 0 ? place : undefined;
    const format = options.format ?? formatOf(path);
    const reader = readerOf(format);
    const file = await openDataFile(path, { format, encoding, unpacks: reader.unpacks === true });
    const columns = fieldMapping && Object.values(fieldMapping);
    for await (const row of reader.read(file, { delimiter, columns, field, from })) {
      if ('note' in row) continue;
      const checked = 'record' in row ? checkRow(row, { fieldMapping, required, unseen: new Set() }) : row;
      if ('record' in checked) {
        good++;
        yield { record: notePlace(checked.record, { file: path, line: checked.line }), place };
      } else {
        counts.malformed++;
        if (counts.malformed <= NAMED)
          console.warn(`${path}:${checked.line}: left out: ${checked.reason}. More are in counts.malformed.`);
      }
      if (row.next !== undefined) place = { record: good, file: number, ...row.next };
    }
  }
  if (good === 0)
    throw new TunebookError(
      `streamRecords: expected records in ${files.join(', ')}, got none that can be used; ${counts.malformed} were refused.`,
    );
}

/** How many records of a pass are passed over, of which some are done where reading begins. */
interface Skipped {
  readonly from: number;
  readonly done: number;
}

async function* skip(
  records: AsyncGenerator<Placed, void, undefined>,
  { from, done }: Skipped,
): AsyncGenerator<DataRecord, void, undefined> {
  let at = done;
  for await (const { record, place } of records) {
    if (at++ < from) continue;
    places.set(record, place);
    yield record;
  }
}

/** Reads a buffer, gives it in random order, reads the next: a position says which buffer, and where in it. */
async function* mix(
  records: AsyncGenerator<Placed, void, undefined>,
  { size, seed, epoch, from, done }: Skipped & { size: number; seed: number; epoch: number },
): AsyncGenerator<DataRecord, void, undefined> {
  let buffer: DataRecord[] = [];
  let begin: StreamPlace | undefined;
  let block = Math.floor(done / size);
  const first = Math.floor(from / size);
  const mixed = (): DataRecord[] => {
    const own = createRandom('buffer', seed, epoch, block).shuffle(buffer);
    return block === first ? own.slice(from % size) : own;
  };
  let inBlock = done % size;
  for await (const { record, place } of records) {
    if (block >= first) {
      if (inBlock === 0) begin = place;
      if (begin !== undefined) places.set(record, begin);
      buffer.push(record);
    }
    if (++inBlock < size) continue;
    if (block >= first) yield* mixed();
    [buffer, inBlock] = [[], 0];
    block++;
  }
  if (block >= first) yield* mixed();
}

async function* counted(
  records: AsyncGenerator<DataRecord, void, undefined>,
  counts: StreamCounts,
): AsyncGenerator<DataRecord, void, undefined> {
  for await (const record of records) {
    counts.records++;
    yield record;
  }
}
