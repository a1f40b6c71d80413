/** Activations by the names of config.json. */
import type { ActivationName } from '../../../engine';
import { TunebookError } from '../../../types';

const NAMES: Readonly<Record<string, ActivationName>> = {
  silu: 'silu',
  swish: 'silu',
  gelu: 'gelu',
  gelu_new: 'gelu_new',
  gelu_fast: 'gelu_new',
  gelu_pytorch_tanh: 'gelu_new',
  relu: 'relu',
};

/** The activation of a name in config.json. @throws TunebookError that lists the names that are known */
export function activationNamed(name: string, where: string): ActivationName {
  const found = Object.hasOwn(NAMES, name) ? NAMES[name] : undefined;
  if (found !== undefined) return found;
  throw new TunebookError(
    `${where}: expected hidden_act ${Object.keys(NAMES).join(', ')}, got '${name}'. Choose another model.`,
  );
}
