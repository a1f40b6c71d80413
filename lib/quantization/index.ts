/** Weights in 4 and 8 bits: the door of this room. */
export { BitsAndBytesConfig, quantizationConfigOf, QUANTIZATIONS } from './config';
export type { BitsAndBytesOptions, ComputeDtype } from './config';
export { dynamicCodeBook, fourBitCodeBook } from './code-books';
export type { FourBitType } from './code-books';
export { quantizationError } from './error';
export type { QuantizationError } from './error';
export { blockScales, dequantize, quantize, quantizedSizeBytes, startQuantization } from './quantized-tensor';
export type {
  DequantizeRange,
  NestedScales,
  OriginalDtype,
  QuantizedTensor,
  QuantizeOptions,
  Quantizer,
  QuantType,
} from './quantized-tensor';
export { companionsOf, findQuantizedWeights, readQuantizedTensor, toStoredTensors } from './serialization';
export type { QuantizedTensorReader, StoredTensor } from './serialization';
export { codesOfQuantized, codesOfValues, weightCodesBytes } from './weight-codes';
export type { WeightCodes } from './weight-codes';
