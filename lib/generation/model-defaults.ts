/**
 * What a model's generation_config.json says of its generation, in the names of `GenerateOptions`.
 * Where it stands: under `options.ts`; what a call says counts before it, as in transformers.
 */
import { lazySchema, prettifyError } from '../schema';
import { TunebookError } from '../types';

/** Defaults that came with a model. Lengths count prompt and answer together, as in transformers. */
export interface ModelDefaults {
  readonly maxNewTokens?: number;
  readonly maxLength?: number;
  readonly minNewTokens?: number;
  readonly minLength?: number;
  readonly doSample?: boolean;
  readonly temperature?: number;
  readonly topK?: number;
  readonly topP?: number;
  readonly repetitionPenalty?: number;
  readonly padTokenId?: number;
  readonly stopStrings?: string | readonly string[];
}

const id = lazySchema((z) => z.int().min(0));
const ids = lazySchema((z) => z.union([id(), z.array(id())]));
const whole = lazySchema((z) => z.int().min(0));
const schema = lazySchema((z) =>
  z.object({
    max_new_tokens: whole().nullish(),
    max_length: whole().nullish(),
    min_new_tokens: whole().nullish(),
    min_length: whole().nullish(),
    do_sample: z.boolean().nullish(),
    temperature: z.number().nullish(),
    top_k: whole().nullish(),
    top_p: z.number().positive().max(1).nullish(),
    repetition_penalty: z.number().positive().nullish(),
    eos_token_id: ids().nullish(),
    pad_token_id: z.int().nullish(),
    stop_strings: z.union([z.string().min(1), z.array(z.string().min(1))]).nullish(),
  }),
);

/** Settings that change the text and are not here: the values that leave it as it is. */
const NEUTRAL: Readonly<Record<string, readonly unknown[]>> = {
  bad_words_ids: [],
  begin_suppress_tokens: [],
  diversity_penalty: [0],
  dola_layers: [],
  encoder_no_repeat_ngram_size: [0],
  encoder_repetition_penalty: [1],
  epsilon_cutoff: [0],
  eta_cutoff: [0],
  exponential_decay_length_penalty: [],
  forced_bos_token_id: [],
  forced_decoder_ids: [],
  forced_eos_token_id: [],
  force_words_ids: [],
  guidance_scale: [1],
  min_p: [0],
  no_repeat_ngram_size: [0],
  num_beam_groups: [1],
  num_beams: [1],
  num_return_sequences: [1],
  penalty_alpha: [0],
  sequence_bias: [],
  suppress_tokens: [],
  top_h: [],
  typical_p: [1],
  watermarking_config: [],
};

const HOW =
  'Pass useModelDefaults: false to generate without generation_config.json (its end-of-sequence tokens still count).';

/**
 * The settings of generation_config.json, as options of `generate`.
 * @param config content of generation_config.json; undefined where the model has none
 * @throws TunebookError for a value of the wrong kind, and for a setting that changes the text and is not supported
 */
export function modelDefaults(config: Readonly<Record<string, unknown>> | undefined): ModelDefaults {
  const parsed = schema().safeParse(config ?? {});
  if (!parsed.success)
    throw new TunebookError(`generate: generation_config.json: ${prettifyError(parsed.error)}. ${HOW}`);
  const unsupported = Object.entries(NEUTRAL).filter(([name, neutral]) => {
    const value = config?.[name] ?? undefined;
    const isEmpty = Array.isArray(value) && value.length === 0;
    return value !== undefined && !isEmpty && !neutral.includes(value);
  });
  if (unsupported.length > 0) {
    const names = unsupported.map(([name]) => `${name}: ${JSON.stringify(config?.[name])}`).join(', ');
    throw new TunebookError(
      `generate: the model's generation_config.json asks for ${names}, which is not supported and would change the text. ${HOW}`,
    );
  }
  const file = parsed.data;
  // As transformers takes it, a temperature of 0 or less is no sampling at all only where none is asked for.
  if (file.do_sample === true && file.temperature !== null && (file.temperature ?? 1) <= 0)
    throw new TunebookError(
      `generate: generation_config.json: expected a temperature over 0 where it samples, got ${file.temperature}. ${HOW}`,
    );
  return {
    maxNewTokens: file.max_new_tokens ?? undefined,
    maxLength: file.max_length ?? undefined,
    minNewTokens: file.min_new_tokens ?? undefined,
    minLength: file.min_length ?? undefined,
    doSample: file.do_sample ?? undefined,
    temperature: (file.temperature ?? 1) > 0 ? (file.temperature ?? undefined) : undefined,
    topK: file.top_k ?? undefined,
    topP: file.top_p ?? undefined,
    repetitionPenalty: file.repetition_penalty ?? undefined,
    padTokenId: (file.pad_token_id ?? -1) >= 0 ? (file.pad_token_id ?? undefined) : undefined,
    stopStrings: file.stop_strings ?? undefined,
  };
}

/** `eos_token_id` of config.json or generation_config.json, as a list. */
export function eosTokenIds(config: Readonly<Record<string, unknown>> | undefined): number[] {
  const parsed = ids().safeParse(config?.eos_token_id);
  return parsed.success ? [parsed.data].flat() : [];
}
