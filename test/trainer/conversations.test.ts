/**
 * Conversations from records to answers: LoRA on the assistant's turns alone. The loss falls, the model answers in the
 * learned form turn after turn, ends where the turn ends, and heeds the system text.
 */
import assert from 'node:assert/strict';

import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { encodeRecords } from '../../lib/dataset';
import type { DataRecord, EncodingReport } from '../../lib/dataset';
import { textGenerator } from '../../lib/generation';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { chatTemplate } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { ChatMessage, PretrainedTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { CLI } from '../support/paths';

const SYSTEMS = { short: 'Be short.', whole: 'Answer as a coach.' };
const SEGMENTS = ['row', 'run', 'sled push', 'lunges', 'wall balls', 'ski erg'];

const wanted = (system: keyof typeof SYSTEMS, segment: string): string =>
  system === 'short' ? `Train the ${segment}.` : `The ${segment} is a segment to work on.`;

/** Two questions with their answers, after a system text. */
function talk(system: keyof typeof SYSTEMS, segments: readonly string[]): ChatMessage[] {
  return [
    { role: 'system', content: SYSTEMS[system] },
    ...segments.flatMap((segment) => [
      { role: 'user', content: `The ${segment} was slow.` },
      { role: 'assistant', content: wanted(system, segment) },
    ]),
  ];
}

const records = SEGMENTS.flatMap((segment, i) =>
  (['short', 'whole'] as const).map((system): DataRecord => {
    const messages = talk(system, [segment, SEGMENTS[(i + 1) % SEGMENTS.length]]);
    return { messages: messages.map((message) => ({ ...message })) };
  }),
);

describe('conversations, trained and asked', () => {
  let model: CausalLM;
  let tokenizer: PretrainedTokenizer;
  let report: EncodingReport;
  let losses: number[];
  let outputDir: string;

  before(async () => {
    outputDir = fs.mkdtempSync(path.join(process.cwd(), 'outputs', 'conversations-'));
    model = await AutoModelForCausalLM.fromPretrained('mistral-mini');
    tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
    const template = chatTemplate({ tokenizer });
    const encoded = encodeRecords(records, { tokenizer, template, format: 'messages' });
    ({ report } = encoded);
    getPeftModel(model, new LoraConfig({ r: 16, loraAlpha: 32, targetModules: 'all-linear' }));
    const args = new TrainingArguments({
      ...{ outputDir, maxSteps: 28, perDeviceTrainBatchSize: 6, learningRate: 1.5e-2, loggingSteps: 5 },
      ...{ saveStrategy: 'no', preflight: false },
    });
    const prompt = { tokenizer, template };
    const trainer = new Trainer({ model, args, trainDataset: encoded.examples, prompt, callbacks: [] });
    await trainer.train();
    losses = trainer.state.logHistory.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  });
  after(async () => {
    await model.dispose();
    fs.rmSync(outputDir, { recursive: true, force: true });
  });

  it('learns the turns of the assistant, and the loss falls', () => {
    assert.equal(report.conversations?.trainedTurns, 2 * records.length);
    assert.ok(report.lossTokens < report.totalTokens / 2, `${report.lossTokens} of ${report.totalTokens}`);
    assert.ok(losses[0] > 4 && (losses.at(-1) ?? 1) < 0.6, String(losses));
  });

  it('answers turn after turn in the learned form, as the system text says, and stops', async () => {
    const chat = textGenerator({ model, tokenizer, maxNewTokens: 40 });
    for (const system of ['short', 'whole'] as const) {
      const messages: ChatMessage[] = [{ role: 'system', content: SYSTEMS[system] }];
      for (const segment of ['lunges', 'wall balls']) {
        messages.push({ role: 'user', content: `The ${segment} was slow.` });
        messages.push(await chat({ messages }));
      }
      assert.deepEqual(messages, talk(system, ['lunges', 'wall balls']));
    }
  });

  it('answers many conversations and texts together; a template of the caller’s is asked and ended', async () => {
    const ask = textGenerator({ model, tokenizer, maxNewTokens: 40 });
    const chats = (['short', 'whole'] as const).map((system) => ({
      messages: talk(system, ['run']).slice(0, -1),
    }));
    const text = `[INST] ${SYSTEMS.short}\n\nThe run was slow. [/INST]`;
    const answers = await ask([...chats, text]);
    assert.deepEqual(
      answers.map((answer) => answer.trim()),
      [wanted('short', 'run'), wanted('whole', 'run'), wanted('short', 'run')],
    );
    // The same turns by another source.
    const source =
      '{{ bos_token }}[INST] {{ messages[0].content }}\n\n{{ messages[1].content }} [/INST]{% if messages | length > 2 %}' +
      '{{ messages[2].content }}{{ eos_token }}{% endif %}';
    const own = textGenerator({ model, tokenizer, maxNewTokens: 40, chatTemplate: source });
    assert.deepEqual(await own(chats[1]), { role: 'assistant', content: wanted('whole', 'run') });
  });

  it('says what cannot be answered', async () => {
    const ask = textGenerator({ model, tokenizer, maxNewTokens: 1 });
    const user = { role: 'user', content: 'a' };
    for (const [messages, message] of [
      [[user, { role: 'assistant', content: 'b' }], /ends with a turn of the user, got assistant last/],
      [[], /ends with a turn of the user, got none last/],
      [[user, user], /roles must alternate/],
      [[user, { role: 'user' } as ChatMessage], /messages\[1\]/],
    ] as const)
      await assert.rejects(ask({ messages }), { name: 'TunebookError', message });
  });

  it('answers conversations of a file by the command line, from a saved adapter', async () => {
    await saveAdapter(model, path.join(outputDir, 'adapter'), 'mistral-mini');
    const [first, second] = [talk('whole', ['row', 'run']), talk('short', ['lunges']).slice(0, -1)];
    const lines = [first, second].map((messages) => JSON.stringify({ messages }));
    const file = path.join(outputDir, 'chats.jsonl');
    fs.writeFileSync(file, lines.join('\n'));
    const words = ['generate', path.join(outputDir, 'adapter'), '--records', file, '-n', '40'];
    const run = spawnSync(process.execPath, [CLI, ...words], { encoding: 'utf8' });
    assert.equal(run.status, 0, run.stderr);
    assert.match(run.stderr, /^Asked in /);
    assert.deepEqual(
      run.stdout.split('\n---\n').map((answer) => answer.trim()),
      [wanted('whole', 'run'), wanted('short', 'lunges')],
    );
  });
});
