/** A checkpoint of tensors in memory. */
import assert from 'node:assert/strict';
import type { QuantizedTensorReader, StoredTensor } from '../../lib/quantization';

export function readerOf(tensors: readonly StoredTensor[]): QuantizedTensorReader {
  const find = (name: string): StoredTensor => {
    const tensor = tensors.find((candidate) => candidate.name === name);
    assert.ok(tensor !== undefined, `no ${name}`);
    return tensor;
  };
  const as = <T>(value: unknown, type: new (...args: never[]) => T): T => {
    assert.ok(value instanceof type);
    return value;
  };
  return {
    has: (name) => tensors.some((tensor) => tensor.name === name),
    info: find,
    read: async (name) => as(find(name).values, Float32Array),
    readBytes: async (name) => as(find(name).values, Uint8Array),
  };
}
