/**
 * A small Mistral in 4 bits whose last layers lie on disk, with a LoRA adapter: what the preflight's look at the offload
 * folder is tested on.
 */
import { AutoModelForCausalLM, getPeftModel, savePretrained } from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import type { CausalLM } from '../../../lib/pretrained';
import { BitsAndBytesConfig } from '../../../lib/quantization';

const CONFIG = {
  ...{ model_type: 'mistral', vocab_size: 60, hidden_size: 64, intermediate_size: 128, num_hidden_layers: 5 },
  ...{ num_attention_heads: 4, num_key_value_heads: 2, initializer_range: 0.2 },
};
const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });

export interface Offloaded {
  /** The saved model. */
  readonly source: string;
  readonly offloadFolder: string;
  /** Bytes of which the last three of five layers are too many. */
  readonly maxMemory: number;
}

/** Saves the model to a folder and measures its parts. */
export async function saveOffloaded(source: string, offloadFolder: string): Promise<Offloaded> {
  const model = await AutoModelForCausalLM.fromConfig(CONFIG, { seed: 7 });
  await savePretrained(model, source);
  await model.dispose();
  let maxMemory = NaN;
  const whole = await AutoModelForCausalLM.fromPretrained(source, {
    quantizationConfig,
    deviceMap: 'auto',
    onDeviceMap: (_table, deviceMap) => {
      const layer = deviceMap.modules.find(({ module }) => module === 'model.layers.0')?.bytes ?? NaN;
      maxMemory = deviceMap.memoryBytes - layer; // two layers and two buffers
    },
  });
  await whole.dispose();
  return { source, offloadFolder, maxMemory };
}

export async function loadOffloaded({ source, offloadFolder, maxMemory }: Offloaded): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(source, {
    ...{ quantizationConfig, deviceMap: 'auto', maxMemory, offloadFolder },
    engine: { threads: 1 },
    onDeviceMap: () => undefined,
  });
  return getPeftModel(model, new LoraConfig({ r: 2, seed: 5 }));
}
