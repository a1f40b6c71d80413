/**
 * `tunebook dataset build`: a label file from any table of results, with a report of its problems.
 * `tunebook dataset map`: drafts the mapping for a table of another sport.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { InvalidArgumentError, Option } from 'commander';
import type { Command } from 'commander';
import { isHubAddress, writeFileAtomic } from '../../files';
import { formatSize, renderTable } from '../../display';
import type * as Hub from '../../hub';
import type * as Hyrox from '../../hyrox';
import { TunebookError } from '../../types';
import type { BuildResult, Handling, MappingDraft, ProblemKind } from '../../hyrox';
import { wholeNumber } from '../terminal/call';
import { addCheckCommand } from './check';

/** Options of `dataset build`. */
export interface DatasetBuildOptions {
  readonly output: string;
  readonly mode?: 'corrected' | 'asPublished';
  readonly mapping?: string;
  readonly answers?: 'rich' | 'plain';
  readonly onProblem?: Handling;
  readonly handle?: Partial<Record<ProblemKind, Handling>>;
  readonly delimiter?: string;
  readonly seed?: number;
  readonly state?: string;
  readonly report?: string;
  /** Most problems to list. */
  readonly list: number;
}

const HANDLINGS: readonly Handling[] = ['skip', 'stop', 'impute', 'keep'];

/** Meaning of each kind of problem; the type keeps the list complete. */
const KINDS: Readonly<Record<ProblemKind, string>> = {
  delimiter: 'columns are not separated by commas',
  encoding: 'not plain UTF-8',
  'missing-column': 'a column is not there',
  'ragged-row': 'too few or too many cells',
  'missing-value': 'an empty cell',
  'bad-time': 'no time or number',
  'mixed-format': 'times written in several ways',
  'zero-time': 'zero seconds',
  'impossible-time': 'faster or slower than anyone',
  'sum-mismatch': 'parts and sum differ',
  'bad-gender': 'no gender that is known',
  'bad-age-group': 'no age group',
  duplicate: 'the same athlete and times again',
};

const DONE: Readonly<Record<Handling, string>> = {
  skip: 'left out',
  stop: 'stopped',
  impute: 'imputed',
  keep: 'kept',
};

function isHandling(text: string): text is Handling {
  return (HANDLINGS as readonly string[]).includes(text);
}

/** `--handle kind=handling`, repeatable. */
function readHandle(
  text: string,
  before: Partial<Record<ProblemKind, Handling>> = {},
): Partial<Record<ProblemKind, Handling>> {
  const [kind, handling, ...rest] = text.split('=');
  if (!(kind in KINDS) || handling === undefined || !isHandling(handling) || rest.length > 0)
    throw new InvalidArgumentError(
      `expected kind=${HANDLINGS.join('|')}, the kind being one of ${Object.keys(KINDS).join(', ')}`,
    );
  return { ...before, [kind]: handling };
}

/** A row per kind of problem. */
function problemRows({ report }: BuildResult): Record<string, unknown>[] {
  return (Object.entries(report.counts) as [ProblemKind, number][]).map(([kind, count]) => {
    const first = report.problems.find((problem) => problem.kind === kind);
    return {
      problem: kind,
      meaning: KINDS[kind],
      count,
      done: first === undefined ? '' : DONE[first.handling],
    };
  });
}

/** Figures of the labelling, a row each. */
function figureRows({ figures, records }: BuildResult): Record<string, unknown>[] {
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  if ('usual' in figures) {
    return [
      ...(records > 20
        ? [{ figure: 'R2 of the expected totals', value: figures.expectation.r2.toFixed(4) }]
        : []),
      { figure: 'residuals that count as usual', value: `${figures.usual[0]} to ${figures.usual[1]}` },
      ...Object.entries(figures.verdicts).map(([verdict, share]) => ({
        figure: `verdict "${verdict}"`,
        value: percent(share),
      })),
      { figure: 'segments listed per record', value: figures.segmentsPerRow.toFixed(2) },
      { figure: 'answers that their context determines', value: percent(figures.determined) },
    ];
  }
  return [
    { figure: 'inertia of the clusters', value: figures.inertia.toFixed(3) },
    { figure: 'cluster sizes', value: figures.clusterSizes.join(', ') },
    { figure: 'R2 on the test part', value: figures.test.r2.toFixed(5) },
    { figure: 'RMSE on the test part, minutes', value: (figures.test.rmse / 60).toFixed(3) },
    { figure: 'mean residual, seconds', value: figures.meanResidual.toFixed(1) },
  ];
}

