/**
 * Which parts of a model an adapter holds: the linear modules that its configuration names, layer by layer,
 * and the base's own parameters that it trains along. Nothing is allocated here, so that the largest model
 * can be counted.
 */
import { TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import { storedName } from '../families/architecture';
import type { Architecture, LinearModule, ParameterSpec } from '../families/architecture';
import type { LoraConfig } from './lora-config';

/** An adapter's parts. */
export interface LoraPlan {
  /** Adapted modules of each layer. */
  readonly modules: readonly (readonly LinearModule[])[];
  /** The matrices (and magnitudes) of the adapter. */
  readonly specs: readonly ParameterSpec[];
  /** Parameters of the base of which the adapter trains copies: biases and whole modules. */
  readonly copies: readonly ParameterSpec[];
  /** Numbers in `copies` that count on top of the base, as PEFT counts them (modulesToSave). */
  readonly addedCopies: number;
}

/** @throws TunebookError that lists what there is, where a name matches nothing or the rank does not fit. */
export function planLora(config: LoraConfig, architecture: Architecture): LoraPlan {
  const modules = targetsByLayer(config, architecture);
  const specs = modules.flatMap((list, layer) =>
    list.flatMap((module) => moduleSpecs(config, module, architecture.layerPrefix(layer) + module.name)),
  );
  const adapted = new Set(
    modules.flatMap((list, layer) =>
      list.map(({ name }) => `${architecture.layerPrefix(layer)}${name}.bias`),
    ),
  );
  const saved = savedModules(config, architecture);
  const biases = architecture.parameters.filter(
    ({ name }) =>
      name.endsWith('.bias') && (config.bias === 'all' || (config.bias === 'lora_only' && adapted.has(name))),
  );
  const copies = architecture.parameters.filter((spec) => saved.includes(spec) || biases.includes(spec));
  return { modules, specs, copies, addedCopies: countOf(saved) };
}

export function countOf(specs: readonly ParameterSpec[]): number {
  return specs.reduce((total, { shape }) => total + sizeOf(shape), 0);
}

function moduleSpecs(config: LoraConfig, module: LinearModule, path: string): ParameterSpec[] {
  const { r } = config;
  const { inSize, outSize } = module;
  if (r > Math.min(inSize, outSize)) {
    throw new TunebookError(
      `LoraConfig.r: expected at most ${Math.min(inSize, outSize)} for ${path} [${outSize}, ${inSize}], got ${r}. ` +
        'A rank above the size of the matrix adds nothing: lower r, or leave this module out.',
    );
  }
  // PEFT's spread of A; B is zero, so that a new adapter changes nothing.
  const std = 1 / Math.sqrt(3 * inSize);
  return [
    { name: `${path}.lora_A`, shape: [r, inSize], decay: true, init: { std } },
    { name: `${path}.lora_B`, shape: [outSize, r], decay: true, init: { value: 0 } },
    ...(config.useDora
      ? [{ name: `${path}.lora_magnitude_vector`, shape: [outSize], decay: true, init: { value: 1 } }]
      : []),
  ];
}

function targetsByLayer(config: LoraConfig, architecture: Architecture): LinearModule[][] {
  const { layers, modules, modelType } = architecture;
  const chosen = config.layersToTransform ?? Array.from({ length: layers }, (_, layer) => layer);
  const beyond = chosen.filter((layer) => layer >= layers);
  if (beyond.length > 0) {
    throw new TunebookError(
      `LoraConfig.layersToTransform: expected layers from 0 to ${layers - 1}, got ${beyond.join(', ')}.`,
    );
  }
  const targets = config.targetModules ?? architecture.loraTargets;
  const list = `modules of ${modelType} (${modules.map((m) => m.name).join(', ')})`;
  let matches: (module: LinearModule, layer: number) => boolean;
  if (targets === 'all-linear') {
    matches = () => true;
  } else if (typeof targets === 'string') {
    const pattern = wholeName(targets);
    matches = ({ name }, layer) =>
      pattern.test(storedName(architecture, architecture.layerPrefix(layer) + name));
  } else {
    const isNamed = (name: string, target: string): boolean => name === target || name.endsWith(`.${target}`);
    const unmatched = targets.filter((target) => !modules.some(({ name }) => isNamed(name, target)));
    if (unmatched.length > 0) {
      throw new TunebookError(
        `LoraConfig.targetModules: expected ${list}, got ${unmatched.join(', ')}, which match${
          unmatched.length === 1 ? 'es' : ''
        } nothing.`,
      );
    }
    matches = ({ name }) => targets.some((target) => isNamed(name, target));
  }
  const byLayer = Array.from({ length: layers }, (_, layer) =>
    chosen.includes(layer) ? modules.filter((module) => matches(module, layer)) : [],
  );
  if (byLayer.every((found) => found.length === 0)) {
    throw new TunebookError(
      `LoraConfig.targetModules: expected a pattern for whole names of ${list}, for instance ` +
        `${storedName(architecture, architecture.layerPrefix(0) + modules[0].name)}, got ${JSON.stringify(targets)}, ` +
        'which matches nothing.',
    );
  }
  return byLayer;
}

/** PEFT's patterns are Python's and match whole names. */
function wholeName(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})$`);
  } catch (cause) {
    throw new TunebookError(
      `LoraConfig.targetModules: expected a regular expression, module names in an array, or 'all-linear', ` +
        `got ${JSON.stringify(pattern)}.`,
      { cause },
    );
  }
}

function savedModules(config: LoraConfig, architecture: Architecture): ParameterSpec[] {
  const owner = (name: string): string => name.slice(0, name.lastIndexOf('.'));
  const tied = architecture.head === architecture.tokenEmbedding;
  return config.modulesToSave.flatMap((wanted) => {
    const found = architecture.parameters.filter(({ name }) => `.${owner(name)}`.endsWith(`.${wanted}`));
    if (tied && (wanted === 'lm_head' || found.some(({ name }) => name === architecture.tokenEmbedding))) {
      throw new TunebookError(
        `LoraConfig.modulesToSave: the head of this model is its token embedding, so '${wanted}' cannot be saved ` +
          'apart from the other. Leave it out.',
      );
    }
    if (found.length === 0) {
      const names = [...new Set(architecture.parameters.map(({ name }) => owner(name).split('.').at(-1)))];
      throw new TunebookError(
        `LoraConfig.modulesToSave: expected modules of the model (${names.join(', ')}), got ${wanted}.`,
      );
    }
    return found;
  });
}
