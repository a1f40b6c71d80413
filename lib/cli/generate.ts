/**
 * `tunebook generate`: asks a model in a process of its own, with an adapter on it and in 4 bits where wanted.
 */
import { Option } from 'commander';
import type { Command } from 'commander';
import { generateAnswers, QUANTIZATIONS } from '../pretrained';
import type { GenerateAnswersOptions } from '../pretrained';
import { count } from './call';

/** Adds `generate` to the program. */
export function addGenerateCommand(program: Command): void {
  program
    .command('generate')
    .description('ask a model, with an adapter where wanted')
    .argument('[prompts...]', 'texts to go on from')
    .option('-m, --model <model>', "built-in model, folder or hub id (default: the adapter's base)")
    .option('-a, --adapter <folder>', 'a saved LoRA adapter')
    .option('--prompts <file>', 'a JSON file with an array of prompts')
    .addOption(
      new Option('-q, --quantize <type>', 'quantize the weights as they load').choices(QUANTIZATIONS),
    )
    .option('--max-memory <size>', 'most memory for weights, for instance 3GB; the rest goes to disk')
    .option(
      '--max-gpu-memory <size>',
      'most memory of a GPU for frozen weights; without it they stay off the GPU',
    )
    .option('--offload-folder <folder>', 'where layers go that memory does not hold')
    .option('-n, --max-new-tokens <count>', 'longest answer, in tokens', count, 64)
    .option('--json', 'answers, times and peak memory as JSON')
    .action(async (prompts: string[], options: GenerateAnswersOptions & { json?: boolean }) => {
      const result = await generateAnswers(prompts, options);
      console.log(options.json === true ? JSON.stringify(result, null, 2) : result.answers.join('\n---\n'));
    });
}
