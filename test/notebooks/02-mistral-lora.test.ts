/**
 * Notebook 02 run without a person on a short setting, in both prompt forms, with layers on disk in one of them:
 * what it writes is there, and the adapter that it saved is the one that it measured; its page answers in a browser.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { AutoModelForCausalLM, loadAdapter } from '../../lib/pretrained';
import { joinText, readNotebook, validateNotebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { BitsAndBytesConfig } from '../../lib/quantization';
import { isPlanPrompt } from '../../lib/hyrox';
import { loadPrompt } from '../../lib/prompts';
import { ROOT } from '../support/paths';
import { LONG } from '../support/long';
import { assertPageAnswers } from './page-answers';

const notebook = path.join(ROOT, 'notebooks', '02-mistral-lora.ipynb');
const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-nb02-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

interface Metrics {
  model: string;
  trainable: number;
  layerBytes: number;
  before: { eval_loss: number };
  after: { eval_loss: number; count: number };
  fresh: { peakMemoryBytes: number };
  richer: Record<'short answers' | 'plan + fill', { words: number; claims: number; sentences: number }>;
}

for (const [what, parameters, long] of [
  ['instruction prompts', { webType: 'fp32' }, {}],
  [
    'chat prompts, layers on disk',
    { promptForm: 'chat', maxMemory: '8.6MB', ggufType: null, webType: null },
    LONG,
  ],
] as const) {
  test(`notebook 02 runs: ${what}`, { ...long, timeout: 240_000 }, async () => {
    const folder = path.join(temporary, what.split(' ')[0]);
    const output = path.join(folder, 'run.ipynb');
    const short = { maxSteps: 6, planSteps: 2, evalRecords: 4, maxRecords: 120, batchSize: 2 };
    const result = await runNotebook({ notebook, output, parameters: { ...short, ...parameters } });
    assert.equal(result.status, 'ok', result.message);
    const executed = readNotebook(output);
    assert.deepEqual(validateNotebook(executed), []);
    const outputs = executed.cells.flatMap((cell) => cell.outputs ?? []);
    const pictures = outputs.filter((one) => 'data' in one && 'image/svg+xml' in one.data);
    assert.ok(pictures.length >= 5, `expected five static figures, got ${pictures.length}`);
    const text = outputs.map((one) => (one.output_type === 'stream' ? joinText(one.text) : '')).join('');
    assert.match(text, /trainable params: 3,407,872 \|\| all params: 7,245,139,968 \|\| trainable%: 0\.0470/);
    assert.match(text, /\[INST\] .*\[\/INST\]/s);
    assert.equal(fs.existsSync(path.join(folder, 'offload')), 'maxMemory' in parameters);

    const metrics = JSON.parse(fs.readFileSync(path.join(folder, 'metrics.json'), 'utf8')) as Metrics;
    assert.ok(metrics.after.eval_loss < metrics.before.eval_loss);
    assert.equal(metrics.after.count, 4);
    assert.ok(metrics.fresh.peakMemoryBytes > 50e6);
    const { 'short answers': dry, 'plan + fill': filled } = metrics.richer;
    assert.deepEqual([dry.claims, filled.claims], [0, 1]);
    assert.ok(filled.words > 2 * dry.words && filled.sentences > dry.sentences);
    const planner = await loadPrompt(path.join(folder, 'planner'));
    assert.ok(
      planner?.isSaved && isPlanPrompt(planner.description),
      'expected a planner that says how it is asked',
    );
    const written = ['samples.json', 'samples.html', 'figures/loss.svg', 'figures/quantization-error.svg'];
    for (const file of [...written, 'trainer_state.json', 'prompts.json', 'splits/test.jsonl'])
      assert.ok(fs.statSync(path.join(folder, file)).size > 100, file);

    const isExported = parameters.webType !== null;
    for (const file of ['model.gguf', 'site/index.html'])
      assert.equal(fs.existsSync(path.join(folder, file)), isExported, file);
    const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
    const base = await AutoModelForCausalLM.fromPretrained(metrics.model, { quantizationConfig });
    const saved = path.join(folder, 'adapter');
    const model = await loadAdapter(base, saved);
    assert.equal(model.numParameters({ onlyTrainable: true }), metrics.trainable);
    if (isExported) await assertPageAnswers(folder, saved, model);
    await base.dispose();
  });
}
