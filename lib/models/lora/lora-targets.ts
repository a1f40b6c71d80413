/**
 * Which modules of a model a configuration names, as PEFT matches them: by the ends of their paths, by patterns for
 * whole paths, less what is excluded or trained whole.
 */
import { TunebookError } from '../../types';
import { storedName } from '../families/architecture';
import type { Architecture, LinearModule } from '../families/architecture';
import { pythonPattern } from './lora-config';
import type { LoraConfig, Strength } from './lora-config';

/** A linear module with the strength of its update. */
export type AdaptedModule = LinearModule & Strength;

/** The modules that an adapter changes. */
export interface LoraTargets {
  /** Adapted modules of each layer. */
  readonly layers: readonly (readonly AdaptedModule[])[];
  /** The head, named 'lm_head' whether it is tied or not. */
  readonly head?: AdaptedModule;
  /** The token embedding. */
  readonly embedding?: Strength;
}

/** Name of the head among modules, tied or not. */
export const HEAD = 'lm_head';

/** Path of a module as PEFT sees it, for instance 'model.layers.0.self_attn.q_proj'. @param name ours */
export function modulePath(architecture: Architecture, name: string): string {
  return name === HEAD ? HEAD : storedName(architecture, name);
}

/** Name of a parameter's module: 'embed_tokens' of 'embed_tokens.weight'. */
export function ownerOf(parameter: string): string {
  return parameter.slice(0, parameter.lastIndexOf('.'));
}

/** @throws TunebookError that lists what there is, where a name matches nothing. */
export function findTargets(config: LoraConfig, architecture: Architecture): LoraTargets {
  const { layers: count, modules, width, vocabSize } = architecture;
  const beyond = (config.layersToTransform ?? []).filter((layer) => layer >= count);
  if (beyond.length > 0) {
    throw new TunebookError(
      `LoraConfig.layersToTransform: expected layers from 0 to ${count - 1}, got ${beyond.join(', ')}.`,
    );
  }
  requireMatches(config, architecture);
  const matches = matcher(config, architecture);
  const adapted = (module: LinearModule, path: string): AdaptedModule => ({
    ...module,
    ...config.strengthOf(path),
  });
  const layers = Array.from({ length: count }, (_, layer) =>
    modules.flatMap((module) => {
      const path = modulePath(architecture, architecture.layerPrefix(layer) + module.name);
      return matches(path, layer) ? [adapted(module, path)] : [];
    }),
  );
  const embedding = modulePath(architecture, ownerOf(architecture.tokenEmbedding));
  const head = { name: HEAD, inSize: width, outSize: vocabSize, conv1d: false, onRows: true };
  const targets = {
    layers,
    head: matches(HEAD) ? adapted(head, HEAD) : undefined,
    embedding: matches(embedding) ? config.strengthOf(embedding) : undefined,
  };
  requireComputable(config, architecture, { matches, targets });
  return targets;
}

type Matcher = (path: string, layer?: number) => boolean;

function matcher(config: LoraConfig, architecture: Architecture): Matcher {
  const targets = config.targetModules ?? architecture.loraTargets;
  const { excludeModules, layersToTransform } = config;
  const excludes = typeof excludeModules === 'string' ? whole(excludeModules) : undefined;
  const saved = config.modulesToSave.map((name) => pythonPattern(`(^|.*\\.)${name}($|\\..*)`));
  const isExcluded: Matcher = (path) =>
    (excludes?.test(path) ?? endsWithOneOf(path, excludeModules as readonly string[])) ||
    saved.some((pattern) => pattern.test(path));
  const pattern = typeof targets === 'string' && targets !== 'all-linear' ? whole(targets) : undefined;
  const isNamed: Matcher = (path, layer) => {
    if (pattern !== undefined) return pattern.test(path);
    // PEFT's 'all-linear' leaves the head out.
    return targets === 'all-linear' ? layer !== undefined : endsWithOneOf(path, targets as readonly string[]);
  };
  return (path, layer) =>
    isNamed(path, layer) &&
    !isExcluded(path) &&
    (layersToTransform === undefined || (layer !== undefined && layersToTransform.includes(layer)));
}

