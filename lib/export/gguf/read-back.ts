/**
 * Reads a written file back: its head by the strict reader, and what its numbers decode to against the model's own,
 * within what the type can hold.
 */
import { TunebookError } from '../../types';
import { decode } from './types/decode';
import { storedBytes, TENSOR_TYPES } from './types/format';
import type { TensorType } from './types/format';
import { openGguf } from './read';
import type { GgufFile, GgufTensorInfo } from './read';
import type { GgufTensor } from './write';

/** Largest error of a value: a part of the largest magnitude in its block, for numbers in floating point of itself. */
const BOUNDS: Readonly<Record<TensorType, number>> = {
  F32: 0,
  F16: 2 ** -11,
  BF16: 2 ** -8,
  // Half a step, and the rounding of the scale to float16.
  Q8_0: 0.5 / 127 + 2 ** -10,
  // The side that -8 is not on ends at 7 steps: a whole one.
  Q4_0: 1 / 8 + 2 ** -10,
  // Found by search, with scales of 6 and 8 bits: a step or two of half the range.
  Q4_K: 0.3,
  Q5_K: 0.15,
  Q6_K: 0.08,
};

/** Below it float16 has even steps of 2^-24. */
const HALF_STEP = 2 ** -25;

/** Pieces of a tensor that are compared: first, last and some between. */
const MAX_PIECES = 5;

/**
 * Compares a file with what was to be written.
 * @param shown the file's name for errors
 * @throws {TunebookError} That names the tensor that differs; the file is not to be used then.
 */
export async function readBack(file: string, tensors: readonly GgufTensor[], shown: string): Promise<void> {
  const opened = await openGguf(file);
  try {
    if (opened.tensors.length !== tensors.length)
      throw damaged(shown, `${tensors.length} tensors`, String(opened.tensors.length));
    for (const [i, tensor] of tensors.entries()) {
      const info = opened.tensors[i];
      const words = ({ name, type, shape }: Pick<GgufTensor, 'name' | 'type' | 'shape'>): string =>
        `${name} ${type} [${shape.join(', ')}]`;
      if (words(info) !== words(tensor)) throw damaged(shown, words(tensor), words(info));
      await compareValues(opened, { info, tensor, shown });
    }
  } finally {
    await opened.close();
  }
}

async function compareValues(
  opened: GgufFile,
  { info, tensor, shown }: { info: GgufTensorInfo; tensor: GgufTensor; shown: string },
): Promise<void> {
  const { type } = tensor;
  let done = 0;
  let index = 0;
  let stride: number | undefined;
  for await (const wanted of tensor.pieces()) {
    const bytes = storedBytes(type, wanted.length);
    stride ??= Math.max(1, Math.floor(info.byteLength / bytes / (MAX_PIECES - 1)));
    const isLast = done + bytes === info.byteLength;
    if (index % stride === 0 || isLast) {
      const at = firstOutside(type, wanted, decode(type, await opened.readBytes(info, done, bytes)));
      if (at !== undefined)
        throw damaged(
          shown,
          `value ${at.index} of a piece of ${tensor.name} near ${at.wanted}`,
          String(at.got),
        );
    }
    done += bytes;
    index++;
  }
}

/** The first value that is further off than its type allows. */
function firstOutside(
  type: TensorType,
  wanted: Float32Array,
  got: Float32Array,
): { index: number; wanted: number; got: number } | undefined {
  const { blockSize } = TENSOR_TYPES[type];
  const bound = BOUNDS[type];
  for (let start = 0; start < wanted.length; start += blockSize) {
    let largest = 0;
    for (let i = start; i < start + blockSize; i++) largest = Math.max(largest, Math.abs(wanted[i]));
    const most = bound * largest + (bound === 0 ? 0 : HALF_STEP * (blockSize > 1 ? 256 : 1));
    for (let index = start; index < start + blockSize; index++)
      if (!(Math.abs(wanted[index] - got[index]) <= most))
        return { index, wanted: wanted[index], got: got[index] };
  }
  return undefined;
}

function damaged(file: string, expected: string, got: string): TunebookError {
  return new TunebookError(
    `${file}: read back, expected ${expected}, got ${got}. Nothing was left of it: check the disk and export again.`,
  );
}
