/**
 * What the trainer's methods share during a run.
 */
import type { Gradients } from '../models';
import type { Optimizer } from './optimizers/optimizer-types';
import type { StepClock } from './step/step-clock';

/** The tools of a run, made by each call of `train`. */
export interface RunTools {
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  readonly clock: StepClock;
  /** What a resumed run must agree on; computed once, since it reads all data. */
  readonly identity: Readonly<Record<string, unknown>>;
}
