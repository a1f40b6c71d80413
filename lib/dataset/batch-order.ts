/**
 * Which examples go into which batch of an epoch: a pure function of seed and epoch, so that a resumed run
 * takes `batchOrder(...).slice(k)` and sees what the first run would have seen.
 */
import { requireOptions } from '../options';
import { requireList, requireObject, TunebookError } from '../types';
import { createRandom } from '../random';
import type { BatchOrderOptions } from './types';

/** Batches whose examples are sorted together: enough to group, few enough to stay random. */
const GROUP_BATCHES = 50;

/**
 * The example indices of each batch of one epoch.
 *
 * With `groupByLength`, examples are shuffled, sorted by length within runs of 50 batches, cut into batches,
 * and the batches shuffled; the batch with the longest example comes first, so that a memory overrun shows
 * at once.
 *
 * @throws TunebookError where an option is wrong.
 * @example
 * ```ts
 * import { batchOrder } from 'tunebook/dataset';
 *
 * console.log(batchOrder({ lengths: [3, 9, 4, 8], batchSize: 2, seed: 42, epoch: 0 }).length); // 2
 * ```
 */
export function batchOrder(options: BatchOrderOptions): number[][] {
  requireObject(options, { where: 'batchOrder', what: 'options { lengths, batchSize, seed, epoch }' });
  requireOptions<BatchOrderOptions>(options, {
    where: 'batchOrder',
    names: {
      lengths: true,
      batchSize: true,
      seed: true,
      epoch: true,
      groupByLength: true,
      dropLast: true,
      shuffle: true,
    },
  });
  requireList(options.lengths, { where: 'batchOrder', what: 'lengths, the tokens of each example' });
  const {
    lengths,
    batchSize,
    seed,
    epoch,
    groupByLength = false,
    dropLast = false,
    shuffle = true,
  } = options;
  if (!Number.isInteger(batchSize) || batchSize < 1 || !Number.isInteger(epoch) || epoch < 0) {
    throw new TunebookError(
      `batchOrder: expected a positive batchSize and an epoch from 0, got ${batchSize} and ${epoch}.`,
    );
  }
  const random = createRandom('batches', seed, epoch);
  const natural = lengths.map((_, index) => index);
  const shuffled = shuffle ? random.shuffle(natural) : natural;
  const lengthOf = (index: number): number => lengths[index] ?? 0;
  const ordered = groupByLength
    ? cut(shuffled, batchSize * GROUP_BATCHES).flatMap((run) => run.sort((a, b) => lengthOf(b) - lengthOf(a)))
    : shuffled;
  const all = cut(ordered, batchSize);
  const isShort = (all.at(-1)?.length ?? batchSize) < batchSize;
  const full = isShort ? all.slice(0, -1) : all;
  // A short batch stays last: in the middle it would upset gradient accumulation.
  const last = isShort && !dropLast ? all.slice(-1) : [];
  if (!groupByLength || !shuffle) return [...full, ...last];
  const longestOf = (batch: readonly number[]): number =>
    batch.reduce((max, i) => Math.max(max, lengthOf(i)), 0);
  const mixed = random.shuffle(full);
  const longest = mixed.reduce(
    (best, batch, i) => (longestOf(batch) > longestOf(mixed[best] ?? []) ? i : best),
    0,
  );
  return [...mixed.splice(longest, 1), ...mixed, ...last];
}

function cut<T>(items: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let start = 0; start < items.length; start += size) parts.push(items.slice(start, start + size));
  return parts;
}
