/**
 * Which parameters an adapter has: its own matrices, and copies of parameters of the base that it trains along. Nothing
 * is allocated here, so that the largest model can be counted.
 */
import { TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { Architecture, ParameterSpec } from '../families/architecture';
import type { LoraConfig } from './lora-config';
import { isTied } from '../families/architecture';
import { findTargets, HEAD, modulePath, ownerOf } from './lora-targets';
import type { AdaptedModule, LoraTargets } from './lora-targets';

/** Rows of a table that an adapter trains. */
export interface TrainedTokens {
  readonly ids: readonly number[];
  /** The parameter that has these rows, [ids, C]. */
  readonly parameter: string;
}

/** An adapter's parts. */
export interface LoraLayout extends LoraTargets {
  /** Rows of the token embedding, and of the head (the same where it is tied), that are trained. */
  readonly embeddingTokens?: TrainedTokens;
  readonly headTokens?: TrainedTokens;
  /** The matrices (and magnitudes) of the adapter. */
  readonly specs: readonly ParameterSpec[];
  /** Parameters of the base of which the adapter trains copies: biases and whole modules. */
  readonly copies: readonly ParameterSpec[];
  /** Numbers in `copies` that count on top of the base, as PEFT counts them (modulesToSave). */
  readonly addedCopies: number;
}

/** @throws TunebookError that lists what there is, where a name matches nothing. */
export function loraLayout(config: LoraConfig, architecture: Architecture): LoraLayout {
  const targets = findTargets(config, architecture);
  const embeddingName = ownerOf(architecture.tokenEmbedding);
  const inLayers = targets.layers.map((list, layer) =>
    list.map((module) => ({ ...module, path: architecture.layerPrefix(layer) + module.name })),
  );
  const adapted = [...inLayers.flat(), ...(targets.head ? [{ ...targets.head, path: HEAD }] : [])];
  const tokens = trainedTokens(config, architecture, targets);
  const specs = adapted.flatMap((module) => moduleSpecs(config, module, module.path));
  if (targets.embedding !== undefined) {
    const { r } = targets.embedding;
    const { vocabSize, width } = architecture;
    const name = `${embeddingName}.lora_embedding`;
    // As PEFT fills them: A is zero here, so that a new adapter changes nothing.
    specs.push({ name: `${name}_A`, shape: [r, vocabSize], decay: true, init: { value: 0 } });
    specs.push({ name: `${name}_B`, shape: [width, r], decay: true, init: { std: 1 } });
  }
  const tables = [tokens.embeddingTokens, tokens.headTokens].filter((found) => found !== undefined);
  for (const [name, ids] of new Map(tables.map(({ parameter, ids }) => [parameter, ids])))
    specs.push({ name, shape: [ids.length, architecture.width], decay: true, init: { value: 0 } });

  const biased = new Set(adapted.map(({ path }) => `${path}.bias`));
  const all = parametersOf(architecture);
  const saved = savedModules(config, architecture, all);
  const isTrainedBias = (name: string): boolean =>
    name.endsWith('.bias') && (config.bias === 'all' || (config.bias === 'lora_only' && biased.has(name)));
  const copies = all.filter((spec) => saved.includes(spec) || isTrainedBias(spec.name));
  return { ...targets, ...tokens, specs, copies, addedCopies: countOf(saved) };
}

export function countOf(specs: readonly ParameterSpec[]): number {
  return specs.reduce((total, { shape }) => total + sizeOf(shape), 0);
}

function moduleSpecs(config: LoraConfig, module: AdaptedModule, path: string): ParameterSpec[] {
  const { inSize, outSize, r } = module;
  // PEFT's spread of A; B is zero, so that a new adapter changes nothing.
  const std = 1 / Math.sqrt(3 * inSize);
  return [
    { name: `${path}.lora_A`, shape: [r, inSize], decay: true, init: { std } },
    { name: `${path}.lora_B`, shape: [outSize, r], decay: true, init: { value: 0 } },
    ...(config.loraBias
      ? [{ name: `${path}.lora_bias`, shape: [outSize], decay: false, init: { value: 0 } }]
      : []),
    ...(config.useDora
      ? [{ name: `${path}.lora_magnitude_vector`, shape: [outSize], decay: true, init: { value: 1 } }]
      : []),
  ];
}

/** The base's parameters, a tied head counted as one of its own: as in PEFT a copy of it leaves the embedding alone. */
function parametersOf(architecture: Architecture): ParameterSpec[] {
  const table = architecture.parameters.find(({ name }) => name === architecture.tokenEmbedding);
  const tiedHead = isTied(architecture) && table ? [{ ...table, name: `${HEAD}.weight` }] : [];
  return [...architecture.parameters, ...tiedHead];
}

function savedModules(
  config: LoraConfig,
  architecture: Architecture,
  all: readonly ParameterSpec[],
): ParameterSpec[] {
  const found = config.modulesToSave.map((wanted) => {
    // As in PEFT: any module whose path ends in the name, 'input_layernorm' for 'norm' included.
    const inside = all.filter(({ name }) => {
      const parts = ownerOf(modulePath(architecture, name)).split('.');
      return parts.some((_, i) =>
        parts
          .slice(0, i + 1)
          .join('.')
          .endsWith(wanted),
      );
    });
    if (inside.length > 0) return inside;
    const names = [...new Set(all.map(({ name }) => ownerOf(name).split('.').at(-1)))];
    throw new TunebookError(
      `LoraConfig.modulesToSave: expected modules of the model (${names.join(', ')}), got ${wanted}.`,
    );
  });
  const chosen = new Set(found.flat());
  return all.filter((spec) => chosen.has(spec));
}

function trainedTokens(
  config: LoraConfig,
  architecture: Architecture,
  { embedding, head }: LoraTargets,
): Pick<LoraLayout, 'embeddingTokens' | 'headTokens'> {
  const { trainableTokenIndices: wanted } = config;
  if (wanted === undefined) return {};
  const where = 'LoraConfig.trainableTokenIndices';
  const embeddingName = ownerOf(architecture.tokenEmbedding);
  const byName: Record<string, readonly number[]> = Array.isArray(wanted)
    ? { [embeddingName]: wanted as number[] }
    : { ...(wanted as object) };
  const tables: { embedding?: readonly number[]; head?: readonly number[] } = {};
  for (const [name, ids] of Object.entries(byName)) {
    const isOf = (own: string): boolean => `.${modulePath(architecture, own)}`.endsWith(`.${name}`);
    if (isOf(embeddingName)) tables.embedding = ids;
    else if (isOf(HEAD)) tables.head = ids;
    else throw new TunebookError(`${where}: expected ${embeddingName} or ${HEAD}, got ${name}.`);
    const beyond = ids.filter((id) => id >= architecture.vocabSize);
    if (beyond.length > 0) {
      throw new TunebookError(
        `${where}: expected ids below ${architecture.vocabSize}, the rows of ${name}, got ${beyond.join(', ')}. ` +
          'Call model.resizeTokenEmbeddings first.',
      );
    }
    const isTwice = config.modulesToSave.some((saved) => isOf(saved) || saved === name);
    if (isTwice || (tables.embedding && embedding) || (tables.head && head)) {
      throw new TunebookError(
        `${where}: ${name} is trained in another way as well (targetModules or modulesToSave). Leave it out of one.`,
      );
    }
  }
  const tokensOf = (own: string, ids: readonly number[] | undefined): TrainedTokens | undefined =>
    ids && { ids, parameter: `${own}.trainable_tokens_delta` };
  const embeddingTokens = tokensOf(embeddingName, tables.embedding);
  const isShared = isTied(architecture) && tables.embedding !== undefined;
  if (isShared && tables.head !== undefined && tables.head.join() !== tables.embedding?.join()) {
    throw new TunebookError(`${where}: the head is the embedding: expected the same ids for both.`);
  }
  return { embeddingTokens, headTokens: isShared ? embeddingTokens : tokensOf(HEAD, tables.head) };
}
