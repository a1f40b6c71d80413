/**
 * The trainer: examples to batches, batches to gradients, gradients to better weights, with logs, evaluations
 * and checkpoints along the way. `train()` reads top-down.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { createDataCollator } from '../dataset';
import type { DataCollator } from '../dataset';
import { writeFileAtomic } from '../files';
import { allocateGradients, countLabels, forwardBackward } from '../models';
import type { CausalLM, Gradients } from '../models';
import { TunebookError } from '../types';
import type { Batch, EncodedExample } from '../types';
import { TrainingArguments } from './arguments';
import type { TrainingValues } from './arguments';
import {
  loadWeights,
  newestWhole,
  readTrainerCheckpoint,
  rotateCheckpoints,
  setAsideCheckpoints,
  writeTrainerCheckpoint,
} from './checkpoints';
import { evaluateLoss } from './evaluate';
import { gradientNorm } from './gradient-norm';
import { runIdentity } from './identity';
import { watchInterrupts } from './interrupts';
import { createOptimizer } from './optimizers';
import type { Optimizer } from './optimizer-types';
import { epochSteps, plannedRate, stepsPerEpoch, totalSteps } from './plan';
import { consoleProgress, howToGoOn } from './progress';
import { initialState, stateToJson } from './state';
import type {
  CallbackContext,
  LogEntry,
  Progress,
  TrainerCallback,
  TrainerControl,
  TrainerState,
} from './state';
import { StepClock } from './step-clock';

export interface TrainerOptions {
  model: CausalLM;
  args: TrainingArguments;
  trainDataset: readonly EncodedExample[];
  evalDataset?: readonly EncodedExample[];
  /** Default: pads with token 0 to bucket lengths up to the model's context; padding never has a label. */
  dataCollator?: DataCollator;
  /** Default: progress on the terminal. */
  callbacks?: readonly TrainerCallback[];
}

export interface TrainOptions {
  /** A checkpoint folder, or true for the newest whole one of outputDir (starts anew where there is none). */
  resumeFromCheckpoint?: string | boolean;
}

export interface TrainOutput {
  globalStep: number;
  /** Mean loss over the run's steps. */
  trainingLoss: number;
  /** As Hugging Face names them: train_runtime (seconds), train_steps_per_second, train_tokens_per_second, ... */
  metrics: Record<string, number>;
  /** Why the run ended: all steps done, asked to stop, or out of time. */
  stopped: 'finished' | 'interrupted' | 'time limit' | 'callback';
  /** The last checkpoint written by this call. */
  checkpoint?: string;
}

type Hook = Exclude<keyof TrainerCallback, undefined>;

export class Trainer {
  readonly model: CausalLM;
  readonly args: TrainingArguments;
  state: TrainerState;
  private readonly values: TrainingValues;
  private readonly trainDataset: readonly EncodedExample[];
  private readonly evalDataset: readonly EncodedExample[] | undefined;
  private readonly collate: DataCollator;
  private readonly callbacks: readonly TrainerCallback[];
  private readonly control: TrainerControl = {
    shouldTrainingStop: false,
    shouldSave: false,
    shouldEvaluate: false,
    shouldLog: false,
  };
  private checkpoint: string | undefined;

  /** @throws TunebookError for an empty dataset, or an evaluation that is asked for without data. */
  constructor(options: TrainerOptions) {
    const { model, args, trainDataset, evalDataset } = options;
    if (trainDataset.length === 0)
      throw new TunebookError('Trainer: expected examples in trainDataset, got none.');
    if (args.values.evalStrategy !== 'no' && !evalDataset?.length) {
      throw new TunebookError(
        `Trainer: expected an evalDataset for evalStrategy '${args.values.evalStrategy}', got none.`,
      );
    }
    this.model = model;
    this.args = args;
    this.values = args.values;
    this.trainDataset = trainDataset;
    this.evalDataset = evalDataset;
    const maxLength = model.architecture.maxPositions;
    this.collate = options.dataCollator ?? createDataCollator({ padTokenId: 0, maxLength });
    this.callbacks = options.callbacks ?? [consoleProgress()];
    this.state = this.freshState();
  }

