/** `AffineConfig`: affine quantization in blocks of a row, and how config.json says it, by MLX's names. */
import { lazySchema, prettifyError } from '../schema';
import { TunebookError } from '../types';
import { AFFINE_BLOCK_SIZES } from './quantized-tensor';
import type { QuantizeOptions } from './quantized-tensor';
import { isWithin, UNQUANTIZED } from './skipped-modules';

/** Options of `AffineConfig`. */
export interface AffineOptions {
  /** Bits of a code: 4 or 8; 4 by default. */
  readonly bits?: 4 | 8;
  /** Values per scale: 32, 64 or 128; 64 by default. Rows are whole blocks. */
  readonly blockSize?: 32 | 64 | 128;
  /** Modules to leave unquantized, by name or part of a name; ['lm_head'] by default. */
  readonly skipModules?: readonly string[];
}

const optionsSchema = lazySchema((z) =>
  z.strictObject({
    bits: z.union([z.literal(4), z.literal(8)]).default(4),
    blockSize: z.union([z.literal(32), z.literal(64), z.literal(128)]).default(64),
    skipModules: z.array(z.string()).default([...UNQUANTIZED]),
  }),
);
const fileSchema = lazySchema((z) =>
  z.looseObject({
    bits: z.union([z.literal(4), z.literal(8)]),
    group_size: z.union([z.literal(32), z.literal(64), z.literal(128)]),
    mode: z.literal('affine').default('affine'),
  }),
);

/**
 * Affine quantization of a model's linear weights as they load: whole numbers of 4 or 8 bits under a scale and an offset
 * per block, as MLX stores them. `generate` reads the codes themselves, by a product of ONNX Runtime.
 *
 * @example
 * ```ts
 * import { AffineConfig, AutoModelForCausalLM } from 'tunebook';
 *
 * const quantizationConfig = new AffineConfig({ bits: 4, blockSize: 32 });
 * const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig });
 * await model.dispose();
 * ```
 */
export class AffineConfig {
  readonly bits: 4 | 8;
  readonly blockSize: 32 | 64 | 128;
  readonly skipModules: readonly string[];

  /** @throws {TunebookError} If an option is unknown or has a value that is not supported. */
  constructor(options: AffineOptions = {}) {
    const parsed = optionsSchema().safeParse(options);
    if (!parsed.success)
      throw new TunebookError(`AffineConfig: ${prettifyError(parsed.error).replaceAll('\n', ' ')}`);
    ({ bits: this.bits, blockSize: this.blockSize, skipModules: this.skipModules } = parsed.data);
  }

  /** Whether the quantization of a config.json is of this kind. */
  static isJson(json: unknown): boolean {
    return typeof json === 'object' && json !== null && 'group_size' in json && !('quant_method' in json);
  }

  /**
   * Parses `quantization_config` (or `quantization`) of a config.json as MLX writes it. Bits and blocks of single modules
   * are seen from their tensors.
   *
   * @throws {TunebookError} If the mode is another, or a value is not supported.
   */
  static fromJson(json: unknown): AffineConfig {
    const parsed = fileSchema().safeParse(json);
    if (!parsed.success)
      throw new TunebookError(
        `config.json, quantization: ${prettifyError(parsed.error).replaceAll('\n', ' ')}. Weights of MLX are read in mode ` +
          `"affine", of 4 or 8 bits in groups of ${AFFINE_BLOCK_SIZES.join(', ')}; use the 16-bit model instead.`,
      );
    return new AffineConfig({ bits: parsed.data.bits, blockSize: parsed.data.group_size });
  }

  /** The `quantization_config` for config.json. */
  toJson(): Record<string, unknown> {
    return { group_size: this.blockSize, bits: this.bits, mode: 'affine' };
  }

  /** Whether anything is quantized. */
  get isQuantizing(): boolean {
    return true;
  }

  /** For people: "affine, 4 bits in blocks of 64". */
  get description(): string {
    return `affine, ${this.bits} bits in blocks of ${this.blockSize}`;
  }

  /** Whether a module stays unquantized: it is a skipped module, or inside one. */
  skips(moduleName: string): boolean {
    return isWithin(moduleName, this.skipModules);
  }

  /** The options of `quantize` for one weight of a linear layer. @param shape [out, in] */
  quantizeOptions(shape: readonly number[]): QuantizeOptions {
    return { quantType: this.bits === 4 ? 'affine4' : 'affine8', shape, blockSize: this.blockSize };
  }
}
