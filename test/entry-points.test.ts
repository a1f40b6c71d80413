/** What is missing or of the wrong kind is named, by each entry point from records to reports. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as dataset from '../lib/dataset';
import * as evaluation from '../lib/eval';
import * as hyrox from '../lib/hyrox';
import * as trainer from '../lib/trainer';
import { testRefusals, untyped } from './support/refusals';

/** Functions that need nothing, or a number and nothing else. */
const WITHOUT_ARGUMENTS = new Set([
  ...['consoleProgress', 'createRandom', 'dynamicMap', 'feedbackTemplate', 'instructionTemplate'],
  ...['formatMinutes', 'formatTime', 'legacyRandom', 'perplexity', 'publishedSplit', 'raceMetrics'],
]);

type Callable = new (...args: unknown[]) => unknown;

for (const [room, door] of Object.entries({ dataset, evaluation, hyrox, trainer })) {
  for (const [name, entry] of Object.entries(door) as [string, unknown][]) {
    if (typeof entry !== 'function' || WITHOUT_ARGUMENTS.has(name)) continue;
    const isClass = entry.toString().startsWith('class');
    const call = isClass ? () => new (entry as Callable)() : untyped(entry as () => unknown);
    test(`${room}: ${name} without arguments says what it expects`, async () => {
      await assert.rejects(async () => call(), {
        name: 'TunebookError',
        message: /expected .*got undefined/,
      });
    });
  }
}

const { encodeRecords, formatPrompt, loadRecords, packExamples, saveSplits, splitRecords } = dataset;
const encode = untyped(encodeRecords);
const evaluate = untyped(evaluation.evaluateGeneration);
const RECORDS = [{ input: 'a', context: 'b', response: 'c' }];
const tokenizer = { encode: () => [1], modelMaxLength: 8, eosTokenId: 0 };
const model = { architecture: {}, trainableParameters: () => [] };
const args = new trainer.TrainingArguments({ outputDir: 'outputs/never-made' });
const EXAMPLE = { inputIds: [1, 2], labels: [1, 2] };
const train = (options: unknown): unknown => new trainer.Trainer(options as trainer.TrainerSetup);

testRefusals([
  [
    'a trainer of nothing',
    () => train({}),
    /^Trainer: expected a model, got undefined\. Pass \{ model: await Auto/,
  ],
  ['a model by its name', () => train({ model: 'gpt2' }), /Trainer: expected a model, got "gpt2"/],
  [
    'a trainer without arguments',
    () => train({ model }),
    /Trainer: expected training arguments .*TrainingArguments/,
  ],
  [
    'arguments that are options',
    () => train({ model, args: { outputDir: 'x' } }),
    /got an object\. Pass \{ args: new/,
  ],
  [
    'no examples',
    () => train({ model, args }),
    /Trainer: expected a list of examples in trainDataset, got undefined/,
  ],
  [
    'the result of encodeRecords for examples',
    () => train({ model, args, trainDataset: { examples: [] } }),
    /in trainDataset, got an object\. Pass encodeRecords\(records, \{ tokenizer \}\)\.examples\./,
  ],
  [
    'evaluation data that are none',
    () => train({ model, args, trainDataset: [EXAMPLE], evalDataset: 5 }),
    /expected a list of examples, or several by name, got 5/,
  ],
  [
    'evaluation data by name, one of them none',
    () => train({ model, args, trainDataset: [EXAMPLE], evalDataset: { long: 5 } }),
    /expected a list of examples in evalDataset \(eval_long\), got 5/,
  ],
  [
    'a collator that is none',
    () => train({ model, args, trainDataset: [EXAMPLE], dataCollator: {} }),
    /Trainer: expected a function in dataCollator, got an object/,
  ],
  [
    'records without a tokenizer',
    () => encode(RECORDS, {}),
    /^encodeRecords: expected a tokenizer, got undefined\. Pass/,
  ],
  [
    'records without options',
    () => encode(RECORDS),
    /encodeRecords: expected options with a tokenizer, got undefined/,
  ],
  [
    'one record for all',
    () => encode(RECORDS[0], { tokenizer }),
    /encodeRecords: expected a list of records, got an obj/,
  ],
  [
    'a template as a text',
    () => encode(RECORDS, { tokenizer, template: '{input}' }),
    /expected a template, got "\{input/,
  ],
  ['a prompt of a text', () => untyped(formatPrompt)('a'), /formatPrompt: expected a record, .*got "a"/],
  [
    'a system text that is none',
    () => untyped(dataset.instructionTemplate)({ system: 5 }),
    /a text for system, got 5/,
  ],
  ['a file without a name', () => loadRecords(''), /loadRecords: expected the path of a data file, got ""/],
  [
    'packing without a length',
    () => untyped(packExamples)([EXAMPLE], {}),
    /expected a positive maxLength, got undef/,
  ],
  [
    'splits of a loaded file',
    () => untyped(splitRecords)({ records: RECORDS }),
    /expected a list of records, got an object/,
  ],
  [
    'ratios as a list',
    () => untyped(splitRecords)(RECORDS, { ratios: [0.8, 0.2] }),
    /expected ratios .*got a list/,
  ],
  [
    'splits of which one is missing',
    () => untyped(saveSplits)('outputs/never-made', { train: [], validation: [] }),
    /saveSplits, test: expected a list of records, got undefined/,
  ],
  [
    'answers of nothing',
    () => evaluate({ records: RECORDS }),
    /evaluateGeneration: expected a function .*got undefined\. Pass/,
  ],
  [
    'a model for a function',
    () => evaluate({ records: RECORDS, generate: model }),
    /in generate, got an object\. Pass/,
  ],
  [
    'no records',
    () => evaluate({ generate: () => [] }),
    /evaluateGeneration: expected a list of records, got undef/,
  ],
  [
    'truths without answers',
    () => untyped(evaluation.rougeL)(['a']),
    /rougeL: expected a list of answers, got undefined/,
  ],
  [
    'labels of a file',
    () => untyped(hyrox.labelCorrected)('races.csv'),
    /labelCorrected: expected a table .*races\.csv/,
  ],
  [
    'a check without a log',
    () => untyped(hyrox.checkRaces)({ size: 0, seconds: {}, ageGroup: [] }),
    /a log of problems/,
  ],
]);
