/**
 * What the trainer's methods share during a run.
 */
import { allocateGradients } from '../models';
import type { Gradients, LossFunction, SequenceLoss } from '../models';
import type { CausalLM } from '../pretrained';
import type { ExampleStream } from '../dataset';
import type { CheckedArguments } from './arguments/schema';
import { runIdentity } from './checkpoints/identity';
import { makeOutputFolder } from './checkpoints/resume';
import type { Optimizer } from './optimizers/optimizer-types';
import { requireOffloadFolder } from './preflight/preflight-checks';
import type { EvaluationData } from './state/evaluate';
import { runOptimizer } from './step/run-optimizer';
import type { StepClock } from './step/step-clock';
import { firstExamples } from './step/stream-steps';
import { StreamRows } from './step/training-rows';
import type { TrainingRows } from './step/training-rows';

/** The tools of a run, made by each call of `train`. */
export interface RunTools {
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  readonly clock: StepClock;
  /** What a resumed run must agree on; computed once, since it reads all data. */
  readonly identity: Readonly<Record<string, unknown>>;
}

/** The tools that a run starts with. */
export type StartTools = Omit<RunTools, 'clock'>;

/** Makes a run's output folder and tools. @throws TunebookError where a folder cannot be used */
export async function startTools(
  run: {
    model: CausalLM;
    values: CheckedArguments;
    joint: CheckedArguments;
    rows: TrainingRows;
    stream: ExampleStream | undefined;
    evalDataset: EvaluationData | undefined;
    loss?: LossFunction | SequenceLoss;
  },
  { checksFolders }: { checksFolders: boolean },
): Promise<StartTools> {
  const { model, values, joint, rows, stream, evalDataset, loss } = run;
  await makeOutputFolder(values.outputDir);
  const gradients = allocateGradients(model.trainableParameters());
  const optimizer = runOptimizer(values, model, gradients);
  if (checksFolders) await requireOffloadFolder(run);
  if (stream !== undefined && rows instanceof StreamRows) rows.hold(await firstExamples(stream, joint), 0);
  const data = { trainDataset: rows.rows, stream, evalDataset };
  const identity = await runIdentity({ model, loss, values: joint, ...data });
  return { gradients, optimizer, identity };
}
