/**
 * What lies in a run's folder: files by Hugging Face's names, a state that its TrainerState has the fields for
 * (transformers 5.18 read one of these: TrainerState.load_from_json, and the model with from_pretrained), and a checksum
 * of each file.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { getPeftModel } from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import { checkpointFault } from '../../../lib/trainer';
import { examples, run, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-layout-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

/** The fields of TrainerState in transformers 5.18. */
const TRAINER_STATE = [
  ...['epoch', 'global_step', 'max_steps', 'logging_steps', 'eval_steps', 'save_steps', 'train_batch_size'],
  ...[
    'num_train_epochs',
    'num_input_tokens_seen',
    'total_flos',
    'log_history',
    'best_metric',
    'best_global_step',
  ],
  ...['best_model_checkpoint', 'is_local_process_zero', 'is_world_process_zero', 'is_hyper_param_search'],
  ...['trial_name', 'trial_params', 'stateful_callbacks'],
];
const SHARED = [
  ...['checksums.json', 'optimizer.safetensors', 'rng_state.json', 'scheduler.json', 'trainer_state.json'],
  'training_args.json',
];
const OWN = {
  full: ['config.json', 'model.safetensors'],
  LoRA: ['adapter_config.json', 'adapter_model.safetensors', 'tunebook_base.json'],
};

for (const kind of ['full', 'LoRA'] as const) {
  test(`the files of a checkpoint: ${kind}`, async () => {
    const outputDir = path.join(temporary, kind);
    const model = await smallModel();
    if (kind === 'LoRA') getPeftModel(model, new LoraConfig({ r: 2, seed: 5 }));
    const options = { ...{ maxSteps: 4, saveSteps: 2, evalSteps: 2, seed: 7 }, outputDir };
    await run({ ...options, saveStrategy: 'steps', evalStrategy: 'steps' }, { model, evalData: examples });
    assert.deepEqual(fs.readdirSync(outputDir).sort(), [
      'checkpoint-2',
      'checkpoint-4',
      'trainer_state.json',
    ]);

    const folder = path.join(outputDir, 'checkpoint-2');
    const read = (name: string): Record<string, unknown> =>
      JSON.parse(fs.readFileSync(path.join(folder, name), 'utf8')) as Record<string, unknown>;
    const files = [...SHARED, ...OWN[kind]].sort();
    assert.deepEqual(fs.readdirSync(folder).sort(), files);
    assert.deepEqual(
      Object.keys(read('checksums.json')).sort(),
      files.filter((name) => name !== 'checksums.json'),
    );
    assert.deepEqual(read('rng_state.json'), { seed: 7, step: 2 });
    assert.deepEqual(read('scheduler.json'), { last_epoch: 2, optimizer: 'adamw' });
    const state = read('trainer_state.json');
    assert.deepEqual(
      Object.keys(state).filter((name) => !TRAINER_STATE.includes(name)),
      [],
    );
    assert.deepEqual([state.global_step, state.max_steps, state.best_model_checkpoint], [2, 4, folder]);
    assert.equal((state.log_history as object[]).length, 3);

    // Each file is watched over.
    for (const name of files) {
      const file = path.join(folder, name);
      const bytes = fs.readFileSync(file);
      const changed = Buffer.from(bytes);
      changed[changed.length >> 1] ^= 1;
      fs.writeFileSync(file, changed);
      assert.match((await checkpointFault(folder)) ?? 'whole', /missing|damaged|changed/, name);
      fs.rmSync(file);
      assert.match((await checkpointFault(folder)) ?? 'whole', /missing/, name);
      fs.writeFileSync(file, bytes);
      assert.equal(await checkpointFault(folder), undefined);
    }
  });
}
