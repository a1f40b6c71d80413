/** A name that nothing reads is refused at every public door that takes options, and the one that was meant is named. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import * as tunebook from '../lib';
import { writeCheckpoint, writeSafetensors } from '../lib/checkpoint';
import { batchOrder, createDataCollator, encodePrompt, packExamples, trainTestSplit } from '../lib/dataset';
import { createEngine } from '../lib/engine';
import { corruptAnswer, evaluateRetrieval, writeReport } from '../lib/eval';
import { didYouMean } from '../lib/options';
import * as retrieval from '../lib/retrieval';
import { ROOT } from './support/paths';
import { testRefusals, untyped } from './support/refusals';

const FOLDER = path.join(ROOT, 'outputs', 'never-made');
const { hyrox } = tunebook;
const values = Float32Array.of(1, 2);
const RECORDS = [{ input: 'a', response: 'c' }];
const tokenizer = { encode: () => [1], modelMaxLength: 8, eosTokenId: 0, applyChatTemplate: () => '' };
const model = { architecture: {}, trainableParameters: () => [], runtime: {} };
const args = new tunebook.TrainingArguments({ outputDir: FOLDER });
const EXAMPLE = { inputIds: [1, 2], labels: [1, 2] };
const lora = new tunebook.LoraConfig({ r: 2 });
const table = { size: 0, seconds: {}, ageGroup: [] };
const labels = { size: 0, groups: [], segments: [], target: [] };
const state = { expectation: {}, centroids: [], races: {} };
const evidence = { finish: {}, segments: [], chosen: [], lines: [] };
const feedback = { headline: '', paragraphs: [], citations: [] };
const embeddings = { embedDocuments: () => [], embedQuery: () => [] };
const retriever = { invoke: () => [], similaritySearchWithScore: () => [] };
const words = retrieval.BM25Retriever.fromDocuments([]);
const fitted = new retrieval.NearestNeighbors().fit([[1]]);
const { RecursiveCharacterTextSplitter: Splitter } = retrieval;
const splits = { train: [], validation: [], test: [] };

/** The door, the call with a misspelt name, and the name that it has to propose. */
type Row = readonly [door: string, call: () => unknown, meant: string];

/** A call of an untyped function with its last argument misspelt. */
const row = (door: string, fn: (...args: never[]) => unknown, meant: string, ...given: unknown[]): Row => [
  door,
  () => untyped(fn)(...given),
  meant,
];

