/**
 * Builds a label file from a result table in one call (read, check, label, write): `tunebook dataset build`.
 */
import fs from 'node:fs';
import path from 'node:path';
import { lazySchema } from '../../schema';
import { requireLocalPath } from '../../files';
import { messageOf, TunebookError, requireList, requireObject, requireText } from '../../types';
import { labelAsPublished } from './as-published';
import type { FeedbackRecord, PublishedFigures } from './as-published';
import { figuresOf, labelCorrected, labelRaces } from './corrected';
import type { CorrectedFigures, LabelledRaces } from './corrected';
import type { FitOptions } from './fit';
import { loadNewRaces, loadTable } from './load-table';
import { readMapping } from '../mapping/mapping';
import type { DatasetMapping } from '../mapping/mapping';
import type { Handling, ProblemKind, ProblemOptions } from '../tables/problems';
import { readRaces } from '../tables/read';
import type { ReadReport } from '../tables/read';
import { loadState, saveState } from './race-state';
import type { RaceState } from './race-state';
import { PLAIN_TEMPLATES, RICH_TEMPLATES } from '../mapping/templates';

/** From which table records are built, and how. */
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
  /** Handling of rows with problems. Default 'skip'; 'asPublished' keeps them, as the original did. */
  onProblem?: Handling;
  /** Exceptions by kind of problem. */
  handle?: Partial<Record<ProblemKind, Handling>>;
  /** Default: detected. */
  delimiter?: string;
  /** Default 42. */
  seed?: number;
  /**
   * State of an earlier build: rows are labelled by it alone (one row is enough), with its mapping, wording and seed.
   * Default: a state is fitted to the input and written beside the output.
   */
  state?: string;
}

const handling = lazySchema((z) => z.enum(['skip', 'stop', 'impute', 'keep']));

const buildOptionsSchema = lazySchema((z) =>
  z.strictObject({
    input: z.string().min(1),
    output: z.string().min(1),
    mode: z.enum(['corrected', 'asPublished']).default('corrected'),
    mapping: z.string().min(1).optional(),
    answers: z.enum(['rich', 'plain']).default('rich'),
    onProblem: handling().optional(),
    handle: z.record(z.string(), handling()).optional(),
    delimiter: z.string().length(1).optional(),
    seed: z.number().int().default(42),
    state: z.string().min(1).optional(),
  }),
);

/** What `buildDataset` has written. */
export interface BuildResult {
  output: string;
  records: number;
  sizeBytes: number;
  /** Report on the input; `counts` and `problems` list what was skipped, imputed or kept. */
  report: ReadReport;
  figures: CorrectedFigures | PublishedFigures;
  /** File of the state that labelled: `records.state.json` beside `records.jsonl`, or the one given. */
  state?: string;
  /** Notes on the labels. */
  notes: string[];
}

/**
 * Reads, checks, labels and writes.
 *
 * @throws TunebookError where an option, the table or the mapping is invalid, or the output cannot be written
 */
export async function buildDataset(options: BuildOptions): Promise<BuildResult> {
  requireObject(options, { where: 'buildDataset', what: 'options { input, output }' });
  const parsed = buildOptionsSchema().safeParse(options);
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
  for (const place of [input, output]) requireLocalPath(place, 'buildDataset');
  requireOtherPlace(output, { input, mapping, state: parsed.data.state });
  const write = (records: readonly FeedbackRecord[]): Written => {
    return { output, records: records.length, sizeBytes: writeJsonLines(output, records) };
  };
  if (parsed.data.state !== undefined) {
    requireStateOnly(options);
    const state = await loadState(parsed.data.state);
    const { table, report } = loadNewRaces(input, state, problems);
    const labelled = labelRaces(state, table);
    return {
      ...write(labelled.records),
      ...{ report, figures: figuresOf(labelled, { state, table }), state: parsed.data.state },
      notes: peerNotes(labelled, state),
    };
  }
  if (mode === 'asPublished') {
    if (mapping)
      throw new TunebookError(
        "buildDataset: expected a mapping with mode 'corrected' only, got 'asPublished'. Leave out the mapping or the mode.",
      );
    const { table, report } = readRaces(input, problems);
    const { records, figures } = labelAsPublished(table);
    return { ...write(records), report, figures, notes: [] };
  }
  const own = mapping === undefined ? undefined : readMapping(mapping);
  const { table, report } = loadTable(input, own, problems);
  const { state, ...labelled } = labelCorrected(table, {
    ...{ answers, seed },
    ...(own ? { ...ownOptions(own, answers), mapping: own } : {}),
  });
  const stateFile = output.replace(/(\.jsonl?)?$/i, '.state.json');
  requireOtherPlace(stateFile, { input, mapping });
  const written = write(labelled.records);
  await saveState(stateFile, state);
  return {
    ...written,
    ...{ report, figures: labelled.figures, state: stateFile, notes: peerNotes(labelled, state) },
  };
}

/** @throws TunebookError where the output would overwrite its source */
function requireOtherPlace(output: string, sources: Readonly<Record<string, string | undefined>>): void {
  for (const [name, file] of Object.entries(sources))
    if (file !== undefined && path.resolve(file) === path.resolve(output))
      throw new TunebookError(
        `buildDataset: expected an output beside the ${name}, got the same file ${file}. Give the output another name.`,
      );
}

type Written = Pick<BuildResult, 'output' | 'records' | 'sizeBytes'>;

/** @throws TunebookError for an option that the state decides */
function requireStateOnly(options: BuildOptions): void {
  const decided = (['mode', 'mapping', 'answers', 'seed'] as const).filter(
    (name) => options[name] !== undefined,
  );
  if (decided.length > 0)
    throw new TunebookError(
      `buildDataset: expected no ${decided.join(', ')} beside a state, which has decided them; leave one of both out.`,
    );
  const handlings = [options.onProblem, ...Object.values(options.handle ?? {})];
  if (handlings.includes('impute'))
    throw new TunebookError(
      "buildDataset: expected 'skip', 'stop' or 'keep' beside a state, got 'impute': " +
        'what is imputed would depend on the other rows of the file. Fill in the missing values yourself.',
    );
}

/** Notes on rows that are compared with a larger group because their own has too few peers. */
function peerNotes({ peers: { levels } }: LabelledRaces, state: RaceState): string[] {
  const { minPeers } = state.expectation.peers;
  const rows = (count: number): string => (count === 1 ? '1 row is' : `${count} rows are`);
  const few = (names: string): string => `fewer than ${minPeers} races in the state share their ${names}`;
  return [
    ...(levels.firstGroup > 0 && state.groups.length > 1
      ? [
          `${rows(levels.firstGroup)} compared with all of the same ${state.groups[0]}: ${few(state.groups.join(' and '))}.`,
        ]
      : []),
    ...(levels.everyone > 0 && state.groups.length > 0
      ? [`${rows(levels.everyone)} compared with everyone: ${few(state.groups[0])}.`]
      : []),
  ];
}

function ownOptions(own: DatasetMapping, answers: 'rich' | 'plain'): FitOptions {
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
 * Writes records to a temporary file and renames it, so that no partial file has the final name.
 *
 * @returns size in bytes
 * @throws TunebookError where that fails; nothing is left behind
 */
export function writeJsonLines(file: string, records: readonly FeedbackRecord[]): number {
  requireText(file, { where: 'writeJsonLines', what: 'the path of a file' });
  requireList(records, { where: 'writeJsonLines', what: 'a list of records' });
  requireLocalPath(file, 'writeJsonLines');
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
