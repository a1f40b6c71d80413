/**
 * Runs that are killed with kill -9, again and again, in the step and in the checkpoint write, and resumed each time:
 * in the end they are the run that was never stopped, byte for byte.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointFault, listCheckpoints } from '../../../lib/trainer';
import { startChild } from '../child-process';
import { childTrainer, crashOptions } from '../child-run';
import { LONG } from '../../support/long';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-crash-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

/** In the step: after the so many-th mark of a kind, and some milliseconds more. */
const IN_STEP: readonly [what: string, nth: number, delayMs: number][] = [
  ['onStepBegin', 5, 1],
  ['onSubstepEnd', 3, 0],
  ['onPreOptimizerStep', 4, 1],
  ['onOptimizerStep', 2, 0],
  ['onStepEnd', 3, 4],
  ['onSave', 1, 0],
];
/** In the checkpoint write: before these of its file operations; a write has some thirty. */
const IN_SAVE = [2, 7, 15, 22, 28, 33, 38];

/** What a run leaves, without what times are in it and where it lies. */
async function remains(outputDir: string): Promise<Record<string, unknown>> {
  const folder = path.join(outputDir, 'checkpoint-24');
  assert.equal(await checkpointFault(folder), undefined);
  const read = (name: string): Buffer => fs.readFileSync(path.join(folder, name));
  const state = JSON.parse(read('trainer_state.json').toString()) as Record<string, unknown>;
  const history = state.log_history as Record<string, number>[];
  const own = (state.stateful_callbacks as { tunebook: { attributes: Record<string, number> } }).tunebook;
  assert.ok(own.attributes.runtime_ms > 0);
  return {
    files: fs.readdirSync(folder).sort(),
    checkpoints: (await listCheckpoints(outputDir)).map(({ step }) => step),
    weights: read(
      fs.existsSync(path.join(folder, 'model.safetensors'))
        ? 'model.safetensors'
        : 'adapter_model.safetensors',
    ).toString('base64'),
    optimizer: read('optimizer.safetensors').toString('base64'),
    state: {
      ...state,
      best_model_checkpoint: path.basename(String(state.best_model_checkpoint)),
      stateful_callbacks: { tunebook: { ...own, attributes: { ...own.attributes, runtime_ms: 0 } } },
      log_history: history.map((entry) => ({ ...entry, eval_runtime: 0, eval_samples_per_second: 0 })),
    },
  };
}

for (const kind of ['full', 'LoRA'] as const) {
  test(
    `killed in every phase and resumed, it is the run never stopped: ${kind}`,
    kind === 'LoRA' ? LONG : {},
    async () => {
      const straight = path.join(temporary, `straight-${kind}`);
      const trainer = await childTrainer({ kind, options: crashOptions(straight), resume: false }, []);
      await trainer.train();
      await trainer.model.dispose();

      const outputDir = path.join(temporary, `killed-${kind}`);
      const options = crashOptions(outputDir);
      const phases: string[] = [];
      const [inStep, inSave] = [[...IN_STEP], [...IN_SAVE]];
      for (let leg = 0; inStep.length + inSave.length > 0; leg++) {
        const resume = leg > 0;
        const target = leg % 2 === 0 ? inStep.shift() : undefined;
        const operation = target === undefined ? inSave.shift() : undefined;
        if (target === undefined && operation === undefined) continue;
        let seen = 0;
        const end = await startChild(
          { kind, options, resume, killAtFileOperation: operation },
          (what, kill) => {
            if (target === undefined || what !== target[0] || ++seen !== target[1]) return;
            if (target[2] === 0) kill('SIGKILL');
            else setTimeout(kill, target[2], 'SIGKILL');
          },
        );
        assert.equal(end.signal, 'SIGKILL', `leg ${leg} was to be killed:\n${end.output}`);
        phases.push(operation === undefined ? 'step' : end.lastMark);
        // Nothing that looks like a checkpoint is less than one.
        for (const { folder } of await listCheckpoints(outputDir)) {
          const fault = await checkpointFault(folder);
          // A deletion under way has taken the manifest first.
          assert.ok(fault === undefined || !fs.existsSync(path.join(folder, 'checksums.json')), fault);
        }
      }
      assert.equal(phases.filter((phase) => phase !== 'step').length, IN_SAVE.length);
      const end = await startChild({ kind, options, resume: true });
      assert.equal(end.code, 0, end.output);
      assert.deepEqual(await remains(outputDir), await remains(straight));
      assert.deepEqual(
        fs.readdirSync(outputDir).filter((name) => !/^checkpoint-\d+$/.test(name)),
        ['trainer_state.json'],
      );
    },
  );
}
