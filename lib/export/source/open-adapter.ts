/** Opens an adapter with no more of its base than its shapes and tables. */
import { createEngine } from '../../engine';
import { Runtime } from '../../models';
import type { LoraAdapter, ModelWeights } from '../../models';
import {
  AutoModelForCausalLM,
  baseModelOf,
  loadAdapter,
  openPretrained,
  readAdapterConfig,
} from '../../pretrained';
import type { OpenPretrained } from '../../pretrained';
import type { QuantizationConfig } from '../../quantization';
import { readLayers } from './read-layers';

/** An adapter on its base; `close` it when done. */
export interface OpenAdapter {
  readonly base: string;
  readonly weights: ModelWeights;
  readonly adapter: LoraAdapter;
  close(): Promise<void>;
}

/** @param base default: the model that the adapter names */
export async function openAdapter(folder: string, base?: string): Promise<OpenAdapter> {
  const named = base ?? (await baseModelOf(folder));
  const opened = await openPretrained(named);
  try {
    const { runtime, close } = await adaptedRuntime(opened, folder);
    const { weights } = runtime;
    if (weights.adapter === undefined) throw new Error('internal: no adapter in use');
    return { base: named, weights, adapter: weights.adapter, close };
  } catch (error) {
    await opened.close();
    throw error;
  }
}

/**
 * A model with an adapter, its linear weights read when they are asked for.
 * @throws {TunebookError} Where the adapter is of another base.
 */
export async function adaptedRuntime(
  opened: OpenPretrained,
  adapter: string,
  quantizationConfig?: QuantizationConfig,
): Promise<{ readonly runtime: Runtime; close(): Promise<void> }> {
  const { lora } = await readAdapterConfig(adapter);
  if (lora.useDora) {
    // Its lengths are measured over every weight when it is put on: the model has to be in memory.
    const model = await AutoModelForCausalLM.fromPretrained(opened.folder, {
      ...{ quantizationConfig, dtype: 'auto', engine: { provider: 'cpu' } },
    });
    const { runtime } = await loadAdapter(model, adapter);
    return { runtime, close: () => Promise.all([model.dispose(), opened.close()]).then(() => undefined) };
  }
  const { architecture, weights } = opened;
  const engine = await createEngine({ provider: 'cpu' });
  const runtime = new Runtime(
    {
      ...{ architecture, parameters: await weights.parameters() },
      ...{ frozen: await readLayers(weights), sample: await weights.sample() },
    },
    engine,
  );
  try {
    await loadAdapter({ runtime }, adapter);
  } catch (error) {
    await engine.dispose();
    throw error;
  }
  return { runtime, close: () => Promise.all([engine.dispose(), opened.close()]).then(() => undefined) };
}
