/** How much goes through a model at a time. */

/**
 * Rows of a pass: so many that their tokens are at most `most`, at least one; a power of two, since each number of rows
 * is a function to compile.
 * @param tokens of a row
 */
export function rowsOfPass(tokens: number, most: number): number {
  return 2 ** Math.floor(Math.log2(Math.max(1, most / tokens)));
}