  /**
   * Trains until all steps are done, time is up, or a stop is asked for (Ctrl-C, SIGTERM, a callback). Whatever
   * ends it early leaves a checkpoint to go on from.
   * @throws TunebookError for a loss that is not finite; the last checkpoint stays
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    const { values, model } = this;
    await fs.mkdir(values.outputDir, { recursive: true });
    const parameters = model.trainableParameters();
    const gradients = allocateGradients(parameters);
    const optimizer = createOptimizer({
      name: values.optim,
      engine: model.engine,
      parameters,
      gradients,
      weightDecay: values.weightDecay,
      beta1: values.adamBeta1,
      beta2: values.adamBeta2,
      epsilon: values.adamEpsilon,
      momentum: values.momentum,
    });
    this.state = this.freshState();
    this.control.shouldTrainingStop = false;
    this.checkpoint = undefined;
    this.savedStep = -1;
    await this.resume(optimizer, options.resumeFromCheckpoint ?? false);

    const clock = new StepClock(this.state.maxSteps - this.state.globalStep, values.maxTimeMs);
    const firstToken = this.state.numInputTokensSeen;
    const firstStep = this.state.globalStep;
    const interrupts = watchInterrupts(() => {
      this.control.shouldTrainingStop = true;
    });
    try {
      await this.call('onTrainBegin', {});
      const perEpoch = stepsPerEpoch(values, this.trainDataset.length);
      while (this.state.globalStep < this.state.maxSteps && !this.control.shouldTrainingStop) {
        const epoch = Math.floor(this.state.globalStep / perEpoch);
        await this.call('onEpochBegin', {});
        const steps = epochSteps(values, this.trainDataset, epoch);
        for (let inEpoch = this.state.globalStep % perEpoch; inEpoch < perEpoch; inEpoch++) {
          await this.step(steps[inEpoch], { gradients, optimizer, clock });
          this.state.epoch = epoch + (inEpoch + 1) / perEpoch;
          const epochEnds = inEpoch === perEpoch - 1;
          await this.afterStep({ epochEnds, optimizer, clock });
          if (this.state.globalStep >= this.state.maxSteps || this.control.shouldTrainingStop) break;
        }
        await this.call('onEpochEnd', {});
      }
      const stopped = this.reason(interrupts.received(), clock);
      const finished = stopped === 'finished';
      if (!finished || values.saveStrategy !== 'no') await this.saveOnce(optimizer);
      if (finished && values.loadBestModelAtEnd && this.state.bestModelCheckpoint !== null) {
        await loadWeights(model, this.state.bestModelCheckpoint);
      }
      const output = this.output({ stopped, clock, steps: this.state.globalStep - firstStep, firstToken });
      await this.saveState();
      await this.call('onTrainEnd', {});
      if (!finished) console.log(howToGoOn(output));
      return output;
    } finally {
      interrupts.stop();
    }
  }

  /**
   * Mean loss over the labelled tokens of a dataset (default: evalDataset), in nats, and what it took.
   * @returns eval_loss, eval_perplexity, eval_runtime (seconds), eval_samples_per_second
   */
  async evaluate(
    dataset: readonly EncodedExample[] | undefined = this.evalDataset,
  ): Promise<Record<string, number>> {
    return evaluateLoss({
      model: this.model,
      dataset: dataset ?? [],
      collate: this.collate,
      batchSize: this.values.perDeviceEvalBatchSize,
      onBatch: (done, total) => this.call('onPredictionStep', { done, total }),
    });
  }

  /** Writes trainer_state.json to outputDir. */
  async saveState(): Promise<void> {
    const file = path.join(this.values.outputDir, 'trainer_state.json');
    await writeFileAtomic(file, `${JSON.stringify(stateToJson(this.state), null, 2)}\n`);
  }

  // --- one step ---------------------------------------------------------------------------------------

