/** What a model's weights are made from. */
import type { Architecture } from '../families/architecture';
import type { FrozenLayers } from '../weights/frozen-layers';
import type { ParameterSet } from '../weights/parameters';
import type { WeightSample } from '../weights/weight-sample';

/** What a model is made of. */
export interface ModelParts {
  readonly architecture: Architecture;
  readonly parameters: ParameterSet;
  /** Weights of linear modules that are not among the parameters, where the model has such. */
  readonly frozen?: FrozenLayers;
  /** A few values as the checkpoint stores them, where the model is from one: codes do not give them back. */
  readonly sample?: WeightSample;
  /** Content of generation_config.json, where the checkpoint has one: how the model is meant to generate. */
  readonly generationConfig?: Readonly<Record<string, unknown>>;
  /** Nobody else holds the arrays of the parameters; default: somebody may, and write on them. */
  readonly areParametersOwn?: boolean;
}
