/**
 * Adapters on models, by PEFT's names: new and saved ones, several side by side, merging.
 */
import { requireOptions } from '../options';
import { kindOf, requireObject, TunebookError } from '../types';
import { loadAdapter } from './adapters/adapter-files';
import { adaptedRows, isTied, LoraAdapter, LoraConfig } from '../models';
import type { HasRuntime, ModelWeights } from '../models';

/** Options for adding an adapter to a model. */
export interface PeftModelOptions {
  /** Name of the adapter on the model; 'default' where left out. */
  adapterName?: string;
}

/**
 * Freezes the model, adds a new adapter and activates it; returns the same model object. An adapter of the same name is
 * replaced, others stay.
 * @throws TunebookError where the configuration names what the model does not have
 * @example
 * ```ts
 * import { AutoModelForCausalLM, getPeftModel, LoraConfig } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * getPeftModel(model, new LoraConfig({ r: 8, loraAlpha: 16 }));
 * model.printTrainableParameters();
 * await model.dispose();
 * ```
 */
export function getPeftModel<Model extends HasRuntime>(
  model: Model,
  config: LoraConfig,
  options: PeftModelOptions = {},
): Model {
  const where = 'getPeftModel';
  requireObject(model, { where, what: 'a model', fields: ['runtime'] });
  if (!((config as unknown) instanceof LoraConfig))
    throw new TunebookError(
      `${where}: expected a LoraConfig, got ${kindOf(config)}. Pass new LoraConfig({ r: 8 }).`,
    );
  requireOptions<PeftModelOptions>(options, { where, names: { adapterName: true } });
  const { weights } = model.runtime;
  const adapter = new LoraAdapter(config, weights.architecture, weights);
  weights.adapters.add(options.adapterName ?? 'default', adapter);
  return model;
}

/** Models with saved adapters, like PEFT's class of that name. */
export const PeftModel = {
  /**
   * Loads a saved adapter onto the model and activates it; returns the same model object.
   * @param folder written by `saveAdapter` or PEFT's `save_pretrained`
   * @throws TunebookError where the adapter was made for another model; every wrong tensor is listed
   */
  fromPretrained<Model extends HasRuntime>(
    model: Model,
    folder: string,
    options: PeftModelOptions = {},
  ): Promise<Model> {
    requireOptions<PeftModelOptions>(options, {
      where: 'PeftModel.fromPretrained',
      names: { adapterName: true },
    });
    return loadAdapter(model, folder, options.adapterName);
  },
};

/**
 * Merges the active adapter into the weights, W += scale * B A, and removes all adapters.
 * @throws TunebookError where no adapter is active, or the base is quantized
 * @example
 * ```ts
 * import { AutoModelForCausalLM, getPeftModel, LoraConfig } from 'tunebook';
 *
 * const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
 * getPeftModel(model, new LoraConfig({ r: 8 }));
 * model.mergeAndUnload();
 * await model.savePretrained('merged');
 * await model.dispose();
 * ```
 */
export function mergeAndUnload<Model extends HasRuntime>(model: Model): Model {
  const { weights } = model.runtime;
  const { adapter, architecture } = weights;
  if (adapter === undefined) {
    throw new TunebookError(
      'mergeAndUnload: expected an adapter in use on the model, got none. Load one (PeftModel.fromPretrained) or ' +
        'turn it on (setAdapter).',
    );
  }
  if (weights.isQuantized) {
    throw new TunebookError(
      'mergeAndUnload: expected weights in 16 or 32 bits, got quantized ones. Quantizing the sum again would round ' +
        "most of the adapter's small changes away. Load the base without quantizationConfig, put the adapter on it " +
        'and merge there; or keep base and adapter apart.',
    );
  }
  requireMergeable(weights, adapter);
  const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
  // Checked before the first weight changes: a partly merged model would be useless.
  weights.requireInMemory(layers.filter((layer) => adapter.modulesOf(layer).length > 0));
  for (const layer of layers) {
    for (const module of adapter.modulesOf(layer)) {
      weights.changeLinearWeight(layer, module, (weight) =>
        adapter.addTo(weight, architecture.layerPrefix(layer) + module.name, module),
      );
    }
  }
  const changed = mergedTables(weights, adapter);
  const copies = adapter.copiedNames.map((name) => adapter.get(name));
  weights.adapters.clear();
  for (const { name, data } of [...copies, ...changed]) weights.setParameter(name, data);
  return model;
}

/**
 * Refuses adapters that cannot be merged into their base.
 * @throws TunebookError where the merged weights would be no model of this family
 */
export function requireMergeable({ architecture }: ModelWeights, adapter: LoraAdapter): void {
  const { head, embedding, config, copiedNames } = adapter;
  const refuse = (what: string): never => {
    throw new TunebookError(
      `mergeAndUnload: expected an adapter whose sum with the base is a model of type ${architecture.modelType}, ` +
        `got one with ${what}. Keep base and adapter apart.`,
    );
  };
  const isApart = copiedNames.some(
    (name) => name === 'lm_head.weight' || name === architecture.tokenEmbedding,
  );
  if (isTied(architecture) && (head !== undefined || embedding !== undefined || isApart))
    refuse('an own head or token embedding, which are one table in the base');
  const names = new Set(architecture.parameters.map(({ name }) => name));
  const biased = Array.from({ length: architecture.layers }, (_, layer) =>
    adapter.modulesOf(layer).map(({ name }) => `${architecture.layerPrefix(layer)}${name}.bias`),
  ).flat();
  if (config.loraBias && (head !== undefined || biased.some((name) => !names.has(name))))
    refuse('loraBias on modules that have no bias');
}

/** Tables and biases with the adapter merged in. */
export function mergedTables(
  weights: ModelWeights,
  adapter: LoraAdapter,
): { name: string; data: Float32Array }[] {
  const { architecture } = weights;
  const { width, layers, layerPrefix } = architecture;
  const { head, headTokens, embeddingTokens } = adapter;
  const changed = new Map<string, Float32Array>();
  const change = (name: string): Float32Array => {
    const data = changed.get(name) ?? weights.parameter(name).data.slice();
    changed.set(name, data);
    return data;
  };
  if (head !== undefined) adapter.addTo(change(architecture.head), 'lm_head', head);
  if (adapter.embedding !== undefined) {
    const adapt = adaptedRows(adapter, architecture);
    const table = change(architecture.tokenEmbedding);
    for (let id = 0; id < architecture.vocabSize; id++)
      adapt?.(id, table.subarray(id * width, (id + 1) * width));
  }
  for (const [tokens, name] of [
    [embeddingTokens, architecture.tokenEmbedding],
    [headTokens, architecture.head],
  ] as const) {
    if (tokens === undefined) continue;
    const { data } = adapter.get(tokens.parameter);
    const table = change(name);
    tokens.ids.forEach((id, row) => table.set(data.subarray(row * width, (row + 1) * width), id * width));
  }
  if (!adapter.config.loraBias) return [...changed].map(([name, data]) => ({ name, data }));
  for (let layer = 0; layer < layers; layer++) {
    for (const { name, scale } of adapter.modulesOf(layer)) {
      const path = layerPrefix(layer) + name;
      const { data } = adapter.get(`${path}.lora_bias`);
      const bias = change(`${path}.bias`);
      for (const [i, value] of data.entries()) bias[i] += scale * value;
    }
  }
  return [...changed].map(([name, data]) => ({ name, data }));
}
