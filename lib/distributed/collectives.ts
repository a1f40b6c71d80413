/**
 * What all process groups ask of a collective's arguments.
 */
import { kindOf, TunebookError } from '../types';
import type { CollectiveArray, ReduceOp } from './process-group';

const OPS: readonly ReduceOp[] = ['sum', 'max', 'min'];

/** @throws {TunebookError} For values that no collective takes. */
export function requireArray(values: unknown, where: string): asserts values is CollectiveArray {
  const isTaken =
    values instanceof Float32Array ||
    values instanceof Float64Array ||
    values instanceof Int32Array ||
    values instanceof Uint8Array;
  if (!isTaken)
    throw new TunebookError(
      `${where}: expected a Float32Array, Float64Array, Int32Array or Uint8Array, got ${kindOf(values)}.`,
    );
}

/** @throws {TunebookError} For an unknown operation. */
export function requireOp(op: unknown): asserts op is ReduceOp {
  if (!OPS.some((known) => known === op))
    throw new TunebookError(`allReduce: expected op to be one of ${OPS.join(', ')}, got ${kindOf(op)}.`);
}

/** @throws {TunebookError} For a rank that is not there. */
export function requireRoot(root: unknown, worldSize: number): asserts root is number {
  if (!Number.isInteger(root) || Number(root) < 0 || Number(root) >= worldSize)
    throw new TunebookError(`broadcast: expected root from 0 to ${worldSize - 1}, got ${kindOf(root)}.`);
}

/** @returns 1800 s where nothing is given, as torch.distributed and Hugging Face's ddp_timeout */
export function checkedTimeout(timeoutMs: unknown = 1_800_000): number {
  if (typeof timeoutMs !== 'number' || !(timeoutMs > 0))
    throw new TunebookError(
      `initProcessGroup: expected timeoutMs above 0, in milliseconds, got ${kindOf(timeoutMs)}.`,
    );
  return timeoutMs;
}
