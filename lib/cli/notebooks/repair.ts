/** `tunebook repair`: repairs notebook files and lists what it repaired. */
import type { Command } from 'commander';
import { writeFileAtomicSync } from '../../files';
import { readBytes, repairBytes, repairFile } from '../../notebook/repair';
import type { RepairResult } from '../../notebook/repair';
import { TunebookError } from '../../types';
import { WrongCallError } from '../terminal/call';

/** Standard input, or standard output. */
const PIPE = '-';

interface RepairOptions {
  readonly normalise?: boolean;
  readonly output?: string;
}

/** Adds `repair` to the program. */
export function addRepairCommand(program: Command): void {
  program
    .command('repair')
    .description('repair notebook files; every byte that is not repaired stays')
    .argument('<notebooks...>', 'repaired in place; - for standard input')
    .option('-o, --output <file>', 'write there instead, - for standard output; for one notebook')
    .option('--normalise', "write the whole file in nbformat's own form")
    .action((notebooks: string[], options: RepairOptions) => {
      if (options.output !== undefined && notebooks.length > 1)
        throw new WrongCallError('repair: expected one notebook with --output, got several');
      for (const file of notebooks)
        try {
          report(file, repaired(file, options), options);
        } catch (error) {
          if (!(error instanceof TunebookError)) throw error;
          console.error(error.message); // the other files are still repaired
          process.exitCode = 1;
        }
    });
}

/** Repairs a file and writes it to its place or `--output`. */
function repaired(file: string, options: RepairOptions): RepairResult {
  const { normalise = false } = options;
  const output = options.output ?? (file === PIPE ? PIPE : undefined);
  if (output === undefined) return repairFile(file, normalise);
  const name = file === PIPE ? 'standard input' : file;
  const result = repairBytes(readBytes(file === PIPE ? 0 : file, name), { name, normalise });
  if (output === PIPE) process.stdout.write(result.text);
  else writeFileAtomicSync(output, result.text);
  return result;
}

/** Prints what was repaired, to standard error if the notebook goes to standard output. */
function report(file: string, { repaired, left }: RepairResult, { output }: RepairOptions): void {
  const isPiped = output === PIPE || (output === undefined && file === PIPE);
  const say = (text: string): void => (isPiped ? console.error(text) : console.log(text));
  for (const text of repaired) say(`${file}: ${text}`);
  for (const text of left) say(`${file}: still wrong: ${text}`);
  if (repaired.length + left.length === 0) say(`${file}: nothing to repair`);
  if (left.length > 0) process.exitCode = 1;
}
