/** 1.5 * 2^52: adding it leaves a double no fraction bits. */
const NO_FRACTION = 6755399441055744;

/** To the nearest whole number, halves to even; exact for magnitudes below 2^51. */
export function roundHalfEven(value: number): number {
  return value + NO_FRACTION - NO_FRACTION;
}
