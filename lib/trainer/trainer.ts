/**
 * The trainer: examples to batches, batches to gradients, gradients to better weights, with logs, evaluations
 * and checkpoints along the way. `train()` reads top-down.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { createDataCollator } from '../dataset';
import type { DataCollator } from '../dataset';
import { writeFileAtomic } from '../files';
import { allocateGradients } from '../models';
import type { CausalLM, Gradients } from '../models';
import { TunebookError } from '../types';
import type { EncodedExample } from '../types';
import { TrainingArguments } from './arguments';
import type { TrainingValues } from './arguments';
import { isBest, rememberBest } from './best-model';
import { CallbackList } from './callbacks';
import {
  loadWeights,
  newestWhole,
  readTrainerCheckpoint,
  rotateCheckpoints,
  setAsideCheckpoints,
  writeTrainerCheckpoint,
} from './checkpoints';
import { evaluateLoss } from './evaluate';
import { runIdentity } from './identity';
import { watchInterrupts } from './interrupts';
import { optimizerStateBytes } from './optimizers';
import type { Optimizer } from './optimizer-types';
import { epochSteps, stepsPerEpoch, totalSteps } from './plan';
import { consoleProgress, howToGoOn } from './progress';
import { runOptimizer } from './run-optimizer';
import { runOutput } from './run-output';
import type { TrainOutput } from './run-output';
import { initialState, stateToJson } from './state';
import type { LogEntry, Progress, TrainerCallback, TrainerControl, TrainerState } from './state';
import { StepClock } from './step-clock';
import { NotFinite, notFinite, trainingStep } from './training-step';

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

/** What a run works with, made anew by each call of `train`. */
interface RunTools {
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  readonly clock: StepClock;
  /** What a resumed run has to agree on; made once, since it reads the whole data. */
  readonly identity: Readonly<Record<string, unknown>>;
}

