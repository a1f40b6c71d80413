/**
 * Messages between the two threads of the kernel process: the main thread runs cells, the wire thread owns every
 * socket, so that it answers, sends output and takes interrupts while a cell computes.
 */
import type { MessageContent } from '../client/wire';

/** Slots of the shared Int32Array. */
export const SLOT = {
  /** Bytes of output that the main thread has posted and the wire thread has not yet sent. */
  bytesInFlight: 0,
  /** What the main thread does: see `phase`. */
  phase: 1,
  /** Number of the last interrupt that the main thread has seen. */
  interruptSeen: 2,
  /** Listeners that cells or libraries have put on SIGINT. */
  interruptListeners: 3,
  /** Set by the wire thread once everything that an exiting process wrote is sent. */
  farewellSent: 4,
  /** Number of the last termination that the main thread has seen; see `host-wire`. */
  terminationsSeen: 5,
  /** How many answers, or interrupts of waiting for one, the wire thread has put into the port for answers. */
  answered: 6,
} as const;
export const SLOT_COUNT = 8;

/** Values of `slot.phase`; `idle`: between requests, so that what runs then is a callback of an earlier cell. */
export const PHASE = { preparing: 0, running: 1, idle: 2 } as const;

/** Above this, the main thread waits for the wire thread: output never fills the memory. */
export const MAX_BYTES_IN_FLIGHT = 16 * 2 ** 20;

/** A request that needs the main thread. */
export interface HostRequest {
  readonly kind: 'request';
  readonly id: number;
  readonly type: string;
  readonly content: MessageContent;
}

/** From the wire thread to the main thread. */
export type ToMain =
  | HostRequest
  | { readonly kind: 'interrupt'; readonly sequence: number }
  /** No-op. A termination that finds no JavaScript running kills the next task: let it kill this one. */
  | { readonly kind: 'nudge' }
  /** A request's code was terminated; -1: code that an earlier cell left running. */
  | { readonly kind: 'abandon'; readonly request: number; readonly termination: number }
  /** A terminated request has no reply: the termination may have hit the kernel's own code. */
  | { readonly kind: 'lost'; readonly request: number }
  /** What a person answered to an `ask`. */
  | { readonly kind: 'answer'; readonly text: string }
  | { readonly kind: 'exit' };

/** From the main thread to the wire thread; `request` is the id of the request that it belongs to. */
export type ToWire =
  | {
      readonly kind: 'publish';
      readonly request: number;
      readonly type: string;
      readonly content: MessageContent;
      /** What it counts as of `maxBytesInFlight`. */
      readonly sizeBytes?: number;
    }
  | {
      readonly kind: 'stream';
      readonly request: number;
      readonly name: 'stdout' | 'stderr';
      readonly text: string;
    }
  | { readonly kind: 'reply'; readonly request: number; readonly content: MessageContent }
  /** A cell asks a person. With `waits`, the main thread waits in `slot.answered` and reads the answer from its port. */
  | { readonly kind: 'ask'; readonly request: number; readonly prompt: string; readonly waits: boolean }
  /** The process was interrupted by a signal, not by a message. */
  | { readonly kind: 'signalled' }
  | { readonly kind: 'farewell' };
