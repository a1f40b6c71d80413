/**
 * Reloads a saved model beside the original, to compare the two before a long run relies on it.
 */
import path from 'node:path';
import { readJsonObject } from '../files';
import { TunebookError } from '../types';
import { loadAdapter } from './adapters/adapter-files';
import { CausalLM } from './causal-lm';
import { noteOrigin, originOf } from './companions/companions';
import { openCheckpoint } from '../checkpoint';
import { architectureOf, loadWeights } from '../models';

/**
 * Loads what `savePretrained` or, for a model with an adapter, `saveAdapter` wrote, and passes it on. An adapter shares
 * the base weights, and the model's own is active again afterwards; a whole model needs its memory twice meanwhile.
 * @throws TunebookError where the folder is not this model's
 */
export async function withReloaded<T>(
  model: CausalLM,
  folder: string,
  use: (again: CausalLM) => Promise<T>,
): Promise<T> {
  const own = model.activeAdapter;
  const origin = originOf(model);
  if (own !== undefined) {
    const name = `reloaded from ${folder}`;
    try {
      return await use(await loadAdapter(model, folder, name));
    } finally {
      if (model.adapterNames.includes(name)) model.deleteAdapter(name);
      model.setAdapter(own);
      noteOrigin(model, { folder: undefined, prompt: undefined, ...origin });
    }
  }
  const config = await readJsonObject(path.join(folder, 'config.json'));
  // The stored type may differ; everything that defines the model must be the same.
  const saved = architectureOf(config).toJson();
  const wrong = Object.entries(model.architecture.toJson())
    .filter(([name, value]) => !/dtype$/.test(name) && JSON.stringify(saved[name]) !== JSON.stringify(value))
    .map(([name, value]) => `${name}: expected ${JSON.stringify(value)}, got ${JSON.stringify(saved[name])}`);
  if (wrong.length > 0) throw new TunebookError(`${folder}/config.json: ${wrong.join('; ')}.`);
  const checkpoint = await openCheckpoint(folder);
  try {
    const { architecture, engine } = model;
    const { generationConfig } = model.runtime;
    const request = { architecture, checkpoint, quantization: undefined, keepStored: false };
    const { parameters } = await loadWeights(request);
    // On the same engine, so that nothing is compiled twice; the copy must not be disposed.
    return await use(new CausalLM({ architecture, parameters, generationConfig }, engine));
  } finally {
    await checkpoint.close();
  }
}
