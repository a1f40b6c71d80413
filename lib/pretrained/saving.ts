/**
 * Saves models as folders that transformers loads.
 */
import { requireOptions } from '../options';
import path from 'node:path';
import { writeCheckpoint } from '../checkpoint';
import { writeFileAtomic } from '../files';
import type { HasRuntime, ModelWeights } from '../models';
import type { PromptOptions } from '../prompts';
import { AffineConfig } from '../quantization';
import { saveCard } from './companions/card-file';
import { saveCompanions, usePrompt } from './companions/companions';
import type { CardFacts } from './companions/model-card';
import { weightSources } from './weight-sources';

/** How a model is saved. */
export interface SavePretrainedOptions {
  /** Stored type; default 'F32'. 'F16' and 'BF16' halve the file and round the weights. */
  dtype?: 'F32' | 'F16' | 'BF16';
  /** Most bytes of tensors per file; default 5e9. */
  maxShardSizeBytes?: number;
  /** Tokenizer and template of the training; default: those that the trainer was given, or the model's folder has. */
  prompt?: PromptOptions;
  /** What the model card (README.md) says beside what the model knows: data, labels, metrics, licence. */
  card?: CardFacts;
}

/** config.json's content. */
export function configOf({ architecture, frozen }: ModelWeights): Record<string, unknown> {
  const quantization = frozen?.quantization;
  const config = architecture.toJson();
  delete config.quantization_config;
  delete config.quantization;
  if (quantization === undefined) return config;
  const json = quantization.toJson();
  // mlx_lm reads it by a name of its own.
  const ofMlx = quantization instanceof AffineConfig ? { quantization: json } : {};
  return { ...config, ...ofMlx, quantization_config: json };
}

/** Fields that transformers takes as floating point alone: it refuses a model where one is written as 30. */
const FLOAT_FIELDS = [
  ...[
    'initializer_range',
    'rms_norm_eps',
    'layer_norm_eps',
    'layer_norm_epsilon',
    'norm_epsilon',
    'logit_scale',
  ],
  ...['final_logit_softcapping', 'attn_logit_softcapping', 'attention_factor'],
];
const WHOLE_FLOAT = new RegExp(`^(\\s*"(?:${FLOAT_FIELDS.join('|')})": -?\\d+)(?=,?$)`, 'gm');

/** The text of a config.json: numbers that transformers takes as floating point alone have a point. */
export function configText(config: Record<string, unknown>): string {
  return `${JSON.stringify(config, null, 2).replace(WHOLE_FLOAT, '$1.0')}\n`;
}

/**
 * Writes config.json, model.safetensors (sharded where large) and, where they are known, generation_config.json, the
 * tokenizer, chat_template.jinja, tunebook_prompt.json and a model card: the folder is asked as the model was trained, here
 * and in transformers. A README.md that you wrote stays. An adapter is not merged: save it with `saveAdapter`.
 * @returns names of the files written
 */
export async function savePretrained(
  model: HasRuntime,
  folder: string,
  options: SavePretrainedOptions = {},
): Promise<string[]> {
  requireOptions<SavePretrainedOptions>(options, {
    where: 'savePretrained',
    names: { dtype: true, maxShardSizeBytes: true, prompt: true, card: true },
  });
  const { prompt, card, ...written } = options;
  if (prompt !== undefined) usePrompt(model, prompt);
  const sources = await weightSources(model.runtime);
  const { files } = await writeCheckpoint(folder, sources, written);
  const torchDtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[options.dtype ?? 'F32'];
  const config = { ...configOf(model.runtime.weights), dtype: torchDtype };
  await writeFileAtomic(path.join(folder, 'config.json'), configText(config));
  const companions = await saveCompanions(model, folder);
  return [
    ...['config.json', ...files, ...companions],
    ...(await saveCard(model, folder, { kind: 'model', facts: card })),
  ];
}
