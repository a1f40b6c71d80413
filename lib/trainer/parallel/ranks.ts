/**
 * What a run with several ranks has in common: sums, errors and decisions. By itself a process agrees with itself, and
 * nothing is sent.
 */
import type { ProcessGroup, ReduceOp } from '../../distributed';
import { messageOf, TunebookError } from '../../types';

/** The ranks of a run, as the trainer sees them. */
export interface Ranks {
  readonly rank: number;
  readonly worldSize: number;
  /** Undefined for a process by itself. */
  readonly group: ProcessGroup | undefined;
  /** Rank 0 writes files, prints, and calls callbacks. */
  readonly isFirst: boolean;
  /** The ranks' numbers combined, the same on all. */
  reduce(numbers: readonly number[], op: ReduceOp, purpose: string): Promise<number[]>;
  /**
   * Runs something on all ranks, which calls no collective.
   * @throws its error, on all ranks where one of them fails
   */
  together<T>(purpose: string, work: () => T | Promise<T>): Promise<T>;
  /** Runs something on rank 0, and waits for it. @throws its error, on all ranks */
  onFirst<T>(purpose: string, work: () => Promise<T>): Promise<T | undefined>;
  /** Gives rank 0's value, as JSON, to all. */
  share<T>(value: T, purpose: string): Promise<T>;
  /** Marks an error as one that all ranks throw. */
  common<E extends Error>(error: E): E;
  /** Runs what the ranks share: one that ends meanwhile, or has an error of its own, ends the others, which wait for it. */
  busy<T>(work: () => Promise<T>): Promise<T>;
}

/** The ranks of a process group. */
export function ranksOf(group: ProcessGroup | undefined): Ranks {
  const { rank = 0, worldSize = 1 } = group ?? {};
  const shared = new WeakSet<Error>();
  const common = <E extends Error>(error: E): E => {
    shared.add(error);
    return error;
  };
  const isAlone = group === undefined || worldSize === 1;

  const reduce: Ranks['reduce'] = async (numbers, op, purpose) => {
    const values = Float64Array.from(numbers);
    if (!isAlone) await group.allReduce(values, { op, purpose });
    return [...values];
  };
  /** One rank's text, on all. */
  const textOf = async (root: number, text: string, purpose: string): Promise<string> => {
    const own = Buffer.from(text);
    const [length] = await reduce([rank === root ? own.length : 0], 'max', purpose);
    const bytes = rank === root ? own : Buffer.alloc(length);
    await group?.broadcast(bytes, { root, purpose });
    return bytes.toString();
  };
  const together: Ranks['together'] = async (purpose, work) => {
    if (isAlone) return work();
    const outcome = await Promise.resolve()
      .then(work)
      .then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
    const failed = 'error' in outcome;
    const [first] = await reduce([failed ? worldSize - rank : 0], 'max', purpose);
    // The launcher may end the failed rank before that has said so itself.
    const why = first > 0 ? await textOf(worldSize - first, messageOf(failed && outcome.error), purpose) : '';
    if (failed)
      throw common(
        outcome.error instanceof Error ? outcome.error : new TunebookError(messageOf(outcome.error)),
      );
    if (first > 0)
      throw common(
        new TunebookError(
          `trainer: rank ${worldSize - first} of ${worldSize} failed (${purpose}), so all ranks stop: ${why}`,
        ),
      );
    return outcome.value;
  };
  return {
    ...{ rank, worldSize, isFirst: rank === 0, group: isAlone ? undefined : group },
    ...{ reduce, together, common },
    onFirst: (purpose, work) => together(purpose, () => (rank === 0 ? work() : undefined)),
    share: async (value, purpose) => {
      if (isAlone) return value;
      return (JSON.parse(await textOf(0, JSON.stringify({ value }), purpose)) as { value: typeof value })
        .value;
    },
    busy: async (work) => {
      group?.setBusy?.(true);
      try {
        return await work();
      } catch (error) {
        const isShared = error instanceof Error && (shared.has(error) || shared.has(error.cause as Error));
        if (!isAlone && !isShared)
          group.abort(error instanceof Error ? (error.stack ?? error.message) : messageOf(error));
        throw error;
      } finally {
        group?.setBusy?.(false);
      }
    },
  };
}

/** Runs something on rank 0, then on the others. */
export async function mainFirst<T>(ranks: Ranks, work: () => T | Promise<T>): Promise<T> {
  const purpose = 'what the main process does first';
  const first = await ranks.together(purpose, () => (ranks.isFirst ? work() : undefined));
  const own = await ranks.together(purpose, () => (ranks.isFirst ? undefined : work()));
  return (ranks.isFirst ? first : own) as T;
}
