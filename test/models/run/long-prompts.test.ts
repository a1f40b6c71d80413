/** Prompts of 2,048 tokens through a sliding window, forward and backward, compiled, on 4-bit weights. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { allocateGradients, forwardBackward, LoraConfig } from '../../../lib/models';
import { AutoModelForCausalLM, getPeftModel, savePretrained } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { BitsAndBytesConfig } from '../../../lib/quantization';
import type { Batch } from '../../../lib/types';
import { assertClose } from '../../support/assert-close';
import { temporaryFolder } from '../../support/temporary-folder';

const T = 2048;
const WINDOW = 96;

async function model(t: TestContext, layers: number): Promise<CausalLM> {
  const source = await AutoModelForCausalLM.fromConfig({
    model_type: 'mistral',
    vocab_size: 50,
    hidden_size: 64,
    intermediate_size: 128,
    num_hidden_layers: layers,
    num_attention_heads: 2,
    num_key_value_heads: 1,
    max_position_embeddings: T,
    sliding_window: WINDOW,
    initializer_range: 0.2,
  });
  const folder = await temporaryFolder(t);
  await savePretrained(source, folder);
  await source.dispose();
  const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
  const loaded = await AutoModelForCausalLM.fromPretrained(folder, { quantizationConfig });
  t.after(() => loaded.dispose());
  getPeftModel(loaded, new LoraConfig({ r: 4, loraAlpha: 8 }));
  for (const { name, data } of loaded.trainableParameters()) {
    if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = 0.1 * Math.sin(i)));
  }
  return loaded;
}

const ids = Int32Array.from({ length: T }, (_, i) => (i * i * 7 + 3 * i) % 50);

/** The last `length` tokens of the prompt; only the very last one has a label. */
function tail(length: number): Batch {
  const labels = new Int32Array(length).fill(-100);
  labels[length - 1] = ids[T - 1];
  return {
    shape: [1, length],
    inputIds: ids.slice(T - length),
    attentionMask: new Int32Array(length).fill(1),
    labels,
  };
}

async function gradientsOf(lm: CausalLM, batch: Batch): Promise<{ loss: number; gradients: Float32Array }> {
  const gradients = allocateGradients(lm.trainableParameters());
  const loss = await forwardBackward(lm, gradients, {
    batch,
    lossScale: 1,
    accumulate: false,
    gradientCheckpointing: true,
  });
  return { loss, gradients: gradients.flat };
}

it('of one layer, the last prediction and its gradients are those of the window alone', async (t) => {
  const lm = await model(t, 1);
  const whole = await gradientsOf(lm, tail(T));
  // The label's own token is predicted by the one before it, which looks back over WINDOW tokens.
  const window = await gradientsOf(lm, tail(WINDOW + 1));
  assert.ok(Math.abs(whole.loss - window.loss) < 1e-4, `${whole.loss} and ${window.loss}`);
  const largest = window.gradients.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
  assert.ok(largest > 1e-3);
  assertClose(whole.gradients, window.gradients, { absolute: 1e-3 * largest, relative: 0 }, 'gradients');
  const shorter = await gradientsOf(lm, tail(WINDOW));
  assert.ok(Math.abs(whole.loss - shorter.loss) > 1e-4, 'one token less is another prediction');
});

it('of several layers, every token is trained in memory that does not grow with the layers', async (t) => {
  const batch = { ...tail(T), labels: ids };
  const grown: number[] = [];
  for (const layers of [2, 8]) {
    const lm = await model(t, layers);
    const before = process.memoryUsage().rss;
    const { loss, gradients } = await gradientsOf(lm, batch);
    grown.push(process.memoryUsage().rss - before);
    assert.ok(
      loss > 0 && gradients.every((value) => Number.isFinite(value)) && gradients.some((g) => g !== 0),
    );
  }
  // One square of scores is 33 MB; a layer's pass holds about ten. Keeping them for six layers more would be 2 GB.
  assert.ok(grown[1] < grown[0] + 400e6, `${grown.join(' and ')} bytes`);
});
