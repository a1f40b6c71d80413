/**
 * LoRA adapters (Hu et al. 2021, arXiv:2106.09685): frozen weights plus a trained product of two thin
 * matrices, with PEFT's names.
 */
import type { HostTensor } from '../../types';
import { asTensor } from '../../tensor';
import { storedName } from '../families/architecture';
import { loraFeeds } from '../families/linear';
import type { Architecture, LinearModule } from '../families/architecture';
import { countOf, planLora } from './lora-targets';
import type { LoraConfig } from './lora-config';
import { fillNormal } from '../../random';
import { allocateParameters } from '../weights/parameters';
import type { Parameter, ParameterSet } from '../weights/parameters';

/** What an adapter takes over from the base that it is made for. */
export interface LoraBase {
  /** A parameter that the base holds in float32. */
  parameter(name: string): Parameter;
  /** Values of a linear module's weight as [out, in] rows, whatever form the base keeps it in. */
  linearWeight(layer: number, module: LinearModule): Float32Array;
}

export class LoraAdapter {
  /** What is trained: the adapter's own matrices and its copies of parameters of the base. */
  readonly parameters: ParameterSet;
  /** Numbers that the adapter adds to the base. */
  readonly addedCount: number;
  /** The factor on the product of the two matrices. */
  readonly scale: number;
  private readonly modules: readonly (readonly LinearModule[])[];
  private readonly copies: ReadonlySet<string>;

  /** @throws TunebookError where the configuration names what the base does not have. */
  constructor(
    readonly config: LoraConfig,
    private readonly architecture: Architecture,
    base: LoraBase,
  ) {
    const plan = planLora(config, architecture);
    this.modules = plan.modules;
    this.copies = new Set(plan.copies.map(({ name }) => name));
    this.addedCount = countOf(plan.specs) + plan.addedCopies;
    this.scale = config.scale;
    const sources = plan.copies.map(({ name }) => base.parameter(name));
    this.parameters = allocateParameters([...plan.specs, ...plan.copies]);
    plan.specs.forEach((spec, i) => {
      const { data } = this.get(spec.name);
      if ('std' in spec.init) fillNormal(data, spec.init.std, config.seed * 7919 + i);
      else data.fill(spec.init.value);
    });
    for (const { name, data } of sources) this.get(name).data.set(data);
    if (config.useDora) this.measureMagnitudes(base);
  }

  /** Adapted modules of a layer. */
  modulesOf(layer: number): readonly LinearModule[] {
    return this.modules[layer];
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
    for (const { name } of this.modulesOf(layer)) {
      const part = (suffix: string): HostTensor => asTensor(this.get(`${prefix}${name}.${suffix}`));
      const [A, B] = [part('lora_A'), part('lora_B')];
      const scale = { data: Float32Array.of(this.scale), shape: [1] };
      // The same arrays under names that no gradient is asked of: DoRA treats the length of the weights as given.
      const dora = this.config.useDora
        ? { magnitude: part('lora_magnitude_vector'), fixedA: part('lora_A'), fixedB: part('lora_B') }
        : undefined;
      Object.assign(feeds, loraFeeds(name, { A, B, scale, dora }));
    }
    return feeds;
  }

  /** Name of a parameter in PEFT's adapter_model.safetensors. */
  storedName(name: string): string {
    const stored = `base_model.model.${storedName(this.architecture, name)}`;
    if (/\.lora_[AB]$/.test(name)) return `${stored}.weight`;
    const owner = name.slice(0, -'.bias'.length);
    const isAdapted = name.endsWith('.bias') && this.parameters.byName.has(`${owner}.lora_A`);
    return isAdapted ? `${stored.slice(0, -'.bias'.length)}.base_layer.bias` : stored;
  }

  /**
   * A module's weight with the adapter's part added, in place.
   * @param weight rows [out, in]
   */
  addTo(weight: Float32Array, layer: number, { name, inSize, outSize }: LinearModule): void {
    const path = this.architecture.layerPrefix(layer) + name;
    const [A, B] = [this.get(`${path}.lora_A`).data, this.get(`${path}.lora_B`).data];
    const { r } = this.config;
    const magnitudes = this.config.useDora ? this.get(`${path}.lora_magnitude_vector`).data : undefined;
    for (let o = 0; o < outSize; o++) {
      const row = weight.subarray(o * inSize, (o + 1) * inSize);
      for (let k = 0; k < r; k++) {
        const factor = this.scale * B[o * r + k];
        for (let i = 0; i < inSize; i++) row[i] += factor * A[k * inSize + i];
      }
      if (magnitudes === undefined) continue;
      const ratio = magnitudes[o] / lengthOf(row);
      for (let i = 0; i < inSize; i++) row[i] *= ratio;
    }
  }

  /** DoRA starts from the length of each output's weights, so that a new adapter changes nothing. */
  private measureMagnitudes(base: LoraBase): void {
    this.modules.forEach((modules, layer) => {
      for (const module of modules) {
        const weight = base.linearWeight(layer, module);
        const path = this.architecture.layerPrefix(layer) + module.name;
        const magnitudes = this.get(`${path}.lora_magnitude_vector`).data;
        for (let o = 0; o < module.outSize; o++) {
          magnitudes[o] = lengthOf(weight.subarray(o * module.inSize, (o + 1) * module.inSize));
        }
      }
    });
  }
}

function lengthOf(row: Float32Array): number {
  let sum = 0;
  for (const value of row) sum += value * value;
  return Math.sqrt(sum);
}