  private async step(
    group: readonly (readonly number[])[],
    tools: { gradients: Gradients; optimizer: Optimizer; clock: StepClock },
  ): Promise<void> {
    const { values, model, state } = this;
    await this.call('onStepBegin', {});
    const batches = group.map((indices) => this.collate(indices.map((i) => this.trainDataset[i])));
    // Known before the first backward pass, so that a step's loss is the same in one piece or in many.
    const labels = batches.reduce((total, batch) => total + countLabels(batch), 0);
    let loss = 0;
    for (const [micro, batch] of batches.entries()) {
      loss += await forwardBackward(model, tools.gradients, {
        batch,
        lossScale: 1 / Math.max(1, labels),
        accumulate: micro > 0,
        gradientCheckpointing: values.gradientCheckpointing,
        dropout: values.dropout
          ? { seed: values.seed, step: state.globalStep * values.gradientAccumulationSteps + micro }
          : undefined,
      });
      if (!Number.isFinite(loss)) throw this.notFinite('loss', loss, group);
      if (micro < batches.length - 1) await this.call('onSubstepEnd', {});
    }
    await this.call('onPreOptimizerStep', {});
    const norm = await gradientNorm(model.engine, tools.gradients.flat);
    if (!Number.isFinite(norm)) throw this.notFinite('gradient norm', norm, group);
    const clip = values.maxGradNorm > 0 ? Math.min(1, values.maxGradNorm / (norm + 1e-6)) : 1;
    this.lastRate = plannedRate(values, state.globalStep, state.maxSteps);
    await tools.optimizer.step(this.lastRate, clip);
    await this.call('onOptimizerStep', {});

    const tokens = batches.reduce((total, batch) => total + realTokens(batch), 0);
    state.globalStep++;
    state.numInputTokensSeen += tokens;
    state.lossSinceLog += loss;
    state.stepsSinceLog++;
    state.totalLoss += loss;
    this.lastNorm = norm;
    tools.clock.tick(tokens);
  }
  private lastRate = 0;
  private lastNorm = 0;

  private async afterStep(now: {
    epochEnds: boolean;
    optimizer: Optimizer;
    clock: StepClock;
  }): Promise<void> {
    const { values, state, control } = this;
    const progress = now.clock.progress();
    const last = state.globalStep >= state.maxSteps;
    const due = (strategy: TrainingValues['saveStrategy'], steps: number): boolean =>
      strategy === 'steps' ? state.globalStep % steps === 0 : strategy === 'epoch' && (now.epochEnds || last);
    control.shouldLog = due(values.loggingStrategy, values.loggingSteps) || state.globalStep === 1;
    control.shouldEvaluate = due(values.evalStrategy, values.evalSteps ?? values.loggingSteps);
    control.shouldSave = due(values.saveStrategy, values.saveSteps);
    if (now.clock.timeIsUp()) control.shouldTrainingStop = true;
    await this.call('onStepEnd', { progress });

    if (control.shouldLog && state.stepsSinceLog > 0) {
      const loss = state.lossSinceLog / state.stepsSinceLog;
      [state.lossSinceLog, state.stepsSinceLog] = [0, 0];
      await this.log({ loss, grad_norm: this.lastNorm, learning_rate: this.lastRate }, progress);
    }
    if (control.shouldEvaluate) {
      const metrics = await this.evaluate();
      await this.log(metrics, progress);
      await this.call('onEvaluate', { metrics });
      this.rememberBest(metrics);
    }
    if (control.shouldSave || (control.shouldEvaluate && this.isBest() && values.loadBestModelAtEnd)) {
      await this.save(now.optimizer);
    }
  }

  private async log(numbers: Record<string, number>, progress: Progress): Promise<void> {
    const entry: LogEntry = { step: this.state.globalStep, epoch: this.state.epoch, ...numbers };
    this.state.logHistory.push(entry);
    await this.call('onLog', { entry, progress });
  }

  private rememberBest(metrics: Readonly<Record<string, number>>): void {
    const { metricForBestModel: name, greaterIsBetter = !name.endsWith('loss') } = this.values;
    const metric = metrics[name];
    if (metric === undefined) {
      throw new TunebookError(
        `metricForBestModel: expected one of ${Object.keys(metrics).join(', ')}, got '${name}'.`,
      );
    }
    const best = this.state.bestMetric;
    if (best !== null && !(greaterIsBetter ? metric > best : metric < best)) return;
    this.state.bestMetric = metric;
    this.state.bestModelCheckpoint = path.join(this.values.outputDir, `checkpoint-${this.state.globalStep}`);
  }

