/**
 * The preflight: does once, on a small scale, everything that a run will do, undoes it, and estimates the run's time
 * and memory. The original project lost a trained model for want of such a check.
 */
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { rowCount, rowLength } from '../../dataset';
import type { DataCollator } from '../../dataset';
import { peakMemoryBytes } from '../../models';
import { withReloaded } from '../../pretrained';
import type { CausalLM } from '../../pretrained';
import type { Gradients, LossFunction, SequenceLoss } from '../../models';
import { argMax } from '../../tensor';
import type { EncodedExample } from '../../types';
import type { CheckedArguments } from '../arguments/schema';
import { CallbackList } from '../state/callbacks';
import { readTrainerCheckpoint, writeTrainerCheckpoint } from '../checkpoints/checkpoints';
import { evaluateLoss, evaluationSets } from '../state/evaluate';
import type { EvaluationData } from '../state/evaluate';
import { gradientNorm } from '../optimizers/gradient-norm';
import type { Optimizer } from '../optimizers/optimizer-types';
import { scheduledRate } from '../step/run-steps';
import { checkpointsAtATime, diskFault, failed, folderFault, freeDisk } from './preflight-checks';
import {
  examplesThatFit,
  expectedMemoryFault,
  leastActivationBytes,
  memoryFault,
  memoryBudget,
  peakOfRun,
} from './preflight-memory';
import type { MemoryBudget } from './preflight-memory';
import { optimizerStateBytes } from '../optimizers/optimizers';
import { timeLimitText } from '../state/preflight-report';
import type { PreflightReport } from '../state/preflight-report';
import { batchesMs, durationMs, timeKinds, typical, untimedBytes } from './preflight-timing';
import { forecastRun } from './run-forecast';
import type { Forecast } from './run-forecast';
import type { TrainerState } from '../state/state';
import { stepGradients, trainingStep } from '../step/training-step';
import type { StepRequest } from '../step/training-step';

/** Time budget for timing batches, in ms, and as a share of what the run is expected to take. */
const TIMING_BUDGET_MS = 8000;
const TIMING_SHARE = 0.005;
/** Uncollected garbage of a long run, over that of a few steps, as a share of what they took (bench preflight). */
const GARBAGE_SHARE = 0.08;
/** Rounds of the optimizer: the first one is not counted. */
const UPDATE_ROUNDS = 3;
/** Evaluations that take so large a part of the training's time are worth a second look. */
const MUCH_EVALUATION = 0.2;
/** Tokens that both models read, at most. */
const READ_TOKENS = 36;

export interface PreflightRequest {
  readonly model: CausalLM;
  readonly values: CheckedArguments;
  readonly trainDataset: readonly EncodedExample[];
  readonly evalDataset: EvaluationData | undefined;
  readonly collate: DataCollator;
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  readonly state: TrainerState;
  readonly identity: Readonly<Record<string, unknown>>;
  /** Generates text with a model, to compare the saved and the loaded one. */
  readonly generate?: (model: CausalLM) => Promise<string>;
  /** The run's own loss, where it has one. */
  readonly loss?: LossFunction | SequenceLoss;
}

/**
 * Runs the preflight; leaves weights, optimizer, state and data order as they were.
 * @throws TunebookError that lists everything that cannot forecast, each with what to do
 */
