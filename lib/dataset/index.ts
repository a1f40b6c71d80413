/**
 * The dataset room's door: files to records, records to prompts, prompts to token ids, ids to batches.
 * Where it stands: after `tokenizer`, before `trainer`. The domain has its own door, `hyrox/`.
 */
export { batchOrder } from './batch-order';
export { bucketLengths, createDataCollator } from './collator';
export { encodePrompt, encodeRecords } from './encode';
export { packExamples, packingPlan } from './packing';
export { createRandom } from '../random';
export type { Random } from '../random';
export { loadRecords } from './files/records';
export { loadSplits, saveSplits } from './files/split-files';
export { splitRecords, trainTestSplit } from './splits';
export { chatTemplate, formatPrompt, instructionTemplate } from './templates';
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
} from './types';
