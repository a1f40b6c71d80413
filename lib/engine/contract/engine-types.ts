/**
 * The interface of engines, compiled or eager: functions compiled for one signature, their gradients as two passes, and
 * device memory where there is some.
 */
import type { HostTensor } from '../../types';
import type { Signature, TensorFunction, VjpRequest } from './functions';
import { signatureOf } from './host-arrays';
import type { Feeds } from './host-arrays';

/** Hardware for compiled functions, by ONNX Runtime's names. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';
/** Every provider. */
export const PROVIDERS: readonly Provider[] = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'];

/** Transfers between host and device, by runs and of pinned arrays. */
export interface Traffic {
  /** Bytes uploaded. */
  readonly toDevice: number;
  /** Bytes downloaded. */
  readonly fromDevice: number;
  /** Uploads of pinned arrays. */
  readonly uploads: number;
}

type HostArray = HostTensor['data'];

/**
 * Device memory that holds arrays between runs. A host array is the handle of its device buffer: call `flush` before
 * reading it on the host, and `invalidate` after writing it.
 */
export interface DeviceMemory {
  /** Bytes of resident arrays, without what runs allocate. */
  readonly heldBytes: number;
  /** Transfers so far. */
  readonly traffic: Traffic;
  /**
   * Pins arrays to the device from their next use on. Arrays are compared by identity: another view of the same memory
   * is another array.
   *
   * @param options `scratch`: the device writes them before it reads them, and the host never reads them.
   */
  pin(arrays: Iterable<HostArray>, options?: { scratch?: boolean }): void;
  /** A scratch array for values that pass from one run to another on the device; the host never reads it. */
  allocate(length: number): Float32Array;
  /** Returns a borrowed array to the pool. */
  free(data: Float32Array): void;
  /**
   * Uploads what the host wrote to pinned arrays, small ones of a type in one transfer. Without this each array is
   * uploaded by itself at its next use.
   */
  upload(arrays: Iterable<HostArray>): Promise<void>;
  /**
   * Moves values to the device permanently.
   *
   * @returns An array of their type and length as their handle; its own memory stays untouched.
   */
  store<A extends HostArray>(values: A): Promise<A>;
  /** A host copy of the values of an array on the device. */
  read<A extends HostArray>(kept: A): Promise<A>;
  /** Flushes what the device wrote to the host arrays, so that they can be read. */
  flush(): Promise<void>;
  /** Copies what the device wrote to these arrays home, scratch arrays included, which `flush` leaves out. */
  download(arrays: Iterable<HostArray>): Promise<void>;
  /** Uploads the host's values of these arrays now, scratch arrays included, and whichever side was newer. */
  overwrite(arrays: Iterable<HostArray>): Promise<void>;
  /**
   * Invalidates the device's copy of arrays that the host has written (default: all); they are uploaded again at their
   * next use. Values that only the device has are lost: call `flush` first to keep them.
   */
  invalidate(arrays?: Iterable<HostArray>): void;
  /** Unpins arrays and frees their buffers. */
  unpin(arrays: Iterable<HostArray>): void;
}

/** How a compiled function is called. */
export interface CallOptions {
  /** Arrays that receive outputs, by name, instead of new ones. */
  readonly into?: Readonly<Record<string, Float32Array>>;
}

/** A function compiled for one signature. */
export interface CompiledFunction {
  /**
   * Runs the function.
   *
   * @throws {TunebookError} If an input is missing or has another shape or dtype.
   */
  run(feeds: Feeds, options?: CallOptions): Promise<Record<string, HostTensor>>;
}

/** Values that the backward pass needs from its forward pass. */
export type Residuals = Readonly<Record<string, HostTensor>>;

/** A function and its vector-Jacobian product, as a forward and a backward pass. */
export interface CompiledVjp {
  /** Bytes of residuals per forward pass. */
  readonly residualBytes: number;
  /** @returns Outputs and residuals; their arrays are valid until the backward pass that takes the residuals. */
  forward(
    feeds: Feeds,
    options?: CallOptions,
  ): Promise<{ outputs: Record<string, HostTensor>; residuals: Residuals }>;
  /** @returns `d_<name>` for each name of `wrt`. Frees the forward pass's memory for the next one. */
  backward(
    feeds: Feeds,
    residuals: Residuals,
    upstream: HostTensor,
    options?: CallOptions,
  ): Promise<Record<string, HostTensor>>;
}

/** A function with inputs that never change, or sizes that change with each run. */
export interface BuildRequest {
  readonly fn: TensorFunction;
  /** Shapes and dtypes of what is fed, stand-ins among the sizes. */
  readonly signature: Signature;
  /** Further inputs of the function, kept with it in the form that its operators like best. */
  readonly constants?: Feeds;
  /**
   * Sizes in the signature that stand for any: primes apart from each other and from all other sizes. A sum of two is a
   * stand-in of its own.
   */
  readonly dynamicSizes?: readonly number[];
}

/** A function of its own: nothing is cached. */
export interface BuiltFunction extends CompiledFunction {
  /** Frees it; a second call is a no-op. */
  dispose(): Promise<void>;
}

/** Compiles and runs functions of tensors. */
export interface Engine {
  /** For instance 'compiled:cpu' or 'eager:wasm'. */
  readonly name: string;
  /** The GPU's memory, which holds arrays between runs; undefined if runs use the host's. */
  readonly device?: DeviceMemory;
  /** Time spent on tracing and on creating sessions so far, in ms. */
  readonly compileMs: number;
  /**
   * Compiles a function; cached by function object and signature.
   *
   * @throws {TunebookError} If the function cannot be traced or its shapes do not fit.
   */
  compile(fn: TensorFunction, signature: Signature): Promise<CompiledFunction>;
  /**
   * Compiles a function with its gradients; cached like `compile`.
   *
   * @throws {TunebookError} If the request names no float32 inputs and output that depend on each other.
   */
  compileVjp(request: VjpRequest): Promise<CompiledVjp>;
  /**
   * Compiles a function that the caller frees.
   *
   * @throws {TunebookError} If the function cannot be traced or its shapes do not fit.
   */
  build(request: BuildRequest): Promise<BuiltFunction>;
  /** Frees sessions and device memory; the engine's functions cannot run afterwards. */
  dispose(): Promise<void>;
}

/** How an engine is made. */
export interface EngineOptions {
  /** 'compiled' (default) or 'eager'. */
  kind?: 'compiled' | 'eager';
  /**
   * Hardware for compiled functions. 'auto', the default: the environment's TUNEBOOK_PROVIDER, else WebGPU where a GPU
   * is faster (see `gpuRace`), else 'cpu'.
   */
  provider?: Provider | 'auto';
  /** TensorFlow.js backend for eager functions; default 'cpu'. */
  backend?: 'cpu' | 'wasm' | 'tensorflow';
  /** CPU threads; default: TUNEBOOK_THREADS from the environment, else 0: one per core. */
  threads?: number;
  /**
   * Keep the memory of intermediate values between runs; default true. False takes less than half the memory at large
   * sizes, and some time.
   */
  memoryArena?: boolean;
}

/** Runs a function on feeds of any shapes; it is compiled once per signature. */
export async function run(
  engine: Engine,
  fn: TensorFunction,
  feeds: Feeds,
  options?: CallOptions,
): Promise<Record<string, HostTensor>> {
  return (await engine.compile(fn, signatureOf(feeds))).run(feeds, options);
}
