/** Weights in 4 and 8 bits: the door of this room. */
export { BitsAndBytesConfig, type BitsAndBytesOptions, type ComputeDtype } from './config';
export { dynamicCodeBook, fourBitCodeBook, type FourBitType } from './code-books';
export { quantizationError, type QuantizationError } from './error';
export {
  blockScales,
  dequantize,
  quantize,
  quantizedSizeBytes,
  startQuantization,
  tensorSize,
  type DequantizeRange,
  type NestedScales,
  type OriginalDtype,
  type QuantizedTensor,
  type QuantizeOptions,
  type Quantizer,
  type QuantType,
} from './quantized-tensor';
export {
  companionsOf,
  findQuantizedWeights,
  readQuantizedTensor,
  toStoredTensors,
  type QuantizedTensorReader,
  type StoredTensor,
} from './serialization';
