/**
 * tunebook's only public door: everything that notebooks and programs import.
 */
export * from './types';
export * from './engine';
export * from './models';
export * from './quantization';
export { openCheckpoint, openSafetensors, writeCheckpoint, writeSafetensors } from './checkpoint';
export type {
  Checkpoint,
  SafetensorsFile,
  TensorSource,
  WriteCheckpointOptions,
  WriteSafetensorsOptions,
} from './checkpoint';
export { resolveModelFolder } from './hub';
export type { DownloadProgress, HubOptions } from './hub';
export * from './tokenizer';
export {
  batchOrder,
  bucketLengths,
  chatTemplate,
  createDataCollator,
  createRandom,
  encodePrompt,
  encodeRecords,
  formatPrompt,
  instructionTemplate,
  loadRecords,
  loadSplits,
  packExamples,
  saveSplits,
  splitRecords,
  trainTestSplit,
} from './dataset';
export type {
  DataCollator,
  DataRecord,
  EncodeOptions,
  EncodingReport,
  LoadedRecords,
  LoadReport,
  PromptTemplate,
  Splits,
} from './dataset';
export * as hyrox from './hyrox';
export * from './trainer';
export * from './generation';
export * from './eval';
export * from './notebook';
export * from './pretrained';
