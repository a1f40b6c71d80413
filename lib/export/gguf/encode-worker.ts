/** A thread of `encoders.ts`: values in, the bytes of a type out, in the order of the requests. */
import { parentPort } from 'node:worker_threads';
import { encode } from './types/blocks';
import type { TensorType } from './types/format';

/** What a thread is asked. */
export interface EncodeRequest {
  readonly type: TensorType;
  readonly values: Float32Array;
}

parentPort?.on('message', ({ type, values }: EncodeRequest) => {
  const bytes = encode(type, values);
  parentPort?.postMessage(bytes, [bytes.buffer as ArrayBuffer]);
});
