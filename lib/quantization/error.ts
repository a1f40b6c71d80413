/** How much quantization changed a weight: the figures that a report shows. */
import { kindOf, TunebookError } from '../types';

/** Differences between a weight and its restored form, in the units of the weight. */
export interface QuantizationError {
  readonly meanAbsolute: number;
  readonly rootMeanSquare: number;
  readonly maxAbsolute: number;
  /** Mean of error over magnitude, over the values that are not zero. */
  readonly meanRelative: number;
  /** Root mean square of the error over that of the weight. */
  readonly relative: number;
}

/**
 * Compares a weight with what was restored.
 *
 * @param original Values before.
 * @param restored Values after, as many.
 * @throws {TunebookError} If there are none, or not equally many.
 */
export function quantizationError(original: Float32Array, restored: Float32Array): QuantizationError {
  for (const values of [original, restored] as unknown[]) {
    if (!(values instanceof Float32Array))
      throw new TunebookError(`quantizationError: expected two Float32Arrays, got ${kindOf(values)}.`);
  }
  if (original.length !== restored.length || original.length === 0) {
    throw new TunebookError(
      `quantizationError: expected two arrays of one length above 0, got ${original.length} and ${restored.length}.`,
    );
  }
  let absolute = 0;
  let square = 0;
  let most = 0;
  let weightSquare = 0;
  let ratios = 0;
  let nonZero = 0;
  for (let i = 0; i < original.length; i++) {
    const error = Math.abs(original[i] - restored[i]);
    absolute += error;
    square += error * error;
    if (error > most) most = error;
    if (original[i] !== 0) {
      ratios += error / Math.abs(original[i]);
      nonZero++;
    }
    weightSquare += original[i] * original[i];
  }
  return {
    meanAbsolute: absolute / original.length,
    rootMeanSquare: Math.sqrt(square / original.length),
    maxAbsolute: most,
    meanRelative: nonZero > 0 ? ratios / nonZero : 0,
    relative: weightSquare > 0 ? Math.sqrt(square / weightSquare) : 0,
  };
}
