/**
 * Rotary frequencies of every kind that config.json can ask for, in both spellings: `rope_parameters` (transformers 5)
 * and `rope_theta` with `rope_scaling` (before). `engine/ops/rotary` applies them. Formulas: transformers'
 * modeling_rope_utils.py, whose papers are named at each kind.
 */
import type { z } from 'zod';
import { rotaryFrequencies } from '../../../engine';
import type { Rotation } from '../../../engine';
import { lazySchema, prettifyError } from '../../../schema';
import { TunebookError } from '../../../types';

/** What config.json says of one kind of rotary positions. */
export const ropeSchema = lazySchema((z) =>
  z.looseObject({
    rope_type: z.string().optional(),
    /** Older than `rope_type`. */
    type: z.string().optional(),
    rope_theta: z.number().positive().nullish(),
    partial_rotary_factor: z.number().positive().max(1).nullish(),
    original_max_position_embeddings: z.number().positive().nullish(),
  }),
);

/** One kind of rotary positions, as config.json has it. */
export type RopeFields = z.infer<ReturnType<typeof ropeSchema>>;

/** What the frequencies depend on besides. */
export interface RopeSizes {
  /** Numbers of a head that turn. */
  readonly size: number;
  readonly theta: number;
  /** `max_position_embeddings` */
  readonly maxPositions: number;
  /** `original_max_position_embeddings` beside the fields, which counts before one among them. */
  readonly originalPositions?: number;
}

/** Rotary positions of a model. */
export interface Rope {
  /** 'default', 'linear', 'dynamic', 'llama3', 'yarn' or 'longrope'. */
  readonly kind: string;
  readonly theta: number;
  /** What stretches the frequencies, where the kind has it. */
  readonly factor?: number;
  /** Longest context, in tokens. */
  readonly maxPositions: number;
  /** How the tokens of a context of this length turn. */
  rotation(length: number): Rotation;
  /** Number of the frequencies that a context of this length has: where it changes, cached keys are of another. */
  tablesOf(length: number): number;
}

type Frequencies = Pick<Rope, 'rotation'> & Partial<Rope>;

/** @throws TunebookError for a kind that is not known, or one whose numbers are missing */
export function ropeOf(fields: RopeFields, sizes: RopeSizes): Rope {
  const { theta, maxPositions, size } = sizes;
  const named = fields.rope_type ?? fields.type ?? 'default';
  // Phi-3's first files have 'su'.
  const kind = named === 'su' ? 'longrope' : named;
  const build = Object.hasOwn(KINDS, kind) ? KINDS[kind] : undefined;
  if (build === undefined) {
    throw new TunebookError(
      `config.json: expected rope_type ${Object.keys(KINDS).join(', ')}, got '${kind}', which turns positions ` +
        'otherwise. Choose a model without it.',
    );
  }
  const plain = rotaryFrequencies({ theta, headSize: size });
  return { kind, theta, maxPositions, tablesOf: () => 0, ...build({ fields, sizes, plain }) };
}

interface Setting {
  readonly fields: RopeFields;
  readonly sizes: RopeSizes;
  /** Frequencies of the default kind, [size / 2]. */
  readonly plain: Float32Array;
}

const KINDS: Readonly<Record<string, (setting: Setting) => Frequencies>> = {
  default: ({ plain }) => always(plain),
  linear: (setting) => {
    const { factor } = numbersOf(linearSchema(), setting);
    return { factor, ...always(setting.plain.map((frequency) => frequency / factor)) };
  },
  dynamic,
  llama3,
  yarn,
  longrope,
};

const linearSchema = lazySchema((z) => z.looseObject({ factor: z.number().positive() }));
const llama3Schema = lazySchema((z) =>
  z.looseObject({
    factor: z.number().positive(),
    low_freq_factor: z.number().positive(),
    high_freq_factor: z.number().positive(),
  }),
);
const yarnSchema = lazySchema((z) =>
  z.looseObject({
    factor: z.number().positive().nullish(),
    attention_factor: z.number().positive().nullish(),
    beta_fast: z.number().positive().nullish(),
    beta_slow: z.number().positive().nullish(),
    mscale: z.number().nullish(),
    mscale_all_dim: z.number().nullish(),
    truncate: z.boolean().default(true),
  }),
);
const longropeSchema = lazySchema((z) =>
  z.looseObject({
    short_factor: z.array(z.number().positive()),
    long_factor: z.array(z.number().positive()),
    factor: z.number().positive().nullish(),
    attention_factor: z.number().positive().nullish(),
  }),
);

