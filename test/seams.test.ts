/**
 * What can be added from outside, one of each, by public doors alone: an optimizer, a dataset format, a metric, a
 * loss. (A model family: test/models/families/register-family.test.ts.)
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { describe, it } from 'node:test';
import {
  AutoModelForCausalLM,
  encodeRecords,
  evaluateGeneration,
  getPeftModel,
  loadRecords,
  LoraConfig,
  registerOptimizer,
  registerReader,
  tf,
  Trainer,
  TrainingArguments,
} from '../lib';
import { createFlatOptimizer } from '../lib/trainer';
import type { CausalLM, EncodedExample, LossFunction, OptimizerFactory } from '../lib';
import { temporaryFolder } from './support/temporary-folder';

const SIZES = { model_type: 'gpt2', vocab_size: 40, n_positions: 16, n_embd: 16, n_layer: 2, n_head: 2 };
const EXAMPLES: EncodedExample[] = Array.from({ length: 8 }, (_, i) => {
  const inputIds = Array.from({ length: 6 + (i % 3) }, (__, t) => (7 * i + 3 * t) % 40);
  return { inputIds, labels: inputIds.map((id, t) => (t < 2 ? -100 : id)) };
});

const smallModel = (): Promise<CausalLM> =>
  AutoModelForCausalLM.fromConfig(
    { ...SIZES, initializer_range: 0.2, resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 },
    { seed: 3, engine: { provider: 'cpu', threads: 1 } },
  );

/** A short run: the losses of its steps, the evaluation's after it, and the weights. */
async function run(
  outputDir: string,
  options: { optim?: string; loss?: LossFunction; lora?: boolean; steps?: number; resume?: boolean } = {},
): Promise<{ losses: number[]; metrics: Record<string, number>; weights: Float32Array }> {
  const model = await smallModel();
  if (options.lora) getPeftModel(model, new LoraConfig({ r: 2, loraDropout: 0, seed: 5 }));
  const trainer = new Trainer({
    ...{ model, trainDataset: EXAMPLES, evalDataset: EXAMPLES, callbacks: [], loss: options.loss },
    args: new TrainingArguments({
      ...{ outputDir, maxSteps: options.steps ?? 4, learningRate: 0.01, loggingSteps: 1, saveSteps: 2 },
      ...{ perDeviceTrainBatchSize: 2, gradientAccumulationSteps: 2, optim: options.optim, preflight: false },
    }),
  });
  await trainer.train({ resumeFromCheckpoint: options.resume ?? false });
  const metrics = await trainer.evaluate();
  const losses = trainer.state.logHistory.flatMap(({ loss }) => (loss === undefined ? [] : [loss]));
  const weights = Float32Array.from(model.trainableParameters().flatMap(({ data }) => [...data]));
  await model.dispose();
  return { losses, metrics, weights };
}

/** Cross-entropy of the next token, said once more. */
const crossEntropy: LossFunction = {
  name: 'cross-entropy again',
  value: ({ logits, labels, rowWeights }) => {
    const isLabel = tf.cast(tf.equal(tf.range(0, logits.shape[1] ?? 0, 1, 'int32'), labels), 'float32');
    const logProbability = tf.sub(tf.sum(tf.mul(logits, isLabel), -1), tf.logSumExp(logits, -1));
    return tf.neg(tf.sum(tf.mul(rowWeights, logProbability)));
  },
};

const close = (actual: ArrayLike<number>, expected: ArrayLike<number>, tolerance: number): void => {
  assert.equal(actual.length, expected.length);
  for (let i = 0; i < expected.length; i++)
    assert.ok(Math.abs(actual[i] - expected[i]) <= tolerance, `${i}: ${actual[i]} is not ${expected[i]}`);
};

describe('a loss', () => {
  for (const lora of [false, true]) {
    it(`trains as the built-in one where it says the same${lora ? ', with LoRA' : ''}`, async (t) => {
      // By SGD: AdamW makes a whole step of the rounding of gradients that are zero.
      const plain = await run(await temporaryFolder(t), { lora, optim: 'sgd' });
      const own = await run(await temporaryFolder(t), { lora, optim: 'sgd', loss: crossEntropy });
      close(own.losses, plain.losses, 1e-6 * plain.losses[0]);
      close(own.weights, plain.weights, 2e-5);
      close([own.metrics.eval_loss], [plain.metrics.eval_loss], 1e-5);
      assert.ok('eval_perplexity' in plain.metrics && !('eval_perplexity' in own.metrics));
    });
  }

  it('takes arrays of its own from each batch, and sums over sequences', async (t) => {
    // Each sequence weighs as much as its first token's id says: worked by hand from the sums of the rows.
    const weighted: LossFunction = {
      name: 'weighted sequences',
      value: (inputs) => {
        const { logits, labels, rowWeights, sequences, weights } = inputs;
        const isLabel = tf.cast(tf.equal(tf.range(0, logits.shape[1] ?? 0, 1, 'int32'), labels), 'float32');
        const rows = tf.sub(tf.logSumExp(logits, -1), tf.sum(tf.mul(logits, isLabel), -1));
        const sums = tf.unsortedSegmentSum(
          tf.mul(rowWeights, rows),
          tf.cast(sequences, 'int32') as tf.Tensor1D,
          weights.shape[0] ?? 0,
        );
        return tf.sum(tf.mul(sums, weights));
      },
      arrays: ({ shape: [B, T], inputIds }) => ({
        weights: { data: Float32Array.from({ length: B }, (_, b) => inputIds[b * T]), shape: [B] },
      }),
    };
    const model = await smallModel();
    t.after(() => model.dispose());
    const outputDir = await temporaryFolder(t);
    const evaluate = async (examples: EncodedExample[], loss?: LossFunction): Promise<number> => {
      const args = new TrainingArguments({ outputDir, perDeviceEvalBatchSize: 8 });
      const trainer = new Trainer({ model, args, trainDataset: examples, callbacks: [], loss });
      return (await trainer.evaluate(examples)).eval_loss;
    };
    const labelled = EXAMPLES.map(({ labels }) => labels.filter((id) => id >= 0).length);
    const each = [];
    for (const example of EXAMPLES) each.push(await evaluate([example]));
    const expected = each.reduce((sum, loss, i) => sum + loss * labelled[i] * EXAMPLES[i].inputIds[0], 0);
    const count = labelled.reduce((sum, n) => sum + n, 0);
    close([await evaluate(EXAMPLES, weighted)], [expected / count], (1e-5 * expected) / count);
  });

  it('is part of what a resumed run has to agree on', async (t) => {
    const folder = await temporaryFolder(t);
    await run(folder, { loss: crossEntropy, steps: 2 });
    await assert.rejects(run(folder, { steps: 2, resume: true }), /loss.*cross-entropy again/s);
    const { losses } = await run(folder, { loss: crossEntropy, steps: 2, resume: true });
    assert.equal(losses.length, 2);
  });
});

