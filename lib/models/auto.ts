/**
 * Models from folders and to folders: Hugging Face checkpoints in and out.
 */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { createEngine } from '../engine';
import type { Engine, EngineOptions } from '../engine';
import { TunebookError } from '../types';
import { storedName } from './architecture';
import type { Architecture, ParameterSpec } from './architecture';
import { writeFileAtomic } from './atomic-write';
import { CausalLM } from './causal-lm';
import { matchStateDict, openCheckpoint, writeCheckpoint } from './checkpoint';
import type { Checkpoint } from './checkpoint';
import { gpt2 } from './gpt2';
import { mistral } from './mistral';
import { resolveModelFolder } from './hub';
import type { ResolveModelOptions } from './hub';
import { allocateParameters, fillNormal } from './parameters';

const FAMILIES: Record<string, (config: Record<string, unknown>) => Architecture> = {
  gpt2,
  mistral,
  llama: mistral,
};

export interface FromPretrainedOptions extends ResolveModelOptions {
  /** Where the model computes; default: compiled, on the CPU. */
  engine?: EngineOptions;
}

export interface SavePretrainedOptions {
  /** Stored type; default 'F32'. 'F16' and 'BF16' halve the file and round the weights. */
  dtype?: 'F32' | 'F16' | 'BF16';
  /** Most bytes of tensors per file; default 5e9. */
  maxShardSizeBytes?: number;
}

/** Makes causal language models, as in transformers. */
export const AutoModelForCausalLM = {
  /**
   * Loads a Hugging Face checkpoint.
   * @param idOrFolder a folder, a built-in model ('gpt2-mini'), or a hub id such as 'openai-community/gpt2'
   * @throws TunebookError where files are missing, damaged or of another model; every wrong tensor is listed
   */
  async fromPretrained(idOrFolder: string, options: FromPretrainedOptions = {}): Promise<CausalLM> {
    const { engine: engineOptions, ...hub } = options;
    const folder = await resolveModelFolder(idOrFolder, hub);
    const architecture = architectureOf(await readConfig(folder));
    const checkpoint = await openCheckpoint(folder);
    try {
      const names = storedNames(architecture, checkpoint);
      const parameters = allocateParameters(architecture.parameters);
      for (const stored of checkpoint.names) {
        const parameter = parameters.byName.get(names.get(stored) ?? '');
        if (parameter !== undefined) await checkpoint.readInto(stored, parameter.data);
      }
      return new CausalLM(architecture, await createEngine(engineOptions), parameters);
    } finally {
      await checkpoint.close();
    }
  },

  /** A new model of random weights. @param config content of a config.json, `model_type` included */
  async fromConfig(
    config: Record<string, unknown>,
    options: { seed?: number; engine?: EngineOptions } = {},
  ): Promise<CausalLM> {
    const architecture = architectureOf(config);
    const parameters = allocateParameters(architecture.parameters);
    architecture.parameters.forEach((spec, i) => {
      const data = parameters.byName.get(spec.name)?.data;
      if (data === undefined) throw new Error(`internal: no parameter ${spec.name}`);
      if ('std' in spec.init) fillNormal(data, spec.init.std, (options.seed ?? 0) * 104729 + i * 7919);
      else data.fill(spec.init.value);
    });
    const engine: Engine = await createEngine(options.engine);
    return new CausalLM(architecture, engine, parameters);
  },
};

/** Describes the model of a config.json without allocating it. @throws TunebookError for an unknown family. */
export function architectureOf(config: Record<string, unknown>): Architecture {
  const family = typeof config.model_type === 'string' ? FAMILIES[config.model_type] : undefined;
  if (family === undefined) {
    throw new TunebookError(
      `config.json: expected model_type ${Object.keys(FAMILIES).join(' or ')}, got ${JSON.stringify(config.model_type)}.`,
    );
  }
  return family(config);
}

/** Number of parameters of a configuration, computed without allocating them; a tied head counts once. */
export function countParameters(architecture: Architecture): number {
  const size = (spec: ParameterSpec): number => spec.shape.reduce((product, n) => product * n, 1);
  return architecture.parameters.reduce((total, spec) => total + size(spec), 0);
}

/**
 * Writes config.json and model.safetensors (sharded where large), which transformers loads. An adapter is not
 * merged: save it with `saveAdapter`.
 */
export async function savePretrained(
  model: CausalLM,
  folder: string,
  options: SavePretrainedOptions = {},
): Promise<string[]> {
  const { architecture, parameters } = model;
  const sources = architecture.parameters.map(({ name, shape }) => {
    const parameter = parameters.byName.get(name);
    if (parameter === undefined) throw new Error(`internal: no parameter ${name}`);
    return { name: storedName(architecture, name), shape, values: parameter.data };
  });
  const { files } = await writeCheckpoint(folder, sources, options);
  const torchDtype = { F32: 'float32', F16: 'float16', BF16: 'bfloat16' }[options.dtype ?? 'F32'];
  const config = { ...model.config, dtype: torchDtype };
  await writeFileAtomic(path.join(folder, 'config.json'), `${JSON.stringify(config, null, 2)}\n`);
  return ['config.json', ...files];
}

async function readConfig(folder: string): Promise<Record<string, unknown>> {
  const file = path.join(folder, 'config.json');
  let text: string;
  try {
    text = await fs.readFile(file, 'utf8');
  } catch (error) {
    throw new TunebookError(`${file}: expected the model's configuration, got no readable file.`, {
      cause: error,
    });
  }
  try {
    const parsed: unknown = JSON.parse(text);
    if (typeof parsed === 'object' && parsed !== null && !Array.isArray(parsed))
      return parsed as Record<string, unknown>;
  } catch {
    // Told below: not JSON and not an object have the same remedy.
  }
  throw new TunebookError(
    `${file}: expected a JSON object, got something else. Download or save the model again.`,
  );
}

/**
 * Our name of each stored tensor. Checkpoints come with and without the family's prefix, with buffers that
 * are not weights, and with a copy of a tied head.
 */
function storedNames(architecture: Architecture, checkpoint: Checkpoint): Map<string, string> {
  const { prefix } = architecture;
  const names = new Map<string, string>();
  const found = new Map<string, readonly number[]>();
  const tiedHead = architecture.head === architecture.tokenEmbedding;
  for (const stored of checkpoint.names) {
    const name = stored.startsWith(prefix) ? stored.slice(prefix.length) : stored;
    if (/\.attn\.(masked_)?bias$|rotary_emb\.inv_freq$/.test(name) || (tiedHead && name === 'lm_head.weight'))
      continue;
    names.set(stored, name);
    found.set(name, checkpoint.info(stored).shape);
  }
  const expected = new Map(architecture.parameters.map((spec) => [spec.name, spec.shape]));
  matchStateDict(expected, found, { where: checkpoint.folder });
  return names;
}