export class Trainer {
  readonly model: CausalLM;
  readonly args: TrainingArguments;
  state: TrainerState;
  private readonly values: TrainingValues;
  private readonly trainDataset: readonly EncodedExample[];
  private readonly evalDataset: readonly EncodedExample[] | undefined;
  private readonly collate: DataCollator;
  private readonly callbacks: CallbackList;
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
    this.state = this.freshState();
    this.callbacks = new CallbackList(options.callbacks ?? [consoleProgress()], () => ({
      args: this.values,
      state: this.state,
      control: this.control,
    }));
  }

  /**
   * Trains until all steps are done, time is up, or a stop is asked for (Ctrl-C, SIGTERM, a callback). Whatever
   * ends it early leaves a checkpoint to go on from.
   * @throws TunebookError for a loss that is not finite; the last checkpoint stays
   */
  async train(options: TrainOptions = {}): Promise<TrainOutput> {
    const { values, model } = this;
    await fs.mkdir(values.outputDir, { recursive: true });
    const gradients = allocateGradients(model.trainableParameters());
    const optimizer = runOptimizer(values, model, gradients);
    this.state = this.freshState();
    this.control.shouldTrainingStop = false;
    this.checkpoint = undefined;
    this.savedStep = -1;
    const identity = runIdentity(values, model, this.trainDataset);
    await this.resume({ optimizer, identity }, options.resumeFromCheckpoint ?? false);

    const clock = new StepClock(this.state.maxSteps - this.state.globalStep, values.maxTimeMs);
    const run: RunTools = { gradients, optimizer, clock, identity };
    const firstToken = this.state.numInputTokensSeen;
    const firstStep = this.state.globalStep;
    const interrupts = watchInterrupts(() => {
      this.control.shouldTrainingStop = true;
    });
    try {
      await this.callbacks.call('onTrainBegin', {});
      const perEpoch = stepsPerEpoch(values, this.trainDataset.length);
      while (this.state.globalStep < this.state.maxSteps && !this.control.shouldTrainingStop) {
        const epoch = Math.floor(this.state.globalStep / perEpoch);
        await this.callbacks.call('onEpochBegin', {});
        const steps = epochSteps(values, this.trainDataset, epoch);
        for (let inEpoch = this.state.globalStep % perEpoch; inEpoch < perEpoch; inEpoch++) {
          await this.step(steps[inEpoch], run);
          this.state.epoch = epoch + (inEpoch + 1) / perEpoch;
          await this.afterStep(inEpoch === perEpoch - 1, run);
          if (this.state.globalStep >= this.state.maxSteps || this.control.shouldTrainingStop) break;
        }
        await this.callbacks.call('onEpochEnd', {});
      }
      const stopped = this.reason(interrupts.received(), clock);
      const finished = stopped === 'finished';
      if (!finished || values.saveStrategy !== 'no') await this.saveOnce(run);
      if (finished && values.loadBestModelAtEnd && this.state.bestModelCheckpoint !== null) {
        await loadWeights(model, this.state.bestModelCheckpoint);
      }
      const output = runOutput({
        ...{ values, stopped, state: this.state, checkpoint: this.checkpoint },
        elapsedMs: clock.progress().elapsedMs,
        steps: this.state.globalStep - firstStep,
        tokens: this.state.numInputTokensSeen - firstToken,
        optimizerBytes: optimizerStateBytes(optimizer),
      });
      await this.saveState();
      await this.callbacks.call('onTrainEnd', {});
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
      onBatch: (done, total) => this.callbacks.call('onPredictionStep', { done, total }),
    });
  }

  /** Writes trainer_state.json to outputDir. */
  async saveState(): Promise<void> {
    const file = path.join(this.values.outputDir, 'trainer_state.json');
    await writeFileAtomic(file, `${JSON.stringify(stateToJson(this.state), null, 2)}\n`);
  }

  // --- one step ---------------------------------------------------------------------------------------

  private async step(group: readonly (readonly number[])[], run: RunTools): Promise<void> {
    const { values, model, state, callbacks } = this;
    const result = await trainingStep({
      ...{ model, values, callbacks, group },
      gradients: run.gradients,
      optimizer: run.optimizer,
      dataset: this.trainDataset,
      collate: this.collate,
      step: state.globalStep,
      maxSteps: state.maxSteps,
    }).catch((error: unknown) => {
      if (!(error instanceof NotFinite)) throw error;
      const { learningRate } = values;
      throw notFinite(error, {
        step: state.globalStep + 1,
        group,
        learningRate,
        checkpoint: this.checkpoint,
      });
    });
    state.globalStep++;
    state.numInputTokensSeen += result.tokens;
    state.lossSinceLog += result.loss;
    state.stepsSinceLog++;
    state.totalLoss += result.loss;
    this.lastRate = result.learningRate;
    this.lastNorm = result.gradientNorm;
    run.clock.tick(result.tokens);
  }
  private lastRate = 0;
  private lastNorm = 0;

  private async afterStep(epochEnds: boolean, run: RunTools): Promise<void> {
    const { values, state, control } = this;
    const progress = run.clock.progress();
    const last = state.globalStep >= state.maxSteps;
    const due = (strategy: TrainingValues['saveStrategy'], steps: number): boolean =>
      strategy === 'steps' ? state.globalStep % steps === 0 : strategy === 'epoch' && (epochEnds || last);
    control.shouldLog = due(values.loggingStrategy, values.loggingSteps) || state.globalStep === 1;
    control.shouldEvaluate = due(values.evalStrategy, values.evalSteps ?? values.loggingSteps);
    control.shouldSave = due(values.saveStrategy, values.saveSteps);
    if (run.clock.timeIsUp()) control.shouldTrainingStop = true;
    await this.callbacks.call('onStepEnd', { progress });

    if (control.shouldLog && state.stepsSinceLog > 0) {
      const loss = state.lossSinceLog / state.stepsSinceLog;
      [state.lossSinceLog, state.stepsSinceLog] = [0, 0];
      await this.log({ loss, grad_norm: this.lastNorm, learning_rate: this.lastRate }, progress);
    }
    if (control.shouldEvaluate) {
      const metrics = await this.evaluate();
      await this.log(metrics, progress);
      await this.callbacks.call('onEvaluate', { metrics });
      rememberBest(values, state, metrics);
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

  private async save({ optimizer, identity }: RunTools): Promise<void> {
    const { values, model, state } = this;
    const folder = await writeTrainerCheckpoint(values.outputDir, {
      model,
      optimizer,
      state,
      identity,
    });
    this.checkpoint = folder;
    this.savedStep = state.globalStep;
    if (values.saveTotalLimit !== undefined) {
      await rotateCheckpoints(values.outputDir, values.saveTotalLimit, state.bestModelCheckpoint);
    }
    await this.callbacks.call('onSave', { folder });
  }

  /** Saves unless the last step has been saved already. */
  private async saveOnce(run: RunTools): Promise<void> {
    if (this.savedStep !== this.state.globalStep) await this.save(run);
  }
  private savedStep = -1;

  private async resume(
    { optimizer, identity }: Pick<RunTools, 'optimizer' | 'identity'>,
    from: string | boolean,
  ): Promise<void> {
    if (from === false) return setAsideCheckpoints(this.values.outputDir);
    const { model, state } = this;
    const folder = from === true ? await newestWhole(this.values.outputDir, console.warn) : from;
    if (folder === undefined) return;
    await readTrainerCheckpoint(folder, { model, optimizer, state, identity });
    this.checkpoint = folder;
    this.savedStep = state.globalStep;
  }

  // --- small questions -----------------------------------------------------------------------------------

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
}
