/**
 * Whether the ranks of a run have work, before any of them begins.
 */
import { TunebookError } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import type { Ranks } from '../parallel/ranks';

/** @throws TunebookError for more ranks than batches */
export function requireWork(ranks: Ranks, run: { values: CheckedArguments; examples: number }): void {
  if (ranks.group === undefined) return;
  const { perDeviceTrainBatchSize: size, dataloaderDropLast } = run.values;
  const batches = dataloaderDropLast ? Math.floor(run.examples / size) : Math.ceil(run.examples / size);
  if (batches < ranks.worldSize)
    throw new TunebookError(
      `Trainer: expected at least one batch for each rank, got ${batches} batches of ${size} for ` +
        `${ranks.worldSize} ranks. Start fewer ranks, or lower perDeviceTrainBatchSize.`,
    );
}
