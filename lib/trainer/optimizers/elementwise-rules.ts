/**
 * Elementwise optimizers as pure functions.
 */
import { tf } from '../../engine';
import type { ElementwiseRule } from './optimizer-types';

/** Hyperparameters of the rules. */
export interface RuleOptions {
  /** Decay of the running mean (AdamW, Lion). */
  readonly beta1: number;
  /** Decay of the running mean of squares (AdamW), or of the momentum (Lion). */
  readonly beta2: number;
  /** AdamW: added to the denominator. */
  readonly epsilon: number;
  /** SGD: momentum factor. */
  readonly momentum: number;
}

/**
 * Adam with decoupled weight decay (Loshchilov & Hutter 2019), as torch.optim.AdamW. Factors are folded
 * into scalars where possible: the update is memory-bound, and each operation is a pass over memory.
 */
export function adamW({ beta1, beta2, epsilon }: RuleOptions): ElementwiseRule {
  return {
    name: 'adamw',
    slots: ['exp_avg', 'exp_avg_sq'],
    scalars: (t, learningRate, scale) => {
      const correction = Math.sqrt(1 - beta2 ** t);
      return {
        meanShare: (1 - beta1) * scale,
        squareShare: (1 - beta2) * scale * scale,
        // m / (sqrt(v) / c + e) * s = m / (sqrt(v) + c e) * (c s)
        shift: correction * epsilon,
        stepSize: (-learningRate * correction) / (1 - beta1 ** t),
      };
    },
    update: (inputs) => {
      const { parameter, gradient, decay, meanShare, squareShare, shift, stepSize } = inputs;
      const mean = tf.add(tf.mul(inputs.exp_avg, beta1), tf.mul(gradient, meanShare));
      const square = tf.add(tf.mul(inputs.exp_avg_sq, beta2), tf.mul(tf.square(gradient), squareShare));
      const direction = tf.div(mean, tf.add(tf.sqrt(square), shift));
      const moved = tf.add(tf.mul(parameter, decay), tf.mul(direction, stepSize));
      return { parameter: moved, exp_avg: mean, exp_avg_sq: square };
    },
  };
}

/** Stochastic gradient descent with momentum, as torch.optim.SGD: weight decay is part of the gradient. */
export function sgd({ momentum }: RuleOptions): ElementwiseRule {
  return {
    name: 'sgd',
    slots: ['momentum_buffer'],
    scalars: (_t, learningRate, scale) => ({ stepSize: -learningRate, scale }),
    update: ({ parameter, gradient, weightDecay, stepSize, scale, momentum_buffer: buffer }) => {
      const slope = tf.add(tf.mul(gradient, scale), tf.mul(parameter, weightDecay));
      const velocity = tf.add(tf.mul(buffer, momentum), slope);
      return { parameter: tf.add(parameter, tf.mul(velocity, stepSize)), momentum_buffer: velocity };
    },
  };
}

/** Lion (Chen et al. 2023, algorithm 2): the sign of an interpolated momentum. */
export function lion({ beta1, beta2 }: RuleOptions): ElementwiseRule {
  return {
    name: 'lion',
    slots: ['exp_avg'],
    readTwice: ['exp_avg'],
    scalars: (_t, learningRate, scale) => ({
      stepSize: -learningRate,
      directionShare: (1 - beta1) * scale,
      meanShare: (1 - beta2) * scale,
    }),
    update: ({ parameter, gradient, decay, stepSize, directionShare, meanShare, exp_avg: mean }) => {
      const direction = tf.sign(tf.add(tf.mul(mean, beta1), tf.mul(gradient, directionShare)));
      return {
        parameter: tf.add(tf.mul(parameter, decay), tf.mul(direction, stepSize)),
        exp_avg: tf.add(tf.mul(mean, beta2), tf.mul(gradient, meanShare)),
      };
    },
  };
}
