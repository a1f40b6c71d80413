/** Training in the real kernel: the view updates in place, an interrupt is the clean stop, the next cell goes on. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { Session } from './kernel/kernel-session';
import type { CellRun } from './kernel/kernel-session';

const setup = (outputDir: string): string => `
import * as tb from 'tunebook';
const examples = Array.from({ length: 11 }, (_, i) => {
  const inputIds = Array.from({ length: 4 + ((i * 7) % 12) }, (__, t) => (i * 13 + t * t * 5 + t) % 53);
  return { inputIds, labels: inputIds };
});
async function makeTrainer(outputDir: string) {
  const config = { model_type: 'gpt2', vocab_size: 53, n_positions: 32, n_embd: 32, n_layer: 1, n_head: 2 };
  const model = await tb.AutoModelForCausalLM.fromConfig(config, { seed: 3, engine: { threads: 1 } });
  return new tb.Trainer({
    model,
    args: new tb.TrainingArguments({
      outputDir, maxSteps: 600, perDeviceTrainBatchSize: 2, learningRate: 1e-3, loggingSteps: 20, saveStrategy: 'no',
    }),
    trainDataset: examples,
    callbacks: [tb.trainingView('Run')],
  });
}
const trainer = await makeTrainer(${JSON.stringify(path.join(outputDir, 'interrupted'))});
const straight = await makeTrainer(${JSON.stringify(path.join(outputDir, 'straight'))});
`;

/** Display ids in the order of their first appearance, with how often each was updated. */
function displays({ messages }: CellRun): Map<string, { first: string; updates: number; last: string }> {
  const found = new Map<string, { first: string; updates: number; last: string }>();
  for (const { type, content } of messages) {
    if (type !== 'display_data' && type !== 'update_display_data') continue;
    const id = String((content.transient as { display_id?: string } | undefined)?.display_id);
    const text = String((content.data as Record<string, unknown>)['text/plain']);
    const known = found.get(id);
    if (known === undefined) found.set(id, { first: type, updates: 0, last: text });
    else Object.assign(known, { updates: known.updates + 1, last: text });
  }
  return found;
}

describe('training in the kernel', { timeout: 120_000 }, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-kernel-training-'));
  let session: Session;
  before(async () => {
    session = await Session.start(folder);
  });
  after(async () => {
    await session.kernel.shutdown();
    fs.rmSync(folder, { recursive: true, force: true });
  });

  it('interrupted, it stops cleanly and says how to go on; the next cell goes on to the same weights', async () => {
    const made = await session.run(setup(folder));
    assert.equal(made.status, 'ok', JSON.stringify(made.reply));
    // Interrupted as soon as the bar moves.
    const { id, done } = session.kernel.execute(
      'const first = await trainer.train();\nfirst.stopped + first.globalStep',
    );
    let asked = false;
    session.kernel.onMessage((message) => {
      if (asked || message.parentId !== id || message.type !== 'update_display_data') return;
      asked = true;
      void session.kernel.interrupt();
    });
    assert.equal((await done).content.status, 'ok');
    const first = { status: 'ok', reply: {}, ...session.of(id) };
    assert.ok(asked);
    assert.match(
      first.text,
      /Training stopped \(interrupted\) after step \d+; .* Resume with train\(\{ resumeFromCheckpoint: true \}\)/,
    );
    const stopped = first.messages.find(({ type }) => type === 'execute_result')?.content.data as Record<
      string,
      string
    >;
    assert.match(stopped['text/plain'], /^'interrupted\d{1,3}'$/);

    const second = await session.run(
      'const second = await trainer.train({ resumeFromCheckpoint: true });\nconsole.log(second.stopped, second.globalStep, first.globalStep < 600);',
    );
    assert.equal(second.status, 'ok');
    assert.match(second.text, /finished 600 true/);
    const [bar, figure, ...more] = [...displays(second)].filter(([display]) => display !== 'undefined');
    assert.equal(more.length, 0, 'one bar and one figure');
    for (const [, display] of [bar, figure]) {
      assert.equal(display.first, 'display_data');
      assert.ok(display.updates >= 1);
    }
    assert.match(bar[1].last, /Run .*100 %.*600\/600.*took.*loss \d/);

    const same = await session.run(
      'await straight.train();\nconsole.log(Buffer.compare(Buffer.from(trainer.model.weights.parameters.flat.buffer), Buffer.from(straight.model.weights.parameters.flat.buffer)));',
    );
    assert.match(same.text, /^0$/m);
    // The table of the checks before the run.
    const html = same.messages.map(({ content }) => JSON.stringify(content.data ?? '')).join();
    assert.match(html, /Preflight passed/);
  });
});
