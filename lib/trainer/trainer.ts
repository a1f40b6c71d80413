/**
 * The trainer: examples to batches, gradients and updates, with logs, evaluations and checkpoints along the way.
 * `train()` reads top-down.
 */
import path from 'node:path';
import { createDataCollator } from '../dataset';
import type { DataCollator, ExampleStream } from '../dataset';
import { launchedProcessGroup } from '../distributed';
import { writeFileAtomic } from '../files';
import { usePrompt } from '../pretrained';
import type { CausalLM } from '../pretrained';
import { TunebookError } from '../types';
import type { EncodedExample } from '../types';
import type { CheckedArguments } from './arguments/schema';
import { ranksOf } from './parallel/ranks';
import type { Ranks } from './parallel/ranks';
import { agree } from './state/agreement';
import { isBest, patienceIsOver, rememberBest } from './state/best-model';
import { CallbackList } from './state/callbacks';
import { addCheckpoint, loadWeights } from './checkpoints/checkpoints';
import { evaluateLoss, evaluationSets } from './state/evaluate';
import type { EvaluationData } from './state/evaluate';
import { predictTokens } from './state/predict';
import type { Prediction } from './state/predict';
import { requireSameRun, requireSameWeights, shareCheckpoint, shareWeights } from './checkpoints/replicas';
import { watchInterrupts } from './interrupts';
import { optimizerStateBytes } from './optimizers/optimizers';
import { epochSteps, stateAtStart, stepsPerEpoch, whatIsDue } from './step/run-steps';
import type { Pass } from './step/run-steps';
import { overStream } from './step/stream-steps';
import { preflight } from './preflight/preflight';
import { preflightRows } from './state/preflight-report';
import type { PreflightReport } from './state/preflight-report';
import { consoleProgress, howToGoOn } from './reports/progress';
import { reports } from './reports/reports';
import { requireWork } from './step/rank-work';
import { requireTrainCall, resumeRun } from './checkpoints/resume';
import type { TrainCall } from './checkpoints/resume';
import { runOutput, stopReason, STOPS } from './train-result';
import type { TrainResult } from './train-result';
import { startTools } from './run-tools';
import type { RunTools, StartTools } from './run-tools';
import { countStep, metricMeans } from './state/metric-totals';
import { noRequests, stateToJson } from './state/state';
import type { CallbackContext, LogEntry, Progress, TrainerState } from './state/state';
import { StepClock } from './step/step-clock';
import { requireParts } from './trainer-setup';
import type { TrainerSetup } from './trainer-setup';
import { isExampleStream, StreamRows, trainingRows } from './step/training-rows';
import type { TrainingRows } from './step/training-rows';
import { infiniteWeight, NotFinite, notFinite, trainingStep } from './step/training-step';

/**
 * Trains a model: batches, optimizer steps, logs, evaluations, checkpoints, and a preflight before all of it.
 *
 * @example
 * ```ts
 * import * as tb from 'tunebook';
 *
 * const tokenizer = await tb.AutoTokenizer.fromPretrained('gpt2-mini');
 * const model = await tb.AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * const { records } = await tb.loadRecords(tb.projectPath('data/hyrox/hyrox-sample.jsonl'), { limit: 8 });
 * const { examples } = tb.encodeRecords(records, { tokenizer, maxLength: 256 });
 * const args = new tb.TrainingArguments({ outputDir: 'outputs/example-run', maxSteps: 2, perDeviceTrainBatchSize: 2 });
 * console.log((await new tb.Trainer({ model, args, trainDataset: examples }).train()).stopped); // finished
 * ```
 */
