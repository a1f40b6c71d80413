/**
 * What an engine is, compiled or eager: functions made for one signature, their gradients in two halves, and memory of
 * its own where it has such.
 */
import type { HostTensor } from '../../types';
import type { Signature, TensorFunction, VjpRequest } from './functions';
import { signatureOf } from './host-arrays';
import type { Feeds } from './host-arrays';

/** Where compiled functions run. */
export type Provider = 'cpu' | 'webgpu' | 'cuda' | 'dml' | 'coreml';
export const PROVIDERS: readonly Provider[] = ['cpu', 'webgpu', 'cuda', 'dml', 'coreml'];

/** Bytes that went between host and device, by runs and by moving arrays that are pinned. */
export interface Traffic {
  readonly toDevice: number;
  readonly fromDevice: number;
  /** Arrays that were uploaded to stay. */
  readonly uploads: number;
}

type HostArray = HostTensor['data'];

/**
 * Memory of an engine's own that keeps arrays from one run to the next. Host arrays stay the handles by which
 * everybody knows them: before reading one on the host, `settle`; after writing one, `forget`.
 */
export interface DeviceMemory {
  /** Bytes of the arrays that are on the device; what runs use in between is not counted. */
  readonly heldBytes: number;
  readonly traffic: Traffic;
  /**
   * Keeps these arrays on the device from their next use on. They are known by their identity: another view of the
   * same memory is another array.
   * @param options.scratch the device writes them before it reads them, and the host never reads them
   */
  keep(arrays: Iterable<HostArray>, options?: { scratch?: boolean }): void;
  /** An array for values that go from one run to another there: the host never reads it. */
  borrow(length: number): Float32Array;
  /** Gives an array of `borrow` back, for others to write on. */
  giveBack(data: Float32Array): void;
  /**
   * Puts what the host has written on pinned arrays on the device, the small ones of a type in one transfer. Without
   * this each goes up by itself when it is used.
   */
  send(arrays: Iterable<HostArray>): Promise<void>;
  /**
   * Puts values on the device for good.
   * @returns an array of their type and length that stands for them: its own memory is never touched
   */
  store<A extends HostArray>(values: A): Promise<A>;
  /** A copy of the values of an array that is on the device. */
  read<A extends HostArray>(kept: A): Promise<A>;
  /** Copies what the device has written to the host's arrays. */
  settle(): Promise<void>;
  /**
   * Says that the host has written these arrays (default: all): the device reads them anew at their next use.
   * Values that only the device has are lost; call `settle` before where they count.
   */
  forget(arrays?: Iterable<HostArray>): void;
  /** Frees the buffers of these arrays; they are pinned no longer. */
  release(arrays: Iterable<HostArray>): void;
}

export interface CallOptions {
  /** Buffers that receive outputs by name, instead of new ones. */
  readonly into?: Readonly<Record<string, Float32Array>>;
}

/** A function made for one signature. */
export interface CompiledFunction {
  run(feeds: Feeds, options?: CallOptions): Promise<Record<string, HostTensor>>;
}

/** Values that the backward pass needs from the forward pass of the same inputs. */
export type Residuals = Readonly<Record<string, HostTensor>>;

/** A function and its vector-Jacobian product, in two halves. */
export interface CompiledVjp {
  /** Bytes of residuals that one forward pass keeps. */
  readonly residualBytes: number;
  /** @returns outputs and residuals; their arrays are good until the backward pass that takes the residuals. */
  forward(
    feeds: Feeds,
    options?: CallOptions,
  ): Promise<{ outputs: Record<string, HostTensor>; residuals: Residuals }>;
  /** @returns `d_<name>` for each name of `wrt`. Gives the forward pass's memory back for the next one. */
  backward(
    feeds: Feeds,
    residuals: Residuals,
    upstream: HostTensor,
    options?: CallOptions,
  ): Promise<Record<string, HostTensor>>;
}

export interface Engine {
  /** For instance 'compiled:cpu' or 'eager:wasm'. */
  readonly name: string;
  /** Memory of its own that keeps arrays from run to run, on a GPU; undefined where runs use the host's. */
  readonly device?: DeviceMemory;
  /** Milliseconds spent on tracing and on making sessions so far. */
  readonly compileMs: number;
  /** Same function object and signature: the same compiled function. */
  compile(fn: TensorFunction, signature: Signature): Promise<CompiledFunction>;
  compileVjp(request: VjpRequest): Promise<CompiledVjp>;
  dispose(): Promise<void>;
}

export interface EngineOptions {
  /** 'compiled' (default) or 'eager'. */
  kind?: 'compiled' | 'eager';
  /**
   * Hardware for compiled functions. 'auto', the default: what TUNEBOOK_PROVIDER in the environment names, else
   * WebGPU where a GPU is there and faster (see `gpuRace`), else 'cpu'.
   */
  provider?: Provider | 'auto';
  /** TensorFlow.js backend for eager functions; default 'cpu'. */
  backend?: 'cpu' | 'wasm' | 'tensorflow';
  /** CPU threads; default: TUNEBOOK_THREADS from the environment, else 0: one per core. */
  threads?: number;
  /**
   * Keep the memory of intermediate values from one run to the next; default true. False takes less than half at
   * large sizes and some time.
   */
  memoryArena?: boolean;
}

/** Runs a function on feeds of any shapes: it is compiled once for each signature. */
export async function run(
  engine: Engine,
  fn: TensorFunction,
  feeds: Feeds,
  options?: CallOptions,
): Promise<Record<string, HostTensor>> {
  return (await engine.compile(fn, signatureOf(feeds))).run(feeds, options);
}
