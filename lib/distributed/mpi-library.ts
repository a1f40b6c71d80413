/**
 * The only file that touches koffi, an optional package, and MPI's C functions. Open MPI's handles are pointers to
 * symbols of the library, MPICH's (and Intel's and MVAPICH's) are constants of its ABI.
 */
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { tunebookEnvironment } from '../environment';
import { messageOf, TunebookError } from '../types';
import type { MpiFamily } from './launcher';
import type { CollectiveArray, ReduceOp } from './process-group';

/** A C function; `async` runs it on a thread of koffi's. */
interface NativeFunction {
  (...args: unknown[]): number;
  async(...args: unknown[]): void;
}
interface NativeLibrary {
  func(name: string, result: string, parameters: string[]): NativeFunction;
  func(declaration: string): (...args: unknown[]) => unknown;
  symbol(name: string): unknown;
}
interface Koffi {
  config(settings: { async_stack_size: number }): unknown;
  load(file: string, options?: { global?: boolean; lazy?: boolean }): NativeLibrary;
}

/** MPI's functions as the process group uses them; a status other than 0 is an error. */
export interface MpiLibrary {
  readonly family: MpiFamily;
  /** 'Open MPI v4.1.4'. */
  readonly version: string;
  isInitialized(): boolean;
  init(): void;
  rank(): number;
  size(): number;
  allReduce(values: CollectiveArray, op: ReduceOp): Promise<number>;
  broadcast(values: CollectiveArray, root: number): Promise<number>;
  barrier(): Promise<number>;
  errorText(status: number): string;
  abort(status: number): void;
  finalize(): void;
}

/** MPICH's all-reduce overruns koffi's 128 KiB: a segmentation fault. */
const ASYNC_STACK_BYTES = 1 << 20;
/** dlopen's NOW, GLOBAL and NODELETE. */
const PINNED = 2 | 0x100 | 0x1000;
/** MPI_THREAD_SERIALIZED: calls come from several threads, one at a time. */
const SERIALIZED = 2;
/** Bytes of buffers for numbers that come back: V8 moves typed arrays of up to 64 bytes, C would write past them. */
const OUT_BYTES = 256;
const TEXT_BYTES = 8192;

const FILES: Record<MpiFamily, readonly string[]> = {
  openmpi: ['libmpi.so.40', 'libmpi.so'],
  mpich: ['libmpich.so.12', 'libmpi.so.12'],
};
const PACKAGES: Record<MpiFamily, string> = {
  openmpi: 'apt-get install openmpi-bin',
  mpich: 'apt-get install mpich',
};

/** koffi, loaded at its first use. @throws {TunebookError} If it is not installed */
function koffi(): Koffi {
  try {
    return createRequire(__filename)('koffi') as Koffi;
  } catch (error) {
    const [reason] = messageOf(error).split('\n');
    throw new TunebookError(
      `initProcessGroup: expected the package koffi, which calls MPI; it cannot be loaded (${reason}). ` +
        'Run npm install koffi@3.3.4.',
      { cause: error },
    );
  }
}

/**
 * koffi closes libraries when Node ends, while their code still runs: a segmentation fault after a run that went well.
 * Pinned, they stay.
 */
function pin(ffi: Koffi, file: string): void {
  if (process.platform !== 'linux') return;
  ffi.load('libc.so.6').func('void *dlopen(const char *file, int mode)')(file, PINNED);
}

/**
 * UCX, which carries MPICH's messages, patches the C library's memory functions while Node's threads call them: of runs
 * with a rank killed 3 of 21 crashed by it, none of 22 without. Read by UCX when it is loaded.
 */
function calmUcx(): void {
  process.env.UCX_MEM_EVENTS ??= 'n';
}

/**
 * Loads the MPI library of a family.
 *
 * @param family Of the launcher; undefined takes what is there.
 * @throws {TunebookError} If koffi or MPI is not installed.
 */
export function loadMpi(family: MpiFamily | undefined): MpiLibrary {
  const ffi = koffi();
  calmUcx();
  ffi.config({ async_stack_size: ASYNC_STACK_BYTES });
  const named = tunebookEnvironment().mpiLibrary;
  const families: readonly MpiFamily[] = family === undefined ? ['openmpi', 'mpich'] : [family];
  const files = named === undefined ? families.flatMap((name) => FILES[name]) : [named];
  const faults: string[] = [];
  for (const file of files) {
    try {
      pin(ffi, file);
      return bind(ffi.load(file, { global: true, lazy: true }));
    } catch (error) {
      faults.push(`${file}: ${messageOf(error)}`);
    }
  }
  throw new TunebookError(
    `initProcessGroup: expected the MPI library of ${family ?? 'Open MPI or MPICH'}, got none (${faults.join('; ')}). ` +
      `Install it (${families.map((name) => PACKAGES[name]).join(', or ')}), or name its file in TUNEBOOK_MPI_LIBRARY.`,
  );
}

