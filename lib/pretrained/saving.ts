/**
 * Models to folders that transformers loads.
 */
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
 * Writes config.json and model.safetensors (sharded where large), which transformers loads. An adapter is not
 * merged: save it with `saveAdapter`.
 */
export async function savePretrained(
  model: HasRuntime,
  folder: string,
  options: SavePretrainedOptions = {},
): Promise<string[]> {
  const sources = await weightSources(model.runtime);
  const { files } = await writeCheckpoint(folder, sources, options);
  const torchDtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[options.dtype ?? 'F32'];
  const config = { ...configOf(model.runtime.weights), dtype: torchDtype };
  await writeFileAtomic(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return ['config.json', ...files];
}
