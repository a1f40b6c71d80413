/**
 * Times real batches of a run, some of each kind, after a warm-up.
 */
import type { Forecast, PieceKind } from './run-forecast';

export interface KindTimes {
  /** Milliseconds of a batch that is first in its step, one number per round. */
  readonly first: readonly number[];
  /** Milliseconds of a batch whose gradients are added to others. */
  readonly added: readonly number[];
  /** Extra time of the first round: compilation and first touch of memory. */
  readonly coldMs: number;
  /** Memory that the first round allocated for good, bytes: compiled functions and their buffers. */
  readonly coldBytes: number;
}

/** What is timed, and for how long. */
export interface TimingRequest {
  readonly kinds: readonly PieceKind[];
  /** How long the first kind took where it was computed for the first time, ms. */
  readonly firstMs: number;
  /** What was timed so far says how long the rest may take, ms. */
  readonly budgetMs: (times: ReadonlyMap<PieceKind, KindTimes>) => number;
  /** Computes gradients of a group of batches. */
  readonly compute: (group: readonly (readonly number[])[]) => Promise<void>;
}

/** Times kinds in order until the time budget is spent; the first is always timed. */
export async function timeKinds(request: TimingRequest): Promise<Map<PieceKind, KindTimes>> {
  const { kinds, firstMs, budgetMs, compute } = request;
  const started = performance.now();
  const timed = async (group: readonly (readonly number[])[]): Promise<number> => {
    const from = performance.now();
    await compute(group);
    return performance.now() - from;
  };
  const times = new Map<PieceKind, KindTimes>();
  // What a further shape takes: the first one's buffers came with all that shapes share, before it was timed.
  const measureOther = async (other: PieceKind): Promise<void> => {
    const rss = process.memoryUsage.rss();
    await compute([other.examples]);
    const share = tokensOf(kinds[0]) / tokensOf(other);
    const known = times.get(kinds[0]);
    if (known === undefined) return;
    times.set(kinds[0], { ...known, coldBytes: share * Math.max(0, process.memoryUsage.rss() - rss) });
  };
  for (const kind of kinds) {
    if (times.size > 0 && performance.now() - started > budgetMs(times)) {
      const other = kinds.find(({ shape }) => shape.join() !== kinds[0].shape.join());
      if (times.size === 1 && other !== undefined) await measureOther(other);
      break;
    }
    const rss = process.memoryUsage.rss();
    const one = [kind.examples];
    const cold = times.size === 0 ? firstMs : await timed(one);
    const first = [await timed(one), await timed(one)];
    const added: number[] = [];
    const fastest = Math.min(...first);
    let coldMs = Math.max(0, cold - mean(first));
    if (kind.added > 0) {
      const two = [kind.examples, kind.examples];
      const coldTwo = await timed(two);
      for (let round = 0; round < 2; round++)
        added.push(Math.max(0.3 * fastest, (await timed(two)) - fastest));
      coldMs += Math.max(0, coldTwo - mean(first) - mean(added));
    }
    const coldBytes = Math.max(0, process.memoryUsage.rss() - rss);
    times.set(kind, { first, added, coldMs, coldBytes });
  }
  return times;
}

const tokensOf = ({ shape: [rows, T] }: PieceKind): number => rows * T;

/** Milliseconds of all batches of the run: expected, and at the speed of the slowest rounds. */
export function batchesMs(
  { kinds }: Forecast,
  times: ReadonlyMap<PieceKind, KindTimes>,
): { expected: number; high: number } {
  const total = { expected: 0, high: 0 };
  const known = [...times];
  const tokens = known.map(([kind]) => kind.shape[0] * kind.shape[1]);
  const perToken = (pick: (t: KindTimes) => number): number =>
    known.reduce((sum, [, t]) => sum + pick(t), 0) / tokens.reduce((a, b) => a + b, 0);
  const cold = known.reduce((sum, [, t]) => sum + t.coldMs, 0) / known.length;
  for (const kind of kinds) {
    const own = times.get(kind);
    const size = kind.shape[0] * kind.shape[1];
    const ms = (pick: (rounds: readonly number[]) => number): number => {
      const of = (t: KindTimes, added: boolean): number =>
        pick(added && t.added.length > 0 ? t.added : t.first);
      const each = (added: boolean): number =>
        own === undefined ? size * perToken((t) => of(t, added)) : of(own, added);
      return kind.first * each(false) + kind.added * each(true) + (own === undefined ? cold : 0);
    };
    total.expected += ms(typical);
    total.high += ms((rounds) => Math.max(...rounds));
  }
  return total;
}

/**
 * Expected memory of shapes that were not timed, extrapolated from the others, bytes. Kinds of one shape share all
 * but the head.
 */
export function untimedBytes({ kinds }: Forecast, times: ReadonlyMap<PieceKind, KindTimes>): number {
  const tokens = (list: readonly PieceKind[]): Map<string, number> =>
    new Map(list.map(({ shape }) => [shape.join('x'), shape[0] * shape[1]]));
  const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);
  const timed = tokens([...times.keys()]);
  const others = [...tokens(kinds)].filter(([shape]) => !timed.has(shape)).map(([, count]) => count);
  const bytes = sum([...times.values()].map(({ coldBytes }) => coldBytes));
  return (bytes / sum(timed.values())) * sum(others);
}

/** Between the mean and the fastest: early rounds touch memory for the first time, a run's later steps do not. */
export function typical(rounds: readonly number[]): number {
  return (mean(rounds) + Math.min(...rounds)) / 2;
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