describe('an optimizer', () => {
  const factory: OptimizerFactory = (options) =>
    createFlatOptimizer(
      {
        name: 'plain-sgd',
        slots: [],
        scalars: (_step, learningRate, scale) => ({ stepSize: -learningRate * scale }),
        update: ({ parameter, gradient, stepSize }) => ({
          parameter: tf.add(parameter, tf.mul(gradient, stepSize)),
        }),
      },
      options,
    );

  it('is known by its name, trains, and is resumed', async (t) => {
    assert.throws(
      () => new TrainingArguments({ outputDir: 'x', optim: 'plain-sgd' }),
      /optim: expected one of "adamw"\|.*, got 'plain-sgd'/,
    );
    registerOptimizer('plain-sgd', factory);
    assert.throws(() => registerOptimizer('plain-sgd', factory), /which is taken/);
    assert.throws(() => registerOptimizer('adamw', factory), /which is taken/);
    // SGD without momentum and decay is what it computes.
    const own = await run(await temporaryFolder(t), { optim: 'plain-sgd' });
    const sgd = await run(await temporaryFolder(t), { optim: 'sgd' });
    close(own.losses, sgd.losses, 1e-6);
    close(own.weights, sgd.weights, 1e-6);
  });
});

describe('a dataset format', () => {
  it('is read by its ending or by its name, and its bad rows are reported', async (t) => {
    registerReader('answers', {
      extensions: ['.answers'],
      async *read({ path }) {
        for (const [i, text] of fs.readFileSync(path, 'utf8').trimEnd().split('\n').entries())
          yield text === ''
            ? { line: i + 1, reason: 'is empty' }
            : { line: i + 1, record: { response: text } };
      },
    });
    const folder = await temporaryFolder(t);
    const file = `${folder}/coach.answers`;
    fs.writeFileSync(file, 'Well run.\n\nKeep going.\n');
    const { records, report } = await loadRecords(file);
    assert.deepEqual(records, [{ response: 'Well run.' }, { response: 'Keep going.' }]);
    assert.deepEqual(report.problems, [{ file, line: 2, reason: 'is empty' }]);
    assert.equal(report.format, 'answers');
    fs.copyFileSync(file, `${folder}/coach.txt`);
    assert.equal((await loadRecords(`${folder}/coach.txt`, { format: 'answers' })).records.length, 2);
    await assert.rejects(loadRecords(`${folder}/coach.txt`), /ends in .*\.parquet, \.answers, got "\.txt"/);
    await assert.rejects(
      loadRecords(file, { format: 'none' }),
      /expected format jsonl, .*answers, got 'none'/,
    );
    const { examples } = encodeRecords(records, {
      tokenizer: { ...byteTokenizer },
      template: { formatPrompt: () => 'a', formatResponse: ({ response }) => String(response) },
    });
    assert.equal(examples.length, 2);
  });
});

const byteTokenizer = {
  vocabSize: 256,
  bosTokenId: undefined,
  eosTokenId: 0,
  padTokenId: 0,
  modelMaxLength: 64,
  encode: (text: string): number[] => [...Buffer.from(text)],
  decode: (ids: readonly number[]): string => Buffer.from(ids).toString(),
};

describe('a metric', () => {
  it('stands among the others, by name, and in the report', async () => {
    const records = [{ response: 'a b' }, { response: 'a' }];
    const { metrics, figures } = await evaluateGeneration({
      records,
      template: { formatPrompt: () => 'x', formatResponse: ({ response }) => String(response) },
      generate: async (prompts) => prompts.map(() => 'a b'),
      metrics: {
        words: ({ answers }) => answers.join(' ').split(' ').length,
        half: { measure: () => 0.5, label: 'A half', unit: 'share' },
      },
    });
    assert.equal(metrics.words, 4);
    assert.equal(metrics.half, 0.5);
    assert.equal(metrics.exactMatch, 0.5);
    assert.deepEqual(
      figures.filter(({ name }) => ['words', 'A half'].includes(name)),
      [
        { name: 'words', value: '4.0000' },
        { name: 'A half', value: '50.00%', share: 0.5 },
      ],
    );
  });
});
