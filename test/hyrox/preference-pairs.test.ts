/** Race pairs of the label maker: what is wrong in the rejected answers, and that a model learns to tell them apart. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { encodePairs, loadRecords } from '../../lib/dataset';
import * as hyrox from '../../lib/hyrox';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
import { DPOConfig, DPOTrainer } from '../../lib/trainer';
import path from 'node:path';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const FILE = path.join(ROOT, 'data/hyrox/hyrox-sample-corrected.jsonl');

async function races(limit: number): Promise<hyrox.FeedbackRecord[]> {
  const { records } = await loadRecords(FILE, { limit });
  return records.map(({ input, context, response }) => ({
    ...{ input: String(input), context: String(context), response: String(response) },
  }));
}

describe('preferencePairs', () => {
  it('the chosen answer is the label; the rejected one has another verdict, or other segments, and nothing else', async () => {
    const records = await races(200);
    for (const wrong of ['verdict', 'segments'] as const) {
      const pairs = hyrox.preferencePairs(records, { wrong });
      assert.equal(pairs.length, 200);
      for (const [i, { prompt, chosen, rejected }] of pairs.entries()) {
        assert.equal(chosen, records[i].response);
        assert.ok(prompt.includes(records[i].context));
        const [right, other] = [chosen, rejected].map((text) => ({
          verdict: hyrox.classifyVerdict(text),
          segments: [...hyrox.namedSegments(text)].sort().join(),
        }));
        assert.ok(other.verdict !== null && other.verdict !== undefined);
        assert.equal(right.verdict === other.verdict, wrong === 'segments', rejected);
        assert.equal(right.segments === other.segments, wrong === 'verdict', rejected);
      }
    }
  });

  it('asks as the coach of the sport that the prompt names, of Hyrox where none is named', async () => {
    const records = await races(1);
    const systemOf = (template?: ReturnType<typeof hyrox.feedbackTemplate>): string | undefined =>
      hyrox.preferencePairs(records, template === undefined ? {} : { template })[0].prompt.split('\n')[1];
    assert.equal(systemOf(), 'You are a Hyrox coach. Give feedback on the race.');
    assert.equal(systemOf(hyrox.FEEDBACK_TEMPLATE), systemOf());
    assert.match(systemOf(hyrox.feedbackTemplate('triathlon')) ?? '', /^You are a triathlon coach\./);
    assert.match(systemOf(hyrox.feedbackTemplate('open water')) ?? '', /^You are an open water coach\./);
    assert.throws(() => hyrox.feedbackTemplate(''), /feedbackTemplate: expected the word for a sport/);
  });

  it('no kind of answer is always the rejected one: about as many are wrong by naming no segment as are right by it', async () => {
    const pairs = hyrox.preferencePairs(await races(200), { wrong: 'segments' });
    const namesNone = (text: string): boolean => hyrox.namedSegments(text).length === 0;
    const right = pairs.filter(({ chosen }) => namesNone(chosen)).length;
    const wrong = pairs.filter(({ rejected }) => namesNone(rejected)).length;
    assert.ok(right > 20 && wrong > right / 3 && wrong < 3 * right, `${right} right, ${wrong} wrong`);
    // Names, number and kind differ, never the order: as in right answers it is the context's.
    for (const { prompt, rejected } of pairs) {
      const places = hyrox.namedSegments(rejected).map((name) => prompt.indexOf(` ${name}`));
      assert.deepEqual(
        places,
        [...places].sort((a, b) => a - b),
        rejected,
      );
    }
  });

  it('the same seed gives the same pairs; both faults come about equally often', async () => {
    const records = await races(200);
    const pairs = hyrox.preferencePairs(records);
    assert.deepEqual(hyrox.preferencePairs(records), pairs);
    assert.notDeepEqual(hyrox.preferencePairs(records, { seed: 1 }), pairs);
    const verdicts = pairs.filter(
      ({ chosen, rejected }) => hyrox.classifyVerdict(chosen) !== hyrox.classifyVerdict(rejected),
    ).length;
    assert.ok(verdicts > 70 && verdicts < 130, `${verdicts}`);
  });

  it('a context of other labels is refused with the record', () => {
    const record = { input: 'How?', context: 'time: 61', response: 'Fine.' };
    assert.throws(() => hyrox.preferencePairs([record]), /preferencePairs, record 0: .*corrected context/);
    const options = { wrong: 'both' } as unknown as hyrox.PreferencePairOptions;
    assert.throws(() => hyrox.preferencePairs([], options), /'verdict', 'segments' or 'either', got "both"/);
  });
});

it('DPO raises the share of held-out pairs whose right answer has the higher reward', async (t) => {
  const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
  const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini', { engine: { provider: 'cpu' } });
  t.after(() => model.dispose());
  getPeftModel(model, new LoraConfig({ r: 8, loraAlpha: 16, targetModules: ['c_attn'], seed: 1 }));
  // The verdict follows from the end of the context: prompts are cut on their left, to be quick.
  const records = hyrox.preferencePairs(await races(56), { wrong: 'verdict' });
  const { pairs } = encodePairs(records, { tokenizer, maxLength: 128, truncation: 'left' });
  const args = new DPOConfig({
    ...{ outputDir: await temporaryFolder(t), maxSteps: 12, perDeviceTrainBatchSize: 4, learningRate: 1e-3 },
    ...{
      perDeviceEvalBatchSize: 8,
      lrSchedulerType: 'constant',
      beta: 0.1,
      preflight: false,
      saveStrategy: 'no',
    },
  });
  const data = { trainDataset: pairs.slice(0, 40), evalDataset: pairs.slice(40), callbacks: [] };
  const trainer = new DPOTrainer({ model, args, ...data });
  const before = await trainer.evaluate();
  assert.ok(Math.abs(before['eval_rewards/margins']) < 1e-4);
  await trainer.train();
  const after = await trainer.evaluate();
  assert.ok(after['eval_rewards/accuracies'] > 0.6, `${after['eval_rewards/accuracies']}`);
  assert.ok(after['eval_rewards/margins'] > 0.05, `${after['eval_rewards/margins']}`);
});
