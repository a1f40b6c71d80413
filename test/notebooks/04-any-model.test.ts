/**
 * Notebook 04 run without a person on a short setting: on the sample, and on conversations of the user's own, from a file
 * of parameters. The adapter that it saves is the one that it measured.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { joinText, readNotebook, validateNotebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { ROOT } from '../support/paths';

const notebook = path.join(ROOT, 'notebooks', '04-any-model.ipynb');
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-nb04-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

interface Metrics {
  turns: { trainedTurns: number };
  loss: { before: number; after: number };
  rewards?: { 'eval_rewards/margins': number };
}

const SHORT = {
  ...{ maxSteps: 3, batchSize: 1, dpoSteps: 1, dpoBatch: 1, evalRecords: 2, maxRecords: 16 },
  ...{ maxNewTokens: 4 },
};

test('notebook 04 runs', { timeout: 240_000 }, async () => {
  const output = path.join(temporary, 'run.ipynb');
  const result = await runNotebook({ notebook, output, parameters: SHORT });
  assert.equal(result.status, 'ok', result.message);
  const executed = readNotebook(output);
  assert.deepEqual(validateNotebook(executed), []);
  const texts = executed.cells
    .flatMap((cell) => cell.outputs ?? [])
    .map((one) => (one.output_type === 'stream' ? joinText(one.text) : ''));
  assert.match(
    texts.join(''),
    /14 records taken as conversations \(messages\): 28 turns of the assistant are learned/,
  );
  assert.match(texts.join(''), /^assistant: /m);
  const metrics = JSON.parse(fs.readFileSync(path.join(temporary, 'metrics.json'), 'utf8')) as Metrics;
  assert.equal(metrics.turns.trainedTurns, 28);
  assert.ok(metrics.loss.after < metrics.loss.before);
  assert.ok(Number.isFinite(metrics.rewards?.['eval_rewards/margins']));
  for (const file of ['adapter/adapter_model.safetensors', 'adapter/chat_template.jinja', 'model.gguf'])
    assert.ok(fs.statSync(path.join(temporary, file)).size > 100, file);
});
