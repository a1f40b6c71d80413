/**
 * A process group over MPI. Blocking collectives run on a thread of koffi's, one at a time: measured against
 * non-blocking ones, only these go on while JavaScript computes, and the event loop stays free for signals.
 */
import { writeSync } from 'node:fs';
import { inspect } from 'node:util';
import { TunebookError } from '../types';
import { requireArray, requireOp, requireRoot } from './collectives';
import { readLaunch } from './launcher';
import type { Launch } from './launcher';
import { loadMpi } from './mpi-library';
import type { MpiLibrary } from './mpi-library';
import type { CollectiveArray, ProcessGroup } from './process-group';

/** Values per call: MPI counts in int32, and pieces of this size were the fastest in shared memory. */
const PIECE = 1 << 20;
/** Exit status of a rank that ended with 0 while it was in the group: under MPICH's mpirun it would pass for success. */
export const LEFT_EARLY = 86;
/** Typed arrays of at most so many bytes lie in V8's heap, which moves them while MPI writes. */
const MOVABLE_BYTES = 64;
/** What a notebook's runner needs to read its kernel's last words, ms. */
const RUNNER_READS_MS = 300;
/** How long a launcher gets to pass on a rank's last words, in ms. */
const LAUNCHER_READS_MS = 100;
/** Longest delay of a timer, ms. */
const LONGEST_TIMER = 2 ** 31 - 1;

/** What a group that nobody asked for can do besides. */
export interface LaunchedGroup {
  /** Nobody will destroy it: it is left at the end of the program. */
  leaveAtExit(): void;
  /** Changes how long a collective may wait, in ms, where nobody has made the group. */
  limit(timeoutMs: number): void;
  /** Makes it a group that somebody made; false where it is. */
  adopt(timeoutMs: number): boolean;
}

/**
 * Joins the processes that the launcher started.
 *
 * @param timeoutMs A collective that waits longer ends all ranks.
 * @throws {TunebookError} If there is no MPI, or the library is not that of the launcher.
 */
export function joinMpi({ timeoutMs }: { timeoutMs: number }): ProcessGroup & LaunchedGroup {
  const launch = readLaunch();
  const mpi = loadMpi(launch?.family);
  requireFamily(launch, mpi);
  if (mpi.isInitialized())
    throw new TunebookError(
      'initProcessGroup: expected MPI not to be in use, got one that is initialized already.',
    );
  mpi.init();
  const [rank, worldSize] = [mpi.rank(), mpi.size()];
  const launched = launch?.worldSize ?? 1;
  if (launched !== worldSize) {
    mpi.finalize();
    throw mismatch(
      launch,
      mpi,
      `the launcher started ${launched} processes, ${mpi.version} sees ${worldSize}`,
    );
  }
  return mpiGroup(mpi, { rank, worldSize, localRank: launch?.localRank ?? 0, timeoutMs });
}

/** Two families do not find each other: each process would be a world of its own, all of them rank 0. */
function requireFamily(launch: Launch | undefined, mpi: MpiLibrary): void {
  if (launch === undefined || launch.family === mpi.family) return;
  // MPICH sees a world of one then, which is compared below; Open MPI would end the process while it starts.
  if (launch.family === undefined && launch.worldSize > 1 && mpi.family === 'openmpi')
    throw mismatch(
      launch,
      mpi,
      `srun started ${launch.worldSize} processes without what ${mpi.version} needs`,
    );
  if (launch.family === undefined) return;
  throw mismatch(launch, mpi, `the launcher is that of ${launch.family}, the library is ${mpi.version}`);
}

function mismatch(launch: Launch | undefined, mpi: MpiLibrary, what: string): TunebookError {
  const advice =
    launch?.family === undefined && launch !== undefined
      ? `Use srun --mpi=${mpi.family === 'mpich' ? 'pmi2' : 'pmix'}, or mpirun inside salloc.`
      : 'Use the mpirun of the same library, or unset TUNEBOOK_MPI_LIBRARY.';
  return new TunebookError(
    `initProcessGroup: expected library and launcher of one family, but ${what}. ${advice}`,
  );
}

interface Place {
  readonly rank: number;
  readonly worldSize: number;
  readonly localRank: number;
  readonly timeoutMs: number;
}

