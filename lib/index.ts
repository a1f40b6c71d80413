/**
 * tunebook's public door: what notebooks and programs use. More of each room, for those who build on it, is behind
 * its own door: `tunebook/engine`, `tunebook/models`, `tunebook/dataset`, ...
 */
export { TunebookError } from './types';
export type { EncodedExample } from './types';

export { tf } from './engine';

export { addTokens, AutoTokenizer, checkTokenizerFits } from './tokenizer';
export type { AnswerForm, ChatMessage, PretrainedTokenizer } from './tokenizer';

export {
  architectureOf,
  countParameters,
  deviceMapTable,
  LoraConfig,
  peakMemoryBytes,
  inferDeviceMap,
  registerFamily,
  trainableSummary,
} from './models';
export type { DeviceMap, Family, LoraOptions, LossFunction } from './models';
export {
  AutoModelForCausalLM,
  CausalLM,
  generateAnswers,
  generateInFreshProcess,
  getPeftModel,
  loadAdapter,
  PeftModel,
  saveAdapter,
  savePretrained,
} from './pretrained';
export type { FromPretrainedOptions } from './pretrained';
export { chatTemplate, formatPrompt, instructionTemplate, loadPrompt } from './prompts';
export type { ModelPrompt, PromptTemplate } from './prompts';
export { openCheckpoint } from './checkpoint';
export { pushToHub, resolveModelFolder } from './hub';
export {
  AffineConfig,
  BitsAndBytesConfig,
  dequantize,
  quantizationError,
  quantize,
  quantizedSizeBytes,
} from './quantization';
export type { QuantizeOptions } from './quantization';

export {
  createRandom,
  encodeForms,
  encodePairs,
  encodeRecords,
  loadRecords,
  loadSplits,
  registerReader,
  saveSplits,
  showMask,
  splitRecords,
  streamExamples,
  streamRecords,
} from './dataset';
export type { DataRecord, EncodedPair, EncodeOptions, LoadedRecords, Reader, Splits } from './dataset';
export * as hyrox from './hyrox';

export {
  DPOConfig,
  DPOTrainer,
  ORPOConfig,
  ORPOTrainer,
  registerOptimizer,
  Trainer,
  TrainingArguments,
} from './trainer';
export type { LogEntry, OptimizerFactory, TrainerCallback, TrainerSetup, TrainResult } from './trainer';

export {
  generate,
  restrictToForms,
  restrictToTexts,
  streamGenerate,
  textGenerator,
  textStreamer,
} from './generation';
export type { GenerateOptions, TextGenerator, TokenEvent } from './generation';

export { serve } from './serve';
export type { RunningServer, ServeOptions } from './serve';

export { exportGguf, exportGgufAdapter, exportOnnx, exportWeb, writeModelfile } from './export';

export { checkClaims, evaluateGeneration, exactMatch, rougeL, supportedNumbers, writeReport } from './eval';
export type { GenerationEvaluation, MetricFunction } from './eval';

export {
  barFigure,
  clearOutput,
  displayHandle,
  heatmapFigure,
  histogramFigure,
  intervalFigure,
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
