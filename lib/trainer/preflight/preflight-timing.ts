/**
 * Times real batches of a run, some of each kind, after a warm-up.
 */
import type { Forecast, PieceKind } from './run-forecast';

export interface KindTimes {
  /** Milliseconds of a batch that is first in its step, one number per round. */
  readonly first: readonly number[];
  /** Milliseconds of a batch whose gradients are added to others. */
  readonly added: readonly number[];
  /** Extra time of the first round that a run has with each further shape. */
  readonly coldMs: number;
  /**
   * Memory that the first round allocated for good, bytes: compiled functions and their buffers. Undefined for the
   * longest kind, whose first round came with all that shapes share.
   */
  readonly coldBytes: number | undefined;
}

/** What is timed, and for how long. */
export interface TimingRequest {
  /** The longest first, which has been computed once. */
  readonly kinds: readonly PieceKind[];
  /** How long the longest kind took where it was computed for the first time, and compiling alone, ms. */
  readonly firstRun: { readonly ms: number; readonly compileMs: number };
  /** What was timed so far says how long the rest may take, ms. */
  readonly budgetMs: (times: ReadonlyMap<PieceKind, KindTimes>) => number;
  /**
   * How long the engine has compiled so far, ms: what a further shape costs, since memory that was touched is used again.
   * Undefined on devices, which compile in a first run as well.
   */
  readonly compileMs?: () => number;
  /** Computes gradients of a group of batches. */
  readonly compute: (group: readonly (readonly number[])[]) => Promise<void>;
}

/** A warm round that takes so long says enough by itself, ms; shorter ones are repeated, since small delays count. */
const LONG_ROUND_MS = 250;
/** The longest kind is timed whatever the budget where it is at least this share of the run's work. */
const WORTH_TIMING = 0.1;

/**
 * Times the kind with most of the run's work and, where it counts, the longest, which stand for short and long batches,
 * then others by their work until the time budget is spent.
 */
export async function timeKinds(request: TimingRequest): Promise<Map<PieceKind, KindTimes>> {
  const { kinds, firstRun, budgetMs, compileMs, compute } = request;
  const started = performance.now();
  const timed = (group: readonly (readonly number[])[]): Promise<number> => durationMs(() => compute(group));
  const warmRounds = async (group: readonly (readonly number[])[]): Promise<number[]> => {
    const ms = await timed(group);
    return ms >= LONG_ROUND_MS ? [ms] : [ms, await timed(group)];
  };
  const times = new Map<PieceKind, KindTimes>();
  const work = (kind: PieceKind): number => (kind.first + kind.added) * tokensOf(kind);
  const byWork = [...kinds].sort((a, b) => work(b) - work(a));
  const [[longest], [most]] = [kinds, byWork];
  const all = kinds.reduce((sum, kind) => sum + work(kind), 0);
  const pair = work(longest) < WORTH_TIMING * all ? [most] : [most, longest];
  for (const kind of new Set([...pair, ...byWork])) {
    const isOver = times.size > 0 && performance.now() - started > budgetMs(times);
    if (isOver && !pair.includes(kind)) break;
    const [rss, compiled] = [process.memoryUsage.rss(), compileMs?.() ?? 0];
    const isNew = kind !== longest;
    const one = [kind.examples];
    const coldOneMs = isNew ? await timed(one) : firstRun.ms;
    const first = isNew || kind === most ? await warmRounds(one) : [await timed(one)];
    const fastest = Math.min(...first);
    let added: number[] = [];
    let coldMs = Math.max(0, coldOneMs - mean(first));
    if (kind.added > 0) {
      const two = [kind.examples, kind.examples];
      const coldTwoMs = await timed(two);
      const both = await warmRounds(two);
      added = both.map((ms) => Math.max(0.3 * fastest, ms - fastest));
      coldMs += Math.max(0, coldTwoMs - mean(both));
    }
    if (compileMs !== undefined) coldMs = compileMs() - compiled + (isNew ? 0 : firstRun.compileMs);
    const coldBytes = isNew ? Math.max(0, process.memoryUsage.rss() - rss) : undefined;
    times.set(kind, { first, added, coldMs, coldBytes });
  }
  // What a further shape takes, where none was timed.
  const isOther = ({ shape }: PieceKind): boolean => shape.join() !== longest.shape.join();
  const other = kinds.find(isOther);
  if (other !== undefined && ![...times.keys()].some(isOther)) {
    const [[kind, known]] = times;
    const rss = process.memoryUsage.rss();
    await compute([other.examples]);
    const share = tokensOf(longest) / tokensOf(other);
    times.set(kind, { ...known, coldBytes: share * Math.max(0, process.memoryUsage.rss() - rss) });
  }
  return times;
}

/** Milliseconds that some work takes. */
export async function durationMs(work: () => Promise<void>): Promise<number> {
  const started = performance.now();
  await work();
  return performance.now() - started;
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
  // The longest kind's first round, which is over, came with what the first of all takes.
  const others = known.filter(([kind]) => kind !== kinds[0]);
  const cold = mean((others.length > 0 ? others : known).map(([, { coldMs }]) => coldMs));
  for (const kind of kinds) {
    const own = times.get(kind);
    const size = kind.shape[0] * kind.shape[1];
    const ms = (pick: (rounds: readonly number[]) => number): number => {
      const of = (t: KindTimes, added: boolean): number =>
        pick(added && t.added.length > 0 ? t.added : t.first);
      const each = (added: boolean): number =>
        own === undefined ? size * perToken((t) => of(t, added)) : of(own, added);
      return (
        kind.first * each(false) +
        kind.added * each(true) +
        (own === undefined && kind !== kinds[0] ? cold : 0)
      );
    };
    total.expected += ms(typical);
    total.high += ms((rounds) => Math.max(...rounds));
  }
  return total;
}

/**
 * Expected memory of shapes that were not computed, extrapolated from those that were timed, bytes. Kinds of one shape
 * share all but the head.
 */
export function untimedBytes({ kinds }: Forecast, times: ReadonlyMap<PieceKind, KindTimes>): number {
  const shapes = (list: readonly PieceKind[]): Map<string, number> =>
    new Map(list.map((kind) => [kind.shape.join('x'), tokensOf(kind)]));
  const sum = (numbers: Iterable<number>): number => [...numbers].reduce((a, b) => a + b, 0);
  const computed = shapes([...times.keys(), kinds[0]]);
  const others = [...shapes(kinds)].filter(([shape]) => !computed.has(shape)).map(([, tokens]) => tokens);
  const measured = [...times].filter(([, { coldBytes }]) => coldBytes !== undefined);
  const bytes = sum(measured.map(([, { coldBytes = 0 }]) => coldBytes));
  const tokens = sum(shapes(measured.map(([kind]) => kind)).values());
  return tokens === 0 ? 0 : (bytes / tokens) * sum(others);
}

/** Between the mean and the fastest: early rounds touch memory for the first time, a run's later steps do not. */
export function typical(rounds: readonly number[]): number {
  return (mean(rounds) + Math.min(...rounds)) / 2;
}

export function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}
