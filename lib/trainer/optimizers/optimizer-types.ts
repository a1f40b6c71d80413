/**
 * What every optimizer is made from and can do.
 */
import type { Engine } from '../../engine';
import type { Gradients, Parameter } from '../../models';

export interface OptimizerSetup {
  readonly engine: Engine;
  /** In the order of `gradients.flat`; neighbours in memory are updated in one go. */
  readonly parameters: readonly Parameter[];
  readonly gradients: Gradients;
  /** Decoupled weight decay of the parameters whose `decay` is set, per unit of learning rate. */
  readonly weightDecay: number;
}

export interface Optimizer {
  readonly name: string;
  /** Arrays that a checkpoint keeps, by name; restored by writing into them. */
  readonly state: ReadonlyMap<string, Float32Array | Uint8Array>;
  /** Steps taken so far; part of the state. */
  stepCount: number;
  /** One update of all parameters, in place. @param gradientScale factor on every gradient (clipping) */
  step(learningRate: number, gradientScale: number): Promise<void>;
}