const rows: readonly Row[] = [
  row('Trainer', (o: never) => new tunebook.Trainer(o), 'evalDataset', { model, args, evalDatset: [] }),
  row('TrainingArguments', (o: never) => new tunebook.TrainingArguments(o), 'learningRate', {
    ...{ outputDir: FOLDER, learning_rate: 1 },
  }),
  row('TrainingArguments', (o: never) => new tunebook.TrainingArguments(o), 'minLrRate', {
    ...{ outputDir: FOLDER, lrSchedulerType: 'cosine_with_min_lr', lrSchedulerKwargs: { minLrRat: 1 } },
  }),
  row('LoraConfig', (o: never) => new tunebook.LoraConfig(o), 'targetModules', { targetModule: ['c_attn'] }),
  row('BitsAndBytesConfig', (o: never) => new tunebook.BitsAndBytesConfig(o), 'loadIn4bit', {
    load_in_4bit: true,
  }),
  row('createEngine', createEngine, 'provider', { providr: 'cpu' }),
  row('AutoModelForCausalLM.fromPretrained', tunebook.AutoModelForCausalLM.fromPretrained, 'deviceMap', '.', {
    device_map: 'auto',
  }),
  row('AutoModelForCausalLM.fromConfig', tunebook.AutoModelForCausalLM.fromConfig, 'seed', {}, { seeds: 1 }),
  row('AutoTokenizer.fromPretrained', tunebook.AutoTokenizer.fromPretrained, 'revision', 'gpt2', {
    revison: 'x',
  }),
  row('resolveModelFolder', tunebook.resolveModelFolder, 'localFilesOnly', 'gpt2', { localFileOnly: true }),
  row('getPeftModel', tunebook.getPeftModel, 'adapterName', model, lora, { adaptername: 'a' }),
  row('PeftModel.fromPretrained', tunebook.PeftModel.fromPretrained, 'adapterName', model, '.', {
    name: 'a',
  }),
  row('savePretrained', tunebook.savePretrained, 'maxShardSizeBytes', model, FOLDER, { maxShardSize: 1 }),
  row('generateAnswers', tunebook.generateAnswers, 'maxNewTokens', ['a'], { maxNewToken: 1 }),
  row('generateInFreshProcess', tunebook.generateInFreshProcess, 'adapter', ['a'], { adaptor: '.' }),
  row('generate', (o: never) => tunebook.generate(model as never, o), 'topK', { inputIds: [[1]], top_k: 5 }),
  row('textGenerator', tunebook.textGenerator, 'temperature', { model, tokenizer, temprature: 1 }),
  row('textStreamer', tunebook.textStreamer, 'row', tokenizer, () => undefined, { rows: 1 }),
  row('encodeRecords', tunebook.encodeRecords, 'maxLength', RECORDS, { tokenizer, max_length: 8 }),
  row('encodePrompt', encodePrompt, 'truncation', RECORDS[0], { tokenizer, truncations: 'left' }),
  row('loadRecords', tunebook.loadRecords, 'fieldMapping', 'a.jsonl', { fieldMappings: {} }),
  row('instructionTemplate', tunebook.instructionTemplate, 'system', { sytem: 'x' }),
  row('chatTemplate', tunebook.chatTemplate, 'system', { tokenizer, systm: 'x' }),
  row('createDataCollator', createDataCollator, 'paddingSide', {
    ...{ padTokenId: 0, maxLength: 8, padding_side: 'left' },
  }),
  row('packExamples', packExamples, 'maxLength', [EXAMPLE], { maxLen: 8 }),
  row('splitRecords', tunebook.splitRecords, 'ratios', RECORDS, { ratio: {} }),
  row('trainTestSplit', trainTestSplit, 'testSize', RECORDS, { test_size: 0.2 }),
  row('saveSplits', tunebook.saveSplits, 'source', FOLDER, splits, { sources: 'x' }),
  row('batchOrder', batchOrder, 'dropLast', { lengths: [], batchSize: 1, seed: 0, drop_last: true }),
  row('evaluateGeneration', tunebook.evaluateGeneration, 'metrics', { records: RECORDS, metric: {} }),
  row('writeReport', writeReport, 'maxRows', { metrics: {}, samples: [] }, { folder: FOLDER, maxRow: 3 }),
  row('runNotebook', tunebook.runNotebook, 'parameters', { notebook: 'a', output: 'b', parameter: {} }),
  row('livePlot', tunebook.livePlot, 'throttleMs', { throttle: 5 }),
  row('progressBar', tunebook.progressBar, 'total', { totl: 5 }),
  row('showSamples', tunebook.showSamples, 'caption', [], { captions: 'a' }),
  row('showTable', tunebook.showTable, 'digits', [], { digit: 2 }),
  row('quantize', tunebook.quantize, 'doubleQuant', values, { quantType: 'nf4', shape: [2], doublequant: 1 }),
  row('dequantize', tunebook.dequantize, 'scales', { packed: new Uint8Array(1) }, { scale: values }),
  row('writeCheckpoint', writeCheckpoint, 'dtype', FOLDER, [], { dtyp: 'F16' }),
  row('writeSafetensors', writeSafetensors, 'metadata', `${FOLDER}.safetensors`, [], {
    metdata: {},
  }),
  row('readRaces', hyrox.readRaces, 'delimiter', 'a.csv', { delimeter: ';' }),
  row('labelAsPublished', hyrox.labelAsPublished, 'correct', table, { corrects: [] }),
  row('labelCorrected', hyrox.labelCorrected, 'usualShare', labels, { usual_share: 1 }),
  row('fit', hyrox.fit, 'weakAbove', labels, { weakabove: 1 }),
  row('peerScores', hyrox.peerScores, 'minPeers', labels, { minPeer: 1 }),
  row('expectTotals', hyrox.expectTotals, 'folds', labels, { fold: 5 }),
  row('chooseGroups', hyrox.chooseGroups, 'sample', [], { seed: 1, samples: 5 }),
  row('cluster', hyrox.cluster, 'maxIterations', [], { k: 2, seed: 1, maxIteration: 5 }),
  row('fitBoosted', hyrox.fitBoosted, 'learningRate', [[1]], [1], { learningrate: 1 }),
  row('writeAnswer', hyrox.writeAnswer, 'mark', '', { templates: {}, marks: 1 }),
  row('buildDataset', hyrox.buildDataset, 'mapping', { input: 'a', output: 'b', mappings: {} }),
  row('raceMetrics', hyrox.raceMetrics, 'verdicts', { verdict: [] }),
  row('namedSegments', hyrox.namedSegments, 'marker', '', { markers: /a/ }),
  row('raceEvidence', hyrox.raceEvidence, 'nNeighbors', state, table, { neighbors: 5 }),
  row('measureNeighbors', hyrox.measureNeighbors, 'athletes', state, { athlete: 5 }),
  row('raceFeedback', hyrox.raceFeedback, 'documents', 'a.csv', { document: 'b' }),
  row('feedbackPage', hyrox.feedbackPage, 'notes', evidence, feedback, { note: [] }),
  row('feedbackView', hyrox.feedbackView, 'lang', evidence, feedback, { language: 'en' }),
  row('showFeedback', hyrox.showFeedback, 'data', evidence, feedback, { dat: 'b' }),
  row('feedbackMarkdown', hyrox.feedbackMarkdown, 'notes', evidence, feedback, { Note: [] }),
  row('feedbackIndex', hyrox.feedbackIndex, 'lang', [], { lng: 'en' }),
  row('composeFeedback', hyrox.composeFeedback, 'plan', evidence, [], { plans: '' }),
  row('claimEvidence', hyrox.claimEvidence, 'texts', evidence, [], { text: {} }),
  row('planFeedback', hyrox.planFeedback, 'passages', evidence, { passage: [] }),
  row('fillPlan', hyrox.fillPlan, 'seed', '{best}', evidence, [], { sed: 1 }),
  row('writtenRecord', hyrox.writtenRecord, 'distractors', evidence, {
    ...{ passages: [], form: 'closed', distractor: 1 },
  }),
  row('proposeMapping', hyrox.proposeMapping, 'delimiter', 'a.csv', { delimeter: ';' }),
  row('readMappedTable', hyrox.readMappedTable, 'onProblem', 'a.csv', {}, { onProblems: 'skip' }),
  row('loadNewRaces', hyrox.loadNewRaces, 'delimiter', 'a.csv', state, { delim: ';' }),
  row('restrictToTexts', tunebook.restrictToTexts, 'eosTokenId', {
    ...{ tokenizer, prompts: [], texts: [], eosToken: 1 },
  }),
  row('restrictToForms', tunebook.restrictToForms, 'eosTokenId', {
    ...{ tokenizer, prompts: [], forms: [], eosToken: 1 },
  }),
  row('encodeForms', tunebook.encodeForms, 'tokenizer', [], { tokenizer, tokeniser: tokenizer }),
  row('corruptAnswer', corruptAnswer, 'seed', '', {
    ...{ kind: 'wrong number', evidence: {}, swap: [], foreign: [], seeds: 1 },
  }),
  row('evaluateRetrieval', evaluateRetrieval, 'relevantFrom', retriever, { queries: [], relevant: 1 }),
  row('loadDocuments', retrieval.loadDocuments, 'onSkip', 'a', { onSkipped: () => undefined }),
  row('AutoEmbeddings', retrieval.AutoEmbeddings.fromPretrained, 'vectorCache', 'use-lite', {
    vectorCach: 'a',
  }),
  row('hybridRetriever', retrieval.hybridRetriever, 'aliases', {
    ...{ documents: [], embeddings, alias: {} },
  }),
  row('asRetriever', retrieval.storeRetriever, 'scoreThreshold', retriever, { threshold: 1 }),
  row('BM25Retriever.fromDocuments', retrieval.BM25Retriever.fromDocuments, 'aliases', [], { alias: {} }),
  row('BM25Retriever', words.invokeWithScores.bind(words), 'filter', 'a', {
    filters: {},
  }),
  row('EnsembleRetriever', (o: never) => new retrieval.EnsembleRetriever(o), 'weights', {
    ...{ retrievers: [words], weight: [1] },
  }),
  row('RecursiveCharacterTextSplitter', (o: never) => new Splitter(o), 'chunkSize', { chunkSizes: 5 }),
  row('NearestNeighbors', (o: never) => new retrieval.NearestNeighbors(o), 'nNeighbors', { n_neighbors: 5 }),
  row('NearestNeighbors.kneighbors', fitted.kneighbors.bind(fitted), 'columns', [1], { column: [0] }),
  row('LanceVectorStore', retrieval.LanceVectorStore.open, 'nprobes', embeddings, { uri: 'a', nprobe: 1 }),
  row('segmentF1', hyrox.segmentF1, 'segments', [], [], { segment: [] }),
];

