/** Ranks in one process, and what a process group refuses. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { allReduce, destroyProcessGroup, fakeProcessGroups, initProcessGroup } from '../../lib/distributed';
import type { CollectiveArray, ProcessGroup, ProcessGroupOptions, ReduceOp } from '../../lib/distributed';

const onAll = <T>(count: number, work: (group: ProcessGroup) => Promise<T>): Promise<T[]> =>
  Promise.all(fakeProcessGroups(count).map(work));

test('three ranks: sums, extremes, a broadcast, in whatever order they arrive', async () => {
  const results = await onAll(3, async (group) => {
    await new Promise((resolve) => setTimeout(resolve, 10 * (2 - group.rank)));
    const sum = Float32Array.of(group.rank, 0.5);
    await group.allReduce(sum);
    const most = Float64Array.of(group.rank);
    await group.allReduce(most, { op: 'max' });
    const least = Int32Array.of(group.rank - 1);
    await group.allReduce(least, { op: 'min' });
    const word = Buffer.from(`rank ${group.rank}`);
    await group.broadcast(word, { root: 2 });
    await group.barrier();
    await group.destroy();
    return [...sum, ...most, ...least, word.toString()];
  });
  for (const result of results) assert.deepEqual(result, [3, 1.5, 2, -1, 'rank 2']);
});

test('ranks that call different collectives are named, all of them', async () => {
  const ends = await onAll(2, (group) =>
    group.allReduce(new Float32Array(group.rank + 1)).catch((error: Error) => error.message),
  );
  for (const end of ends)
    assert.match(
      String(end),
      /^internal: collective 0 is allReduce sum of \d Float32Array on rank \d, allReduce sum of \d/,
    );
});

test('a rank that gives up ends those that wait and everything after', async () => {
  const ends = await onAll(3, async (group) => {
    if (group.rank === 1) group.abort('no more');
    const first = await group.barrier().catch((error: Error) => error.message);
    return [first, await group.barrier().catch((error: Error) => error.message)];
  });
  for (const end of ends) assert.deepEqual(end, Array(2).fill('rank 1 of 3: no more'));
});

test('refuses invalid arrays, operations, ranks and options', async () => {
  const [group] = fakeProcessGroups(1);
  const wrong: [() => unknown, RegExp][] = [
    [
      () => group.allReduce([1] as unknown as CollectiveArray),
      /allReduce: expected a Float32Array.*got a list/,
    ],
    [
      () => group.allReduce(Float32Array.of(1), { op: 'mean' as ReduceOp }),
      /op to be one of sum, max, min, got "mean"/,
    ],
    [() => group.broadcast(Float32Array.of(1), { root: 1 }), /broadcast: expected root from 0 to 0, got 1/],
    [() => fakeProcessGroups(0), /expected a number of ranks from 1 up, got 0/],
    [() => initProcessGroup({ backend: 'nccl' as 'mpi' }), /expected backend 'mpi', got "nccl"/],
    [() => initProcessGroup({ timeoutMs: 0 }), /expected timeoutMs above 0, in milliseconds, got 0/],
    [
      () => initProcessGroup({ timeout: 5 } as ProcessGroupOptions),
      /expected options backend, timeoutMs, got "timeout"/,
    ],
    [
      () => allReduce(Float32Array.of(1)),
      /allReduce: expected a process group, got none. Call initProcessGroup\(\)/,
    ],
    [() => destroyProcessGroup(), /destroyProcessGroup: expected a process group, got none/],
  ];
  for (const [call, message] of wrong)
    await assert.rejects(async () => call(), { name: 'TunebookError', message });
});
