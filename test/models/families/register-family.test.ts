/** A family of models that the library does not know, added through the public doors: it runs, trains and is saved. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AutoModelForCausalLM, getPeftModel, LoraConfig, Trainer, TrainingArguments } from '../../../lib';
import { gpt2, registerFamily } from '../../../lib/models';
import type { Architecture, Family } from '../../../lib/models';
import { temporaryFolder } from '../../support/temporary-folder';

/** GPT-2 under other names, whose adapters sit elsewhere by default. */
const family: Family = (config): Architecture => {
  const described = gpt2({ ...config, model_type: 'gpt2' });
  return {
    ...described,
    modelType: 'tiny-coach',
    prefix: 'coach.',
    loraTargets: ['c_fc'],
    toJson: () => ({ ...described.toJson(), model_type: 'tiny-coach' }),
  };
};

const CONFIG = { vocab_size: 40, n_positions: 16, n_embd: 16, n_layer: 2, n_head: 2, initializer_range: 0.2 };

test('a family from outside runs, generates, takes LoRA, trains, is saved and loaded again', async (t) => {
  await assert.rejects(
    AutoModelForCausalLM.fromConfig({ ...CONFIG, model_type: 'tiny-coach' }),
    /expected model_type gpt2 or .* or mistral or .*, got "tiny-coach"/,
  );
  registerFamily('tiny-coach', family);
  assert.throws(() => registerFamily('tiny-coach', family), /which is known/);
  assert.throws(() => registerFamily('mistral', family), /which is known/);

  const options = { seed: 3, engine: { provider: 'cpu' as const, threads: 1 } };
  const model = await AutoModelForCausalLM.fromConfig({ ...CONFIG, model_type: 'tiny-coach' }, options);
  const twin = await AutoModelForCausalLM.fromConfig({ ...CONFIG, model_type: 'gpt2' }, options);
  t.after(() => Promise.all([model.dispose(), twin.dispose()]));
  const inputIds = [[1, 2, 3, 4]];
  const logits = async (of: typeof model): Promise<Float32Array> =>
    (await of.forward({ inputIds })).logits.data;
  assert.deepEqual(await logits(model), await logits(twin));
  const { newTokens } = await model.generate({ inputIds, maxNewTokens: 5 });
  assert.deepEqual(newTokens, (await twin.generate({ inputIds, maxNewTokens: 5 })).newTokens);

  getPeftModel(model, new LoraConfig({ r: 2 }));
  assert.ok(model.trainableParameters().every(({ name }) => name.includes('mlp.c_fc.lora_')));
  const outputDir = await temporaryFolder(t);
  const args = new TrainingArguments({
    outputDir,
    maxSteps: 2,
    learningRate: 0.1,
    perDeviceTrainBatchSize: 1,
  });
  const trainDataset = [{ inputIds: [1, 2, 3, 4], labels: [1, 2, 3, 4] }];
  await new Trainer({ model, args, trainDataset, callbacks: [] }).train();
  assert.notDeepEqual(await logits(model), await logits(twin));

  model.mergeAndUnload();
  const folder = await temporaryFolder(t);
  await model.savePretrained(folder);
  const again = await AutoModelForCausalLM.fromPretrained(folder, { engine: options.engine });
  t.after(() => again.dispose());
  assert.equal(again.config.model_type, 'tiny-coach');
  assert.deepEqual(await logits(again), await logits(model));
});