interface Handles {
  readonly type: 'void *' | 'int';
  readonly world: unknown;
  readonly inPlace: bigint;
  readonly types: Readonly<Record<'f32' | 'f64' | 'i32' | 'u8', unknown>>;
  readonly ops: Readonly<Record<ReduceOp, unknown>>;
}

/** MPICH's mpi.h; its ABI is fixed since 3.1 (www.mpich.org/abi). */
const MPICH: Handles = {
  type: 'int',
  world: 0x44000000,
  inPlace: 0xffffffffffffffffn,
  types: { f32: 0x4c00040a, f64: 0x4c00080b, i32: 0x4c000405, u8: 0x4c000102 },
  ops: { max: 0x58000001, min: 0x58000002, sum: 0x58000003 },
};

/** Open MPI's mpi.h, 4 and 5: pointers to objects that the library exports. */
function openMpiHandles(library: NativeLibrary): Handles {
  const at = (name: string): unknown => library.symbol(`ompi_mpi_${name}`);
  return {
    type: 'void *',
    world: at('comm_world'),
    inPlace: 1n,
    types: { f32: at('float'), f64: at('double'), i32: at('int'), u8: at('unsigned_char') },
    ops: { max: at('op_max'), min: at('op_min'), sum: at('op_sum') },
  };
}

function isOpenMpi(library: NativeLibrary): boolean {
  try {
    return library.symbol('ompi_mpi_comm_world') !== undefined;
  } catch {
    return false;
  }
}

function bind(library: NativeLibrary): MpiLibrary {
  const family = isOpenMpi(library) ? 'openmpi' : 'mpich';
  const { type: H, world, inPlace, types, ops } = family === 'openmpi' ? openMpiHandles(library) : MPICH;
  const fn = (name: string, ...parameters: string[]): NativeFunction =>
    library.func(`MPI_${name}`, 'int', parameters);
  const later = (call: NativeFunction): ((...args: unknown[]) => Promise<number>) =>
    promisify((...args: unknown[]) => call.async(...args)) as (...args: unknown[]) => Promise<number>;
  const out = new Int32Array(OUT_BYTES / Int32Array.BYTES_PER_ELEMENT);
  const number = (status: number): number => {
    if (status !== 0) throw new TunebookError(`internal: MPI's status ${status}`);
    return out[0];
  };
  const text = Buffer.alloc(TEXT_BYTES);
  const read = (call: () => number): string => {
    call();
    return text.toString('latin1', 0, out[0]).replace(/\0.*/s, '');
  };
  const typeOf = (values: CollectiveArray): unknown =>
    types[
      values instanceof Float32Array
        ? 'f32'
        : values instanceof Float64Array
          ? 'f64'
          : values instanceof Int32Array
            ? 'i32'
            : 'u8'
    ];

  const version = fn('Get_library_version', 'void *', 'void *');
  const initialized = fn('Initialized', 'void *');
  const init = fn('Init_thread', 'void *', 'void *', 'int', 'void *');
  const rank = fn('Comm_rank', H, 'void *');
  const size = fn('Comm_size', H, 'void *');
  const errorString = fn('Error_string', 'int', 'void *', 'void *');
  const abort = fn('Abort', H, 'int');
  const finalize = fn('Finalize');
  const allReduce = later(fn('Allreduce', 'void *', 'void *', 'int', H, H, H));
  const broadcast = later(fn('Bcast', 'void *', 'int', H, 'int', H));
  const barrier = later(fn('Barrier', H));
  return {
    family,
    version: read(() => version(text, out))
      .split(/[,\n]/)[0]
      .replace(/\s+/g, ' ')
      .trim(),
    isInitialized: () => number(initialized(out)) !== 0,
    init: () => void number(init(0n, 0n, SERIALIZED, out)),
    rank: () => number(rank(world, out)),
    size: () => number(size(world, out)),
    allReduce: (values, op) => allReduce(inPlace, values, values.length, typeOf(values), ops[op], world),
    broadcast: (values, root) => broadcast(values, values.length, typeOf(values), root, world),
    barrier: () => barrier(world),
    errorText: (status) => read(() => errorString(status, text, out)),
    abort: (status) => void abort(world, status),
    finalize: () => void number(finalize()),
  };
}
