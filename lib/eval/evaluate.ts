/**
 * Evaluates generation over a test set. The model is a function from prompts to answers, so that anything that writes
 * text can be measured: a model, a merged model, a constant.
 */
import { performance } from 'node:perf_hooks';
import { instructionTemplate } from '../dataset';
import type { DataRecord } from '../dataset';
import { requireOptions } from '../options';
import type { OptionNames } from '../options';
import { requireFunction, requireList, requireObject, TunebookError } from '../types';
import { supportedNumbers } from './numbers';
import { exactMatch, isExact, rougeL } from './text-metrics';
import { figuresOf } from './report-content';
import type { Measured } from './report-content';
import type {
  EvaluateGenerationOptions,
  GenerationEvaluation,
  GenerationMetrics,
  GenerationSample,
  Metric,
  MetricFunction,
} from './types';

/**
 * Generates an answer to every record, in batches and in order, and measures the answers.
 *
 * @throws TunebookError without records, or where `generate` returns another number of answers than prompts.
 * @example
 * ```ts
 * import { evaluateGeneration, loadRecords, projectPath } from 'tunebook';
 *
 * const { records } = await loadRecords(projectPath('data/hyrox/hyrox-sample.jsonl'), { limit: 20 });
 * const { metrics } = await evaluateGeneration({
 *   records,
 *   generate: (prompts) => Promise.resolve(prompts.map(() => 'You performed close to expected levels.')),
 * });
 * console.log(metrics.count, metrics.rougeL);
 * ```
 */
export async function evaluateGeneration<Names extends string = never>(
  options: EvaluateGenerationOptions<Names>,
): Promise<GenerationEvaluation<Names>> {
  requireCall(options);
  const { records, template = instructionTemplate(), metrics: own = {}, judge } = options;
  if (records.length === 0)
    throw new TunebookError(
      'evaluateGeneration: expected at least one record, got none. Give more records, or a larger share to the test split.',
    );
  const prompts = records.map((record) => template.formatPrompt(record));
  const truths = records.map((record) => template.formatResponse(record));
  const { answers, timeMs } = await answerAll(prompts, options);

  const samples = records.map((record, index): GenerationSample => {
    const [prompt = '', truth = '', answer = ''] = [prompts[index], truths[index], answers[index]];
    const exact = isExact(truth, answer);
    return {
      index,
      question: options.question === undefined ? fieldsOf(record) : options.question(record),
      prompt,
      truth,
      answer,
      exact,
      mark: exact ? 'exact' : (judge?.(truth, answer) ?? 'different'),
    };
  });
  const inputs = { records, prompts, truths, answers };
  const measured = Object.entries<MetricFunction | Metric>(own).map(
    ([name, given]): Measured & { name: string } => {
      const metric: Metric = typeof given === 'function' ? { measure: given } : given;
      const { measure, unit, label = name } = metric;
      const shown = typeof label === 'function' ? label(inputs) : label;
      return { name, label: shown, unit, value: measure(inputs) };
    },
  );
  const general: GenerationMetrics = {
    count: records.length,
    exactMatch: exactMatch(truths, answers),
    rougeL: rougeL(truths, answers),
    supportedNumbers: supportedShare(samples, options.allowedNumbers),
    timeMs,
  };
  const values = Object.fromEntries(measured.map(({ name, value }) => [name, value]));
  return {
    metrics: { ...values, ...general } as GenerationEvaluation<Names>['metrics'],
    samples,
    figures: figuresOf(general, measured),
  };
}

/** Names of the metrics of every evaluation. */
const GENERAL: readonly string[] = Object.keys({
  count: true,
  exactMatch: true,
  rougeL: true,
  supportedNumbers: true,
  timeMs: true,
} satisfies OptionNames<GenerationMetrics>);

/** @throws {TunebookError} Where records or `generate` are missing, or a metric has the name of another one. */
function requireCall(options: EvaluateGenerationOptions): void {
  const where = 'evaluateGeneration';
  requireObject(options, { where, what: 'options { records, generate }' });
  requireOptions<EvaluateGenerationOptions>(options, {
    where,
    names: {
      records: true,
      generate: true,
      template: true,
      batchSize: true,
      onProgress: true,
      metrics: true,
      judge: true,
      allowedNumbers: true,
      question: true,
    },
  });
  requireList(options.records, {
    ...{ where, what: 'a list of records', remedy: 'Pass the test split: splitRecords(records).test.' },
  });
  const taken = Object.keys(options.metrics ?? {}).filter((name) => GENERAL.includes(name));
  if (taken.length > 0)
    throw new TunebookError(
      `${where}: expected metrics by names of their own, got ${taken.join(', ')}, which every evaluation has. Choose another name.`,
    );
  requireFunction(options.generate, {
    ...{ where, what: 'a function from prompts to answers in generate' },
    remedy: 'Pass { generate: textGenerator(model, tokenizer, options) } or a function of your own.',
  });
  if (options.template === undefined) return;
  requireObject(options.template, {
    ...{ where, what: 'a template', remedy: 'Pass { template: instructionTemplate() } or none.' },
    fields: ['formatPrompt', 'formatResponse'],
  });
}

async function answerAll(
  prompts: readonly string[],
  {
    generate,
    batchSize = 8,
    onProgress,
  }: Pick<EvaluateGenerationOptions, 'generate' | 'batchSize' | 'onProgress'>,
): Promise<{ answers: string[]; timeMs: number }> {
  if (!Number.isInteger(batchSize) || batchSize < 1) {
    throw new TunebookError(`evaluateGeneration: expected a positive batchSize, got ${batchSize}.`);
  }
  const answers: string[] = [];
  let timeMs = 0;
  while (answers.length < prompts.length) {
    const batch = prompts.slice(answers.length, answers.length + batchSize);
    const start = performance.now();
    const given = await generate(batch);
    timeMs += performance.now() - start;
    if (given.length !== batch.length) {
      throw new TunebookError(
        `evaluateGeneration: expected ${batch.length} answers from generate, one for each prompt, got ${given.length}.`,
      );
    }
    answers.push(...given);
    onProgress?.({ done: answers.length, total: prompts.length });
  }
  return { answers, timeMs };
}

function supportedShare(
  samples: readonly GenerationSample[],
  allowed: readonly number[] = [],
): number | null {
  const found = samples.map(({ answer, prompt }) => supportedNumbers(answer, prompt, { allowed }));
  const total = found.reduce((sum, each) => sum + each.total, 0);
  return total === 0 ? null : found.reduce((sum, each) => sum + each.supported, 0) / total;
}

function fieldsOf(record: DataRecord): string {
  return Object.entries(record)
    .filter(([name]) => name !== 'response' && name !== 'system')
    .map(([, value]) => (typeof value === 'string' ? value : JSON.stringify(value)))
    .join('\n');
}