function whole(pattern: string): RegExp {
  pythonPattern(pattern); // the error names the pattern as it was given
  return pythonPattern(`(?:${pattern})$`);
}

function endsWithOneOf(path: string, names: readonly string[]): boolean {
  return names.some((name) => path === name || path.endsWith(`.${name}`));
}

/** Paths of everything that can be adapted. */
function allPaths(architecture: Architecture): string[] {
  const inLayers = Array.from({ length: architecture.layers }, (_, layer) =>
    architecture.modules.map(({ name }) => architecture.layerPrefix(layer) + name),
  ).flat();
  return [...inLayers, ownerOf(architecture.tokenEmbedding), HEAD].map((name) =>
    modulePath(architecture, name),
  );
}

/** Of names in `targetModules` those that the model has; a pattern and the family's own stay as they are. */
export function knownTargets(config: LoraConfig, architecture: Architecture): LoraConfig['targetModules'] {
  const { targetModules } = config;
  if (targetModules === undefined || typeof targetModules === 'string') return targetModules;
  const paths = allPaths(architecture);
  return targetModules.filter((target) => paths.some((path) => endsWithOneOf(path, [target])));
}

/** What error messages say that there is. */
export function moduleList({ modelType, modules }: Architecture): string {
  return `modules of ${modelType} (${modules.map((m) => m.name).join(', ')})`;
}

function requireMatches(config: LoraConfig, architecture: Architecture): void {
  const { targetModules } = config;
  if (targetModules === undefined && architecture.loraTargets.length === 0) {
    throw new TunebookError(
      `LoraConfig.targetModules: expected names among the ${moduleList(architecture)}, got none, and PEFT has no default ` +
        "for this type of model. Name them, or say 'all-linear'.",
    );
  }
  if (targetModules === undefined || typeof targetModules === 'string') return;
  const known = knownTargets(config, architecture) ?? [];
  const unmatched = targetModules.filter((target) => !known.includes(target));
  if (unmatched.length === 0) return;
  throw new TunebookError(
    `LoraConfig.targetModules: expected ${moduleList(architecture)}, got ${unmatched.join(', ')}, which match${
      unmatched.length === 1 ? 'es' : ''
    } nothing.`,
  );
}

function requireComputable(
  config: LoraConfig,
  architecture: Architecture,
  { matches, targets }: { matches: Matcher; targets: LoraTargets },
): void {
  const { layers, head, embedding } = targets;
  const { positionEmbedding } = architecture;
  if (positionEmbedding !== undefined && matches(modulePath(architecture, ownerOf(positionEmbedding)))) {
    throw new TunebookError(
      `LoraConfig.targetModules: expected linear modules, '${HEAD}' or the token embedding, got ` +
        `${ownerOf(positionEmbedding)}. Adapters on position embeddings are not supported: leave it out.`,
    );
  }
  if (embedding !== undefined && (config.useDora || config.loraBias)) {
    throw new TunebookError(
      `LoraConfig: useDora and loraBias are not supported on the token embedding ` +
        `(${ownerOf(architecture.tokenEmbedding)}): leave it out of targetModules, or set them to false.`,
    );
  }
  if (head !== undefined && config.loraBias && (architecture.logitScale ?? 1) !== 1) {
    throw new TunebookError(
      `LoraConfig.loraBias: expected false on the head of ${architecture.modelType}, whose logits are scaled, got true. ` +
        `Leave '${HEAD}' out of targetModules, or the bias.`,
    );
  }
  if (head !== undefined || embedding !== undefined || layers.some((found) => found.length > 0)) return;
  const targetsGiven = JSON.stringify(config.targetModules ?? architecture.loraTargets);
  throw new TunebookError(
    `LoraConfig.targetModules: expected a pattern for whole names of ${moduleList(architecture)}, for instance ` +
      `${modulePath(architecture, architecture.layerPrefix(0) + architecture.modules[0].name)}, got ` +
      `${targetsGiven}, which matches nothing${
        config.excludeModules.length > 0 ? ' that is not excluded' : ''
      }.`,
  );
}
