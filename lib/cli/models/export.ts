/** `tunebook export`: writes a model, with its adapter merged where one is given, in the form that another runtime loads. */
import { Option } from 'commander';
import type { Command } from 'commander';
import type { ExportOutcome } from '../../export';
import { didYouMean } from '../../options';
import { quantizationConfigOf, QUANTIZATIONS } from '../../quantization';
import { checkOf } from './export/check';
import { exportProgress } from './export/progress';
import type { ExportTarget } from './export/target';
import { TARGETS } from './export/targets';
import { count, WrongCallError } from '../terminal/call';

/** Adds `export` to the program. */
export function addExportCommand(program: Command): void {
  program
    .command('export')
    .description('write a model as other programs load it, and compare its answers there')
    .argument('[model]', "built-in model, folder or hub id (default: the adapter's base)")
    .requiredOption('--to <target>', TARGETS.map(({ name }) => name).join(', '))
    .option('-a, --adapter <folder>', 'a saved LoRA adapter; merged, where the target is a whole model')
    .option('-t, --type <type>', 'how numbers are stored; each target has its own, see below')
    .requiredOption('-o, --output <path>', 'the file or folder to write')
    .addOption(
      new Option('-q, --quantize <type>', 'how the base was quantized while the adapter was trained').choices(
        QUANTIZATIONS,
      ),
    )
    .option('--no-check', 'write only: neither read back nor compare answers')
    .option('--prompts <file>', 'compare answers to these: a JSON file with an array of prompts')
    .option(
      '--records <file>',
      'compare answers to these: records, in the prompt that the model was tuned with',
    )
    .option('-c, --count <count>', 'most prompts compared', count, 8)
    .option('-n, --max-new-tokens <count>', 'longest answer compared, in tokens', count, 32)
    .addHelpText('after', () => `\nTargets:\n${TARGETS.map(helpLine).join('\n')}`)
    .action(async (model: string | undefined, options: CommandLine) => {
      const target = targetOf(options.to);
      const { output, adapter, quantize, check, prompts, records } = options;
      if (model === undefined && adapter === undefined)
        throw new WrongCallError('export: expected a model or --adapter, got neither.');
      if (target.needsAdapter === true && adapter === undefined)
        throw new WrongCallError(`export: expected --adapter for --to ${target.name}, got none.`);
      const questions = { prompts, records, count: options.count, maxNewTokens: options.maxNewTokens };
      const type = typeOf(target, options.type);
      const outcome = await target.run({
        ...{ model, output, type },
        options: {
          ...{ adapter, quantizationConfig: quantizationConfigOf(quantize) },
          onProgress: exportProgress(),
          check: await checkOf(check ? questions : undefined, { model, adapter }),
        },
      });
      report(outcome);
    });
}

interface CommandLine {
  readonly to: string;
  readonly adapter?: string;
  readonly type?: string;
  readonly output: string;
  readonly quantize?: (typeof QUANTIZATIONS)[number];
  readonly check: boolean;
  readonly prompts?: string;
  readonly records?: string;
  readonly count: number;
  readonly maxNewTokens: number;
}

function helpLine({ name, summary, types }: ExportTarget): string {
  return `  ${name.padEnd(10)} ${summary}; types: ${types.join(', ')}`;
}

/** @throws WrongCallError for a target that there is not */
function targetOf(name: string): ExportTarget {
  const found = TARGETS.find((target) => target.name === name);
  if (found !== undefined) return found;
  const names = TARGETS.map((target) => target.name);
  throw new WrongCallError(
    `export: expected --to ${names.join(', ')}, got ${JSON.stringify(name)}.${didYouMean(name, names)}`,
  );
}

/** @throws WrongCallError for a type that the target does not have */
function typeOf({ name, types }: ExportTarget, type = types[0]): string {
  if (types.includes(type)) return type;
  throw new WrongCallError(
    `export: expected --type ${types.join(', ')} for --to ${name}, got ${JSON.stringify(type)}.${didYouMean(type, types)}`,
  );
}

/** Says what was written and what the comparison gave; an answer that is too far off is exit status 1. */
function report({ files, words, isProven }: ExportOutcome): void {
  for (const file of files) console.log(file);
  for (const line of words) console.log(line);
  if (!isProven) process.exitCode = 1;
}
