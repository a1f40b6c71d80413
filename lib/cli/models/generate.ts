/**
 * `tunebook generate`: generates answers with a model, optionally with an adapter and in 4 or 8 bits.
 */
import fs from 'node:fs';
import { createRequire } from 'node:module';
import { Option } from 'commander';
import type { Command } from 'commander';
import type * as Dataset from '../../dataset';
import type { DataRecord } from '../../dataset';
import type * as Pretrained from '../../pretrained';
import type { GenerateAnswersOptions } from '../../pretrained';
import { QUANTIZATIONS } from '../../quantization';
import { count, positive, wholeNumber } from '../terminal/call';

/** Adds `generate` to the program. */
export function addGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description('ask a model, with an adapter where wanted')
    .argument(
      '[prompts...]',
      "texts, or records as JSON; asked in the prompt that the model was tuned with, where its folder has one, else continued. A model's folder may come first",
    )
    .option('-m, --model <model>', "built-in model, folder or hub id (default: the adapter's base)")
    .option('-a, --adapter <folder>', 'a saved LoRA adapter')
    .option('--prompts <file>', 'a JSON file with an array of prompts')
    .option('--records <data>', 'records to answer: JSONL, JSON, CSV or Parquet, or hf://datasets/OWNER/NAME')
    .option('--raw', 'continue texts as they are')
    .addOption(
      new Option('-q, --quantize <type>', 'quantize the weights as they load').choices(QUANTIZATIONS),
    )
    .option('--max-memory <size>', 'most memory for weights, for instance 3GB; the rest goes to disk')
    .option(
      '--max-gpu-memory <size>',
      'most memory of a GPU for frozen weights; without it they stay off the GPU',
    )
    .option('--offload-folder <folder>', 'where layers go that memory does not hold')
    .option(
      '-n, --max-new-tokens <count>',
      "longest answer, in tokens (default: the model's, else 64)",
      count,
    )
    .option('--sample', "draw tokens (default: as the model's generation_config.json says)")
    .option('--no-sample', 'take the most likely token')
    .option('--temperature <number>', 'with --sample: below 1 sharper, above 1 flatter', positive)
    .option(
      '--top-k <count>',
      'with --sample: draw from so many most likely tokens, 0: from all',
      wholeNumber,
    )
    .option('--top-p <share>', 'with --sample: draw from the tokens that together reach it', positive)
    .option('--repetition-penalty <number>', 'above 1: repeats are less likely', positive)
    .option('--seed <number>', 'of the draws', wholeNumber)
    .option(
      '--stop <text>',
      'a text that ends an answer (repeatable)',
      (text: string, before: string[] = []) => [...before, text],
    )
    .addOption(
      new Option(
        '--dtype <type>',
        "weights to compute by: float32, the model's own, q8, fast codes of 8 bits, or auto (default), q8 for weights of 4 bits",
      ).choices(['auto', 'float32', 'q8']),
    )
    .option('--no-model-defaults', 'pass over generation_config.json')
    .option('--json', 'answers, times and peak memory as JSON')
    .action(async (words: string[], call: CommandLine) => {
      const { json, sample, stop, modelDefaults, records, raw, ...options } = call;
      const { model = options.adapter === undefined ? folderIn(words) : undefined } = options;
      const given = model === options.model ? words : words.slice(1);
      const asked = [
        ...given.map((word) => (raw === true ? word : recordIn(word))),
        ...(records === undefined ? [] : await readRecords(records)),
      ];
      const { generateAnswers } = createRequire(__filename)('../../pretrained') as typeof Pretrained;
      const result = await generateAnswers(asked, {
        ...{ ...options, model, doSample: sample, isRaw: raw },
        ...(stop === undefined ? {} : { stopStrings: stop }),
        useModelDefaults: modelDefaults,
      });
      if (json !== true && result.prompt !== undefined) console.error(`Asked in ${result.prompt}.`);
      console.log(json === true ? JSON.stringify(result, null, 2) : result.answers.join('\n---\n'));
    });
}

/** A first word that is a folder names the model. */
function folderIn([first]: readonly string[]): string | undefined {
  return first !== undefined && fs.statSync(first, { throwIfNoEntry: false })?.isDirectory() === true
    ? first
    : undefined;
}

/** A word that is a JSON object is a record. */
function recordIn(word: string): string | DataRecord {
  if (!/^\s*\{[^]*\}\s*$/.test(word)) return word;
  try {
    return JSON.parse(word) as DataRecord;
  } catch {
    return word;
  }
}

async function readRecords(file: string): Promise<readonly DataRecord[]> {
  const { loadRecords } = createRequire(__filename)('../../dataset') as typeof Dataset;
  const { records, report } = await loadRecords(file);
  if (report.skipped > 0)
    console.error(`${file}: ${report.skipped} records left out, ${report.problems[0]?.reason ?? ''}`);
  return records;
}

interface CommandLine extends Omit<
  GenerateAnswersOptions,
  'doSample' | 'isRaw' | 'stopStrings' | 'useModelDefaults'
> {
  readonly json?: boolean;
  readonly raw?: boolean;
  readonly records?: string;
  readonly sample?: boolean;
  readonly stop?: readonly string[];
  readonly modelDefaults: boolean;
}
