/** `tunebook sweep-point`: one task of a cluster's sweep, as the scripts of `tunebook sweep --executor` call it. */
import path from 'node:path';
import type { Command } from 'commander';
import { onStopSignals } from '../../notebook/run';
import { runSweepPoint } from '../../notebook/sweeps';
import { wholeNumber } from '../terminal/call';
import { makeRunView } from '../terminal/run-view';

/** Slurm kills 30 s after SIGTERM by default (KillWait), in ms. */
const PATIENCE_MS = 25_000;

/** Adds `sweep-point` to the program; people have no use for it. */
export function addSweepPointCommand(program: Command): void {
  program
    .command('sweep-point', { hidden: true })
    .description("one task of a cluster's sweep")
    .argument('<folder>', 'folder of the sweep')
    .argument('<submission>', 'name of the submission')
    .argument('<task>', 'number of the task, from 0', wholeNumber)
    .option('-o, --output <folder>', "folder of the points (default: the sweep's)")
    .option('--cwd <folder>', "folder that the code runs in (default: the sweep's)")
    .action(
      async (
        folder: string,
        submission: string,
        task: number,
        options: { output?: string; cwd?: string },
      ) => {
        let isTerm = false;
        const onTerm = (): void => void (isTerm = true);
        process.once('SIGTERM', onTerm);
        const view = makeRunView(process.stdout);
        const signals = onStopSignals((text) => view.take({ type: 'note', text }), PATIENCE_MS);
        try {
          const { interrupt, kill } = signals;
          const onEvent = view.take.bind(view);
          const run = await runSweepPoint({
            ...{ folder: path.resolve(folder), submission, task, ...options },
            run: { interrupt, kill, onEvent },
          });
          console.log(`${run.name}: ${run.status}${run.message === undefined ? '' : `: ${run.message}`}`);
          const interrupted = isTerm ? 143 : 130;
          process.exitCode = run.status === 'ok' ? 0 : run.status === 'interrupted' ? interrupted : 1;
        } finally {
          view.close();
          signals.off();
        }
      },
    );
}
