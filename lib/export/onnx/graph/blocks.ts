/**
 * Weights in blocks of 32 with a scale each, as ONNX Runtime's MatMulNBits reads them: 4 or 8 bits without sign around a
 * middle of 8 or 128.
 * Source: https://github.com/microsoft/onnxruntime/blob/main/docs/ContribOperators.md#com.microsoft.MatMulNBits
 */

/** Weights per scale. */
export const BLOCK_SIZE = 32;

/** Bits of a weight. */
export type BlockBits = 4 | 8;

/** The codes of rows [N, K], and the scales of their blocks [N, K / 32]. */
export interface Blocks {
  /** [N, K / 32, 4 * bits] bytes; the first of two 4-bit codes is the low half. */
  readonly codes: Uint8Array;
  readonly scales: Float32Array;
}

/**
 * Rounds rows to blocks. The weight of the largest size in a block takes the lowest code, which has no opposite.
 * @param values row-major [N, K], K a multiple of 32
 */
export function toBlocks(values: Float32Array, bits: BlockBits): Blocks {
  const count = values.length / BLOCK_SIZE;
  const middle = 2 ** (bits - 1);
  const highest = 2 ** bits - 1;
  const scales: Float32Array = new Float32Array(count);
  const codes: Uint8Array = new Uint8Array((values.length * bits) / 8);
  for (let block = 0; block < count; block++) {
    const start = block * BLOCK_SIZE;
    let extreme = 0;
    for (let i = start; i < start + BLOCK_SIZE; i++)
      if (Math.abs(values[i]) > Math.abs(extreme)) extreme = values[i];
    const scale = extreme === 0 ? 0 : -extreme / middle;
    scales[block] = scale;
    const factor = scale === 0 ? 0 : 1 / scale;
    for (let i = start; i < start + BLOCK_SIZE; i++) {
      const code = Math.min(highest, Math.max(0, Math.round(values[i] * factor) + middle));
      if (bits === 8) codes[i] = code;
      else codes[i >> 1] |= code << (4 * (i & 1));
    }
  }
  return { codes, scales };
}
