/**
 * What the trainer's methods hand on to each other while a run lasts.
 */
import type { Gradients } from '../models';
import type { Optimizer } from './optimizers/optimizer-types';
import type { StepClock } from './step/step-clock';

/** What a run works with, made anew by each call of `train`. */
export interface RunTools {
  readonly gradients: Gradients;
  readonly optimizer: Optimizer;
  readonly clock: StepClock;
  /** What a resumed run has to agree on; made once, since it reads the whole data. */
  readonly identity: Readonly<Record<string, unknown>>;
}