function numbersOf<T>(schema: z.ZodType<T>, { fields }: Setting): T {
  const parsed = schema.safeParse(fields);
  if (parsed.success) return parsed.data;
  const kind = fields.rope_type ?? fields.type;
  throw new TunebookError(`config.json: rope of the kind '${kind}': ${prettifyError(parsed.error)}`);
}

function always(frequencies: Float32Array, scale = 1): Frequencies {
  const rotation = { frequencies, scale };
  return { rotation: () => rotation };
}

/** The context before it was stretched, in tokens. */
function originalOf({ sizes, fields }: Setting): number {
  return sizes.originalPositions ?? fields.original_max_position_embeddings ?? sizes.maxPositions;
}

/** The base grows with the context, past the one that the model was trained on (NTK-aware; /u/bloc97, /u/emozilla). */
function dynamic(setting: Setting): Frequencies {
  const { factor } = numbersOf(linearSchema(), setting);
  const { size, theta, maxPositions } = setting.sizes;
  return {
    factor,
    maxPositions: Math.floor(maxPositions * factor),
    tablesOf: (length) => Math.max(0, length - maxPositions),
    rotation: (length) => {
      const growth = (factor * Math.max(length, maxPositions)) / maxPositions - (factor - 1);
      const base = theta * growth ** (size / (size - 2));
      return { frequencies: rotaryFrequencies({ theta: base, headSize: size }), scale: 1 };
    },
  };
}

/** Llama 3.1: slow turns are slowed down by the factor, fast ones stay, those between go over smoothly. */
function llama3(setting: Setting): Frequencies {
  const { factor, low_freq_factor: low, high_freq_factor: high } = numbersOf(llama3Schema(), setting);
  const context = originalOf(setting);
  const stretched = setting.plain.map((frequency) => {
    const wavelength = (2 * Math.PI) / frequency;
    if (wavelength > context / low) return frequency / factor;
    if (wavelength < context / high) return frequency;
    const share = (context / wavelength - low) / (high - low);
    return (1 - share) * (frequency / factor) + share * frequency;
  });
  return { factor, ...always(stretched) };
}

/** YaRN (Peng et al. 2023, arXiv:2309.00071). */
function yarn(setting: Setting): Frequencies {
  const own = numbersOf(yarnSchema(), setting);
  const { size, theta, maxPositions } = setting.sizes;
  const context = originalOf(setting);
  const factor = own.factor ?? maxPositions / context;
  // The pair that makes so many turns within the original context.
  const pairOf = (turns: number): number =>
    (size * Math.log(context / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [fast, slow] = [pairOf(own.beta_fast ?? 32), pairOf(own.beta_slow ?? 1)];
  const from = Math.max(own.truncate ? Math.floor(fast) : fast, 0);
  const to = Math.min(own.truncate ? Math.ceil(slow) : slow, size - 1);
  const width = to === from ? 0.001 : to - from;
  const stretched = setting.plain.map((frequency, pair) => {
    const share = Math.min(1, Math.max(0, (pair - from) / width));
    return (frequency / factor) * share + frequency * (1 - share);
  });
  const grown = (by: number): number => (factor <= 1 ? 1 : 0.1 * by * Math.log(factor) + 1);
  const { mscale, mscale_all_dim: all } = own;
  const scale = own.attention_factor ?? (mscale && all ? grown(mscale) / grown(all) : grown(1));
  return { factor, ...always(stretched, scale) };
}

/** LongRoPE (Ding et al. 2024, arXiv:2402.13753): factors of each pair, others past the original context. */
function longrope(setting: Setting): Frequencies {
  const own = numbersOf(longropeSchema(), setting);
  const { plain } = setting;
  const context = originalOf(setting);
  const factor = own.factor ?? setting.sizes.maxPositions / context;
  const scale =
    own.attention_factor ?? (factor <= 1 ? 1 : Math.sqrt(1 + Math.log(factor) / Math.log(context)));
  const rotationBy = (factors: readonly number[], name: string): Rotation => {
    if (factors.length === plain.length)
      return { frequencies: plain.map((frequency, pair) => frequency / factors[pair]), scale };
    throw new TunebookError(
      `config.json: rope of the kind 'longrope': expected ${name} of ${plain.length} numbers, half of what turns of a ` +
        `head, got ${factors.length}. Download the model again.`,
    );
  };
  const short = rotationBy(own.short_factor, 'short_factor');
  const long = rotationBy(own.long_factor, 'long_factor');
  return {
    factor,
    tablesOf: (length) => (length > context ? 1 : 0),
    rotation: (length) => (length > context ? long : short),
  };
}
