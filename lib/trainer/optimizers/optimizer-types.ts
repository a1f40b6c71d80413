/**
 * The interface of optimizers, and what they are made from.
 */
import type { Engine, NamedTensors } from '../../engine';
import type { Gradients, Parameter } from '../../models';

/** What an optimizer is made for. */
export interface OptimizerSetup {
  readonly engine: Engine;
  /** In the order of `gradients.flat`; parameters adjacent in memory are updated together. */
  readonly parameters: readonly Parameter[];
  readonly gradients: Gradients;
  /** Decoupled weight decay of the parameters whose `decay` is set, per unit of learning rate. */
  readonly weightDecay: number;
}

/** An optimizer of a run: its state, and its step. */
export interface Optimizer {
  readonly name: string;
  /** Arrays saved in checkpoints, by name; restored in place. */
  readonly state: ReadonlyMap<string, Float32Array | Uint8Array>;
  /** Steps so far; part of the state. */
  stepCount: number;
  /** One update of all parameters, in place. @param gradientScale factor on every gradient (clipping) */
  step(learningRate: number, gradientScale: number): Promise<void>;
}

/** An optimizer as a pure function. */
export interface ElementwiseRule {
  readonly name: string;
  /** Names of the state arrays, each of the parameters' size, starting at zero. */
  readonly slots: readonly string[];
  /**
   * Inputs: parameter, gradient and the slots, float32 [n]; weightDecay, and decay = 1 - learning rate x
   * weightDecay; and the scalars.
   * Outputs: parameter and the slots.
   */
  readonly update: (inputs: NamedTensors) => NamedTensors;
  /**
   * Slots that the update reads in several places: their new values go through a temporary buffer, because a write in
   * place could precede the last read.
   */
  readonly readTwice?: readonly string[];
  /** The scalars of step t = 1, 2, ...; `scale` is clipping's factor on every gradient. */
  readonly scalars: (t: number, learningRate: number, scale: number) => Record<string, number>;
}
