/**
 * The group of processes ("ranks") that train one model: what the trainer needs of it, whatever carries the messages.
 */

/** Arrays that a collective takes; all ranks pass the same type and length. */
export type CollectiveArray = Float32Array | Float64Array | Int32Array | Uint8Array;

/** How a reduction combines the ranks' values. */
export type ReduceOp = 'sum' | 'max' | 'min';

/** Options of a reduction. */
export interface AllReduceOptions {
  /** Default 'sum'. */
  readonly op?: ReduceOp;
  /** What the values are, for the message of a rank that waits too long: 'gradients of step 4'. */
  readonly purpose?: string;
}

/** Options of a broadcast. */
export interface BroadcastOptions {
  /** The rank whose values all get; default 0. */
  readonly root?: number;
  /** What the values are, for the message of a rank that waits too long. */
  readonly purpose?: string;
}

/** Options of a barrier. */
export interface BarrierOptions {
  /** What the ranks wait for, for the message of a rank that waits too long. */
  readonly purpose?: string;
}

/**
 * The processes that work together. All ranks call the same collectives in the same order; one runs at a time, off
 * JavaScript's thread, and the array belongs to it until its promise is fulfilled.
 */
export interface ProcessGroup {
  /** This process's number, from 0. */
  readonly rank: number;
  /** Number of processes. */
  readonly worldSize: number;
  /** This process's number among those of its machine, from 0. */
  readonly localRank: number;
  /** What carries the messages: 'Open MPI v4.1.4'. */
  readonly library: string;
  /** Combines the arrays of all ranks, in place; all have the same bytes afterwards. */
  allReduce(values: CollectiveArray, options?: AllReduceOptions): Promise<void>;
  /** Overwrites the arrays of all ranks with those of one. */
  broadcast(values: CollectiveArray, options?: BroadcastOptions): Promise<void>;
  /** Waits until all ranks are here. */
  barrier(options?: BarrierOptions): Promise<void>;
  /** Ends all ranks at once, with a status other than 0; the reason goes to stderr. */
  abort(reason: string): void;
  /** Whether this rank owes the others collectives: one that ends meanwhile, even with status 0, ends all. */
  setBusy?(isBusy: boolean): void;
  /** Leaves the group; all ranks call it, and no collective works afterwards. */
  destroy(): Promise<void>;
}
