/**
 * tunebook's public door: what notebooks and programs use. More of each room, for those who build on it, is behind
 * its own door: `tunebook/engine`, `tunebook/models`, `tunebook/dataset`, ...
 */
export { TunebookError } from './types';
export type { EncodedExample } from './types';

export { createEngine, tf } from './engine';
export type { Engine, EngineOptions, Tensor } from './engine';

export { addTokens, AutoTokenizer, checkTokenizerFits } from './tokenizer';
export type { AddTokensOptions, ChatMessage, PretrainedTokenizer } from './tokenizer';

export {
  architectureOf,
  countParameters,
  devicePlanTable,
  LoraConfig,
  peakMemoryBytes,
  planDevices,
  registerFamily,
  trainableSummary,
} from './models';
export type {
  Architecture,
  DevicePlan,
  Family,
  LoraOptions,
  LossFunction,
  MaxMemory,
  SequenceLoss,
} from './models';
export {
  AutoModelForCausalLM,
  CausalLM,
  generateAnswers,
  generateInFreshProcess,
  getPeftModel,
  loadAdapter,
  mergeAndUnload,
  modelCard,
  PeftModel,
  saveAdapter,
  savePretrained,
  usePrompt,
} from './pretrained';
export type {
  CardFacts,
  FromPretrainedOptions,
  GenerateAnswersOptions,
  GeneratedAnswers,
  ModelCardOptions,
  PeftModelOptions,
  SaveAdapterOptions,
  SavePretrainedOptions,
} from './pretrained';
export { chatTemplate, formatPrompt, instructionTemplate, loadPrompt } from './prompts';
export type { FormattedTurn, ModelPrompt, PromptOptions, PromptTemplate } from './prompts';
export { openCheckpoint, openSafetensors, writeCheckpoint, writeSafetensors } from './checkpoint';
export { pushToHub, resolveModelFolder } from './hub';
export type { PushOptions, PushResult } from './hub';
export {
  AffineConfig,
  BitsAndBytesConfig,
  dequantize,
  quantizationError,
  quantize,
  quantizedSizeBytes,
} from './quantization';
export type { AffineOptions, BitsAndBytesOptions, QuantizedTensor, QuantizeOptions } from './quantization';

export {
  batchOrder,
  createDataCollator,
  createRandom,
  encodePairs,
  encodePrompt,
  encodeRecords,
  loadRecords,
  loadSplits,
  packExamples,
  saveSplits,
  showMask,
  splitRecords,
  streamExamples,
  streamRecords,
  trainTestSplit,
  registerReader,
} from './dataset';
export type {
  DataCollator,
  DataRecord,
  EncodedPair,
  EncodeOptions,
  EncodePairsOptions,
  EncodingReport,
  LoadedRecords,
  LoadReport,
  PairReport,
  Splits,
  Reader,
} from './dataset';
export * as hyrox from './hyrox';

export {
  createFlatOptimizer,
  DPOConfig,
  DPOTrainer,
  learningRateAt,
  listCheckpoints,
  OPTIMIZERS,
  ORPOConfig,
  ORPOTrainer,
  registerOptimizer,
  SCHEDULES,
  Trainer,
  TrainingArguments,
} from './trainer';
export type {
  CallbackContext,
  DPOLossType,
  DPOOptions,
  DPOTrainerSetup,
  LogEntry,
  Optimizer,
  OptimizerFactory,
  OptimizerName,
  ORPOOptions,
  ORPOTrainerSetup,
  PairData,
  PreflightReport,
  Progress,
  ScheduleName,
  TrainerCallback,
  TrainerSetup,
  TrainerState,
  TrainCall,
  TrainResult,
} from './trainer';

export { generate, restrictToTexts, streamGenerate, textGenerator, textStreamer } from './generation';
export type {
  Chat,
  GenerateOptions,
  GenerationResult,
  TextGenerator,
  TextGeneratorOptions,
  TokenEvent,
} from './generation';

export { serve } from './serve';
export type { RequestLog, RunningServer, ServeOptions } from './serve';

export { exportGguf, exportGgufAdapter, exportOnnx, exportWeb, writeModelfile } from './export';
export type {
  Agreement,
  CheckOptions,
  ExportGgufAdapterOptions,
  ExportGgufOptions,
  ExportOutcome,
} from './export';

export {
  checkClaims,
  evaluateGeneration,
  exactMatch,
  perplexity,
  rougeL,
  supportedNumbers,
  writeReport,
} from './eval';
export type {
  EvaluateGenerationOptions,
  GenerationEvaluation,
  GenerationSample,
  Metric,
  MetricFunction,
  MetricInputs,
} from './eval';

export {
  barFigure,
  clearOutput,
  displayHandle,
  heatmapFigure,
  histogramFigure,
  intervalFigure,
  isInNotebook,
  lineFigure,
  livePlot,
  lossFigure,
  plot,
  progressBar,
  projectPath,
  runFolder,
  runNotebook,
  saveFigure,
  show,
  showDiff,
  showHtml,
  showMarkdown,
  showSamples,
  showTable,
  trainingView,
} from './notebook';
export type { Figure, FigureSize, RunNotebookOptions, RunResult } from './notebook';
