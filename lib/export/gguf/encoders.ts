/** Pieces of tensors to bytes, several at a time: blocks do not depend on each other, and searching K types is most of an export. */
import os from 'node:os';
import path from 'node:path';
import { Worker } from 'node:worker_threads';
import { tunebookEnvironment } from '../../environment';
import type { EncodeRequest } from './encode-worker';
import { encode } from './types/blocks';
import { TENSOR_TYPES } from './types/format';
import type { TensorType } from './types/format';

/** Encodes pieces; `close` it when done. */
export interface Encoders {
  /** Pieces that may wait: one for each thread and one more, so that none waits for the reader. */
  readonly inFlight: number;
  /** @param values whole blocks; they may change after the call */
  encode(type: TensorType, values: Float32Array): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** More threads than this wait for one that reads. */
const MOST_THREADS = 8;
/** Values of a piece that take as long as their way to a thread and back. */
const LEAST_VALUES = 1 << 16;
/** Values of a file that take longer than the start of threads. */
const LEAST_TOTAL = 1 << 22;

/** Threads for a file of so many values in blocks: none for a small file, on one core or with TUNEBOOK_THREADS=1. */
export function encoderThreads(values: number, threads = tunebookEnvironment().threads): number {
  const count = threads === 0 ? os.availableParallelism() : threads;
  return values < LEAST_TOTAL || count === 1 ? 0 : Math.min(count, MOST_THREADS);
}

/**
 * Starts so many threads; none: everything is encoded here.
 * @param file the thread's program
 */
export function startEncoders(threads: number, file = path.join(__dirname, 'encode-worker.js')): Encoders {
  const workers = Array.from({ length: threads }, () => startThread(file));
  let next = 0;
  return {
    inFlight: threads === 0 ? 0 : threads + 1,
    encode: async (type, values) => {
      if (threads === 0 || TENSOR_TYPES[type].blockSize === 1 || values.length < LEAST_VALUES)
        return encode(type, values);
      return workers[next++ % threads].encode({ type, values: values.slice() });
    },
    close: async () => {
      await Promise.all(workers.map((worker) => worker.close()));
    },
  };
}

interface Thread {
  encode(request: EncodeRequest): Promise<Uint8Array>;
  close(): Promise<void>;
}

/** A thread answers in the order of its requests. */
function startThread(file: string): Thread {
  const worker = new Worker(file, { execArgv: [] });
  const waiting: { resolve(bytes: Uint8Array): void; reject(error: unknown): void }[] = [];
  let ended: unknown;
  const end = (error: unknown): void => {
    ended ??= error;
    for (const one of waiting.splice(0)) one.reject(ended);
  };
  worker.on('message', (bytes: Uint8Array) => waiting.shift()?.resolve(bytes));
  worker.on('error', end);
  worker.on('exit', (code) => end(new Error(`export: a thread that encodes ended with status ${code}`)));
  return {
    encode: ({ type, values }) =>
      new Promise((resolve, reject) => {
        if (ended !== undefined) return reject(ended);
        waiting.push({ resolve, reject });
        worker.postMessage({ type, values } satisfies EncodeRequest, [values.buffer as ArrayBuffer]);
      }),
    close: async () => {
      await worker.terminate();
    },
  };
}
