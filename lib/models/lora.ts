/**
 * LoRA adapters (Hu et al. 2021): frozen weights plus a trained product of two thin matrices, with
 * PEFT's names and defaults.
 */
import { z } from 'zod';
import { TunebookError } from '../types';
import type { HostTensor } from '../types';
import type { Architecture, LinearModule, ParameterSpec } from './architecture';
import type { CausalLM } from './causal-lm';
import { allocateParameters, asTensor, fillNormal } from './parameters';
import type { Parameter, ParameterSet } from './parameters';

const configSchema = z.strictObject({
  r: z.int().positive().default(8),
  loraAlpha: z.number().positive().default(8),
  loraDropout: z.number().min(0).lt(1).default(0),
  /** Module names ('c_attn' matches 'attn.c_attn'); default: the attention input projection of the family. */
  targetModules: z.array(z.string()).nonempty().optional(),
  seed: z.int().default(0),
});

/** Options of a LoRA adapter, named as PEFT's. */
export type LoraOptions = z.input<typeof configSchema>;

/**
 * What to adapt and how strongly.
 * @throws TunebookError that lists every option that cannot be used.
 */
export class LoraConfig {
  /** Rank of the update. */
  readonly r: number;
  /** The update is scaled by loraAlpha / r. */
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: readonly string[] | undefined;
  /** Seed of the first matrix's fill; the second starts at zero. */
  readonly seed: number;

  constructor(options: LoraOptions = {}) {
    const parsed = configSchema.safeParse(options);
    if (!parsed.success) throw new TunebookError(`LoraConfig: ${z.prettifyError(parsed.error)}`);
    ({ r: this.r, loraAlpha: this.loraAlpha, loraDropout: this.loraDropout } = parsed.data);
    this.targetModules = parsed.data.targetModules;
    this.seed = parsed.data.seed;
  }
}

const DEFAULT_TARGETS: Record<string, readonly string[]> = {
  gpt2: ['c_attn'],
  mistral: ['q_proj', 'v_proj'],
};

export class LoraAdapter {
  readonly parameters: ParameterSet;
  readonly modules: readonly LinearModule[];
  readonly scale: number;

  constructor(
    readonly config: LoraConfig,
    private readonly architecture: Architecture,
  ) {
    this.modules = targets(config, architecture);
    this.scale = config.loraAlpha / config.r;
    const specs: ParameterSpec[] = [];
    for (let layer = 0; layer < architecture.layers; layer++) {
      for (const module of this.modules) {
        const path = architecture.layerPrefix(layer) + module.name;
        // PEFT's fill: Kaiming-uniform A in spirit, zero B, so that a new adapter changes nothing.
        const std = 1 / Math.sqrt(3 * module.inSize);
        specs.push({ name: `${path}.lora_A`, shape: [config.r, module.inSize], decay: true, init: { std } });
        specs.push({
          name: `${path}.lora_B`,
          shape: [module.outSize, config.r],
          decay: true,
          init: { value: 0 },
        });
      }
    }
    this.parameters = allocateParameters(specs);
    specs.forEach((spec, i) => {
      const data = this.get(spec.name).data;
      if ('std' in spec.init) fillNormal(data, spec.init.std, config.seed * 7919 + i);
    });
  }

  get(name: string): Parameter {
    const parameter = this.parameters.byName.get(name);
    if (parameter === undefined) throw new Error(`internal: no adapter parameter ${name}`);
    return parameter;
  }

  /** The adapter's inputs of one block. */
  layerFeeds(layer: number): Record<string, HostTensor> {
    const feeds: Record<string, HostTensor> = {};
    for (const module of this.modules) {
      const path = this.architecture.layerPrefix(layer) + module.name;
      feeds[`${module.name}.lora_A`] = asTensor(this.get(`${path}.lora_A`));
      feeds[`${module.name}.lora_B`] = asTensor(this.get(`${path}.lora_B`));
      feeds[`${module.name}.lora_scale`] = { data: Float32Array.of(this.scale), shape: [1] };
    }
    return feeds;
  }

  /**
   * Adds the scaled products to the base weights, in place.
   * W += scale * (B A), transposed where the weight is [in, out].
   */
  mergeInto(model: CausalLM): void {
    for (let layer = 0; layer < this.architecture.layers; layer++) {
      for (const module of this.modules) {
        const path = this.architecture.layerPrefix(layer) + module.name;
        const [A, B] = [this.get(`${path}.lora_A`).data, this.get(`${path}.lora_B`).data];
        const weight = model.parameter(`${path}.weight`).data;
        const [r, inSize, outSize] = [this.config.r, module.inSize, module.outSize];
        for (let o = 0; o < outSize; o++) {
          for (let i = 0; i < inSize; i++) {
            let sum = 0;
            for (let k = 0; k < r; k++) sum += B[o * r + k] * A[k * inSize + i];
            weight[module.conv1d ? i * outSize + o : o * inSize + i] += this.scale * sum;
          }
        }
      }
    }
  }
}

/** @throws TunebookError that lists the model's modules where a target matches none. */
function targets(config: LoraConfig, architecture: Architecture): LinearModule[] {
  const wanted = config.targetModules ?? DEFAULT_TARGETS[architecture.modelType];
  const matches = (module: LinearModule, target: string): boolean =>
    module.name === target || module.name.endsWith(`.${target}`);
  const unmatched = wanted.filter(
    (target) => !architecture.modules.some((module) => matches(module, target)),
  );
  if (unmatched.length > 0) {
    throw new TunebookError(
      `LoraConfig.targetModules: expected modules of ${architecture.modelType} ` +
        `(${architecture.modules.map((m) => m.name).join(', ')}), got ${unmatched.join(', ')}.`,
    );
  }
  return architecture.modules.filter((module) => wanted.some((target) => matches(module, target)));
}

/** Freezes the model and puts a new adapter on it; the same model object is returned. */
export function getPeftModel(model: CausalLM, config: LoraConfig): CausalLM {
  model.setAdapter(new LoraAdapter(config, model.architecture));
  return model;
}