export class Trainer {
  readonly model: CausalLM;
  readonly args: TrainerSetup['args'];
  state: TrainerState;
  readonly values: CheckedArguments;
  readonly rows: TrainingRows;
  readonly stream: ExampleStream | undefined;
  private readonly ranks: Ranks;
  /** The arguments as one process would have them: a step accumulates the batches of all ranks. */
  readonly joint: CheckedArguments;
  readonly evalDataset: EvaluationData | undefined;
  private readonly collate: DataCollator;
  private readonly generate: TrainerSetup['generate'];
  readonly loss: TrainerSetup['loss'];
  private readonly callbacks: CallbackList;
  private readonly control = noRequests();
  /** A stop that all ranks know of. */
  private agreedStop = false;
  private checkpoint: string | undefined;
  private running: Promise<TrainResult> | undefined;
  private passed = false;
  private lastRate = 0;
  private lastNorm = 0;
  private lastGroup: readonly (readonly number[])[] = [];
  private savedStep = -1;

  /** @throws TunebookError that lists what is missing: examples, evaluation data, a metric's name */
  constructor(options: TrainerSetup) {
    requireParts(options);
    const { model, args, trainDataset, evalDataset } = options;
    this.model = model;
    if (options.prompt !== undefined) usePrompt(model, options.prompt);
    this.args = args;
    this.values = args.values;
    const { values } = this;
    const timeoutMs = 1000 * values.ddpTimeout;
    this.ranks = ranksOf(options.processGroup ?? launchedProcessGroup({ timeoutMs }));
    const { worldSize, isFirst } = this.ranks;
    this.joint = { ...values, gradientAccumulationSteps: worldSize * values.gradientAccumulationSteps };
    const maxLength = model.architecture.maxPositions;
    this.rows = trainingRows(args.values, trainDataset, maxLength);
    this.stream = isExampleStream(trainDataset) ? trainDataset : undefined;
    this.evalDataset = evalDataset;
    this.collate = options.dataCollator ?? createDataCollator({ padTokenId: 0, maxLength });
    this.generate = options.generate;
    this.loss = options.loss;
    requireWork(this.ranks, { values, examples: this.examples() });
    this.state = stateAtStart(this.joint, this.examples());
    const callbacks = isFirst ? [...(options.callbacks ?? [consoleProgress()]), ...reports(values)] : [];
    const context = (): CallbackContext => ({ args: values, state: this.state, control: this.control });
    this.callbacks = new CallbackList(callbacks, context, worldSize > 1);
    this.callbacks.initEnd();
  }

  /**
   * Trains until all steps are done, time is up, or a stop is requested (Ctrl-C, SIGTERM, a callback). An early end
   * leaves a checkpoint to resume from.
   * @throws TunebookError for a loss that is not finite, a full disk, too little memory; the last checkpoint stays
   */
  async train(options: TrainCall = {}): Promise<TrainResult> {
    requireTrainCall(options);
    this.model.runtime.requireFree('train');
    if (this.running !== undefined) {
      if (!this.control.shouldTrainingStop)
        throw new TunebookError('train: expected no run in progress, got one. Wait for it, or interrupt it.');
      // A cell interrupted twice leaves a run that is about to end.
      await this.running.catch(() => undefined);
    }
    const running = this.ranks.busy(() => this.run(options)).finally(() => (this.running = undefined));
    this.running = running;
    return running;
  }