/** Places of the problems; those that cost a row first. */
function placeRows({ report }: BuildResult): Record<string, unknown>[] {
  const kept = report.problems.filter(({ handling }) => handling === 'keep');
  const others = report.problems.filter(({ handling }) => handling !== 'keep');
  return [...others, ...kept].map(({ row, column, kind, reason, handling }) => ({
    row,
    column,
    problem: kind,
    reason,
    done: DONE[handling],
  }));
}

/** The report as text: the file, its problems, the labels, the files written. @param list most places to show */
export function buildReport(result: BuildResult, list: number): string {
  const { report, records, output, sizeBytes } = result;
  const separator = report.delimiter === '\t' ? 'tabs' : `"${report.delimiter}"`;
  const parts = [
    `${report.file}: ${report.rows} rows, separated by ${separator}, ${report.encoding}; ${records} labelled.`,
  ];
  if (report.kept > records)
    parts.push(
      `${report.kept - records} more rows have no label: the published analysis drops those without an age group ` +
        'and, by its second mistake, as many at the end.',
    );
  if (report.extraColumns.length > 0) parts.push(`Columns not used: ${report.extraColumns.join(', ')}.`);
  const found = Object.values(report.counts).reduce((sum, count) => sum + count, 0);
  if (found === 0) parts.push('No problem was found.');
  else {
    parts.push(renderTable(problemRows(result), { caption: 'Problems', maxRows: 50 }).text);
    const rows = placeRows(result).slice(0, list);
    if (rows.length > 0) parts.push(renderTable(rows, { caption: 'Where', maxRows: list }).text);
    if (found > rows.length)
      parts.push(`… and ${found - rows.length} more (--list COUNT shows up to 1,000).`);
  }
  parts.push(renderTable(figureRows(result), { caption: 'Labels' }).text, ...result.notes);
  parts.push(`Written: ${output}, ${records} records, ${formatSize(sizeBytes)}.${stateText(result)}`);
  return parts.join('\n\n');
}

/** Where the state is, and how to use it. */
function stateText({ state, output }: BuildResult): string {
  if (state === undefined) return '';
  return (
    `\nState: ${state}. It labels new rows as these were: ` +
    `tunebook dataset build new.csv --state ${state} -o ${output.replace(/[^/\\]*$/, 'new.jsonl')}`
  );
}

/** A table's path; one on the hub is downloaded. @throws TunebookError where it is not one file */
async function onThisMachine(input: string): Promise<string> {
  if (!isHubAddress(input)) return input;
  const { resolveDataset } = createRequire(__filename)('../../hub') as typeof Hub;
  const { files, note } = await resolveDataset(input);
  if (note !== undefined) console.error(note);
  if (files.length === 1) return files[0];
  throw new TunebookError(`${input}: expected one table, got ${files.length} files. Name one of them.`);
}

/**
 * Builds the label file and prints the report.
 * @throws TunebookError where the table, the mapping or an option is invalid; nothing is written then
 */
export async function datasetBuildCommand(input: string, options: DatasetBuildOptions): Promise<void> {
  const { list, report, ...build } = options;
  const { buildDataset } = createRequire(__filename)('../../hyrox') as typeof Hyrox;
  const result = await buildDataset({ ...build, input: await onThisMachine(input) });
  if (report !== undefined) {
    const { output, records, sizeBytes, figures, state, notes } = result;
    const facts = { output, records, sizeBytes, state, notes, figures, input: result.report };
    await writeFileAtomic(report, `${JSON.stringify(facts, null, 2)}\n`);
  }
  console.log(buildReport(result, list));
}

/** Options of `dataset map`. */
export interface DatasetMapOptions {
  readonly output?: string;
  readonly delimiter?: string;
}

/** A row per column of the table, then what to check by hand. */
function mapReport(file: string, { columns, notes, rows }: MappingDraft): string {
  const table = columns.map(({ column, taken, why }) => ({ column, 'taken as': taken, why }));
  return [
    renderTable(table, { caption: `${file}: ${columns.length} columns, ${rows} rows seen`, maxRows: 200 })
      .text,
    ...notes,
  ].join('\n\n');
}

