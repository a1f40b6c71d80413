/**
 * LoRA adapters as PEFT saves them: adapter_config.json and adapter_model.safetensors.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { z } from 'zod';
import { TunebookError } from '../types';
import { writeFileAtomic } from './atomic-write';
import type { CausalLM } from './causal-lm';
import { matchStateDict, openCheckpoint, writeCheckpoint } from './checkpoint';
import { LoraAdapter, LoraConfig } from './lora';

const fileSchema = z.looseObject({
  peft_type: z.literal('LORA'),
  r: z.int().positive(),
  lora_alpha: z.number().positive(),
  lora_dropout: z.number().default(0),
  target_modules: z.union([z.string(), z.array(z.string())]),
  use_dora: z.literal(false).default(false),
  use_rslora: z.literal(false).default(false),
  bias: z.literal('none').default('none'),
});

/** 'h.0.attn.c_attn.lora_A' -> PEFT's 'base_model.model.transformer.h.0.attn.c_attn.lora_A.weight' */
function storedName(model: CausalLM, name: string): string {
  return `base_model.model.${model.architecture.prefix}${name}.weight`;
}

/** Writes the model's adapter, which PEFT loads. @throws TunebookError where the model has none. */
export async function saveAdapter(model: CausalLM, folder: string, baseModel = ''): Promise<string[]> {
  const { adapter } = model;
  if (adapter === undefined)
    throw new TunebookError('saveAdapter: expected a model with a LoRA adapter, got none on it.');
  const sources = [...adapter.parameters.byName.values()].map(({ name, shape, data }) => ({
    name: storedName(model, name),
    shape,
    values: data,
  }));
  const { files } = await writeCheckpoint(folder, sources, { baseName: 'adapter_model' });
  const config = {
    base_model_name_or_path: baseModel,
    bias: 'none',
    fan_in_fan_out: adapter.modules.every((module) => module.conv1d),
    inference_mode: true,
    init_lora_weights: true,
    lora_alpha: adapter.config.loraAlpha,
    lora_dropout: adapter.config.loraDropout,
    modules_to_save: null,
    peft_type: 'LORA',
    r: adapter.config.r,
    target_modules: adapter.modules.map((module) => module.name.split('.').at(-1)),
    task_type: 'CAUSAL_LM',
    use_dora: false,
    use_rslora: false,
  };
  await writeFileAtomic(path.join(folder, 'adapter_config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return ['adapter_config.json', ...files];
}

/**
 * Puts a saved adapter on the model.
 * @throws TunebookError where the adapter was made for another model; every wrong tensor is listed
 */
export async function loadAdapter(model: CausalLM, folder: string): Promise<CausalLM> {
  const file = path.join(folder, 'adapter_config.json');
  const text = await fs.readFile(file, 'utf8').catch((cause: unknown) => {
    throw new TunebookError(`${file}: expected a PEFT adapter's configuration, got no readable file.`, {
      cause,
    });
  });
  const parsed = fileSchema.safeParse(parseJson(file, text));
  if (!parsed.success) throw new TunebookError(`${file}: ${z.prettifyError(parsed.error)}`);
  const { r, lora_alpha: loraAlpha, lora_dropout: loraDropout, target_modules: targets } = parsed.data;
  const targetModules = typeof targets === 'string' ? [targets] : targets;
  if (targetModules.length === 0) throw new TunebookError(`${file}: expected target_modules, got none.`);
  const [first, ...rest] = targetModules;
  const adapter = new LoraAdapter(
    new LoraConfig({ r, loraAlpha, loraDropout, targetModules: [first, ...rest] }),
    model.architecture,
  );
  const checkpoint = await openCheckpoint(folder, { baseName: 'adapter_model' });
  try {
    const parameters = [...adapter.parameters.byName.values()];
    matchStateDict(
      new Map(parameters.map((parameter) => [storedName(model, parameter.name), parameter.shape])),
      new Map(checkpoint.names.map((name) => [name, checkpoint.info(name).shape])),
      { where: folder },
    );
    for (const parameter of parameters)
      await checkpoint.readInto(storedName(model, parameter.name), parameter.data);
  } finally {
    await checkpoint.close();
  }
  model.setAdapter(adapter);
  return model;
}

function parseJson(file: string, text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (cause) {
    throw new TunebookError(`${file}: expected JSON, got something else. Save the adapter again.`, { cause });
  }
}