export async function preflight(request: PreflightRequest): Promise<PreflightReport> {
  const started = performance.now();
  const rssBefore = process.memoryUsage.rss();
  const { model, values, state, optimizer } = request;
  const { outputDir } = values;
  const budget = memoryBudget(values);
  let forecast = forecastRun({ ...request, dataset: request.trainDataset });
  const problems = await staticProblems(request, forecast, budget);
  if (problems.length > 0) throw failed(problems);
  forecast = forecastRun({ ...request, dataset: request.trainDataset });

  const folder = path.join(outputDir, `preflight-${process.pid}-${os.hostname()}`);
  const content = { model, optimizer, state, identity: request.identity };
  try {
    // The disk is waited for while the model computes.
    const saving = durationMs(() => writeTrainerCheckpoint(folder, content));
    const original = await behaviour(request, model).finally(() => saving.catch(() => undefined));
    const saveMs = await saving;
    const checkpointBytes = await folderBytes(folder);
    const again = await withReloaded(model, folder, (reloaded) => behaviour(request, reloaded));
    problems.push(...differences(original, again));
    if (problems.length > 0) throw failed(problems);

    await approachLongest(request, forecast, budget);
    const time = await runTimes(request, forecast, saveMs);
    const { microBatchSize } = state;
    await readTrainerCheckpoint(folder, content);
    state.microBatchSize = microBatchSize;
    // What it writes follows from what it reads.
    const restored = { ...original, logits: [await firstLogits(request, model)] };
    problems.push(...differences({ ...original, logits: original.logits.slice(0, 1) }, restored));
    if (problems.length > 0) throw failed(problems);
    const free = await freeDisk(outputDir);
    const count = checkpointsAtATime(values, forecast.checkpoints);
    const disk = diskFault({
      ...{ folder: outputDir, bytes: checkpointBytes, count, values },
      free: free === undefined ? undefined : free + checkpointBytes,
    });
    const withGarbage = (peak: number): number => {
      const all = peak + time.moreBytes;
      return Math.round(all + GARBAGE_SHARE * Math.max(0, all - rssBefore));
    };
    const memory = expectedMemoryFault({
      ...{ model, values, budget, shape: inPieces(forecast, request) },
      expectedBytes: withGarbage(peakOfRun(budget)),
    });
    problems.push(...[disk, memory].filter((problem) => problem !== undefined));
    if (problems.length > 0) throw failed(problems);
    const peakMemory = withGarbage(peakMemoryBytes());
    return {
      steps: forecast.steps,
      tokens: forecast.tokens,
      timeMs: time.total,
      stepMs: time.stepMs,
      peakMemoryBytes: peakMemory,
      generationMemoryBytes: Math.max(
        peakMemory,
        withGarbage(process.memoryUsage.rss()) + model.generationBytes(),
      ),
      optimizerStateBytes: optimizerStateBytes(optimizer),
      trainableParameters: request.gradients.flat.length,
      availableMemoryBytes: budget.availableBytes,
      checkpointBytes,
      checkpointsAtATime: count,
      freeDiskBytes: free,
      microBatchSize: state.microBatchSize,
      timeLimit: timeLimitText(values, { expectedMs: time.total.expected, steps: forecast.steps }),
      longestBatch: forecast.kinds[0].shape,
      sample: again.text,
      preflightMs: performance.now() - started,
    };
  } finally {
    await fs.rm(folder, { recursive: true, force: true }).catch(() => undefined);
  }
}

/** Problems known before anything is computed; with `autoFindBatchSize`, finds a batch size that may fit. */
async function staticProblems(
  { model, values, optimizer, gradients, state, trainDataset }: PreflightRequest,
  forecast: Forecast,
  budget: MemoryBudget,
): Promise<string[]> {
  const { outputDir } = values;
  const problems = [await folderFault('outputDir', outputDir)];
  const stateBytes = optimizerStateBytes(optimizer);
  const weightBytes =
    model.adapter === undefined ? model.weights.parameters.flat.byteLength : gradients.flat.byteLength;
  problems.push(
    diskFault({
      ...{ folder: outputDir, bytes: weightBytes + stateBytes, values },
      count: checkpointsAtATime(values, forecast.checkpoints),
      free: await freeDisk(outputDir),
    }),
  );
  const [rows, T] = forecast.kinds[0].shape;
  const each = rowCount(trainDataset[0]);
  const most = rows / each;
  let examples = most;
  const needed = (): number =>
    gradients.flat.byteLength +
    stateBytes +
    leastActivationBytes(model, [examples * each, T], values.gradientCheckpointing);
  while (values.autoFindBatchSize && examples > 1 && needed() > budget.availableBytes)
    examples = Math.ceil(examples / 2);
  state.microBatchSize = Math.min(state.microBatchSize, examples < most ? examples : Infinity);
  problems.push(memoryFault({ shape: [examples * each, T], needed: needed(), budget, values, model }));
  return problems.filter((problem) => problem !== undefined);
}

/** Shape of the longest batch as the model sees it, after the cut into micro-batches. */
function inPieces(
  { kinds }: Forecast,
  { state, trainDataset }: Pick<PreflightRequest, 'state' | 'trainDataset'>,
): readonly [number, number] {
  const [B, T] = kinds[0].shape;
  return [Math.min(B, state.microBatchSize * rowCount(trainDataset[0])), T];
}

