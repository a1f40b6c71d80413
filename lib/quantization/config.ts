/**
 * `BitsAndBytesConfig`: how a model is quantized when it is loaded, by transformers' names, and as
 * `quantization_config` in config.json.
 */
import { lazySchema, prettifyError, zod } from '../schema';
import { TunebookError } from '../types';
import { AffineConfig } from './affine-config';
import type { QuantizeOptions } from './quantized-tensor';
import { isWithin, UNQUANTIZED } from './skipped-modules';

/** How a model is quantized when it is loaded: either kind. */
export type QuantizationConfig = BitsAndBytesConfig | AffineConfig;

/** Element types that other libraries compute in; here every product is float32, and the name only goes to the file. */
export type ComputeDtype = 'float32' | 'float16' | 'bfloat16';

/** Ways to quantize weights as they load. */
export const QUANTIZATIONS = ['nf4', 'fp4', 'int8', 'int4'] as const;

const DTYPES = ['float32', 'float16', 'bfloat16'] as const;

const optionsSchema = lazySchema((z) =>
  z
    .strictObject({
      loadIn4bit: z.boolean().default(false),
      loadIn8bit: z.boolean().default(false),
      bnb4bitQuantType: z.enum(['nf4', 'fp4']).default('fp4'),
      bnb4bitUseDoubleQuant: z.boolean().default(false),
      bnb4bitComputeDtype: z.enum(DTYPES).default('float32'),
      bnb4bitQuantStorage: z.literal('uint8').default('uint8'),
      llmInt8SkipModules: z.array(z.string()).optional(),
      llmInt8Threshold: z.number().min(0).default(6),
      llmInt8EnableFp32CpuOffload: z.boolean().default(false),
      llmInt8HasFp16Weight: z.literal(false).default(false),
    })
    .refine(({ loadIn4bit, loadIn8bit }) => !(loadIn4bit && loadIn8bit), {
      message: 'loadIn4bit and loadIn8bit exclude each other',
      path: ['loadIn4bit'],
    }),
);

/** Options of `BitsAndBytesConfig`. */
export interface BitsAndBytesOptions {
  /** Quantize to 4 bits; false by default. */
  readonly loadIn4bit?: boolean;
  /** Quantize to 8 bits, one scale per row; false by default. */
  readonly loadIn8bit?: boolean;
  /** 'nf4' or 'fp4'; 'fp4' by default, as in bitsandbytes ('nf4' loses less). */
  readonly bnb4bitQuantType?: 'nf4' | 'fp4';
  /** Quantize the scales as well, which saves 0.37 bits per weight; false by default. */
  readonly bnb4bitUseDoubleQuant?: boolean;
  /** Only for the file: computation here is float32. */
  readonly bnb4bitComputeDtype?: ComputeDtype;
  /** Storage type of the codes; only bytes are supported. */
  readonly bnb4bitQuantStorage?: 'uint8';
  /** Modules to leave unquantized, by name or part of a name (`lm_head`, `layers.0`); ['lm_head'] by default. */
  readonly llmInt8SkipModules?: readonly string[];
  /** Only for the file: outliers have no special path here. */
  readonly llmInt8Threshold?: number;
  /** Only for the file. */
  readonly llmInt8EnableFp32CpuOffload?: boolean;
  /** Only false is supported. */
  readonly llmInt8HasFp16Weight?: false;
}

/** Names in config.json by our names. */
const FILE_NAMES = {
  loadIn4bit: 'load_in_4bit',
  loadIn8bit: 'load_in_8bit',
  bnb4bitQuantType: 'bnb_4bit_quant_type',
  bnb4bitUseDoubleQuant: 'bnb_4bit_use_double_quant',
  bnb4bitComputeDtype: 'bnb_4bit_compute_dtype',
  bnb4bitQuantStorage: 'bnb_4bit_quant_storage',
  llmInt8SkipModules: 'llm_int8_skip_modules',
  llmInt8Threshold: 'llm_int8_threshold',
  llmInt8EnableFp32CpuOffload: 'llm_int8_enable_fp32_cpu_offload',
  llmInt8HasFp16Weight: 'llm_int8_has_fp16_weight',
} as const satisfies Record<keyof BitsAndBytesOptions, string>;

/**
 * How a model is quantized when it is loaded.
 *
 * @example
 * ```ts
 * import { AutoModelForCausalLM, BitsAndBytesConfig } from 'tunebook';
 *
 * const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini', { quantizationConfig });
 * await model.dispose();
 * ```
 */
export class BitsAndBytesConfig {
  readonly loadIn4bit: boolean;
  readonly loadIn8bit: boolean;
  readonly bnb4bitQuantType: 'nf4' | 'fp4';
  readonly bnb4bitUseDoubleQuant: boolean;
  readonly bnb4bitComputeDtype: ComputeDtype;
  readonly bnb4bitQuantStorage: 'uint8';
  readonly llmInt8SkipModules: readonly string[] | undefined;
  readonly llmInt8Threshold: number;
  readonly llmInt8EnableFp32CpuOffload: boolean;
  readonly llmInt8HasFp16Weight: false;

