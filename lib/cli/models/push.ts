/** `tunebook push`: a saved model, adapter or export to a repository of the hub. */
import { createRequire } from 'node:module';
import type { Command } from 'commander';
import { formatSize, progressBar } from '../../display';
import type * as Hub from '../../hub';
import type { PushOptions, PushResult } from '../../hub';

/** Adds `push` to the program. */
export function addPushCommand(program: Command): void {
  program
    .command('push')
    .description(
      'push a folder to the Hugging Face hub; the token is HF_TOKEN, or what `hf auth login` stored',
    )
    .argument('<folder>', 'what savePretrained, saveAdapter or an export wrote')
    .requiredOption('--repo <owner/name>', 'the repository; made where it is not there')
    .option('--private', 'where it is made now: private')
    .option('--revision <branch>', 'the branch; made where it is not there (default: main)')
    .option('--message <text>', "the commit's title")
    .option('--with-training-state', 'optimizer state and the like, too')
    .option('--dry-run', 'say what would be pushed, and push nothing')
    .action(async (folder: string, options: CommandLine) => {
      const { pushToHub } = createRequire(__filename)('../../hub') as typeof Hub;
      let bar: ReturnType<typeof progressBar> | undefined;
      const result = await pushToHub(folder, {
        ...options,
        onProgress: ({ doneBytes, totalBytes, file }) => {
          const megabytes = (bytes: number): number => Math.ceil(bytes / 1e5) / 10;
          bar ??= progressBar({ total: Math.max(0.1, megabytes(totalBytes)), label: 'push', unit: 'MB' });
          bar.update(megabytes(doneBytes), file);
        },
      });
      bar?.finish();
      console.log(wordsOf(result, options));
    });
}

type CommandLine = Pick<
  PushOptions,
  'repo' | 'private' | 'revision' | 'message' | 'withTrainingState' | 'dryRun'
>;

function wordsOf(
  { pushed, unchanged, leftOut, url, isNew, commit }: PushResult,
  { dryRun, repo }: CommandLine,
): string {
  const total = pushed.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
  const count = `${pushed.length} ${pushed.length === 1 ? 'file' : 'files'}, ${formatSize(total)}`;
  const lines = [
    ...leftOut.map(({ name, reason }) => `left out: ${name} (${reason})`),
    ...pushed.map(
      ({ name, sizeBytes }) =>
        `${dryRun === true ? 'would push' : 'pushed'}: ${name}, ${formatSize(sizeBytes)}`,
    ),
    ...(unchanged.length === 0 ? [] : [`there already: ${unchanged.join(', ')}`]),
  ];
  if (pushed.length === 0) lines.push(`Nothing to push: ${url} has it all.`);
  else if (dryRun === true)
    lines.push(`Dry run: ${count} for ${repo}${isNew ? ', which would be made' : ''}.`);
  else lines.push(`${url}: ${count}${commit === undefined ? '' : `, commit ${commit.slice(0, 12)}`}.`);
  return lines.join('\n');
}
