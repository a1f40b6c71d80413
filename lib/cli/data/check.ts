/** `tunebook dataset check`: what the records of a file are taken as, and which of them cannot be learned from, by line. */
import { createRequire } from 'node:module';
import { Option } from 'commander';
import type { Command } from 'commander';
import type * as Dataset from '../../dataset';
import type { CheckRecordsOptions, LoadReport, RecordCheck } from '../../dataset';
import type * as Tokenizers from '../../tokenizer';
import { count, wholeNumber } from '../terminal/call';

// Written out, as the help loads no library.
const FORMATS = [
  'auto',
  'messages',
  'sharegpt',
  'alpaca',
  'prompt-completion',
  'text',
  'preference',
  'fields',
] as const satisfies readonly CheckRecordsOptions['format'][];

interface CheckOptions {
  readonly tokenizer?: string;
  readonly maxLength?: number;
  readonly format: CheckRecordsOptions['format'];
  readonly list: number;
  readonly json?: boolean;
}

/** Adds `check` to `tunebook dataset`. */
export function addCheckCommand(dataset: Command): void {
  dataset
    .command('check')
    .description(
      'what the records of a file are taken as, and each that cannot be learned from, with its line',
    )
    .argument('<input>', 'JSONL, JSON, CSV or Parquet, or hf://datasets/OWNER/NAME')
    .option(
      '-t, --tokenizer <model>',
      'built-in model, folder or hub id: counts tokens, and tries its chat template on each conversation',
    )
    .option('--max-length <tokens>', "longest record (default: the tokenizer's own limit)", count)
    .addOption(new Option('--format <format>', 'what the records are').choices(FORMATS).default('auto'))
    .option('--list <count>', 'faults to list one by one', wholeNumber, 20)
    .option('--json', 'the report as JSON')
    .action(async (input: string, options: CheckOptions) => {
      const { loadRecords, checkRecords } = createRequire(__filename)('../../dataset') as typeof Dataset;
      const { AutoTokenizer } = createRequire(__filename)('../../tokenizer') as typeof Tokenizers;
      const { records, report } = await loadRecords(input);
      const { tokenizer: name, maxLength, format } = options;
      const tokenizer = name === undefined ? undefined : await AutoTokenizer.fromPretrained(name);
      const check = checkRecords(records, { tokenizer, maxLength, format });
      const lines = faultsOf(check, report);
      console.log(
        options.json === true
          ? JSON.stringify({ ...check, malformed: report.problems }, null, 2)
          : checkText(input, check, {
              lines,
              list: options.list,
              maxLength: maxLength ?? tokenizer?.modelMaxLength,
            }),
      );
      if (lines.length > 0) process.exitCode = 1;
    });
}

interface Fault {
  readonly place: string;
  readonly reason: string;
}

/** What no record could be made of, then what none can be learned of. */
function faultsOf({ faults }: RecordCheck, { problems }: LoadReport): Fault[] {
  const malformed = problems.map(({ file, line, reason }) => ({ place: `${file}:${line}`, reason }));
  return [...malformed, ...faults.map(({ place, reason }) => ({ place, reason }))];
}

function checkText(
  input: string,
  { format, total, turns, tokens, tooLong = 0 }: RecordCheck,
  { lines, list, maxLength }: { lines: readonly Fault[]; list: number; maxLength: number | undefined },
): string {
  const parts = [
    `${input}: ${total} record${total === 1 ? '' : 's'}, taken as ${format}; ${lines.length === 0 ? 'no fault' : `${lines.length} with faults`}.`,
  ];
  if (turns !== undefined)
    parts.push(`Turns of the assistant: ${turns.learned} learned of ${turns.assistant}.`);
  if (tokens !== undefined) {
    const { min, median, p95, max } = tokens;
    parts.push(`Tokens of a record: ${min} to ${max}, half have at most ${median}, 95 % at most ${p95}.`);
    if (tooLong > 0)
      parts.push(
        `Longer than ${maxLength} tokens: ${tooLong}. Conversations lose whole turns at their end, prompts their middle; ` +
          'or raise maxLength.',
      );
  }
  if (lines.length > 0) {
    parts.push(...lines.slice(0, list).map(({ place, reason }) => `${place}: ${reason}`));
    if (lines.length > list) parts.push(`… and ${lines.length - list} more (--list COUNT).`);
  }
  return parts.join('\n');
}