/** Where memory may be short, measures one example before the longest batch. @throws TunebookError */
async function approachLongest(
  request: PreflightRequest,
  forecast: Forecast,
  budget: MemoryBudget,
): Promise<void> {
  const { model, values, state, optimizer } = request;
  const shape = inPieces(forecast, request);
  const most = shape[0] / rowCount(request.trainDataset[0]);
  const examples = forecast.kinds[0].examples.map((n) => request.trainDataset[n]);
  const { fitting, expectedBytes } = await examplesThatFit({
    ...{ model, values, budget, shape: [most, shape[1]], stateBytes: optimizerStateBytes(optimizer) },
    accumulates: forecast.longestGroup.length > 1 || shape[0] < forecast.kinds[0].shape[0],
    longest: examples.reduce((a, b) => (rowLength(b) > rowLength(a) ? b : a)),
    compute: async (example) => {
      await stepGradients({ ...probeStep(request), dataset: [example], group: [[0]] }, 1);
    },
  });
  if (fitting >= most) return;
  if (values.autoFindBatchSize && fitting >= 1) state.microBatchSize = fitting;
  else {
    const fault = expectedMemoryFault({ model, values, budget, shape, expectedBytes });
    if (fault !== undefined) throw failed([fault]);
  }
}

interface Behaviour {
  /** Of the first example, and of what the model would write after each of its tokens. */
  readonly logits: readonly Float32Array[];
  readonly text: string | undefined;
}

/** Logits on the first example's beginning, float32 [tokens * V]. */
async function firstLogits({ trainDataset }: PreflightRequest, model: CausalLM): Promise<Float32Array> {
  const ids = trainDataset[0].inputIds.slice(0, Math.min(READ_TOKENS, model.architecture.maxPositions));
  return (await model.forward({ inputIds: [ids] })).logits.data;
}

/**
 * A model's logits on the first example's beginning, and on the tokens that it takes to be most likely after each token
 * of it: one length, for which functions are compiled once.
 */
async function behaviour(request: PreflightRequest, model: CausalLM): Promise<Behaviour> {
  const { vocabSize } = model.architecture;
  const read = await firstLogits(request, model);
  const written = Array.from({ length: read.length / vocabSize }, (_, at) =>
    argMax(read.subarray(at * vocabSize, (at + 1) * vocabSize)),
  );
  const { data: again } = (await model.forward({ inputIds: [written] })).logits;
  return { logits: [read, again], text: await request.generate?.(model) };
}

function differences(saved: Behaviour, loaded: Behaviour): string[] {
  let worst = 0;
  for (const [pass, logits] of saved.logits.entries())
    for (let i = 0; i < logits.length; i++)
      worst = Math.max(worst, Math.abs(logits[i] - loaded.logits[pass][i]));
  const advice = 'Nothing trained this way could be used later: please report this with the configuration.';
  if (!(worst === 0)) return [`checkpoint: it loads back to other logits (by up to ${worst}). ${advice}`];
  if (saved.text !== loaded.text) return [`checkpoint: the loaded model writes something else. ${advice}`];
  return [];
}

/** A step of the run, without its examples. */
function probeStep(request: PreflightRequest): Omit<StepRequest, 'group'> {
  const { model, values, state, gradients, optimizer, collate, loss } = request;
  // The user's callbacks are for the run, not for its preflight.
  const silent = new CallbackList([], () => {
    throw new Error('internal: no callbacks in a preflight');
  });
  return {
    ...{
      model,
      values,
      gradients,
      optimizer,
      collate,
      loss,
      dataset: request.trainDataset,
      callbacks: silent,
    },
    ...{ step: state.globalStep, maxSteps: state.maxSteps, microBatchSize: state.microBatchSize },
  };
}