/**
 * Drafts a mapping: writes JSON to standard output or a file, and its reasons to standard error.
 * @throws TunebookError where the table has no two segments, or a file would be overwritten
 */
export async function datasetMapCommand(input: string, options: DatasetMapOptions): Promise<void> {
  const { output, delimiter } = options;
  // Mappings are edited by hand: a new draft must not overwrite one.
  if (output !== undefined && fs.existsSync(output))
    throw new TunebookError(`${output}: is there already. Give the draft another name, or remove the file.`);
  const { proposeMapping } = createRequire(__filename)('../../hyrox') as typeof Hyrox;
  const draft = proposeMapping(await onThisMachine(input), delimiter === undefined ? {} : { delimiter });
  const json = `${JSON.stringify(draft.mapping, null, 2)}\n`;
  if (output !== undefined) await writeFileAtomic(output, json);
  console.error(`${mapReport(input, draft)}\n`);
  const place = output ?? 'FILE';
  console.error(
    `${output === undefined ? 'Write this draft to a FILE' : `Written: ${output}`}, fix names and groups, then: ` +
      `tunebook dataset build ${input} --mapping ${place} -o records.jsonl`,
  );
  if (output === undefined) process.stdout.write(json);
}

/** The format of a mapping file, short. */
const MAPPING_HELP = `
A mapping (JSON) names the columns of a table that is no HYROX result:
  groups     {"sex": "Sex", "age": "Class"}: name -> column; whose peers are whose, at least 20 to a group
  segments   {"swim": "Swim", "bike": "Bike", ...}: name in answers -> column; two or more, lower is better
  target     {"name": "finish", "column": "Finish"}: what is judged; without column the sum of the segments
  values     "time" (h:mm:ss, m:ss, seconds) or "number"; unit: word after numbers ("seconds")
  optional   input, templates (sentences), weakAbove (0.5), usualShare (0.6), k (groups of athletes);
             names (of segments), kinds (run, station, roxzone), people ({ "M": "men" }): words for feedback
tunebook dataset map FILE drafts one. Example: data/triathlon/mapping.json`;

/** Adds `dataset build`, `dataset map` and `dataset check` to the program. */
export function addDatasetCommands(program: Command): void {
  const dataset = program
    .command('dataset')
    .description('make records for training, and check them')
    .addHelpText('after', MAPPING_HELP);
  dataset
    .command('map')
    .description("draft a mapping from a table's header and values, with a reason for each column")
    .argument('<input>', 'CSV, or a table with another separator; on the hub: hf://datasets/OWNER/NAME/FILE')
    .option('-o, --output <file>', 'the JSON to write (default: standard output)')
    .option('--delimiter <character>', 'column separator (default: found out)')
    .action(datasetMapCommand);
  dataset
    .command('build')
    .description('from a table of results to a JSONL of records, with a report of every problem')
    .argument('<input>', 'CSV, or a table with another separator; on the hub: hf://datasets/OWNER/NAME/FILE')
    .requiredOption('-o, --output <file>', 'the JSONL to write')
    .addOption(
      new Option('--mode <mode>', 'labels to make (default: corrected)').choices([
        'corrected',
        'asPublished',
      ]),
    )
    .option(
      '--mapping <file>',
      'JSON that names the columns, for tables other than HYROX results; see dataset --help and dataset map',
    )
    .addOption(new Option('--answers <kind>', 'wording (default: rich)').choices(['rich', 'plain']))
    .addOption(
      new Option('--on-problem <handling>', 'what happens to rows with problems (default: skip)').choices(
        HANDLINGS,
      ),
    )
    .option('--handle <kind=handling>', 'an exception for one kind of problem (repeatable)', readHandle)
    .option('--delimiter <character>', 'column separator (default: found out)')
    .option('--seed <number>', 'seed of folds, groups and wordings (default: 42)', wholeNumber)
    .option('--state <file>', 'label new rows by the state that an earlier build wrote; one row is enough')
    .option('--report <file>', 'also write the report as JSON')
    .option('--list <count>', 'problems to list one by one', wholeNumber, 10)
    .action(datasetBuildCommand);
  addCheckCommand(dataset);
}
