/**
 * LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors.
 */
import path from 'node:path';
import { lazySchema } from '../schema';
import { TunebookError } from '../types';
import { readJson, writeFileAtomic } from '../files';
import { matchStateDict, openCheckpoint, writeCheckpoint } from '../checkpoint';
import { LoraAdapter, LoraConfig } from '../models';
import type { Architecture, HasRuntime, ModelWeights } from '../models';

const empty = lazySchema((z) => z.record(z.string(), z.never()).nullish());
const fileSchema = lazySchema((z) =>
  z.looseObject({
    peft_type: z.literal('LORA'),
    r: z.int().positive(),
    lora_alpha: z.number().positive(),
    lora_dropout: z.number().default(0),
    target_modules: z.union([z.string(), z.array(z.string()).nonempty()]),
    layers_to_transform: z.union([z.int(), z.array(z.int())]).nullish(),
    modules_to_save: z.array(z.string()).nullish(),
    bias: z.enum(['none', 'all', 'lora_only']).default('none'),
    use_dora: z.boolean().default(false),
    use_rslora: z.boolean().default(false),
    // Variants that compute something else: to pass over them would give wrong answers.
    rank_pattern: empty(),
    alpha_pattern: empty(),
    target_parameters: z.array(z.never()).nullish(),
    exclude_modules: z.null().optional(),
    lora_bias: z.literal(false).optional(),
    use_qalora: z.literal(false).optional(),
    use_bdlora: z.union([z.null(), z.literal(false)]).optional(),
    layer_replication: z.null().optional(),
    trainable_token_indices: z.null().optional(),
    alora_invocation_tokens: z.null().optional(),
  }),
);

/** Writes the model's adapter in use, which PEFT loads. @throws TunebookError where the model has none. */
export async function saveAdapter(model: HasRuntime, folder: string, baseModel = ''): Promise<string[]> {
  const { engine, weights } = model.runtime;
  const { adapter } = weights;
  if (adapter === undefined)
    throw new TunebookError('saveAdapter: expected a model with a LoRA adapter in use, got none on it.');
  await engine.device?.flush();
  const sources = [...adapter.parameters.byName.values()].map(({ name, shape, data }) => ({
    name: adapter.storedName(name),
    shape,
    values: data,
  }));
  const { files } = await writeCheckpoint(folder, sources, { baseName: 'adapter_model' });
  const text = JSON.stringify(configFile(weights.architecture, adapter, baseModel), null, 2);
  await writeFileAtomic(path.join(folder, 'adapter_config.json'), `${text}\n`);
  return ['adapter_config.json', ...files];
}

function configFile(
  architecture: Architecture,
  adapter: LoraAdapter,
  baseModel: string,
): Record<string, unknown> {
  const { config } = adapter;
  const modules = Array.from({ length: architecture.layers }, (_, layer) => adapter.modulesOf(layer)).flat();
  const names = [...new Set(modules.map((module) => module.name))];
  return {
    base_model_name_or_path: baseModel,
    bias: config.bias,
    fan_in_fan_out: modules.every((module) => module.conv1d),
    inference_mode: true,
    init_lora_weights: true,
    layers_to_transform: config.layersToTransform ?? null,
    lora_alpha: config.loraAlpha,
    lora_dropout: config.loraDropout,
    modules_to_save: config.modulesToSave.length > 0 ? config.modulesToSave : null,
    peft_type: 'LORA',
    r: config.r,
    target_modules: typeof config.targetModules === 'string' ? config.targetModules : names,
    task_type: 'CAUSAL_LM',
    use_dora: config.useDora,
    use_rslora: config.useRslora,
  };
}

/**
 * Puts a saved adapter on the model, in use at once.
 * @throws TunebookError where the adapter was made for another model; every wrong tensor is listed
 * @example
 * ```ts
 * import { AutoModelForCausalLM, getPeftModel, loadAdapter, LoraConfig, saveAdapter } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * await saveAdapter(getPeftModel(model, new LoraConfig({ r: 8 })), 'adapter', 'gpt2-mini');
 * await loadAdapter(model, 'adapter', 'again');
 * console.log(model.activeAdapter); // again
 * await model.dispose();
 * ```
 */
export async function loadAdapter<Model extends HasRuntime>(
  model: Model,
  folder: string,
  adapterName = 'default',
): Promise<Model> {
  const { weights } = model.runtime;
  const config = await readConfig(path.join(folder, 'adapter_config.json'));
  const adapter = adapterFor(weights, config, folder);
  const checkpoint = await openCheckpoint(folder, { baseName: 'adapter_model' });
  try {
    const names = new Map<string, string>();
    for (const stored of checkpoint.names) {
      // PEFT before 0.15 saved the biases of adapted modules without this part.
      names.set(stored.replace('.base_layer.bias', '.bias'), stored);
    }
    const plain = (own: string): string => adapter.storedName(own).replace('.base_layer.bias', '.bias');
    const parameters = [...adapter.parameters.byName.values()];
    matchStateDict(
      new Map(parameters.map(({ name, shape }) => [plain(name), shape])),
      new Map([...names].map(([name, stored]) => [name, checkpoint.info(stored).shape])),
      { where: `${folder} (adapter of ${weights.architecture.modelType})` },
    );
    for (const { name, data } of parameters) {
      await checkpoint.readInto(names.get(plain(name)) ?? plain(name), data);
    }
  } finally {
    await checkpoint.close();
  }
  weights.adapters.add(adapterName, adapter);
  return model;
}

function adapterFor(weights: ModelWeights, config: LoraConfig, folder: string): LoraAdapter {
  try {
    return new LoraAdapter(config, weights.architecture, weights);
  } catch (cause) {
    if (!(cause instanceof TunebookError)) throw cause;
    throw new TunebookError(`${folder}: the adapter was made for another base model. ${cause.message}`, {
      cause,
    });
  }
}

async function readConfig(file: string): Promise<LoraConfig> {
  const c = await readJson(file, {
    schema: fileSchema(),
    expected: 'a LoRA adapter of a kind that tunebook computes',
    remedy: 'Save the adapter again, with PEFT or tunebook.',
  });
  return new LoraConfig({
    r: c.r,
    loraAlpha: c.lora_alpha,
    loraDropout: c.lora_dropout,
    targetModules: c.target_modules,
    ...(c.layers_to_transform === null ? {} : { layersToTransform: c.layers_to_transform }),
    bias: c.bias,
    modulesToSave: c.modules_to_save ?? [],
    useRslora: c.use_rslora,
    useDora: c.use_dora,
  });
}