function mpiGroup(mpi: MpiLibrary, place: Place): ProcessGroup & LaunchedGroup {
  const { rank, worldSize } = place;
  let { timeoutMs } = place;
  let last: Promise<unknown> = Promise.resolve();
  let [count, isDone, mayLeave, isBusy, waiting] = [0, false, false, false, 0];
  let fatal: unknown;

  const abort = (reason: string, status = 1): void => {
    lastWords(`rank ${rank} of ${worldSize}: ${reason}\n`);
    isDone = true;
    mpi.abort(status);
  };
  // A rank that leaves must take the others along: they would wait for it.
  const onExit = (code: number): void => {
    if (isDone) return;
    isDone = true;
    if (code === 0 && mayLeave && !isBusy && waiting === 0 && !isKernel()) return void mpi.finalize();
    // Node prints it after this, and would be too late.
    if (fatal !== undefined) lastWords(`${inspect(fatal)}\n`);
    else if (code === 0)
      lastWords(
        `rank ${rank} of ${worldSize} ended before destroyProcessGroup(): all ranks end, with status ${LEFT_EARLY}.\n`,
      );
    mpi.abort(code === 0 ? LEFT_EARLY : code);
  };
  const onFatal = (error: unknown): void => void (fatal = error);
  process.on('exit', onExit);
  process.on('uncaughtExceptionMonitor', onFatal);

  /** One collective after the other, each with an eye on the clock. */
  const collective = (name: string, call: () => Promise<void>): Promise<void> => {
    if (isDone)
      return Promise.reject(
        new TunebookError(`${name}: expected a process group, got one that was destroyed.`),
      );
    const number = ++count;
    waiting++;
    const run = last.then(async () => {
      const watchdog = setTimeout(
        () => {
          const seconds = timeoutMs / 1000;
          abort(
            `${name} (collective ${number}) has waited for the other ranks for ${seconds} s. A rank without such a ` +
              'line hangs, or computes longer than the timeout (ddpTimeout); all ranks end.',
          );
        },
        Math.min(timeoutMs, LONGEST_TIMER),
      );
      try {
        await call();
      } finally {
        clearTimeout(watchdog);
        waiting--;
      }
    });
    last = run.catch(() => undefined);
    return run;
  };
  const check = (status: number, name: string): void => {
    if (status !== 0) throw new TunebookError(`${name}: ${mpi.errorText(status)}`);
  };
  const inPieces = async (
    values: CollectiveArray,
    call: (piece: CollectiveArray) => Promise<number>,
    name: string,
  ): Promise<void> => {
    if (values.byteLength <= MOVABLE_BYTES) {
      const still = offHeap(values);
      check(await call(still), name);
      return values.set(still);
    }
    for (let at = 0; at < values.length; at += PIECE)
      check(await call(values.subarray(at, Math.min(values.length, at + PIECE))), name);
  };
  const named = (name: string, purpose: string | undefined): string =>
    purpose === undefined ? name : `${name} of ${purpose}`;

  return {
    ...{ rank, worldSize, localRank: place.localRank, library: mpi.version },
    allReduce: (values, { op = 'sum', purpose } = {}) => {
      requireArray(values, 'allReduce');
      requireOp(op);
      const name = named('allReduce', purpose);
      return collective(name, () => inPieces(values, (piece) => mpi.allReduce(piece, op), name));
    },
    broadcast: (values, { root = 0, purpose } = {}) => {
      requireArray(values, 'broadcast');
      requireRoot(root, worldSize);
      const name = named('broadcast', purpose);
      return collective(name, () => inPieces(values, (piece) => mpi.broadcast(piece, root), name));
    },
    barrier: ({ purpose } = {}) => {
      const name = named('barrier', purpose);
      return collective(name, async () => check(await mpi.barrier(), name));
    },
    abort: (reason) => abort(reason),
    destroy: async () => {
      if (isDone) return;
      await collective('destroyProcessGroup', async () => check(await mpi.barrier(), 'destroyProcessGroup'));
      isDone = true;
      process.off('exit', onExit);
      process.off('uncaughtExceptionMonitor', onFatal);
      mpi.finalize();
    },
    setBusy: (busy) => void (isBusy = busy),
    leaveAtExit: () => void (mayLeave = true),
    limit: (ms) => void (mayLeave && (timeoutMs = ms)),
    adopt: (ms) => {
      if (!mayLeave) return false;
      [timeoutMs, mayLeave] = [ms, false];
      return true;
    },
  };
}

/** A notebook's kernel leaves at the notebook's end: one that ends before is gone too early. */
const isKernel = (): boolean => Symbol.for('tunebook.kernel') in globalThis;

/**
 * Writes what a person must read before MPI ends this process, and gives those a moment who pass it on: the launcher,
 * which drops what it has not read yet (MPICH's), and the runner of a notebook's kernel, which the launcher ends too.
 */
function lastWords(text: string): void {
  try {
    writeSync(2, text);
  } catch {
    // a closed pipe
  }
  const readMs = isKernel() ? RUNNER_READS_MS : LAUNCHER_READS_MS;
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, readMs);
}

/** A copy that stays where it is. */
function offHeap(values: CollectiveArray): CollectiveArray {
  const buffer = new ArrayBuffer(4 * MOVABLE_BYTES);
  const { length } = values;
  const copy =
    values instanceof Float32Array
      ? new Float32Array(buffer, 0, length)
      : values instanceof Float64Array
        ? new Float64Array(buffer, 0, length)
        : values instanceof Int32Array
          ? new Int32Array(buffer, 0, length)
          : new Uint8Array(buffer, 0, length);
  copy.set(values);
  return copy;
}
