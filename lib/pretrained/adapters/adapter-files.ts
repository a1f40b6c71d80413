/**
 * LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors.
 */
import path from 'node:path';
import { requireOptions } from '../../options';
import type { PromptOptions } from '../../prompts';
import { TunebookError } from '../../types';
import { writeFileAtomic } from '../../files';
import { matchStateDict, openCheckpoint, writeCheckpoint } from '../../checkpoint';
import type { Checkpoint } from '../../checkpoint';
import { isTied, knownTargets, LoraAdapter, LoraConfig, moduleList } from '../../models';
import type { HasRuntime, ModelWeights } from '../../models';
import { ADAPTER_CONFIG, adapterConfigFile, readAdapterConfig } from './adapter-config';
import type { AdapterConfig } from './adapter-config';
import { otherBaseError, saveBaseFile } from './base-file';
import { saveCard } from '../companions/card-file';
import { noteAdapterFolder, originOf, saveCompanions, usePrompt } from '../companions/companions';
import type { CardFacts } from '../companions/model-card';
import { baseTableSources, findBaseTables, loadBaseTables, resizeToAdapter } from './adapter-tables';

/** What is saved with an adapter. */
export interface SaveAdapterOptions {
  /** Name of the base, for those who load the adapter; default: what the model was loaded by. */
  readonly baseModel?: string;
  /** Tokenizer and template of the training; default: those that the trainer was given, or the model's folder has. */
  readonly prompt?: PromptOptions;
  /** What the model card (README.md) says beside what the model knows: data, labels, metrics, licence. */
  readonly card?: CardFacts;
}

/**
 * Writes the model's active adapter in PEFT's format and, where they are known, the tokenizer, chat_template.jinja,
 * tunebook_prompt.json, generation_config.json and a model card; and of its base tunebook_base.json, so that the
 * adapter meets again the weights that it was trained on, and no others.
 * @param baseOrOptions the base's name, or all options
 * @returns names of the files written
 * @throws TunebookError where the model has no active adapter
 */
export async function saveAdapter(
  model: HasRuntime,
  folder: string,
  baseOrOptions: string | SaveAdapterOptions = {},
): Promise<string[]> {
  const options = typeof baseOrOptions === 'string' ? { baseModel: baseOrOptions } : baseOrOptions;
  requireOptions<SaveAdapterOptions>(options, {
    where: 'saveAdapter',
    names: { baseModel: true, prompt: true, card: true },
  });
  const { baseModel = originOf(model).name ?? '', prompt, card } = options;
  if (prompt !== undefined) usePrompt(model, prompt);
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
  const tables = weights.isResized ? baseTableSources(weights, adapter) : [];
  const { files } = await writeCheckpoint(folder, [...sources, ...tables], { baseName: 'adapter_model' });
  const text = JSON.stringify(adapterConfigFile(weights.architecture, adapter, baseModel), null, 2);
  await writeFileAtomic(path.join(folder, ADAPTER_CONFIG), `${text}\n`);
  const baseFile = await saveBaseFile(folder, weights);
  const companions = await saveCompanions(model, folder);
  const base = baseModel === '' ? undefined : baseModel;
  return [
    ...[ADAPTER_CONFIG, ...files, ...baseFile, ...companions],
    ...(await saveCard(model, folder, { kind: 'adapter', facts: card, base })),
  ];
}

/**
 * Loads a saved adapter onto the model and activates it.
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
  const config = await readAdapterConfig(folder);
  const checkpoint = await openCheckpoint(folder, { baseName: 'adapter_model' });
  try {
    const { architecture } = weights;
    const { modulesToSave } = config.lora;
    const tables = findBaseTables(architecture, checkpoint.names, (table) =>
      modulesToSave.some((name) => table.endsWith(name)),
    );
    const knownRows = architecture.vocabSize;
    requireThisBase(weights, config, folder);
    await model.runtime.engine.device?.flush();
    const otherBase = await otherBaseError(folder, weights);
    if (otherBase === undefined) await resizeToAdapter(weights, checkpoint, tables);
    const adapter = adapterFor(weights, config, folder);
    await readAdapter(adapter, checkpoint, {
      passedOver: tables.passedOver,
      where: `${folder} (adapter of ${architecture.modelType})`,
    });
    // Modules and sizes that differ have said more by now.
    if (otherBase !== undefined) throw otherBase;
    await loadBaseTables(weights, checkpoint, { tables, knownRows });
    weights.adapters.add(adapterName, adapter);
    await noteAdapterFolder(model, folder);
  } finally {
    await checkpoint.close();
  }
  return model;
}

async function readAdapter(
  adapter: LoraAdapter,
  checkpoint: Checkpoint,
  { passedOver, where }: { passedOver: ReadonlySet<string>; where: string },
): Promise<void> {
  // PEFT before 0.15 saved biases of adapted modules without this part of the name.
  const plain = (name: string): string => name.replace('.base_layer.bias', '.bias');
  const stored = new Map(
    checkpoint.names.filter((name) => !passedOver.has(name)).map((name) => [plain(name), name]),
  );
  const parameters = [...adapter.parameters.byName.values()].map((parameter) => ({
    ...parameter,
    plainName: plain(adapter.storedName(parameter.name)),
  }));
  matchStateDict(
    new Map(parameters.map(({ plainName, shape }) => [plainName, shape])),
    new Map([...stored].map(([name, file]) => [name, checkpoint.info(file).shape])),
    { where },
  );
  for (const { plainName, data } of parameters)
    await checkpoint.readInto(stored.get(plainName) ?? plainName, data);
}

/** @throws TunebookError where no module that the adapter names is in the model */
function requireThisBase({ architecture }: ModelWeights, { lora }: AdapterConfig, folder: string): void {
  const { targetModules } = lora;
  if (typeof targetModules !== 'object' || knownTargets(lora, architecture)?.length !== 0) return;
  throw new TunebookError(
    `${folder}: the adapter was made for another base model. It adapts ${targetModules.join(', ')}; expected ` +
      `${moduleList(architecture)}.`,
  );
}

function adapterFor(weights: ModelWeights, config: AdapterConfig, folder: string): LoraAdapter {
  const { architecture } = weights;
  const { lora, layersPattern, ensureWeightTying } = config;
  const [, list] = /([^.]*)\.\d+\.$/.exec(architecture.layerPrefix(0)) ?? [];
  if (lora.layersToTransform !== undefined && layersPattern.some((name) => name !== list)) {
    throw new TunebookError(
      `${folder}: expected layers_pattern '${list}' for a model of type ${architecture.modelType}, got ` +
        `${layersPattern.join(', ')}.`,
    );
  }
  try {
    // As in PEFT, names that the model lacks are ignored if others are found.
    const targetModules = knownTargets(lora, architecture);
    const adapter = new LoraAdapter(new LoraConfig({ ...lora, targetModules }), architecture, weights);
    const tables = ['lm_head.weight', architecture.tokenEmbedding];
    const isTable =
      (adapter.head ?? adapter.embedding) !== undefined || tables.some((name) => adapter.copyOf(name));
    if (ensureWeightTying && isTied(architecture) && isTable) {
      throw new TunebookError(
        'ensure_weight_tying: adapters that change a tied head and embedding as one are not supported.',
      );
    }
    return adapter;
  } catch (cause) {
    if (!(cause instanceof TunebookError)) throw cause;
    throw new TunebookError(`${folder}: ${cause.message}`, { cause });
  }
}
