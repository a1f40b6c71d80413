/** Several tasks at a time. */

/** Runs tasks, `limit` at a time, and gives their results in the order of the tasks. */
export async function inParallel<T, R>(
  tasks: readonly T[],
  limit: number,
  run: (task: T, index: number) => Promise<R>,
): Promise<R[]> {
  const results = new Array<R>(tasks.length);
  let next = 0;
  const worker = async (): Promise<void> => {
    for (let i = next++; i < tasks.length; i = next++) results[i] = await run(tasks[i], i);
  };
  await Promise.all(Array.from({ length: Math.min(limit, tasks.length) }, worker));
  return results;
}
