/** `tunebook publish`: runs notebooks and writes them back with outputs fit for a repository. */
import type { Command } from 'commander';
import { formatSize } from '../../display';
import { publishNotebooks } from '../../notebook/publish';
import { onStopSignals } from '../../notebook/run';
import { makeRunView } from '../terminal/run-view';

/** Adds `publish` to the program. */
export function addPublishCommand(program: Command): void {
  program
    .command('publish')
    .description('run notebooks at their defaults and write them back with static outputs, for a repository')
    .argument('<notebooks...>', 'changed in place, all or none')
    .action(async (notebooks: string[]) => {
      const view = makeRunView(process.stdout);
      const signals = onStopSignals((text) => view.take({ type: 'note', text }));
      try {
        const { interrupt, kill } = signals;
        const sizes = await publishNotebooks(notebooks, {
          interrupt,
          kill,
          onEvent: (_, event) => view.take(event),
        });
        view.close();
        notebooks.forEach((file, i) => console.log(`${file}: ${formatSize(sizes[i])}`));
      } finally {
        view.close();
        signals.off();
      }
    });
}