  private async run(options: TrainCall): Promise<TrainResult> {
    const { values, model, control, ranks } = this;
    this.state = stateAtStart(this.joint, this.examples());
    control.shouldTrainingStop = this.agreedStop = false;
    this.checkpoint = undefined;
    this.savedStep = -1;
    const isRank = ranks.group !== undefined;
    const interrupts = watchInterrupts(() => (control.shouldTrainingStop = true), { isRank });
    try {
      const tools = await ranks.together('start', () =>
        startTools(this, { checksFolders: values.preflight }),
      );
      const { gradients, optimizer, identity } = tools;
      await requireSameRun(ranks, {
        identity: { ...identity, ddpBucketCapMb: values.ddpBucketCapMb },
        model,
      });
      const content = { model, optimizer, state: this.state, identity };
      const resumed = await ranks.onFirst('resume', () => resumeRun(values.outputDir, content, options));
      this.checkpoint = await shareCheckpoint(ranks, content, resumed);
      if (this.checkpoint !== undefined) this.savedStep = this.state.globalStep;

      const { state } = this;
      if (values.preflight && !this.passed && state.globalStep < state.maxSteps) {
        await ranks.together('preflight', () => this.check(tools));
        [state.microBatchSize] = await ranks.reduce([state.microBatchSize], 'min', 'preflight');
      }
      const clock = new StepClock(state.maxSteps - state.globalStep, values.maxTimeMs, state.runtimeMs);
      const run: RunTools = { gradients, optimizer, clock, identity };
      await this.callbacks.call('onTrainBegin', {});
      await this.epochs(run);

      const signal = interrupts.received();
      const own = stopReason({ values, state, clock, signal, isStopping: this.isStopping() });
      const [reason] = await ranks.reduce([STOPS.indexOf(own)], 'max', 'end of the run');
      const stopped = STOPS[reason];
      const cutShort = stopped === 'interrupted' || stopped === 'time limit';
      // Not part of the run's record: a run resumed from here equals one that never stopped.
      const evaluation = cutShort && values.evalOnStop ? await this.evaluate() : {};
      const isSaved = this.savedStep === state.globalStep;
      if (!isSaved && (stopped !== 'finished' || values.saveStrategy !== 'no')) await this.save(run);
      const best = state.bestModelCheckpoint;
      if (!cutShort && values.loadBestModelAtEnd && best !== undefined) {
        await ranks.onFirst('best model', () => loadWeights(model, best));
        await shareWeights(ranks, model);
      }
      state.runtimeMs = clock.totalMs();
      const output = runOutput({
        ...{ stopped, state, evaluation, checkpoint: this.checkpoint },
        optimizerBytes: optimizerStateBytes(optimizer),
      });
      await ranks.onFirst('trainer_state.json', () => this.saveState());
      await this.callbacks.call('onTrainEnd', {});
      await agree(ranks, control, { callbacks: this.callbacks, purpose: 'end of the run' });
      if (ranks.isFirst && (cutShort || stopped === 'callback')) console.log(howToGoOn(output));
      return output;
    } finally {
      interrupts.stop();
      await model.engine.device?.flush();
    }
  }

  /**
   * Does once everything that a run needs (a step on the longest batch, a checkpoint written and loaded, folders
   * written and read), undoes it, and estimates the run. `train` begins with it unless `preflight` is off.
   * @throws TunebookError that lists everything that cannot work, each with what to do
   */
  async preflight(): Promise<PreflightReport> {
    const tools = await startTools(this, { checksFolders: true });
    this.state = stateAtStart(this.joint, this.examples());
    return this.check(tools);
  }

  /** Whether this process is the one that writes and prints. */
  isWorldProcessZero(): boolean {
    return this.ranks.isFirst;
  }

  private async check(tools: StartTools): Promise<PreflightReport> {
    const { model, values, trainDataset, evalDataset, collate, state, generate, loss } = this;
    const request = { model, values, trainDataset, evalDataset, collate, state, generate, loss };
    const report = await preflight({ ...request, ...tools });
    this.passed = true;
    await this.callbacks.call('onPreflight', { report, rows: preflightRows(report) });
    return report;
  }

