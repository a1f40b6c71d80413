/** `tunebook kernel`: registers this package's kernel with Jupyter, removes and lists kernels. */
import type { Command } from 'commander';
import { installKernel, kernelsFolders, listKernels, uninstallKernel } from '../../notebook/client';
import type { KernelPlace } from '../../notebook/client';

interface PlaceOptions {
  readonly prefix?: string;
  readonly system?: boolean;
}

function placeOf({ prefix, system }: PlaceOptions): KernelPlace {
  if (prefix !== undefined) return { kind: 'prefix', prefix };
  return system ? { kind: 'system' } : { kind: 'user' };
}

/** Adds `kernel install`, `kernel uninstall` and `kernel list` to the program. */
export function addKernelCommands(program: Command): void {
  const kernel = program.command('kernel').description('make Jupyter and VS Code know the TypeScript kernel');
  const places = (command: Command): Command =>
    command
      .option('--prefix <folder>', 'for one environment (a virtualenv, a conda environment)')
      .option('--system', 'for all users; default: for this user');
  places(kernel.command('install').description('register the kernel')).action((options: PlaceOptions) => {
    console.log(`Installed in ${installKernel(placeOf(options))}`);
  });
  places(kernel.command('uninstall').description('remove the kernel')).action((options: PlaceOptions) => {
    const folder = uninstallKernel(placeOf(options));
    console.log(folder === undefined ? 'There is none.' : `Removed ${folder}`);
  });
  kernel
    .command('list')
    .description('list the kernels that Jupyter finds, with what is wrong with them')
    .option('--prefix <folder>', 'look into this environment too')
    .action(({ prefix }: PlaceOptions) => {
      for (const { name, displayName, folder, problem } of listKernels(kernelsFolders(process.env, prefix)))
        console.log(
          `${name.padEnd(16)} ${displayName.padEnd(28)} ${folder}${problem === undefined ? '' : `  (${problem})`}`,
        );
    });
}
