/**
 * Notebook 01 run without a person on a short setting, full and LoRA: what it writes is there, valid, and
 * says what happened; its page answers in a browser.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { AutoModelForCausalLM, loadAdapter } from '../../lib/pretrained';
import { readNotebook, validateNotebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { ROOT } from '../support/paths';
import { LONG } from '../support/long';
import { assertPageAnswers } from './page-answers';

const notebook = path.join(ROOT, 'notebooks', '01-gpt2-finetuning.ipynb');
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-nb01-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

for (const method of ['full', 'lora'] as const) {
  test(`notebook 01 runs, ${method}`, { ...(method === 'lora' ? LONG : {}), timeout: 240_000 }, async () => {
    const folder = path.join(temporary, method);
    const output = path.join(folder, 'run.ipynb');
    const result = await runNotebook({
      notebook,
      output,
      parameters: {
        ...{ method, maxSteps: 6, evalRecords: 4, maxRecords: 40, batchSize: 2 },
        ...(method === 'lora' ? { ggufType: null, webType: null } : { webType: 'fp32' }),
      },
    });
    assert.equal(result.status, 'ok', result.message);
    const executed = readNotebook(output);
    assert.deepEqual(validateNotebook(executed), []);
    const outputs = executed.cells.flatMap((cell) => cell.outputs ?? []) as {
      data?: Record<string, unknown>;
    }[];
    const pictures = outputs.filter((one) => one.data?.['image/svg+xml'] !== undefined);
    assert.ok(pictures.length >= 3, `expected three static figures, got ${pictures.length}`);

    const metrics = JSON.parse(fs.readFileSync(path.join(folder, 'metrics.json'), 'utf8')) as {
      trainable: number;
      before: { eval_loss: number };
      after: { eval_loss: number; count: number };
    };
    assert.ok(metrics.after.eval_loss < metrics.before.eval_loss);
    assert.equal(metrics.after.count, 4);
    const state = JSON.parse(fs.readFileSync(path.join(folder, 'trainer_state.json'), 'utf8')) as {
      global_step: number;
    };
    assert.equal(state.global_step, 6);
    for (const file of [
      'samples.json',
      'samples.html',
      'samples.md',
      'figures/loss.svg',
      'splits/train.jsonl',
    ]) {
      assert.ok(fs.statSync(path.join(folder, file)).size > 100, file);
    }
    for (const file of ['model.gguf', 'site/index.html'])
      assert.equal(fs.existsSync(path.join(folder, file)), method === 'full', file);
    const saved = path.join(folder, 'model');
    if (method === 'full') {
      const model = await AutoModelForCausalLM.fromPretrained(saved);
      assert.equal(model.numParameters(), metrics.trainable);
      await assertPageAnswers(folder, saved, model);
      await model.dispose();
    } else {
      const base = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
      const model = await loadAdapter(base, saved);
      assert.equal(model.numParameters({ onlyTrainable: true }), metrics.trainable);
      await base.dispose();
    }
  });
}