  private async epochs(run: RunTools): Promise<void> {
    const { values, state, control } = this;
    if (patienceIsOver(values, state)) control.shouldTrainingStop = this.agreedStop = true;
    if (this.stream !== undefined && this.rows instanceof StreamRows)
      return overStream({
        ...{ stream: this.stream, rows: this.rows, joint: this.joint, state },
        isStopping: () => this.isStopping(),
        onPass: (name) => this.callbacks.call(name, {}),
        step: (group) => this.step(group, run),
        after: (pass) => this.afterStep(pass, run),
      });
    const perEpoch = stepsPerEpoch(this.joint, this.trainDataset.length);
    const skip = (): void => void (state.stepInEpoch = perEpoch);
    while (state.globalStep < state.maxSteps && !this.isStopping()) {
      if (state.stepInEpoch >= perEpoch) [state.epochsDone, state.stepInEpoch] = [state.epochsDone + 1, 0];
      if (state.epochsDone >= state.numTrainEpochs) break; // passes ended early
      control.shouldEpochStop = false;
      await this.callbacks.call('onEpochBegin', {});
      const steps = epochSteps(this.joint, this.trainDataset, state.epochsDone);
      while (state.stepInEpoch < perEpoch) {
        await this.step(steps[state.stepInEpoch], run);
        state.stepInEpoch++;
        state.epoch = state.epochsDone + state.stepInEpoch / perEpoch;
        await this.afterStep({ ends: state.stepInEpoch >= perEpoch, skip }, run);
        if (state.globalStep >= state.maxSteps || this.isStopping()) break;
      }
      await this.callbacks.call('onEpochEnd', {});
    }
  }

  /** Rows of the batches: the examples, or several packed into each; of a stream those at hand. */
  get trainDataset(): readonly EncodedExample[] {
    return this.rows.rows;
  }

  private examples(): number {
    return this.stream === undefined ? this.trainDataset.length : Infinity;
  }

  private isStopping(): boolean {
    return this.ranks.group === undefined ? this.control.shouldTrainingStop : this.agreedStop;
  }

  /**
   * Mean loss over the labelled tokens of a dataset (default: evalDataset), in nats, and the time it took.
   * @returns eval_loss, eval_perplexity, eval_runtime (seconds), eval_samples_per_second; of several sets
   *   eval_<name>_loss and so on
   */
  async evaluate(data: EvaluationData | undefined = this.evalDataset): Promise<Record<string, number>> {
    const metrics: Record<string, number> = {};
    const sets = evaluationSets(data ?? []);
    for (const { prefix, examples } of sets) Object.assign(metrics, await this.measure(prefix, examples));
    return metrics;
  }

  /**
   * The most likely token at each position of a dataset.
   * @returns predictions, labels, and metrics: what `evaluate` measures, as test_..., and test_token_accuracy
   */
  async predict(
    dataset: readonly EncodedExample[],
  ): Promise<Prediction & { metrics: Record<string, number> }> {
    const metrics = await this.measure('test', dataset);
    const { accuracy, ...prediction } = await predictTokens(this.model, dataset, this.collate);
    metrics.test_token_accuracy = accuracy;
    await this.callbacks.call('onPredict', { metrics });
    return { ...prediction, metrics };
  }

  private measure(prefix: string, dataset: readonly EncodedExample[]): Promise<Record<string, number>> {
    return evaluateLoss({
      ...{ model: this.model, loss: this.loss, dataset, prefix, collate: this.collate, ranks: this.ranks },
      batchSize: this.values.perDeviceEvalBatchSize,
      onBatch: (done, total) => this.callbacks.call('onPredictionStep', { done, total }),
    });
  }

  /** Writes trainer_state.json to outputDir. */
  async saveState(): Promise<void> {
    const file = path.join(this.values.outputDir, 'trainer_state.json');
    await writeFileAtomic(file, `${JSON.stringify(stateToJson(this.state), null, 2)}\n`);
  }

  private async step(group: readonly (readonly number[])[], run: RunTools): Promise<void> {
    const { values, model, state, callbacks } = this;
    const { globalStep: step, maxSteps, microBatchSize } = state;
    const result = await trainingStep({
      ...{ model, values, callbacks, group, loss: this.loss, ranks: this.ranks },
      ...{ dataset: this.trainDataset, collate: this.collate },
      ...{ gradients: run.gradients, optimizer: run.optimizer, step, maxSteps, microBatchSize },
    }).catch((error: unknown) => {
      if (!(error instanceof NotFinite)) throw error;
      throw this.notFinite(error, group);
    });
    countStep(state, result, group.flat().length);
    this.lastGroup = group;
    this.lastRate = result.learningRate;
    this.lastNorm = result.gradientNorm;
    run.clock.tick(result.tokens, this.ranks.group === undefined ? 0 : result.reductionMs);
  }

