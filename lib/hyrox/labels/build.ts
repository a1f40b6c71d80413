/**
 * A result table to a label file in one call: what `tunebook dataset build` does.
 * Where it stands: the whole room, in order: read, check, label, write.
 */
import fs from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { messageOf, TunebookError, requireList, requireObject, requireText } from '../../types';
import { labelAsPublished } from './as-published';
import type { FeedbackRecord, PublishedFigures } from './as-published';
import { checkRaces } from '../tables/check';
import { labelCorrected } from './corrected';
import type { CorrectedFigures, CorrectedOptions } from './corrected';
import { raceLabels } from '../tables/label-table';
import type { LabelTable } from '../tables/label-table';
import { readMapping } from './mapping';
import type { DatasetMapping } from './mapping';
import { readMappedTable } from './mapped-table';
import type { Handling, ProblemKind, ProblemOptions } from '../tables/problems';
import { readRaces } from '../tables/read';
import type { ReadReport } from '../tables/read';
import { PLAIN_TEMPLATES, RICH_TEMPLATES } from './templates';

export interface BuildOptions {
  /** Table to read: CSV, or with other separators. */
  input: string;
  /** JSONL to write; its folder must exist. */
  output: string;
  /** Default 'corrected'. */
  mode?: 'corrected' | 'asPublished';
  /** Mapping file, for tables that are not HYROX results; 'corrected' only. */
  mapping?: string;
  /** Corrected answers with one wording, or with several and advice. Default 'rich'. */
  answers?: 'rich' | 'plain';
  /** What happens to rows with problems. Default 'skip'; 'asPublished' keeps them, as the original did. */
  onProblem?: Handling;
  /** Exceptions by kind of problem. */
  handle?: Partial<Record<ProblemKind, Handling>>;
  /** Default: found out. */
  delimiter?: string;
  /** Default 42. */
  seed?: number;
}

const handling = z.enum(['skip', 'stop', 'impute', 'keep']);

const buildOptionsSchema = z.strictObject({
  input: z.string().min(1),
  output: z.string().min(1),
  mode: z.enum(['corrected', 'asPublished']).default('corrected'),
  mapping: z.string().min(1).optional(),
  answers: z.enum(['rich', 'plain']).default('rich'),
  onProblem: handling.optional(),
  handle: z.record(z.string(), handling).optional(),
  delimiter: z.string().length(1).optional(),
  seed: z.number().int().default(42),
});

export interface BuildResult {
  output: string;
  records: number;
  sizeBytes: number;
  /** What was found in the input; `counts` and `problems` tell all that was skipped, imputed or kept. */
  report: ReadReport;
  figures: CorrectedFigures | PublishedFigures;
}

/**
 * Reads, checks, labels and writes.
 *
 * @throws TunebookError where an option, the table or the mapping is wrong, or the output cannot be written
 */
export async function buildDataset(options: BuildOptions): Promise<BuildResult> {
  requireObject(options, { where: 'buildDataset', what: 'options { input, output }' });
  const parsed = buildOptionsSchema.safeParse(options);
  if (!parsed.success) {
    const wrong = parsed.error.issues.map(
      (issue) => `${issue.path.join('.') || 'options'}: ${issue.message}`,
    );
    throw new TunebookError(`buildDataset: ${wrong.join('; ')}`);
  }
  const { input, output, mode, mapping, answers, delimiter, seed } = parsed.data;
  const problems: ProblemOptions & { delimiter?: string } = {
    onProblem: options.onProblem ?? (mode === 'asPublished' ? 'keep' : 'skip'),
    ...(options.handle ? { handle: options.handle } : {}),
    ...(delimiter ? { delimiter } : {}),
  };
  if (path.resolve(input) === path.resolve(output)) {
    throw new TunebookError(`buildDataset: expected an output beside the input, got the same file ${input}`);
  }
  if (mode === 'asPublished') {
    if (mapping)
      throw new TunebookError("buildDataset: a mapping goes with mode 'corrected' only; leave one out");
    const { table, report } = readRaces(input, problems);
    const { records, figures } = labelAsPublished(table);
    return { output, report, figures, records: records.length, sizeBytes: writeJsonLines(output, records) };
  }
  const { table, report, own } = mapping ? mapped(input, mapping, problems) : races(input, problems);
  if (table.size === 0) {
    throw new TunebookError(
      `${input}: no row is left of ${report.rows}; found ${JSON.stringify(report.counts)}. ` +
        "Choose 'impute' or 'keep' for some of these, or mend the file.",
    );
  }
  const { records, figures } = labelCorrected(table, {
    answers,
    seed,
    ...(own ? ownOptions(own, answers) : {}),
  });
  return { output, report, figures, records: records.length, sizeBytes: writeJsonLines(output, records) };
}

interface Loaded {
  table: LabelTable;
  report: ReadReport;
  own?: DatasetMapping;
}

function races(input: string, problems: ProblemOptions): Loaded {
  const { table, report, log } = readRaces(input, problems);
  const checked = checkRaces(table, log);
  return { table: raceLabels(checked), report: { ...report, kept: checked.size } };
}

function mapped(input: string, mapping: string, problems: ProblemOptions): Loaded {
  const own = readMapping(mapping);
  return { ...readMappedTable(input, own, problems), own };
}

function ownOptions(own: DatasetMapping, answers: 'rich' | 'plain'): CorrectedOptions {
  const { input, weakAbove, usualShare, k } = own;
  return {
    templates:
      own.templates ?? (answers === 'rich' ? { ...RICH_TEMPLATES, advise: [], advice: {} } : PLAIN_TEMPLATES),
    ...(input === undefined ? {} : { input }),
    ...(weakAbove === undefined ? {} : { weakAbove }),
    ...(usualShare === undefined ? {} : { usualShare }),
    ...(k === undefined ? {} : { k }),
  };
}

/**
 * Writes records beside the target and renames, so that no partial file has the final name.
 *
 * @returns size in bytes
 * @throws TunebookError where that fails; nothing is left behind
 */
export function writeJsonLines(file: string, records: readonly FeedbackRecord[]): number {
  requireText(file, { where: 'writeJsonLines', what: 'the path of a file' });
  requireList(records, { where: 'writeJsonLines', what: 'a list of records' });
  const temporary = path.join(path.dirname(file), `.${path.basename(file)}.${process.pid}.tmp`);
  try {
    const handle = fs.openSync(temporary, 'w');
    try {
      for (let from = 0; from < records.length; from += 5000) {
        const lines = records.slice(from, from + 5000).map((record) => `${JSON.stringify(record)}\n`);
        fs.writeFileSync(handle, lines.join(''));
      }
    } finally {
      fs.closeSync(handle);
    }
    const { size } = fs.statSync(temporary);
    fs.renameSync(temporary, file);
    return size;
  } catch (error) {
    fs.rmSync(temporary, { force: true });
    throw new TunebookError(
      `${file}: cannot be written (${messageOf(error)}). ` + 'Check the folder and the free space.',
    );
  }
}
