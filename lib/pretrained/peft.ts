/**
 * Adapters on models, by PEFT's names: putting new ones and saved ones on, several side by side, merging.
 */
import { TunebookError } from '../types';
import { loadAdapter } from './adapter-files';
import { LoraAdapter } from '../models';
import type { HasRuntime, LoraConfig } from '../models';

/** How an adapter is put on a model. */
export interface PeftModelOptions {
  /** Name of the adapter on the model; 'default' where left out. */
  adapterName?: string;
}

/**
 * Freezes the model and puts a new adapter on it, in use at once; the same model object is returned. An adapter
 * of the same name is replaced, others stay.
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
  const { weights } = model.runtime;
  const adapter = new LoraAdapter(config, weights.architecture, weights);
  weights.adapters.add(options.adapterName ?? 'default', adapter);
  return model;
}

/** Models with saved adapters, as PEFT's class of that name. */
export const PeftModel = {
  /**
   * Puts a saved adapter on the model, in use at once; the same model object is returned.
   * @param folder what `saveAdapter` or PEFT's `save_pretrained` wrote
   * @throws TunebookError where the adapter was made for another model; every wrong tensor is listed
   */
  fromPretrained<Model extends HasRuntime>(
    model: Model,
    folder: string,
    options: PeftModelOptions = {},
  ): Promise<Model> {
    return loadAdapter(model, folder, options.adapterName);
  },
};

/**
 * Adds the adapter in use to the weights for good and takes all adapters off: W += scale * B A.
 * @throws TunebookError where there is no adapter in use, or the base is quantized
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
  const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
  // Asked before the first weight changes: a model merged in part would be worth nothing.
  weights.requireInMemory(layers.filter((layer) => adapter.modulesOf(layer).length > 0));
  for (const layer of layers) {
    for (const module of adapter.modulesOf(layer)) {
      weights.changeLinearWeight(layer, module, (weight) => adapter.addTo(weight, layer, module));
    }
  }
  const copies = adapter.copiedNames.map((name) => adapter.get(name));
  weights.adapters.clear();
  for (const { name, data } of copies) weights.setParameter(name, data);
  return model;
}