  /** @throws {TunebookError} If an option is unknown or has a value that is not supported. */
  constructor(options: BitsAndBytesOptions = {}) {
    const parsed = optionsSchema().safeParse(options);
    if (!parsed.success) {
      throw new TunebookError(`BitsAndBytesConfig: ${prettifyError(parsed.error).replaceAll('\n', ' ')}`);
    }
    this.loadIn4bit = parsed.data.loadIn4bit;
    this.loadIn8bit = parsed.data.loadIn8bit;
    this.bnb4bitQuantType = parsed.data.bnb4bitQuantType;
    this.bnb4bitUseDoubleQuant = parsed.data.bnb4bitUseDoubleQuant;
    this.bnb4bitComputeDtype = parsed.data.bnb4bitComputeDtype;
    this.bnb4bitQuantStorage = parsed.data.bnb4bitQuantStorage;
    this.llmInt8SkipModules = parsed.data.llmInt8SkipModules;
    this.llmInt8Threshold = parsed.data.llmInt8Threshold;
    this.llmInt8EnableFp32CpuOffload = parsed.data.llmInt8EnableFp32CpuOffload;
    this.llmInt8HasFp16Weight = parsed.data.llmInt8HasFp16Weight;
  }

  /**
   * Parses `quantization_config` of a config.json.
   *
   * @throws {TunebookError} If the method is another, or a value is not supported.
   */
  static fromJson(json: unknown): BitsAndBytesConfig {
    const where = 'config.json, quantization_config';
    const parsed = zod().record(zod().string(), zod().unknown()).safeParse(json);
    if (!parsed.success) throw new TunebookError(`${where}: expected an object.`);
    const method = parsed.data.quant_method;
    if (method !== undefined && method !== 'bitsandbytes') {
      throw new TunebookError(
        `${where}: expected quant_method "bitsandbytes", got ${JSON.stringify(method)}: such weights are not supported. ` +
          'The nearest that is: the 16-bit model that they were made from, with a quantizationConfig of 4 or 8 bits.',
      );
    }
    const options = Object.entries(FILE_NAMES)
      .map(([ours, theirs]) => [ours, parsed.data[theirs]] as const)
      .filter(([ours, value]) => value !== undefined && !(ours === 'llmInt8SkipModules' && value === null));
    // The constructor validates the values; members of other versions are ignored.
    return new BitsAndBytesConfig(Object.fromEntries(options) as BitsAndBytesOptions);
  }

  /** The `quantization_config` for config.json. */
  toJson(): Record<string, unknown> {
    const entries = (Object.keys(FILE_NAMES) as (keyof BitsAndBytesOptions)[]).map(
      (ours): [string, unknown] => [FILE_NAMES[ours], this[ours] ?? null],
    );
    return {
      _load_in_4bit: this.loadIn4bit,
      _load_in_8bit: this.loadIn8bit,
      ...Object.fromEntries(entries),
      quant_method: 'bitsandbytes',
    };
  }

  /** Whether anything is quantized. */
  get isQuantizing(): boolean {
    return this.loadIn4bit || this.loadIn8bit;
  }

  /** For people: "nf4 with double quantization". */
  get description(): string {
    if (this.loadIn8bit) return 'int8';
    return `${this.bnb4bitQuantType}${this.bnb4bitUseDoubleQuant ? ' with double quantization' : ''}`;
  }

  /** Whether a module stays unquantized: it is a skipped module, or inside one. */
  skips(moduleName: string): boolean {
    return isWithin(moduleName, this.llmInt8SkipModules ?? UNQUANTIZED);
  }

  /**
   * The options of `quantize` for one weight of a linear layer.
   *
   * @param shape [out, in].
   * @throws {TunebookError} If neither `loadIn4bit` nor `loadIn8bit` is set.
   */
  quantizeOptions(shape: readonly number[]): QuantizeOptions {
    if (this.loadIn8bit) return { quantType: 'int8', shape, blockSize: shape[shape.length - 1] };
    if (this.loadIn4bit) {
      return { quantType: this.bnb4bitQuantType, shape, doubleQuant: this.bnb4bitUseDoubleQuant };
    }
    throw new TunebookError('BitsAndBytesConfig: neither loadIn4bit nor loadIn8bit is set. Set one of them.');
  }
}

/**
 * The quantization that a config.json says, of bitsandbytes or of MLX; undefined where it says none.
 *
 * @throws {TunebookError} If the method is another, or a value is not supported.
 */
export function quantizationConfigFromJson(
  config: Readonly<Record<string, unknown>>,
): QuantizationConfig | undefined {
  const json = config.quantization_config ?? config.compression_config ?? config.quantization;
  if (json === undefined || json === null) return undefined;
  return AffineConfig.isJson(json) ? AffineConfig.fromJson(json) : BitsAndBytesConfig.fromJson(json);
}

/**
 * The configuration that a command means by a type: 4 bits with double quantization, 8 bits with a scale per row, or 4
 * bits in affine blocks of 32.
 */
export function quantizationConfigOf(
  type: (typeof QUANTIZATIONS)[number] | undefined,
): QuantizationConfig | undefined {
  if (type === undefined) return undefined;
  if (type === 'int4') return new AffineConfig({ bits: 4, blockSize: 32 });
  if (type === 'int8') return new BitsAndBytesConfig({ loadIn8bit: true });
  return new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: type, bnb4bitUseDoubleQuant: true });
}