testRefusals(
  rows.map(([door, call, meant], i) => [
    `${i}, ${door}: a misspelt ${meant}`,
    call,
    new RegExp(`^${door}[^]*Did you mean ${meant}\\?`),
  ]),
);

describe('an option', () => {
  const train = untyped(tunebook.Trainer.prototype.train);
  testRefusals([
    [
      'of train by a folder',
      () => train.call({}, 'outputs/run'),
      /^train: expected options resumeFromCheckpoint, ignoreChanges, got "outputs\/run"\. Pass \{ resumeFromCheckpoint/,
    ],
    [
      'of train that is misspelt',
      () => train.call({}, { resumeFromCheckpont: true }),
      /^train: expected options .*, got "resumeFromCheckpont"\. Did you mean resumeFromCheckpoint\?$/,
    ],
    [
      'of an adapter by an object',
      () => untyped(tunebook.getPeftModel)(model, { r: 8 }),
      /^getPeftModel: expected a LoraConfig, got an object\. Pass new LoraConfig\(\{ r: 8 \}\)\.$/,
    ],
    [
      'like no other',
      () => untyped(hyrox.cluster)([], { k: 1, seed: 1, colour: 'red' }),
      /^cluster: expected options k, seed, starts, maxIterations, got "colour"\.$/,
    ],
  ]);

  it('is found by its letters, whatever the case', () => {
    const known = ['learningRate', 'maxSteps', 'seed'];
    for (const [name, hint] of [
      ['learning_rate', ' Did you mean learningRate?'],
      ['LEARNINGRATE', ' Did you mean learningRate?'],
      ['maxStep', ' Did you mean maxSteps?'],
      ['sede', ' Did you mean seed?'],
      ['weightDecay', ''],
    ])
      assert.equal(didYouMean(name, known), hint);
  });
});