/** Times real steps, the longest first, and extrapolates to the whole run. */
async function runTimes(
  request: PreflightRequest,
  forecast: Forecast,
  saveMs: number,
): Promise<{ total: PreflightReport['timeMs']; stepMs: number; moreBytes: number }> {
  const { model, values, state, gradients, optimizer } = request;
  const step: StepRequest = { ...probeStep(request), group: forecast.longestGroup };
  const compiledBefore = model.engine.compileMs;
  const ms = await durationMs(async () => {
    state.microBatchSize = (await trainingStep(step)).microBatchSize;
  });
  const times = await timeKinds({
    kinds: forecast.kinds,
    firstRun: { ms, compileMs: model.engine.compileMs - compiledBefore },
    compileMs: model.engine.device === undefined ? () => model.engine.compileMs : undefined,
    budgetMs: (known) => Math.min(TIMING_BUDGET_MS, TIMING_SHARE * batchesMs(forecast, known).expected),
    compute: async (group) => {
      await stepGradients({ ...step, group }, state.microBatchSize);
    },
  });
  const update: number[] = [];
  const rate = scheduledRate(values, state.globalStep, state.maxSteps);
  for (let round = 0; round < UPDATE_ROUNDS; round++) {
    const ms = await durationMs(async () => {
      await gradientNorm(model.engine, gradients);
      await optimizer.step(rate, 0);
    });
    // The first one runs code that is not compiled yet.
    if (round > 0) update.push(ms);
  }
  const batches = batchesMs(forecast, times);
  const expectedMs = batches.expected + forecast.steps * typical(update);
  const evaluation = await evaluationCost(request, { expectedMs, evaluations: forecast.evaluations });
  const rest = forecast.evaluations * evaluation.ms + evaluation.coldMs + forecast.checkpoints * saveMs;
  const total = {
    expected: expectedMs + rest,
    // A machine's load varies more over hours than over a few seconds.
    low: 0.85 * (expectedMs + rest),
    high: 1.1 * (batches.high + forecast.steps * Math.max(...update) + rest),
  };
  const stepMs = expectedMs / Math.max(1, forecast.steps);
  return { total, stepMs, moreBytes: untimedBytes(forecast, times) + evaluation.moreBytes };
}

/**
 * Cost of evaluations, from their longest batch: time of one, and the first-time cost of other shapes. The batch is
 * computed once more where evaluations are much of the run.
 */
async function evaluationCost(
  { model, values, evalDataset, collate, loss }: PreflightRequest,
  run: { readonly expectedMs: number; readonly evaluations: number },
): Promise<{ ms: number; coldMs: number; moreBytes: number }> {
  const examples = evaluationSets(evalDataset).flatMap((set) => set.examples);
  if (examples.length === 0 || values.evalStrategy === 'no') return { ms: 0, coldMs: 0, moreBytes: 0 };
  const sorted = [...examples].sort((a, b) => rowLength(b) - rowLength(a));
  const batchSize = values.perDeviceEvalBatchSize;
  const dataset = sorted.slice(0, batchSize);
  const shapes = new Map<string, number>();
  let whole = 0;
  for (let i = 0; i < sorted.length; i += batchSize) {
    const { shape } = collate(sorted.slice(i, i + batchSize));
    whole += shape[0] * shape[1];
    shapes.set(shape.join('x'), shape[0] * shape[1]);
  }
  const pass = async (): Promise<number> => {
    const { eval_runtime } = await evaluateLoss({
      ...{ model, dataset, collate, batchSize, loss },
      prefix: 'eval',
    });
    return 1000 * eval_runtime;
  };
  const [B, T] = collate(dataset).shape;
  const longest = B * T;
  const rss = process.memoryUsage.rss();
  const compiledBefore = model.engine.compileMs;
  const firstMs = await pass();
  const compileMs = model.engine.compileMs - compiledBefore;
  const bytes = Math.max(0, process.memoryUsage.rss() - rss);
  const roughMs = firstMs - compileMs;
  const share = (run.evaluations * roughMs * whole) / longest / run.expectedMs;
  const batchMs = share > MUCH_EVALUATION ? await pass() : roughMs;
  const others = [...shapes.values()].reduce((a, b) => a + b, 0) / longest - 1;
  return {
    ms: (batchMs * whole) / longest,
    coldMs: compileMs * (shapes.size - 1),
    moreBytes: bytes * others,
  };
}

async function folderBytes(folder: string): Promise<number> {
  const names = await fs.readdir(folder);
  const sizes = await Promise.all(names.map(async (name) => (await fs.stat(path.join(folder, name))).size));
  return sizes.reduce((a, b) => a + b, 0);
}
