/**
 * What a LoRA adapter is: the options of PEFT's LoraConfig by its names, with its defaults.
 */
import { lazySchema, prettifyError } from '../../schema';
import { TunebookError } from '../../types';

const optionsSchema = lazySchema((z) =>
  z.strictObject({
    r: z.int().positive().default(8),
    loraAlpha: z.number().positive().default(8),
    loraDropout: z.number().min(0).lt(1).default(0),
    targetModules: z.union([z.string().min(1), z.array(z.string().min(1)).nonempty()]).optional(),
    layersToTransform: z.union([z.int().min(0), z.array(z.int().min(0)).nonempty()]).optional(),
    bias: z.enum(['none', 'all', 'lora_only']).default('none'),
    modulesToSave: z.array(z.string().min(1)).default([]),
    useRslora: z.boolean().default(false),
    useDora: z.boolean().default(false),
    seed: z.int().default(0),
  }),
);

/** Options of a LoRA adapter, named as PEFT's. */
export interface LoraOptions {
  /** Rank of the update; 8 by default. */
  readonly r?: number;
  /** The update is scaled by loraAlpha / r; 8 by default. */
  readonly loraAlpha?: number;
  /** Share of each adapted layer's inputs that the update does not see in training; 0 by default. */
  readonly loraDropout?: number;
  /**
   * What is adapted: module names ('q_proj' matches 'self_attn.q_proj'), a regular expression for whole names
   * ('.*layers\\.[01]\\..*_proj'), or 'all-linear'. By default what PEFT adapts in the family.
   */
  readonly targetModules?: string | readonly string[];
  /** Numbers of the layers that are adapted, from 0; all by default. */
  readonly layersToTransform?: number | readonly number[];
  /** Which biases of the base are trained and saved as well; 'none' by default. */
  readonly bias?: 'none' | 'all' | 'lora_only';
  /** Modules that are trained whole and saved with the adapter, for instance 'lm_head'; none by default. */
  readonly modulesToSave?: readonly string[];
  /** Scale by loraAlpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732); false by default. */
  readonly useRslora?: boolean;
  /** Train the length of each output's weights apart from their direction (Liu et al. 2024, arXiv:2402.09353). */
  readonly useDora?: boolean;
  /** Seed of the first matrix's fill; the second starts at zero. */
  readonly seed?: number;
}

/**
 * What to adapt and how strongly.
 *
 * @example
 * new LoraConfig({ r: 8, loraAlpha: 16, loraDropout: 0.05, targetModules: ['q_proj', 'v_proj'] })
 */
export class LoraConfig {
  readonly r: number;
  readonly loraAlpha: number;
  readonly loraDropout: number;
  readonly targetModules: string | readonly string[] | undefined;
  readonly layersToTransform: readonly number[] | undefined;
  readonly bias: 'none' | 'all' | 'lora_only';
  readonly modulesToSave: readonly string[];
  readonly useRslora: boolean;
  readonly useDora: boolean;
  readonly seed: number;

  /** @throws TunebookError that lists every option that cannot be used. */
  constructor(options: LoraOptions = {}) {
    const parsed = optionsSchema().safeParse(options);
    if (!parsed.success) throw new TunebookError(`LoraConfig: ${prettifyError(parsed.error)}`);
    const { layersToTransform: layers, ...values } = parsed.data;
    ({ r: this.r, loraAlpha: this.loraAlpha, loraDropout: this.loraDropout, seed: this.seed } = values);
    ({ bias: this.bias, modulesToSave: this.modulesToSave } = values);
    ({ useRslora: this.useRslora, useDora: this.useDora } = values);
    this.targetModules = values.targetModules;
    this.layersToTransform = typeof layers === 'number' ? [layers] : layers;
  }

  /** The factor on the product of the two matrices. */
  get scale(): number {
    return this.loraAlpha / (this.useRslora ? Math.sqrt(this.r) : this.r);
  }
}
