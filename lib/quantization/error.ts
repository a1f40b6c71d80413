/** Measures what quantization changed in a weight, for reports. */
import { kindOf, TunebookError } from '../types';

/** Differences between a weight and its dequantized form, in units of the weight where not said otherwise. */
export interface QuantizationError {
  /** Mean magnitude of the error. */
  readonly meanAbsolute: number;
  /** Root mean square of the error. */
  readonly rootMeanSquare: number;
  /** Largest magnitude of the error. */
  readonly maxAbsolute: number;
  /** Mean of the error's magnitude over the value's, without zeros; no unit. */
  readonly meanRelative: number;
  /** Root mean square of the error over that of the weight; no unit. */
  readonly relative: number;
}

/**
 * Compares a weight with its dequantized form.
 *
 * @param original The values before.
 * @param restored As many values after.
 * @throws {TunebookError} If there are none, or the lengths differ.
 * @example
 * ```ts
 * import { dequantize, quantizationError, quantize } from 'tunebook';
 *
 * const weight = Float32Array.from({ length: 128 }, (_, i) => Math.sin(i));
 * const restored = dequantize(quantize(weight, { quantType: 'nf4', shape: [2, 64] }));
 * console.log(quantizationError(weight, restored).relative < 0.1); // true
 * ```
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
