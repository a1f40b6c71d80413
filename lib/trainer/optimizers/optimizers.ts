/**
 * The optimizers, by the names of Hugging Face's `optim` argument. To add one: a file with its factory, and a line in
 * the table, or `registerOptimizer` from outside.
 */
import { requireFunction, requireObject, requireText, TunebookError } from '../../types';
import { createAdafactor } from './adafactor';
import type { AdafactorOptions } from './adafactor';
import { createAdamW8bit } from './adamw-8bit';
import { adamW, lion, sgd } from './elementwise-rules';
import type { RuleOptions } from './elementwise-rules';
import { createFlatOptimizer } from './flat-optimizer';
import type { Optimizer, OptimizerSetup } from './optimizer-types';

/** What an optimizer is made from: the run's engine, parameters and gradients, and the hyperparameters. */
export interface OptimizerFactoryOptions extends OptimizerSetup, RuleOptions {
  /** 8-bit AdamW: names of parameters whose state stays in float32 whatever their size: the embeddings'. */
  readonly fullPrecision?: ReadonlySet<string>;
  readonly adafactor?: AdafactorOptions;
}

/** Makes an optimizer for a run. */
export type OptimizerFactory = (options: OptimizerFactoryOptions) => Optimizer;

/** The built-in optimizers. */
export const OPTIMIZERS = {
  adamw: (options) => createFlatOptimizer(adamW(options), options),
  adamw_8bit: (options) => onHost(createAdamW8bit(options, options), options),
  sgd: (options) => createFlatOptimizer(sgd(options), options),
  lion: (options) => createFlatOptimizer(lion(options), options),
  adafactor: (options) => onHost(createAdafactor(options, options.adafactor), options),
} satisfies Record<string, OptimizerFactory>;

/** Name of a built-in optimizer; `registerOptimizer` adds others. */
export type OptimizerName = keyof typeof OPTIMIZERS;

const FACTORIES = new Map<string, OptimizerFactory>(Object.entries(OPTIMIZERS));

/** Names that `optim` takes. */
export function optimizerNames(): string[] {
  return [...FACTORIES.keys()];
}

/**
 * Registers an optimizer under a name for `TrainingArguments.optim`. Its `state` is saved in checkpoints and restored,
 * so that a resume is exact. An optimizer that writes host arrays itself calls `engine.device?.invalidate` afterwards;
 * `createFlatOptimizer` does that.
 * @throws TunebookError where the name is taken
 * @example
 * ```ts
 * import { registerOptimizer, tf } from 'tunebook';
 * import { createFlatOptimizer } from 'tunebook/trainer';
 *
 * registerOptimizer('signsgd', (options) =>
 *   createFlatOptimizer(
 *     {
 *       name: 'signsgd',
 *       slots: [],
 *       scalars: (_step, learningRate) => ({ stepSize: -learningRate }),
 *       update: ({ parameter, gradient, stepSize }) => ({
 *         parameter: tf.add(parameter, tf.mul(tf.sign(gradient), stepSize)),
 *       }),
 *     },
 *     options,
 *   ),
 * );
 * ```
 */
export function registerOptimizer(name: string, factory: OptimizerFactory): void {
  requireText(name, { where: 'registerOptimizer', what: 'a name for optim' });
  requireFunction(factory, { where: 'registerOptimizer', what: 'a function that makes the optimizer' });
  if (FACTORIES.has(name)) {
    throw new TunebookError(
      `registerOptimizer: expected a new name, got '${name}', which is taken. Choose another name.`,
    );
  }
  FACTORIES.set(name, factory);
}

/** Makes an optimizer by its name. */
export function createOptimizer(request: OptimizerFactoryOptions & { readonly name: string }): Optimizer {
  requireObject(request, {
    ...{ where: 'createOptimizer', what: 'options { name, engine, parameters, gradients }' },
    fields: ['name', 'parameters'],
  });
  const { name, ...options } = request;
  const factory = FACTORIES.get(name);
  if (factory === undefined) {
    throw new TunebookError(
      `createOptimizer: expected ${optimizerNames().join(', ')}, got '${name}'. Register it with registerOptimizer.`,
    );
  }
  return factory(options);
}

/** Invalidates the device's copies after a step on the host's arrays. */
function onHost(optimizer: Optimizer, { engine, parameters }: OptimizerSetup): Optimizer {
  const { device } = engine;
  if (device === undefined) return optimizer;
  const step = optimizer.step.bind(optimizer);
  optimizer.step = async (learningRate, gradientScale) => {
    await step(learningRate, gradientScale);
    device.invalidate(parameters.map(({ data }) => data));
  };
  return optimizer;
}

/** Bytes of an optimizer's state, all parameters together. */
export function optimizerStateBytes(optimizer: Optimizer): number {
  requireObject(optimizer, { where: 'optimizerStateBytes', what: 'an optimizer', fields: ['state'] });
  return [...optimizer.state.values()].reduce((total, { byteLength }) => total + byteLength, 0);
}