  private async afterStep(pass: Pass, run: RunTools): Promise<void> {
    const { values, state, control } = this;
    const progress = run.clock.progress();
    const epochEnds = pass.ends || state.globalStep >= state.maxSteps;
    Object.assign(control, whatIsDue(values, state, epochEnds));
    if (run.clock.timeIsUp()) control.shouldTrainingStop = true;
    await this.callbacks.call('onStepEnd', { progress });
    const purpose = `step ${state.globalStep}`;
    await agree(this.ranks, control, { callbacks: this.callbacks, purpose });
    this.agreedStop = control.shouldTrainingStop;
    if (control.shouldEpochStop) pass.skip();

    if (control.shouldLog && state.stepsSinceLog > 0) {
      const loss = state.lossSinceLog / state.stepsSinceLog;
      const means = metricMeans(state.metricsSinceLog);
      [state.lossSinceLog, state.stepsSinceLog, state.metricsSinceLog] = [0, 0, {}];
      await this.log({ loss, grad_norm: this.lastNorm, learning_rate: this.lastRate, ...means }, progress);
    }
    if (control.shouldEvaluate) {
      const metrics: Record<string, number> = {};
      for (const { prefix, examples } of evaluationSets(this.evalDataset)) {
        const own = await this.measure(prefix, examples);
        await this.log(own, progress);
        Object.assign(metrics, own);
      }
      await this.callbacks.call('onEvaluate', { metrics });
      rememberBest(values, state, metrics);
      if (patienceIsOver(values, state)) control.shouldTrainingStop = this.agreedStop = true;
    }
    if (control.shouldSave || (control.shouldEvaluate && isBest(state) && values.loadBestModelAtEnd)) {
      await this.save(run);
    }
  }

  private async log(numbers: Record<string, number>, progress: Progress): Promise<void> {
    const entry: LogEntry = { step: this.state.globalStep, epoch: this.state.epoch, ...numbers };
    this.state.logHistory.push(entry);
    await this.callbacks.call('onLog', { entry, progress });
  }

  private async save({ optimizer, identity, clock }: RunTools): Promise<void> {
    const { values, model, state, ranks } = this;
    await model.engine.device?.flush();
    // An update may overflow after a finite loss: such weights must not replace a good checkpoint.
    const fault = infiniteWeight(model.trainableParameters());
    if (fault !== undefined) throw this.notFinite(ranks.common(fault), this.lastGroup);
    await requireSameWeights(ranks, model, state.globalStep);
    state.runtimeMs = clock.totalMs();
    const folder = path.join(values.outputDir, `checkpoint-${state.globalStep}`);
    const content = { model, optimizer, state, identity };
    await ranks.onFirst(`checkpoint-${state.globalStep}`, () =>
      addCheckpoint(folder, content, { limit: values.saveTotalLimit, last: this.lastCheckpoint() }),
    );
    this.checkpoint = folder;
    this.savedStep = state.globalStep;
    await this.callbacks.call('onSave', { folder });
  }

  private notFinite(fault: NotFinite, group: readonly (readonly number[])[]): TunebookError {
    // Of the step in progress, or of the finished one, whose update it was.
    const step = this.state.globalStep + (fault.what === 'weights' ? 0 : 1);
    const { learningRate } = this.values;
    const examples = group.flat().flatMap((row) => this.rows.examplesOf(row));
    return notFinite(fault, { step, examples, learningRate, lastCheckpoint: this.lastCheckpoint() });
  }

  private lastCheckpoint(): string {
    return this.checkpoint === undefined
      ? 'There is no checkpoint yet.'
      : `The last checkpoint is ${this.checkpoint}.`;
  }
}
