/** `tunebook check`: a line per fault of a notebook file. */
import { Option } from 'commander';
import type { Command } from 'commander';
import { checkNotebook } from '../../notebook/repair';
import type { CheckOptions } from '../../notebook/repair';

/** Adds `check` to the program. */
export function addCheckCommand(program: Command): void {
  program
    .command('check')
    .description('say what is wrong with notebook files')
    .argument('<notebooks...>', 'files; - for standard input')
    .addOption(
      new Option(
        '--outputs <rule>',
        'whether outputs are required, up to date with the cells, or forbidden (default: forbidden)',
      ).choices(['required', 'forbidden']),
    )
    .addOption(new Option('--executed', 'outputs may be there').conflicts('outputs'))
    .option('--untrusted', 'report scripts in outputs')
    .option('--no-types', 'do not type-check the cells')
    .action((notebooks: string[], options: CheckOptions) => {
      for (const file of notebooks) {
        const findings = checkNotebook(file, options);
        for (const { where, message } of findings) console.log(`${file}: ${where}: ${message}`);
        if (findings.length > 0) process.exitCode = 1;
        else console.log(`${file}: fine`);
      }
    });
}
