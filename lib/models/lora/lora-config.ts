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
    rankPattern: z.record(z.string(), z.int().positive()).default({}),
    alphaPattern: z.record(z.string(), z.number().positive()).default({}),
    excludeModules: z.union([z.string().min(1), z.array(z.string().min(1))]).default([]),
    loraBias: z.boolean().default(false),
    trainableTokenIndices: z
      .union([z.array(z.int().min(0)).nonempty(), z.record(z.string(), z.array(z.int().min(0)).nonempty())])
      .optional(),
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
  /** Numbers of the layers that are adapted, from 0; all by default. Beside a list of `targetModules` only. */
  readonly layersToTransform?: number | readonly number[];
  /** Which biases of the base are trained and saved as well; 'none' by default. */
  readonly bias?: 'none' | 'all' | 'lora_only';
  /** Modules that are trained whole and saved with the adapter, for instance 'lm_head'; none by default. */
  readonly modulesToSave?: readonly string[];
  /** Scale by loraAlpha / sqrt(r) (Kalajdzievski 2023, arXiv:2312.03732); false by default. */
  readonly useRslora?: boolean;
  /** Train the length of each output's weights apart from their direction (Liu et al. 2024, arXiv:2402.09353). */
  readonly useDora?: boolean;
  /** Ranks of modules that differ from `r`, by module name or the end of its path; a key may be a regular expression. */
  readonly rankPattern?: Readonly<Record<string, number>>;
  /** The same for `loraAlpha`. */
  readonly alphaPattern?: Readonly<Record<string, number>>;
  /** Modules that stay as they are although `targetModules` matches them: names, or a pattern for whole paths. */
  readonly excludeModules?: string | readonly string[];
  /** Train a bias on the second matrix as well; false by default. */
  readonly loraBias?: boolean;
  /**
   * Tokens whose embeddings are trained (and their rows of a tied head), by id; `{ lm_head: ids }` for rows of a head
   * of its own. None by default.
   */
  readonly trainableTokenIndices?: readonly number[] | Readonly<Record<string, readonly number[]>>;
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
  readonly rankPattern: Readonly<Record<string, number>>;
  readonly alphaPattern: Readonly<Record<string, number>>;
  readonly excludeModules: string | readonly string[];
  readonly loraBias: boolean;
  readonly trainableTokenIndices: LoraOptions['trainableTokenIndices'];
  readonly seed: number;

  /** @throws TunebookError that lists every option that cannot be used. */
  constructor(options: LoraOptions = {}) {
    const parsed = optionsSchema().safeParse(options);
    if (!parsed.success) throw new TunebookError(`LoraConfig: ${prettifyError(parsed.error)}`);
    const { layersToTransform: layers, ...values } = parsed.data;
    ({ r: this.r, loraAlpha: this.loraAlpha, loraDropout: this.loraDropout, seed: this.seed } = values);
    ({ bias: this.bias, modulesToSave: this.modulesToSave } = values);
    ({ useRslora: this.useRslora, useDora: this.useDora } = values);
    ({ rankPattern: this.rankPattern, alphaPattern: this.alphaPattern, loraBias: this.loraBias } = values);
    ({ excludeModules: this.excludeModules, trainableTokenIndices: this.trainableTokenIndices } = values);
    if (this.loraBias && this.useDora)
      throw new TunebookError(
        'LoraConfig: expected loraBias or useDora, got both. PEFT has no such adapter.',
      );
    if (typeof values.targetModules === 'string' && layers !== undefined)
      throw new TunebookError(
        'LoraConfig: expected layersToTransform beside a list of targetModules, got ' +
          `${JSON.stringify(values.targetModules)}. PEFT has no such adapter: name the modules, or put the layers into the pattern.`,
      );
    this.targetModules = values.targetModules;
    this.layersToTransform = typeof layers === 'number' ? [layers] : layers;
  }

  /** Rank and factor of the module at a path such as 'model.layers.0.self_attn.q_proj'. */
  strengthOf(path: string): Strength {
    const r = patternValue(this.rankPattern, path) ?? this.r;
    const alpha = patternValue(this.alphaPattern, path) ?? this.loraAlpha;
    return { r, scale: alpha / (this.useRslora ? Math.sqrt(r) : r) };
  }
}

/** How large and how strong the update of one module is. */
export interface Strength {
  /** Rank of the update. */
  readonly r: number;
  /** The factor on the product of the two matrices. */
  readonly scale: number;
}

/** PEFT's order: the first pattern that matches the path, or the end of it after a dot, counts. */
function patternValue(patterns: Readonly<Record<string, number>>, path: string): number | undefined {
  return Object.entries(patterns).find(([pattern]) => pythonPattern(`(.*\\.)?(${pattern})$`).test(path))?.[1];
}

/**
 * A pattern of PEFT's, which are Python's and are matched from the first character on.
 * @throws TunebookError where it is none
 */
export function pythonPattern(pattern: string): RegExp {
  try {
    return new RegExp(`^(?:${pattern})`);
  } catch (cause) {
    throw new TunebookError(
      `LoraConfig: expected a regular expression, module names in an array, or 'all-linear', got ` +
        `${JSON.stringify(pattern)}.`,
      { cause },
    );
  }
}
