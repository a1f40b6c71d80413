/**
 * Makes the optimizer of a run's arguments for a model's trainable parameters.
 */
import type { CausalLM } from '../../pretrained';
import type { Gradients } from '../../models';
import type { CheckedArguments } from '../arguments/schema';
import { createOptimizer } from '../optimizers/optimizers';
import type { Optimizer } from '../optimizers/optimizer-types';

/** @param gradients of `model.trainableParameters()`, in their order */
export function runOptimizer(values: CheckedArguments, model: CausalLM, gradients: Gradients): Optimizer {
  const { tokenEmbedding, positionEmbedding } = model.architecture;
  const embeddings = positionEmbedding === undefined ? [tokenEmbedding] : [tokenEmbedding, positionEmbedding];
  return createOptimizer({
    name: values.optim,
    engine: model.engine,
    parameters: model.trainableParameters(),
    gradients,
    weightDecay: values.weightDecay,
    beta1: values.adamBeta1,
    beta2: values.adamBeta2,
    epsilon: values.adamEpsilon,
    momentum: values.momentum,
    // As Hugging Face's trainer configures bitsandbytes.
    fullPrecision: new Set(embeddings),
  });
}
