/**
 * adapter_config.json as PEFT writes it. A key that changes what an adapter computes is read or refused; only keys
 * known to be harmless are ignored.
 */
import path from 'node:path';
import type { ZodType } from 'zod';
import { lazySchema, prettifyError } from '../../schema';
import { TunebookError } from '../../types';
import { isFile, readJson, unreadFields } from '../../files';
import { LoraConfig } from '../../models';
import type { Architecture, LoraAdapter } from '../../models';

const readSchema = lazySchema((z) => {
  const pattern = (value: ZodType<number>): ZodType<Record<string, number>> =>
    z
      .record(z.string(), value)
      .nullish()
      .transform((given) => given ?? {});
  const names = z.union([z.string(), z.array(z.string())]);
  const indices = z.array(z.int().min(0));
  return z.object({
    peft_type: z.literal('LORA'),
    r: z.int().positive().default(8),
    lora_alpha: z.number().positive().default(8),
    lora_dropout: z.number().default(0),
    target_modules: names.nullish(),
    exclude_modules: names.nullish(),
    layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
    layers_pattern: names.nullish(),
    modules_to_save: z.array(z.string()).nullish(),
    bias: z.enum(['none', 'all', 'lora_only']).default('none'),
    use_dora: z.boolean().default(false),
    use_rslora: z.boolean().default(false),
    rank_pattern: pattern(z.int().positive()),
    alpha_pattern: pattern(z.number().positive()),
    lora_bias: z.boolean().default(false),
    trainable_token_indices: z.union([indices, z.record(z.string(), indices)]).nullish(),
    ensure_weight_tying: z.boolean().nullish(),
    init_lora_weights: z.union([z.boolean(), z.string()]).nullish(),
  });
});
const objectSchema = lazySchema((z) => z.looseObject({}));

/** Keys about an adapter's origin, initialisation or execution in PEFT: they change no result. */
const HARMLESS = new Set([
  'auto_mapping',
  'base_model_name_or_path',
  'corda_config',
  'eva_config',
  'fan_in_fan_out',
  'inference_mode',
  'loftq_config',
  'lora_ga_config',
  'megatron_config',
  'megatron_core',
  'peft_version',
  'qalora_group_size',
  'revision',
  'runtime_config',
  'task_type',
]);

/** Initialisations that leave the base's weights unchanged. */
const PLAIN_FILLS: readonly unknown[] = [undefined, null, true, false, 'gaussian', 'orthogonal', 'eva'];

/** An adapter's configuration, with the parts that depend on the base. */
export interface AdapterConfig {
  readonly lora: LoraConfig;
  /** Modules over layers that `layers_to_transform` counts, such as 'layers'; empty: any. */
  readonly layersPattern: readonly string[];
  /** A tied head and embedding are adapted as one. */
  readonly ensureWeightTying: boolean;
}

/** Name of an adapter's configuration, as PEFT has it. */
export const ADAPTER_CONFIG = 'adapter_config.json';

/** Whether a folder holds an adapter, as `saveAdapter` and PEFT write it, and not a whole model. */
export async function isAdapterFolder(folder: string): Promise<boolean> {
  return (
    (await isFile(path.join(folder, ADAPTER_CONFIG))) && !(await isFile(path.join(folder, 'config.json')))
  );
}

/**
 * Reads and checks a folder's adapter_config.json.
 * @throws TunebookError that names the file, and the key or variant that is not supported
 */
export async function readAdapterConfig(folder: string): Promise<AdapterConfig> {
  const file = path.join(folder, ADAPTER_CONFIG);
  const written = await readJson(file, {
    schema: objectSchema(),
    expected: 'a LoRA adapter of a kind that tunebook computes',
    remedy: 'Save the adapter again, with PEFT or tunebook.',
  });
  const parsed = readSchema().safeParse(written);
  if (!parsed.success) {
    throw new TunebookError(
      `${file}: expected a LoRA adapter of a kind that tunebook computes. ${prettifyError(parsed.error)}`,
    );
  }
  const c = parsed.data;
  requirePlainFill(file, c.init_lora_weights);
  const unknown = unreadFields(written, (key) => key in readSchema().shape || HARMLESS.has(key));
  if (unknown.length > 0) {
    const list = unknown.map(([key, value]) => `${key}: ${JSON.stringify(value)}`).join(', ');
    throw new TunebookError(
      `${file}: expected a LoRA adapter of a kind that tunebook computes, got ${list}. ` +
        'Passed over it would give other numbers than PEFT: train the adapter without, or merge it with PEFT.',
    );
  }
  const listOf = (names: string | string[] | null | undefined): string[] =>
    typeof names === 'string' ? [names] : (names ?? []);
  const layers = typeof c.layers_to_transform === 'number' ? [c.layers_to_transform] : c.layers_to_transform;
  const indices = c.trainable_token_indices ?? undefined;
  const lora = new LoraConfig({
    r: c.r,
    loraAlpha: c.lora_alpha,
    loraDropout: c.lora_dropout,
    ...(c.target_modules ? { targetModules: c.target_modules } : {}),
    ...(layers && layers.length > 0 ? { layersToTransform: layers } : {}),
    ...(indices === undefined || Object.keys(indices).length === 0 ? {} : { trainableTokenIndices: indices }),
    ...(c.exclude_modules ? { excludeModules: c.exclude_modules } : {}),
    bias: c.bias,
    modulesToSave: c.modules_to_save ?? [],
    useRslora: c.use_rslora,
    useDora: c.use_dora,
    rankPattern: c.rank_pattern,
    alphaPattern: c.alpha_pattern,
    loraBias: c.lora_bias,
  });
  const layersPattern = listOf(c.layers_pattern).filter((name) => name !== '');
  return { lora, layersPattern, ensureWeightTying: c.ensure_weight_tying === true };
}

/**
 * Other initialisations subtract the adapter's start from the base, or quantize it: its weights are not those named.
 */
function requirePlainFill(file: string, fill: string | boolean | null | undefined): void {
  if (PLAIN_FILLS.includes(typeof fill === 'string' ? fill.toLowerCase() : fill)) return;
  throw new TunebookError(
    `${file}: expected init_lora_weights that leaves the base as it is, got '${fill}', which changes its weights ` +
      'before training. Convert the adapter with PEFT: ' +
      'model.save_pretrained(folder, path_initial_model_for_weight_conversion=FOLDER_OF_THE_ADAPTER_BEFORE_TRAINING).',
  );
}

/** The content of adapter_config.json. */
export function adapterConfigFile(
  { modules, loraTargets }: Architecture,
  { config, head }: LoraAdapter,
  baseModel: string,
): Record<string, unknown> {
  const orNull = <T extends { readonly length: number }>(list: T): T | null =>
    list.length > 0 ? list : null;
  return {
    alpha_pattern: config.alphaPattern,
    base_model_name_or_path: baseModel,
    bias: config.bias,
    exclude_modules: orNull(config.excludeModules),
    fan_in_fan_out: head === undefined && modules.every((module) => module.conv1d),
    inference_mode: true,
    init_lora_weights: true,
    layers_to_transform: config.layersToTransform ?? null,
    lora_alpha: config.loraAlpha,
    lora_bias: config.loraBias,
    lora_dropout: config.loraDropout,
    modules_to_save: orNull(config.modulesToSave),
    peft_type: 'LORA',
    r: config.r,
    rank_pattern: config.rankPattern,
    target_modules: config.targetModules ?? loraTargets,
    task_type: 'CAUSAL_LM',
    trainable_token_indices: config.trainableTokenIndices ?? null,
    use_dora: config.useDora,
    use_rslora: config.useRslora,
  };
}
