/**
 * Models from Hugging Face checkpoints and from configurations.
 */
import path from 'node:path';
import { openCheckpoint } from '../checkpoint';
import { createEngine } from '../engine';
import type { EngineOptions } from '../engine';
import { tunebookEnvironment } from '../environment';
import { readJsonObjectIfPresent } from '../files';
import type { HubOptions } from '../hub';
import { allocateParameters, architectureOf, loadWeights } from '../models';
import { fillNormal } from '../random';
import type { PlacementOptions } from '../models';
import type { QuantizationConfig } from '../quantization';
import { requireOptions } from '../options';
import { TunebookError } from '../types';
import { CausalLM } from './causal-lm';
import { noteOrigin } from './companions/companions';
import { quantizationOf, untiedWhereHeadDiffers, usableModel } from './open-pretrained';

/** How a model is loaded: engine, types, and placement of its weights. */
export interface FromPretrainedOptions extends HubOptions, PlacementOptions {
  /** Where the model computes; default: compiled, on the CPU. */
  engine?: EngineOptions;
  /** Quantizes linear weights as they are read; such weights are frozen and trained through adapters. */
  quantizationConfig?: QuantizationConfig;
  /**
   * 'float32' (default) for full fine-tuning; 'auto' keeps the blocks' linear weights frozen in their stored type, half
   * the size where that is 16 bits, for adapters and generation.
   */
  dtype?: 'float32' | 'auto';
}

/** Makes causal language models, as in transformers. */
export const AutoModelForCausalLM = {
  /**
   * Loads a Hugging Face checkpoint.
   * @param idOrFolder a folder, a built-in model ('gpt2-mini'), or a hub id such as 'openai-community/gpt2'
   * @throws TunebookError where files are missing, damaged or of another model (every wrong tensor is listed), or memory is
   *   limited without a device map
   * @example
   * ```ts
   * import { AutoModelForCausalLM, BitsAndBytesConfig } from 'tunebook';
   *
   * const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
   * const model = await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig });
   * console.log(model.isQuantized, model.numParameters());
   * await model.dispose();
   * ```
   */
  async fromPretrained(idOrFolder: string, options: FromPretrainedOptions = {}): Promise<CausalLM> {
    requireOptions<FromPretrainedOptions>(options, {
      where: 'AutoModelForCausalLM.fromPretrained',
      names: {
        engine: true,
        quantizationConfig: true,
        dtype: true,
        deviceMap: true,
        maxMemory: true,
        offloadFolder: true,
        onDeviceMap: true,
        cacheDir: true,
        revision: true,
        token: true,
        endpoint: true,
        localFilesOnly: true,
        onProgress: true,
        maxRetries: true,
        retryDelayMs: true,
        stallTimeoutMs: true,
      },
    });
    const { engine, quantizationConfig, dtype, deviceMap, maxMemory, offloadFolder, onDeviceMap, ...hub } =
      options;
    if (deviceMap === undefined)
      for (const name of ['maxMemory', 'offloadFolder'] as const)
        if (options[name] !== undefined)
          throw new TunebookError(
            `AutoModelForCausalLM.fromPretrained: expected deviceMap: 'auto' with ${name}, got none: all would be in ` +
              `memory. Add it, or leave ${name} out.`,
          );
    const { folder, written } = await usableModel(idOrFolder, hub);
    const generationConfig = await readJsonObjectIfPresent(path.join(folder, 'generation_config.json'));
    const checkpoint = await openCheckpoint(folder);
    const config = await untiedWhereHeadDiffers(written, checkpoint);
    const architecture = architectureOf(config);
    const isForGpu = typeof maxMemory === 'object' && maxMemory.gpu !== undefined;
    let created = isForGpu ? await createEngine(engine) : undefined;
    try {
      // Shards written by tunebook carry checksums; others are trusted.
      await checkpoint.verify();
      const { parameters, frozen, sample } = await loadWeights({
        ...{ architecture, checkpoint, deviceMap, maxMemory, offloadFolder, onDeviceMap },
        quantization: quantizationOf(folder, config, quantizationConfig),
        keepStored: dtype === 'auto',
        device: created?.device,
      });
      // A model larger than memory leaves none for buffers between runs.
      const isLarge = frozen !== undefined && frozen.resident(architecture.layers - 1) === undefined;
      // Frozen weights would be uploaded in every pass: a GPU is used only where maxMemory says how much of it.
      const isOpen = (engine?.provider ?? 'auto') === 'auto' && tunebookEnvironment().provider === undefined;
      const provider = isOpen && frozen !== undefined ? 'cpu' : engine?.provider;
      created ??= await createEngine({ memoryArena: !isLarge, ...engine, provider });
      const model = new CausalLM(
        { architecture, parameters, frozen, sample, generationConfig, areParametersOwn: true },
        created,
      );
      noteOrigin(model, { name: idOrFolder, folder });
      return model;
    } catch (error) {
      await created?.dispose();
      throw error;
    } finally {
      await checkpoint.close();
    }
  },

  /** A new model of random weights. @param config content of a config.json, `model_type` included */
  async fromConfig(
    config: Record<string, unknown>,
    options: { seed?: number; engine?: EngineOptions } = {},
  ): Promise<CausalLM> {
    requireOptions<{ seed?: number; engine?: EngineOptions }>(options, {
      where: 'AutoModelForCausalLM.fromConfig',
      names: { seed: true, engine: true },
    });
    const architecture = architectureOf(config);
    const parameters = allocateParameters(architecture.parameters);
    architecture.parameters.forEach((spec, i) => {
      const data = parameters.byName.get(spec.name)?.data;
      if (data === undefined) throw new Error(`internal: no parameter ${spec.name}`);
      if ('std' in spec.init) fillNormal(data, spec.init.std, (options.seed ?? 0) * 104729 + i * 7919);
      else data.fill(spec.init.value);
    });
    return new CausalLM(
      { architecture, parameters, areParametersOwn: true },
      await createEngine(options.engine),
    );
  },
};
