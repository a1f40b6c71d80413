/**
 * LoRA adapters (Hu et al. 2021, arXiv:2106.09685): frozen weights plus a trained product of two thin
 * matrices, with PEFT's names.
 */
import type { HostTensor } from '../../types';
import { asTensor } from '../../tensor';
import { storedName } from '../families/architecture';
import { loraFeeds } from '../families/parts/linear';
import type { Lora } from '../families/parts/linear';
import type { Architecture, LinearModule } from '../families/architecture';
import { countOf, loraLayout } from './lora-layout';
import type { LoraLayout, TrainedTokens } from './lora-layout';
import { isTied } from '../families/architecture';
import { HEAD, ownerOf } from './lora-targets';
import type { AdaptedModule } from './lora-targets';
import type { LoraConfig, Strength } from './lora-config';
import { fillNormal } from '../../random';
import { allocateParameters } from '../weights/parameters';
import type { Parameter, ParameterSet } from '../weights/parameters';

/** What an adapter takes over from the base that it is made for. */
export interface LoraBase {
  /** A parameter of the base in float32, whatever adapter is in use. */
  baseParameter(name: string): Parameter;
  /** Values of a linear module's weight as [out, in] rows, whatever form the base keeps it in. */
  linearWeight(layer: number, module: LinearModule): Float32Array;
}

/** A LoRA adapter on a model: its matrices, its scale, and where they apply. */
export class LoraAdapter {
  /** What is trained: the adapter's own matrices and its copies of parameters of the base. */
  readonly parameters: ParameterSet;
  /** Numbers that the adapter adds to the base. */
  readonly addedCount: number;
  private readonly layout: LoraLayout;
  private readonly copies: ReadonlySet<string>;

  /** @throws TunebookError where the configuration names what the base does not have. */
  constructor(
    readonly config: LoraConfig,
    private readonly architecture: Architecture,
    base: LoraBase,
  ) {
    const layout = loraLayout(config, architecture);
    this.layout = layout;
    this.copies = new Set(layout.copies.map(({ name }) => name));
    this.addedCount = countOf(layout.specs) + layout.addedCopies;
    const tied = isTied(architecture);
    const own = (name: string): string => (tied && name === `${HEAD}.weight` ? architecture.head : name);
    const sources = layout.copies.map(({ name }) => ({ name, data: base.baseParameter(own(name)).data }));
    this.parameters = allocateParameters([...layout.specs, ...layout.copies]);
    layout.specs.forEach((spec, i) => {
      const { data } = this.get(spec.name);
      if ('std' in spec.init) fillNormal(data, spec.init.std, config.seed * 7919 + i);
      else data.fill(spec.init.value);
    });
    for (const { name, data } of sources) this.get(name).data.set(data);
    for (const [tokens, table] of [
      [layout.embeddingTokens, architecture.tokenEmbedding],
      [layout.headTokens, architecture.head],
    ] as const)
      if (tokens !== undefined) this.copyRows(tokens, base.baseParameter(table).data);
    if (config.useDora) this.measureMagnitudes(base);
  }

  private copyRows({ ids, parameter }: TrainedTokens, table: Float32Array): void {
    const { width } = this.architecture;
    const { data } = this.get(parameter);
    ids.forEach((id, i) => data.set(table.subarray(id * width, (id + 1) * width), i * width));
  }

  /** Adapted modules of a layer. */
  modulesOf(layer: number): readonly AdaptedModule[] {
    return this.layout.layers[layer];
  }

  /** The head, where it is adapted. */
  get head(): AdaptedModule | undefined {
    return this.layout.head;
  }

  /** How strongly the token embedding is adapted, where it is. */
  get embedding(): Strength | undefined {
    return this.layout.embedding;
  }

  /** Names of the embedding's matrices: A [r, V] and B [C, r]. */
  embeddingMatrices(): [string, string] {
    const name = `${ownerOf(this.architecture.tokenEmbedding)}.lora_embedding`;
    return [`${name}_A`, `${name}_B`];
  }

  /** Rows of the token embedding that are trained. */
  get embeddingTokens(): TrainedTokens | undefined {
    return this.layout.embeddingTokens;
  }

  /** Rows of the head that are trained; the embedding's where it is tied. */
  get headTokens(): TrainedTokens | undefined {
    return this.layout.headTokens;
  }

