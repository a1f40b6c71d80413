/**
 * The dataset room's door: files to records, records to prompts, prompts to token ids, ids to batches.
 * Where it stands: after `tokenizer`, before `trainer`. The domain has its own door, `hyrox/`.
 */
export { batchOrder } from './batch-order.js';
export { bucketLengths, createDataCollator } from './collator.js';
export { encodePrompt, encodeRecords } from './encode.js';
export { packExamples, packingPlan } from './packing.js';
export { createRandom, type Random } from './random.js';
export { loadRecords } from './records.js';
export { loadSplits, saveSplits } from './split-files.js';
export { splitRecords, trainTestSplit } from './splits.js';
export { chatTemplate, formatPrompt, instructionTemplate } from './templates.js';
export type {
  BatchOrderOptions,
  ChatPromptOptions,
  CollatorOptions,
  DataCollator,
  DataRecord,
  EncodeOptions,
  EncodingReport,
  InstructionTemplateOptions,
  JsonValue,
  LengthSummary,
  LoadedRecords,
  LoadOptions,
  LoadReport,
  PromptTemplate,
  RecordFormat,
  RecordProblem,
  SplitFile,
  SplitManifest,
  SplitOptions,
  Splits,
} from './types.js';
