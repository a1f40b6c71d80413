/** Weights in 4 and 8 bits: the door of this room. */
export { AffineConfig } from './affine-config';
export type { AffineOptions } from './affine-config';
export {
  BitsAndBytesConfig,
  quantizationConfigFromJson,
  quantizationConfigOf,
  QUANTIZATIONS,
} from './config';
export type { BitsAndBytesOptions, ComputeDtype, QuantizationConfig } from './config';
export { dynamicCodeBook, fourBitCodeBook } from './code-books';
export type { FourBitType } from './code-books';
export { quantizationError } from './error';
export type { QuantizationError } from './error';
export {
  affineBitsOf,
  blockScales,
  codeBits,
  dequantize,
  quantize,
  quantizedSizeBytes,
  startQuantization,
} from './quantized-tensor';
export type {
  AffineType,
  DequantizeRange,
  NestedScales,
  OriginalDtype,
  QuantizedTensor,
  QuantizeOptions,
  Quantizer,
  QuantType,
} from './quantized-tensor';
export { roundHalfEven } from './rounding';
export { companionsOf, findQuantizedWeights, readQuantizedTensor, toStoredTensors } from './serialization';
export type { QuantizedTensorReader, StoredTensor } from './serialization';
export { affineBiases } from './affine';
export { codesFormOf, codesOfQuantized, codesOfRows, headCodesForm, weightCodesBytes } from './weight-codes';
export type { CodesForm, CodesSpace, RowsOfWeight, WeightCodes } from './weight-codes';
