/** `tunebook repair`: mends notebook files, and says what it mended. */
import type { Command } from 'commander';
import { repairFile } from '../notebook/repair';
import { TunebookError } from '../types';

/** Adds `repair` to the program. */
export function addRepairCommand(program: Command): void {
  program
    .command('repair')
    .description('mend notebook files; every byte that is not mended stays')
    .argument('<notebooks...>')
    .option('--normalise', "write the whole file in nbformat's own form")
    .action((notebooks: string[], options: { normalise?: boolean }) => {
      for (const file of notebooks)
        try {
          const { mended, left } = repairFile(file, options.normalise === true);
          for (const text of mended) console.log(`${file}: ${text}`);
          for (const text of left) console.log(`${file}: still wrong: ${text}`);
          if (mended.length + left.length === 0) console.log(`${file}: nothing to mend`);
          if (left.length > 0) process.exitCode = 1;
        } catch (error) {
          if (!(error instanceof TunebookError)) throw error;
          console.error(error.message); // the other files are still mended
          process.exitCode = 1;
        }
    });
}