  private isBest(): boolean {
    return this.state.bestModelCheckpoint?.endsWith(`checkpoint-${this.state.globalStep}`) ?? false;
  }

  private async save(optimizer: Optimizer): Promise<void> {
    const { values, model, state } = this;
    const folder = await writeTrainerCheckpoint(values.outputDir, {
      model,
      optimizer,
      state,
      identity: this.identity(),
    });
    this.checkpoint = folder;
    this.savedStep = state.globalStep;
    if (values.saveTotalLimit !== undefined) {
      await rotateCheckpoints(values.outputDir, values.saveTotalLimit, state.bestModelCheckpoint);
    }
    await this.call('onSave', { folder });
  }

  /** Saves unless the last step has been saved already. */
  private async saveOnce(optimizer: Optimizer): Promise<void> {
    if (this.savedStep !== this.state.globalStep) await this.save(optimizer);
  }
  private savedStep = -1;

  private async resume(optimizer: Optimizer, from: string | boolean): Promise<void> {
    if (from === false) return setAsideCheckpoints(this.values.outputDir);
    const { model, state } = this;
    const folder = from === true ? await newestWhole(this.values.outputDir, console.warn) : from;
    if (folder === undefined) return;
    await readTrainerCheckpoint(folder, { model, optimizer, state, identity: this.identity() });
    this.checkpoint = folder;
    this.savedStep = state.globalStep;
  }

  // --- small questions -----------------------------------------------------------------------------------

  private identity(): Record<string, unknown> {
    return runIdentity(this.values, this.model, this.trainDataset);
  }

  private freshState(): TrainerState {
    const perEpoch = stepsPerEpoch(this.values, this.trainDataset.length);
    const steps = totalSteps(this.values, this.trainDataset.length);
    return initialState(steps, Math.ceil(steps / perEpoch));
  }

  private reason(signal: NodeJS.Signals | undefined, clock: StepClock): TrainOutput['stopped'] {
    if (this.state.globalStep >= this.state.maxSteps) return 'finished';
    if (signal !== undefined) return 'interrupted';
    return clock.timeIsUp() ? 'time limit' : 'callback';
  }

  private output(run: {
    stopped: TrainOutput['stopped'];
    clock: StepClock;
    steps: number;
    firstToken: number;
  }): TrainOutput {
    const { state, values } = this;
    const seconds = run.clock.progress().elapsedMs / 1000;
    const trainingLoss = state.totalLoss / Math.max(1, state.globalStep);
    const samples = run.steps * values.perDeviceTrainBatchSize * values.gradientAccumulationSteps;
    return {
      globalStep: state.globalStep,
      trainingLoss,
      stopped: run.stopped,
      checkpoint: this.checkpoint,
      metrics: {
        train_runtime: seconds,
        train_samples_per_second: samples / seconds,
        train_steps_per_second: run.steps / seconds,
        train_tokens_per_second: (state.numInputTokensSeen - run.firstToken) / seconds,
        train_loss: trainingLoss,
        epoch: state.epoch,
      },
    };
  }

  private notFinite(what: string, value: number, group: readonly (readonly number[])[]): TunebookError {
    const kept =
      this.checkpoint === undefined
        ? 'There is no checkpoint yet.'
        : `The last checkpoint is ${this.checkpoint}.`;
    return new TunebookError(
      `trainer: expected a finite ${what}, got ${value} at step ${this.state.globalStep + 1} (training examples ` +
        `${group.flat().join(', ')}). ${kept} Lower learningRate (now ${this.values.learningRate}), clip harder ` +
        `(maxGradNorm), or look at these examples; then go on with resumeFromCheckpoint.`,
    );
  }

  private async call(hook: Hook, extra: object): Promise<void> {
    const context = { args: this.values, state: this.state, control: this.control, ...extra };
    for (const callback of this.callbacks) {
      await (callback[hook] as ((context: CallbackContext) => void | Promise<void>) | undefined)?.call(
        callback,
        context,
      );
    }
  }
}

function realTokens(batch: Batch): number {
  return batch.attentionMask.reduce((total, real) => total + real, 0);
}
