/**
 * Splits on disk: three JSONL files and a manifest with their checksums, so that a later run, or another
 * notebook, measures on the same test records.
 */
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { lazySchema, prettifyError } from '../../schema';
import { requireOptions } from '../../options';
import { messageOf, TunebookError, requireList, requireObject, requireText } from '../../types';
import { parseJson, requireLocalPath, writeFileAtomic } from '../../files';
import { loadRecords } from '../files/records';
import { SPLIT_DEFAULTS } from './splits';
import type { DataRecord } from '../files/row';
import type { SplitFile, SplitManifest, SplitOptions, Splits } from '../files/record-types';

const MANIFEST = 'splits.json';

const fileSchema = lazySchema((z) =>
  z.object({
    file: z.string().regex(/^[\w-]+\.jsonl$/),
    records: z.int().min(0),
    sizeBytes: z.int().min(0),
    sha256: z.string().regex(/^[0-9a-f]{64}$/),
  }),
);

const manifestSchema = lazySchema((z) =>
  z.object({
    version: z.literal(1),
    seed: z.number(),
    ratios: z.object({ train: z.number(), validation: z.number(), test: z.number() }),
    source: z.string().nullable(),
    files: z.object({ train: fileSchema(), validation: fileSchema(), test: fileSchema() }),
  }),
);

/**
 * Writes train.jsonl, validation.jsonl, test.jsonl and, last, splits.json. The same splits give the same bytes.
 *
 * @param options what the splits were made with, and where the records came from
 */
export async function saveSplits(
  folder: string,
  splits: Splits,
  options: SplitOptions & { source?: string } = {},
): Promise<SplitManifest> {
  requireText(folder, { where: 'saveSplits', what: 'the path of a folder' });
  requireLocalPath(folder, 'saveSplits');
  requireObject(splits, { where: 'saveSplits', what: 'splits', remedy: 'Pass what splitRecords gave.' });
  for (const part of ['train', 'validation', 'test'] as const)
    requireList(splits[part], { where: `saveSplits, ${part}`, what: 'a list of records' });
  requireObject(options, { where: 'saveSplits', what: 'options { ratios, seed, source }' });
  requireOptions<SplitOptions & { source?: string }>(options, {
    where: 'saveSplits',
    names: { ratios: true, seed: true, source: true },
  });
  const manifest: SplitManifest = {
    version: 1,
    seed: options.seed ?? SPLIT_DEFAULTS.seed,
    ratios: options.ratios ?? SPLIT_DEFAULTS.ratios,
    source: options.source ?? null,
    files: {
      train: await saveOne(folder, 'train.jsonl', splits.train),
      validation: await saveOne(folder, 'validation.jsonl', splits.validation),
      test: await saveOne(folder, 'test.jsonl', splits.test),
    },
  };
  await writeFileAtomic(join(folder, MANIFEST), `${JSON.stringify(manifest, null, 2)}\n`);
  return manifest;
}

/**
 * Reads what `saveSplits` wrote.
 *
 * @throws TunebookError where a file is missing, or is not the one that was saved.
 */
export async function loadSplits(folder: string): Promise<{ splits: Splits; manifest: SplitManifest }> {
  requireText(folder, { where: 'loadSplits', what: 'the folder that saveSplits wrote' });
  requireLocalPath(folder, 'loadSplits');
  const manifest = await readManifest(join(folder, MANIFEST));
  const { train, validation, test } = manifest.files;
  const splits = {
    train: await loadOne(folder, train),
    validation: await loadOne(folder, validation),
    test: await loadOne(folder, test),
  };
  return { splits, manifest };
}

async function saveOne(folder: string, file: string, records: readonly DataRecord[]): Promise<SplitFile> {
  const bytes = Buffer.from(records.map((record) => `${JSON.stringify(record)}\n`).join(''), 'utf8');
  await writeFileAtomic(join(folder, file), bytes);
  return { file, records: records.length, sizeBytes: bytes.length, sha256: sha256(bytes) };
}

async function loadOne(folder: string, expected: SplitFile): Promise<DataRecord[]> {
  const path = join(folder, expected.file);
  const bytes = await readBytes(path);
  if (sha256(bytes) !== expected.sha256) {
    throw new TunebookError(
      `${path}: expected the ${expected.records} records whose checksum ${MANIFEST} holds, got other bytes. ` +
        'The file was changed after it was saved: split again, or restore it.',
    );
  }
  if (expected.records === 0) return [];
  return (await loadRecords(path, { strict: true })).records;
}

async function readManifest(path: string): Promise<SplitManifest> {
  const text = (await readBytes(path)).toString('utf8');
  const parsed = manifestSchema().safeParse(parseJson(text, { where: path, remedy: 'Split again.' }));
  if (parsed.success) return parsed.data;
  throw new TunebookError(`${path}: is no manifest of splits:\n${prettifyError(parsed.error)}`);
}

async function readBytes(path: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    const reason = messageOf(error);
    throw new TunebookError(`${path}: cannot be read (${reason}). Save the splits again.`);
  }
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex');
}
