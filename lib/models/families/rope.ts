/**
 * Rotary frequencies as config.json asks for them: the default, and the kinds that stretch them over a longer context.
 * Where it stands: beside the families that turn queries and keys; `engine/ops/rotary` applies the frequencies.
 */
import type { z } from 'zod';
import { lazySchema, prettifyError } from '../../schema';
import { rotaryFrequencies } from '../../engine';
import { TunebookError } from '../../types';

const positive = lazySchema((z) => z.number().positive());

/** `rope_parameters`, or `rope_scaling` as files before transformers 5 have it; `type` is older than `rope_type`. */
export const ropeSchema = lazySchema((z) =>
  z.looseObject({
    rope_type: z.string().optional(),
    type: z.string().optional(),
    rope_theta: positive().optional(),
    partial_rotary_factor: z.literal(1).optional(),
  }),
);

const linearSchema = lazySchema((z) => z.looseObject({ factor: positive() }));
const llama3Schema = lazySchema((z) =>
  z.looseObject({
    factor: positive(),
    low_freq_factor: positive(),
    high_freq_factor: positive(),
    original_max_position_embeddings: positive(),
  }),
);

/** Where the fields stand in config.json. */
export interface RopeConfig {
  readonly rope_parameters?: z.infer<ReturnType<typeof ropeSchema>> | null;
  readonly rope_scaling?: z.infer<ReturnType<typeof ropeSchema>> | null;
  readonly rope_theta?: number | null;
}

const DEFAULT_THETA = 10000;
const KINDS = ['default', 'linear', 'llama3'];

/** The base of the frequencies, how they are stretched, and the numbers of that. */
export function ropeSettings(config: RopeConfig): {
  readonly theta: number;
  readonly kind: string;
  readonly numbers: Readonly<Record<string, unknown>>;
} {
  // The older field counts first, as in transformers, which reads it into the newer one.
  const rope = config.rope_scaling ?? config.rope_parameters ?? {};
  const theta = rope.rope_theta ?? config.rope_parameters?.rope_theta ?? config.rope_theta ?? DEFAULT_THETA;
  return { theta, kind: rope.rope_type ?? rope.type ?? 'default', numbers: { ...rope } };
}

/**
 * Frequencies of each pair, [D / 2].
 * @throws TunebookError for a kind that is not known, or one whose numbers are missing
 */
export function ropeFrequencies(config: RopeConfig, headSize: number): Float32Array {
  const { theta, kind, numbers } = ropeSettings(config);
  const frequencies = rotaryFrequencies({ theta, headSize });
  if (kind === 'default') return frequencies;
  if (kind === 'linear') {
    const { factor } = numbersOf(linearSchema(), numbers, kind);
    return frequencies.map((frequency) => frequency / factor);
  }
  if (kind === 'llama3') return stretched(frequencies, numbersOf(llama3Schema(), numbers, kind));
  throw new TunebookError(
    `config.json: expected rope_type ${KINDS.join(', ')}, got '${kind}', which turns positions otherwise. ` +
      'Choose a model without it.',
  );
}

function numbersOf<T>(schema: z.ZodType<T>, rope: object, kind: string): T {
  const parsed = schema.safeParse(rope);
  if (parsed.success) return parsed.data;
  throw new TunebookError(`config.json: rope of the kind '${kind}': ${prettifyError(parsed.error)}`);
}

/** Llama 3.1: slow turns are slowed down by the factor, fast ones stay, those between go over smoothly. */
function stretched(frequencies: Float32Array, rope: z.infer<ReturnType<typeof llama3Schema>>): Float32Array {
  const { factor, low_freq_factor: low, high_freq_factor: high } = rope;
  const context = rope.original_max_position_embeddings;
  return frequencies.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength > context / low) return frequency / factor;
    if (wavelength < context / high) return frequency;
    const share = (context / wavelength - low) / (high - low);
    return (1 - share) * (frequency / factor) + share * frequency;
  });
}
