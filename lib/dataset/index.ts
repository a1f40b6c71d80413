/**
 * The dataset room's door: files to records, records to prompts, prompts to token ids, ids to batches.
 * Where it stands: after `tokenizer`, before `trainer`. The domain has its own door, `hyrox/`.
 */
export { batchOrder } from './batch-order';
export { bucketLengths, createDataCollator } from './collator';
export { checkRecords } from './check-records';
export type { CheckRecordsOptions, RecordCheck } from './check-records';
export { encodeAnswer } from './conversations/encode-answer';
export type { EncodedAnswer } from './conversations/encode-answer';
export type { ChatTools, ConversationReport } from './conversations/types';
export { encodePrompt, encodeRecords } from './encode';
export { encodeForms } from './encode-forms';
export type { EncodeFormsOptions, FormRecord } from './encode-forms';
export { packExamples, packingBins } from './packing';
export { encodePairs } from './pairs';
export type { EncodedPair } from './pair-answers';
export type { EncodePairsOptions, PairReport } from './pairs';
export { firstTokens, rowCount, rowLength, tokenCount } from './row-lengths';
export { createRandom } from '../random';
export type { Random } from '../random';
export { READERS, registerReader } from './files/readers';
export type { Reader, ReaderOptions } from './files/readers';
export type { DataFile } from './files/data-file';
export type { Row, RowPlace } from './files/row';
export { loadRecords } from './files/records';
export { loadSplits, saveSplits } from './splits/split-files';
export { renderMask, showMask } from './show-mask';
export type { ShowMaskOptions } from './show-mask';
export { streamExamples } from './stream-examples';
export { streamRecords } from './stream/stream-records';
export type {
  ExampleStream,
  RecordStream,
  StreamCounts,
  StreamOptions,
  StreamPlace,
  StreamPosition,
} from './stream/types';
export { splitRecords, trainTestSplit } from './splits/splits';
export { formPicks, formText } from '../tokenizer';
export type { AnswerForm } from '../tokenizer';
export { chatTemplate, formatPrompt, instructionTemplate } from '../prompts';
export type { DataRecord, JsonValue, RecordFormat } from './files/row';
export type {
  LoadedRecords,
  LoadOptions,
  LoadReport,
  RecordProblem,
  SplitFile,
  SplitManifest,
  SplitOptions,
  Splits,
} from './files/record-types';
export type {
  BatchOrderOptions,
  CollatorOptions,
  DataCollator,
  EncodeOptions,
  EncodingReport,
  LengthSummary,
} from './types';
export type {
  ChatPromptOptions,
  FormattedTurn,
  InstructionTemplateOptions,
  PromptTemplate,
} from '../prompts';
