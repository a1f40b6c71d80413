/**
 * Process groups without processes: the ranks are promises of one program. For tests of what N ranks do.
 */
import { TunebookError } from '../types';
import { requireArray, requireOp, requireRoot } from './collectives';
import type { CollectiveArray, ProcessGroup, ReduceOp } from './process-group';

interface Arrival {
  readonly rank: number;
  readonly values: CollectiveArray;
  /** What all ranks must agree on: kind, type, length, operation. */
  readonly shape: string;
  readonly resolve: () => void;
  readonly reject: (error: Error) => void;
}

/**
 * The groups of N ranks in one process. Their collectives meet by their number, and are refused where ranks call
 * different ones: MPI would hang, or mix the values up.
 *
 * @param worldSize Number of ranks, at least 1.
 * @example
 * ```ts
 * import { fakeProcessGroups } from 'tunebook/distributed';
 *
 * const sums = fakeProcessGroups(2).map(async (group) => {
 *   const values = Float32Array.of(group.rank + 1);
 *   await group.allReduce(values);
 *   return values[0];
 * });
 * console.log(await Promise.all(sums)); // [ 3, 3 ]
 * ```
 */
export function fakeProcessGroups(worldSize: number): ProcessGroup[] {
  if (!Number.isInteger(worldSize) || worldSize < 1)
    throw new TunebookError(`fakeProcessGroups: expected a number of ranks from 1 up, got ${worldSize}.`);
  const meetings = new Map<number, Arrival[]>();
  let ended: TunebookError | undefined;

  const end = (error: TunebookError): void => {
    ended ??= error;
    for (const arrivals of meetings.values()) for (const { reject } of arrivals) reject(ended);
    meetings.clear();
  };
  return Array.from({ length: worldSize }, (_, rank) => {
    let [count, isDone] = [0, false];
    const meet = (
      shape: string,
      values: CollectiveArray,
      combine: (all: readonly CollectiveArray[]) => void,
    ): Promise<void> => {
      if (ended !== undefined) return Promise.reject(ended);
      if (isDone)
        return Promise.reject(
          new TunebookError(`${shape}: expected a process group, got one that was destroyed.`),
        );
      const number = count++;
      return new Promise((resolve, reject) => {
        const arrivals = meetings.get(number) ?? [];
        arrivals.push({ rank, values, shape, resolve, reject });
        meetings.set(number, arrivals);
        const other = arrivals.find((arrival) => arrival.shape !== shape);
        if (other !== undefined)
          return end(
            new TunebookError(
              `internal: collective ${number} is ${shape} on rank ${rank}, ${other.shape} on rank ${other.rank}`,
            ),
          );
        if (arrivals.length < worldSize) return;
        meetings.delete(number);
        combine(arrivals.sort((a, b) => a.rank - b.rank).map((arrival) => arrival.values));
        for (const arrival of arrivals) arrival.resolve();
      });
    };
    const typed = (name: string, values: CollectiveArray): string =>
      `${name} of ${values.length} ${values.constructor.name}`;
    return {
      ...{ rank, worldSize, localRank: rank, library: 'fake' },
      allReduce: (values, { op = 'sum' } = {}) => {
        requireArray(values, 'allReduce');
        requireOp(op);
        return meet(typed(`allReduce ${op}`, values), values, (all) => reduce(all, op));
      },
      broadcast: (values, { root = 0 } = {}) => {
        requireArray(values, 'broadcast');
        requireRoot(root, worldSize);
        return meet(typed(`broadcast from ${root}`, values), values, (all) => {
          for (const other of all) if (other !== all[root]) other.set(all[root]);
        });
      },
      barrier: () => meet('barrier', new Uint8Array(0), () => undefined),
      abort: (reason) => end(new TunebookError(`rank ${rank} of ${worldSize}: ${reason}`)),
      destroy: async () => {
        if (isDone) return;
        await meet('destroyProcessGroup', new Uint8Array(0), () => undefined);
        isDone = true;
      },
    };
  });
}

function reduce(all: readonly CollectiveArray[], op: ReduceOp): void {
  const combined = all[0].slice();
  for (const values of all.slice(1))
    for (let i = 0; i < values.length; i++)
      combined[i] =
        op === 'sum'
          ? combined[i] + values[i]
          : op === 'max'
            ? Math.max(combined[i], values[i])
            : Math.min(combined[i], values[i]);
  for (const values of all) values.set(combined);
}
