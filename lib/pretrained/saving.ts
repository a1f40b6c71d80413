/**
 * Saves models as folders that transformers loads.
 */
import { requireOptions } from '../options';
import path from 'node:path';
import { writeCheckpoint } from '../checkpoint';
import { writeFileAtomic } from '../files';
import type { HasRuntime, ModelWeights } from '../models';
import { weightSources } from './weight-sources';

/** How a model is saved. */
export interface SavePretrainedOptions {
  /** Stored type; default 'F32'. 'F16' and 'BF16' halve the file and round the weights. */
  dtype?: 'F32' | 'F16' | 'BF16';
  /** Most bytes of tensors per file; default 5e9. */
  maxShardSizeBytes?: number;
}

/** config.json's content. */
export function configOf({ architecture, frozen }: ModelWeights): Record<string, unknown> {
  const quantization = frozen?.quantization?.toJson();
  const config = architecture.toJson();
  delete config.quantization_config;
  return quantization === undefined ? config : { ...config, quantization_config: quantization };
}

/**
 * Writes config.json, model.safetensors (sharded where large) and, where the model came with one,
 * generation_config.json, for transformers to load. An adapter is not merged: save it with `saveAdapter`.
 */
export async function savePretrained(
  model: HasRuntime,
  folder: string,
  options: SavePretrainedOptions = {},
): Promise<string[]> {
  requireOptions<SavePretrainedOptions>(options, {
    where: 'savePretrained',
    names: { dtype: true, maxShardSizeBytes: true },
  });
  const sources = await weightSources(model.runtime);
  const { files } = await writeCheckpoint(folder, sources, options);
  const torchDtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[options.dtype ?? 'F32'];
  const config = { ...configOf(model.runtime.weights), dtype: torchDtype };
  await writeFileAtomic(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  const { generationConfig } = model.runtime;
  if (generationConfig === undefined) return ['config.json', ...files];
  const text = `${JSON.stringify(generationConfig, null, 2)}\n`;
  await writeFileAtomic(path.join(folder, 'generation_config.json'), text);
  return ['config.json', 'generation_config.json', ...files];
}
