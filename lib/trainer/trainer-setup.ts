/**
 * What a trainer is made from, and the check that nothing is missing.
 */
import type { ProcessGroup } from '../distributed';
import type { DataCollator, ExampleStream } from '../dataset';
import type { LossFunction, SequenceLoss } from '../models';
import type { CausalLM } from '../pretrained';
import { requirePrompt } from '../prompts';
import type { PromptOptions } from '../prompts';
import { requireOptions } from '../options';
import { requireFunction, requireList, requireObject, TunebookError } from '../types';
import type { EncodedExample } from '../types';
import type { TrainingArguments } from './arguments/arguments';
import type { CheckedArguments } from './arguments/schema';
import { needsBest } from './state/best-model';
import { evaluationSets } from './state/evaluate';
import type { EvaluationData } from './state/evaluate';
import type { TrainerCallback } from './state/state';
import { isExampleStream } from './step/training-rows';
import { idFault, labelFault } from './step/training-labels';

/** Advice where there are no examples. */
const NONE = 'encodeRecords(...).report.dropped says which were left out and why; a split may be too small.';

const EXAMPLES = 'Pass encodeRecords(records, { tokenizer }).examples.';

/** What a trainer is made from. */
export interface TrainerSetup {
  model: CausalLM;
  /** TrainingArguments, or those of a method. */
  args: Pick<TrainingArguments, 'values'>;
  /** Examples, or for more than memory holds a stream of them, with `maxSteps`. */
  trainDataset: readonly EncodedExample[] | ExampleStream;
  /** One set, or several by name, with metrics eval_<name>_loss and so on. */
  evalDataset?: EvaluationData;
  /** Default: pads with token 0 to bucket lengths up to the model's context, without labels. */
  dataCollator?: DataCollator;
  /**
   * Generates a short text with a model, for instance by `textGenerator`: the preflight compares the model's with that
   * of its saved and loaded copy.
   */
  generate?: (model: CausalLM) => Promise<string>;
  /** The loss of training and `evaluate`; default: cross-entropy of the next token. */
  loss?: LossFunction | SequenceLoss;
  /** Tokenizer and template of the examples: checkpoints, and later saves of the model, carry them. */
  prompt?: PromptOptions;
  /** Default: progress on the terminal. */
  callbacks?: readonly TrainerCallback[];
  /** Ranks that share the run; default: those of mpirun, srun or `tunebook launch`. */
  processGroup?: ProcessGroup;
}

/** @throws {TunebookError} That names what is missing or of another kind, and where to get it. */
export function requireParts(options: TrainerSetup): void {
  const where = 'Trainer';
  requireObject(options, { where, what: 'options { model, args, trainDataset }' });
  requireOptions<TrainerSetup>(options, {
    where,
    names: {
      model: true,
      args: true,
      trainDataset: true,
      evalDataset: true,
      dataCollator: true,
      generate: true,
      loss: true,
      prompt: true,
      callbacks: true,
      processGroup: true,
    },
  });
  requireObject(options.model, {
    ...{ where, what: 'a model', fields: ['architecture', 'trainableParameters'] },
    remedy: "Pass { model: await AutoModelForCausalLM.fromPretrained('gpt2') }.",
  });
  requireObject(options.args, {
    ...{ where, what: 'training arguments in args', fields: ['values'] },
    remedy: "Pass { args: new TrainingArguments({ outputDir: 'outputs/run' }) }.",
  });
  if (!isExampleStream(options.trainDataset))
    requireList(options.trainDataset, {
      ...{ where, what: 'a list of examples in trainDataset', remedy: EXAMPLES },
    });
  for (const { prefix, examples } of evaluationSets(options.evalDataset))
    requireList(examples, { where, what: `a list of examples in evalDataset (${prefix})`, remedy: EXAMPLES });
  for (const name of ['dataCollator', 'generate'] as const)
    if (options[name] !== undefined) requireFunction(options[name], { where, what: `a function in ${name}` });
  if (options.loss !== undefined)
    requireObject(options.loss, {
      ...{ where, what: 'a loss { name, value }, or { name, over }' },
      fields: ['name', 'over' in options.loss ? 'over' : 'value'],
    });
  if (options.processGroup !== undefined)
    requireObject(options.processGroup, { where, what: 'a process group', fields: ['rank', 'allReduce'] });
  if (options.callbacks !== undefined) requireList(options.callbacks, { where, what: 'a list of callbacks' });
  if (options.prompt !== undefined) requirePrompt(options.prompt, where);
  const problems = missing(options.args.values, options.trainDataset, options.evalDataset);
  const { vocabSize } = options.model.architecture;
  const sets = listsOf(options);
  problems.push(...sets.flatMap(({ name, examples }) => idFault(name, examples, vocabSize) ?? []));
  // A custom collator may make the labels.
  const labelled = options.dataCollator === undefined ? sets : [];
  const faults = labelled.flatMap(({ name, examples }) => labelFault(name, examples) ?? []);
  problems.push(...faults.filter(({ isFatal }) => isFatal).map(({ text }) => text));
  if (problems.length > 0) throw new TunebookError(`Trainer: ${problems.join('\n')}`);
  for (const { text } of faults) console.warn(text);
}

/** The examples that are in memory, by the names of their options. */
function listsOf({
  trainDataset,
  evalDataset,
}: TrainerSetup): { name: string; examples: readonly EncodedExample[] }[] {
  const sets = evaluationSets(evalDataset).map(({ prefix, examples }) => ({
    ...{ name: `evalDataset (${prefix})`, examples },
  }));
  return isExampleStream(trainDataset) ? sets : [{ name: 'trainDataset', examples: trainDataset }, ...sets];
}

/** What a stream, which has neither an end nor a length, cannot do. */
function streamFaults(values: CheckedArguments): string[] {
  const faults: string[] = [];
  if (values.maxSteps <= 0)
    faults.push('expected maxSteps for a stream of examples, which has no end, got none.');
  for (const name of ['packing', 'groupByLength'] as const)
    if (values[name])
      faults.push(
        `expected ${name}: false for a stream of examples, got true. It needs all examples: encodeRecords makes a list.`,
      );
  return faults;
}

/** What keeps a trainer from being made, one sentence each. */
function missing(
  values: CheckedArguments,
  trainDataset: TrainerSetup['trainDataset'],
  evalDataset: EvaluationData | undefined,
): string[] {
  const problems: string[] = [];
  if (isExampleStream(trainDataset)) problems.push(...streamFaults(values));
  else if (trainDataset.length === 0) problems.push(`expected examples in trainDataset, got none. ${NONE}`);
  const sets = evaluationSets(evalDataset);
  if (values.evalStrategy !== 'no' && sets.length === 0)
    problems.push(`expected an evalDataset for evalStrategy '${values.evalStrategy}', got none.`);
  if (values.evalOnStop && sets.length === 0)
    problems.push('expected an evalDataset for evalOnStop, got none.');
  for (const { prefix, examples } of sets)
    if (examples.length === 0)
      problems.push(`expected examples in evalDataset (${prefix}), got none. ${NONE}`);
  const names = sets.map(({ prefix }) => `${prefix}_loss`);
  if (needsBest(values) && values.metricForBestModel === undefined && !names.includes('eval_loss'))
    problems.push(`expected metricForBestModel to name one of ${names.join(', ')}, got none.`);
  return problems;
}