  get(name: string): Parameter {
    const parameter = this.parameters.byName.get(name);
    if (parameter === undefined) throw new Error(`internal: no adapter parameter ${name}`);
    return parameter;
  }

  /** The adapter's copy of a parameter of the base, where it trains one. */
  copyOf(name: string): Parameter | undefined {
    return this.copies.has(name) ? this.get(name) : undefined;
  }

  get copiedNames(): readonly string[] {
    return [...this.copies];
  }

  /** The adapter's inputs of one block. */
  layerFeeds(layer: number): Record<string, HostTensor> {
    const prefix = this.architecture.layerPrefix(layer);
    const feeds: Record<string, HostTensor> = {};
    for (const module of this.modulesOf(layer))
      Object.assign(feeds, loraFeeds(module.name, this.partsOf(module, prefix + module.name)));
    return feeds;
  }

  /** The adapter's inputs of the head. */
  headFeeds(): Record<string, HostTensor> {
    return this.head === undefined ? {} : loraFeeds(HEAD, this.partsOf(this.head, HEAD));
  }

  private partsOf({ scale }: Strength, path: string): Lora<HostTensor> {
    const part = (suffix: string): HostTensor => asTensor(this.get(`${path}.${suffix}`));
    const [A, B] = [part('lora_A'), part('lora_B')];
    const bias = this.config.loraBias ? part('lora_bias') : undefined;
    // The same arrays under names that no gradient is asked of: DoRA treats the length of the weights as given.
    const dora = this.config.useDora
      ? { magnitude: part('lora_magnitude_vector'), fixedA: A, fixedB: B }
      : undefined;
    return { A, B, scale: { data: Float32Array.of(scale), shape: [1] }, bias, dora };
  }

  /** Name of a parameter in PEFT's adapter_model.safetensors. */
  storedName(name: string): string {
    const stored = `base_model.model.${storedName(this.architecture, name)}`;
    if (/\.lora_[AB]$/.test(name)) return `${stored}.weight`;
    if (name.endsWith('.lora_bias')) return stored.replace(/lora_bias$/, 'lora_B.bias');
    if (name.endsWith('.trainable_tokens_delta')) return stored.replace(/(\w+)$/, 'token_adapter.$1');
    const owner = name.slice(0, -'.bias'.length);
    const isAdapted = name.endsWith('.bias') && this.parameters.byName.has(`${owner}.lora_A`);
    return isAdapted ? `${stored.slice(0, -'.bias'.length)}.base_layer.bias` : stored;
  }

  /**
   * A module's weight with the adapter's part added, in place.
   * @param weight rows [out, in]
   * @param path of the module without the family's prefix: 'layers.0.self_attn.q_proj', 'lm_head'
   */
  addTo(weight: Float32Array, path: string, { inSize, outSize, r, scale }: AdaptedModule): void {
    const [A, B] = [this.get(`${path}.lora_A`).data, this.get(`${path}.lora_B`).data];
    const magnitudes = this.config.useDora ? this.get(`${path}.lora_magnitude_vector`).data : undefined;
    for (let o = 0; o < outSize; o++) {
      const row = weight.subarray(o * inSize, (o + 1) * inSize);
      for (let k = 0; k < r; k++) {
        const factor = scale * B[o * r + k];
        for (let i = 0; i < inSize; i++) row[i] += factor * A[k * inSize + i];
      }
      if (magnitudes === undefined) continue;
      const ratio = magnitudes[o] / lengthOf(row);
      for (let i = 0; i < inSize; i++) row[i] *= ratio;
    }
  }

  /** DoRA starts from the length of each output's weights, so that a new adapter changes nothing. */
  private measureMagnitudes(base: LoraBase): void {
    const { layers, head } = this.layout;
    const measure = (weight: Float32Array, path: string, { inSize, outSize }: LinearModule): void => {
      const magnitudes = this.get(`${path}.lora_magnitude_vector`).data;
      for (let o = 0; o < outSize; o++)
        magnitudes[o] = lengthOf(weight.subarray(o * inSize, (o + 1) * inSize));
    };
    layers.forEach((modules, layer) => {
      for (const module of modules)
        measure(base.linearWeight(layer, module), this.architecture.layerPrefix(layer) + module.name, module);
    });
    if (head !== undefined) measure(base.baseParameter(this.architecture.head).data, HEAD, head);
  }
}

function lengthOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}
