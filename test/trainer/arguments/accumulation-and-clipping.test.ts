/**
 * Arguments of the trainer's core: what each of them changes, and what is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { createDataCollator } from '../../../lib/dataset';
import { getPeftModel } from '../../../lib/pretrained';
import { LoraConfig } from '../../../lib/models';
import type { CausalLM } from '../../../lib/pretrained';
import { checkpointFault, listCheckpoints, Trainer, TrainingArguments } from '../../../lib/trainer';
import type { EvaluationData, TrainerCallback, TrainerControl, ArgumentOptions } from '../../../lib/trainer';
import type { EncodedExample } from '../../../lib/types';
import { setFarAlong } from '../checkpoints/far-checkpoint';
import { examples, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-core-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

async function make(
  options: Partial<ArgumentOptions>,
  more: {
    model?: CausalLM;
    data?: readonly EncodedExample[];
    evalData?: EvaluationData;
    callbacks?: TrainerCallback[];
  } = {},
): Promise<Trainer> {
  const args = new TrainingArguments({
    ...{ outputDir: folder(), maxSteps: 4, perDeviceTrainBatchSize: 4, learningRate: 1e-3 },
    ...{ lrSchedulerType: 'constant', loggingSteps: 1, saveStrategy: 'no', preflight: false },
    ...options,
  });
  const { model = await smallModel(), data = examples, evalData, callbacks = [] } = more;
  return new Trainer({ model, args, trainDataset: data, evalDataset: evalData, callbacks });
}
const EVALUATING = { evalStrategy: 'steps', evalSteps: 1 } as const;

test('early stopping counts evaluations without gain, and resumes as stopped', async () => {
  // No learning: no evaluation is better than the first.
  const options = {
    ...EVALUATING,
    learningRate: 0,
    maxSteps: 20,
    earlyStoppingPatience: 3,
    outputDir: folder(),
  };
  const trainer = await make(options, { evalData: examples.slice(0, 3) });
  const output = await trainer.train();
  assert.deepEqual([output.stopped, output.globalStep], ['early stopping', 4]);
  const again = await make(options, { evalData: examples.slice(0, 3) });
  const resumed = await again.train({ resumeFromCheckpoint: true });
  assert.deepEqual([resumed.stopped, resumed.globalStep], ['early stopping', 4]);
  const patient = await make({ ...options, earlyStoppingPatience: 5 }, { evalData: examples.slice(0, 3) });
  assert.equal((await patient.train({ resumeFromCheckpoint: true })).globalStep, 6);
});

test('earlyStoppingThreshold: a gain that is too small does not count', async () => {
  const run = async (earlyStoppingThreshold: number): Promise<string> => {
    const options = {
      ...EVALUATING,
      learningRate: 1e-4,
      maxSteps: 8,
      earlyStoppingPatience: 2,
      earlyStoppingThreshold,
    };
    return (await (await make(options, { evalData: examples })).train()).stopped;
  };
  assert.deepEqual([await run(0), await run(1)], ['finished', 'early stopping']);
});

test('several evaluation sets have metrics of their own, and one of them tells the best model', async () => {
  const evalData = { short: examples.slice(0, 4), long: examples.slice(4) };
  const options = {
    ...EVALUATING,
    maxSteps: 2,
    loadBestModelAtEnd: true,
    saveStrategy: 'steps',
    saveSteps: 1,
  } as const;
  const trainer = await make({ ...options, metricForBestModel: 'long_loss' }, { evalData });
  await trainer.train();
  const last = (key: string): number | undefined =>
    trainer.state.logHistory.filter((entry) => entry[key] !== undefined).at(-1)?.[key];
  assert.notEqual(last('eval_short_loss'), last('eval_long_loss'));
  assert.ok(
    Math.abs((last('eval_long_loss') ?? 0) - (await trainer.evaluate(evalData.long)).eval_loss) < 1e-6,
  );
  assert.equal(trainer.state.bestMetric, last('eval_long_loss'));
  await assert.rejects(make(options, { evalData }), /metricForBestModel.*eval_short_loss, eval_long_loss/);
});

test('evalOnStop: a run that comes to its end, or is stopped by a callback, is not evaluated once more', async () => {
  const stop: TrainerCallback = { onStepEnd: ({ control }) => void (control.shouldTrainingStop = true) };
  const limits: [Partial<ArgumentOptions>, TrainerCallback[], evaluated: boolean][] = [
    [{}, [], false],
    [{}, [stop], false],
    [{ maxTimeMs: 1 }, [], true],
  ];
  for (const [options, callbacks, evaluated] of limits) {
    const trainer = await make({ ...options, evalOnStop: true }, { evalData: examples, callbacks });
    const { metrics, stopped } = await trainer.train();
    assert.equal('eval_loss' in metrics, evaluated, stopped);
  }
});

test('loadBestModelAtEnd: at the end, not where the run is cut short and will go on', async () => {
  const after = async (callbacks: TrainerCallback[]): Promise<{ now: number; history: number[] }> => {
    // A rate that makes each evaluation worse than the first.
    const options = {
      ...EVALUATING,
      maxSteps: 3,
      learningRate: 0.5,
      saveStrategy: 'steps',
      saveSteps: 1,
    } as const;
    const trainer = await make({ ...options, loadBestModelAtEnd: true }, { evalData: examples, callbacks });
    await trainer.train();
    const history = trainer.state.logHistory.flatMap(({ eval_loss: loss = NaN }) => (loss > 0 ? [loss] : []));
    assert.ok(
      history.slice(1).every((loss) => loss > 1.01 * history[0]),
      history.join(' '),
    );
    return { now: (await trainer.evaluate()).eval_loss, history };
  };
  const whole = await after([]);
  assert.ok(Math.abs(whole.now - whole.history[0]) < 1e-5);
  const interrupt: TrainerCallback = {
    onStepEnd: ({ state }) => void (state.globalStep === 2 && process.kill(process.pid, 'SIGINT')),
  };
  const cut = await after([interrupt]);
  assert.ok(Math.abs(cut.now - (cut.history.at(-1) ?? NaN)) < 1e-5);
});

test('evaluation data without labels is refused', async () => {
  const unlabelled = examples.map(({ inputIds }) => ({ inputIds, labels: inputIds.map(() => -100) }));
  await assert.rejects((await make({})).evaluate(unlabelled), /expected tokens with labels/);
});

test('autoFindBatchSize: batches that memory refuses go through in halves, in the same steps', async () => {
  const run = async (fails: boolean, autoFindBatchSize: boolean): Promise<Trainer> => {
    const sizes: number[] = [];
    const plain = createDataCollator({ padTokenId: 0, maxLength: 32 });
    const trainer = new Trainer({
      model: await smallModel({ resid_pdrop: 0, embd_pdrop: 0, attn_pdrop: 0 }),
      args: new TrainingArguments({
        ...{ outputDir: folder(), maxSteps: 3, perDeviceTrainBatchSize: 8, learningRate: 1e-3, optim: 'sgd' },
        ...{ loggingSteps: 1, saveStrategy: 'steps', saveSteps: 3, preflight: false, autoFindBatchSize },
      }),
      trainDataset: examples,
      callbacks: [],
      dataCollator: (batch) => {
        sizes.push(batch.length);
        // A real failure of the allocator, at the size where a small machine has it.
        if (fails && batch.length > 2) new ArrayBuffer(2 ** 53 - 1);
        return plain(batch);
      },
    });
    await trainer.train();
    if (fails) assert.ok(Math.max(...sizes.slice(4)) <= 2);
    return trainer;
  };
  const [whole, halves] = [await run(false, true), await run(true, true)];
  assert.deepEqual([whole.state.microBatchSize, halves.state.microBatchSize], [8, 2]);
  const losses = (trainer: Trainer): number[] => trainer.state.logHistory.map((entry) => entry.loss);
  losses(whole).forEach((loss, i) => assert.ok(Math.abs(loss - losses(halves)[i]) < 1e-5));
  await assert.rejects(run(true, false), /memory ran out in step 1, with 8 examples.*autoFindBatchSize/);
});

test('shouldEpochStop goes on with the next epoch, and a resumed run knows', async () => {
  const options = { maxSteps: -1, numTrainEpochs: 3, outputDir: folder(), perDeviceTrainBatchSize: 2 };
  const short: TrainerCallback = {
    onStepEnd: ({ state, control }) =>
      void (control.shouldEpochStop ||= state.epochsDone === 0 && state.stepInEpoch === 2),
  };
  const trainer = await make(options, { callbacks: [short] });
  const output = await trainer.train();
  // Passes of 6 steps, the first one cut to 2.
  assert.deepEqual([output.stopped, output.globalStep, trainer.state.epoch], ['finished', 14, 3]);
});

test('onInitEnd is called with the trainer made; each control flag does what it says', async () => {
  const seen: string[] = [];
  const ask = (flag: keyof TrainerControl, at: number): TrainerCallback => ({
    onStepEnd: ({ state, control }) => void (control[flag] ||= state.globalStep === at),
  });
  const trainer = await make(
    { loggingStrategy: 'no', maxSteps: 9 },
    {
      evalData: examples.slice(0, 2),
      callbacks: [
        { onInitEnd: ({ args }) => void seen.push(`init ${args.maxSteps}`) },
        { onLog: ({ state }) => void seen.push(`log ${state.globalStep}`) },
        { onEvaluate: ({ state }) => void seen.push(`evaluate ${state.globalStep}`) },
        { onSave: ({ state }) => void seen.push(`save ${state.globalStep}`) },
        ...[
          ask('shouldLog', 2),
          ask('shouldEvaluate', 3),
          ask('shouldSave', 4),
          ask('shouldTrainingStop', 5),
        ],
      ],
    },
  );
  assert.equal((await trainer.train()).stopped, 'callback');
  assert.deepEqual(seen, ['init 9', 'log 2', 'log 3', 'evaluate 3', 'save 4', 'save 5']);
});

test('a resume with changes lists all of them and stops, or goes on when told to', async () => {
  const options = { maxSteps: 2, saveStrategy: 'steps', saveSteps: 2, outputDir: folder() } as const;
  await (await make(options)).train();
  const changed = { ...options, maxSteps: 3, learningRate: 5e-4 };
  const other = await make(changed, { data: examples.slice(1) });
  await assert.rejects(
    other.train({ resumeFromCheckpoint: true }),
    /maxSteps: 2 then, 3 now[\s\S]*learningRate: 0.001 then, 0.0005 now[\s\S]*examples: 11 then, 10 now[\s\S]*data: [\s\S]*ignoreChanges: true/,
  );
  assert.equal((await other.train({ resumeFromCheckpoint: true, ignoreChanges: true })).globalStep, 3);
});

test('other evaluation data makes another run', async () => {
  const options = {
    ...EVALUATING,
    maxSteps: 2,
    saveStrategy: 'steps',
    saveSteps: 2,
    outputDir: folder(),
  } as const;
  await (await make(options, { evalData: examples.slice(0, 3) })).train();
  const other = await make(options, { evalData: examples.slice(0, 4) });
  await assert.rejects(other.train({ resumeFromCheckpoint: true }), (error: Error) => {
    assert.match(error.message, /^- evaluation_data: \{"eval":"\w+"\} then, \{"eval":"\w+"\} now$/m);
    assert.equal(error.message.match(/^- /gm)?.length, 1, error.message);
    return true;
  });
});

test('another base model under the same adapter is noticed', async () => {
  const lora = async (change: number): Promise<CausalLM> => {
    const model = await smallModel();
    model.weights.parameters.flat[0] += change;
    return getPeftModel(model, new LoraConfig({ r: 2, seed: 5 }));
  };
  const options = { maxSteps: 1, saveStrategy: 'steps', saveSteps: 1, outputDir: folder() } as const;
  await (await make(options, { model: await lora(0) })).train();
  const other = await make(options, { model: await lora(0.5) });
  await assert.rejects(other.train({ resumeFromCheckpoint: true }), /base_weights: "/);
});

test('damaged checkpoints never make the limit delete a whole one, and go aside', async () => {
  const options = {
    maxSteps: 6,
    saveStrategy: 'steps',
    saveSteps: 2,
    saveTotalLimit: 3,
    outputDir: folder(),
  } as const;
  await (await make(options)).train();
  for (const step of [4, 6])
    fs.truncateSync(path.join(options.outputDir, `checkpoint-${step}`, 'model.safetensors'), 99);
  const stop: TrainerCallback = {
    onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === 3),
  };
  const trainer = await make({ ...options, saveTotalLimit: 1 }, { callbacks: [stop] });
  assert.equal((await trainer.train({ resumeFromCheckpoint: true })).globalStep, 3);
  const left = await listCheckpoints(options.outputDir);
  assert.deepEqual(
    left.map(({ step }) => step),
    [3],
  );
  assert.equal(await checkpointFault(left[0].folder), undefined);
  assert.deepEqual(fs.readdirSync(path.join(options.outputDir, 'replaced')).sort(), [
    'checkpoint-4',
    'checkpoint-6',
  ]);
});

test('with damaged checkpoints only, no run silently starts over', async () => {
  const options = { maxSteps: 2, saveStrategy: 'steps', saveSteps: 2, outputDir: folder() } as const;
  await (await make(options)).train();
  fs.rmSync(path.join(options.outputDir, 'checkpoint-2', 'optimizer.safetensors'));
  await assert.rejects((await make(options)).train({ resumeFromCheckpoint: true }), /damaged ones only/);
});

test("weights that an update made infinite do not take a good checkpoint's place", async () => {
  const outputDir = folder();
  const options = { outputDir, maxSteps: 6, saveStrategy: 'steps', saveSteps: 1, saveTotalLimit: 1 } as const;
  const model = await smallModel();
  const overflow: TrainerCallback = {
    onOptimizerStep: ({ state }) =>
      void (state.globalStep === 2 && (model.weights.parameters.flat[5] = Infinity)),
  };
  const trainer = await make(options, { model, callbacks: [overflow] });
  await assert.rejects(
    trainer.train(),
    /finite weights, got Infinity at step 3 \(training examples [\d, ]+\).*checkpoint-2/,
  );
  assert.equal(await checkpointFault(path.join(outputDir, 'checkpoint-2')), undefined);
});

test('skipping to a late step looks at no batch on the way', async () => {
  const outputDir = folder();
  const options = { outputDir, maxSteps: 400_000, lrSchedulerType: 'linear' } as const;
  const stop: TrainerCallback = { onStepEnd: ({ control }) => void (control.shouldTrainingStop = true) };
  await (await make(options, { callbacks: [stop] })).train();
  const far = { globalStep: 399_997, epochsDone: 133_332, stepInEpoch: 1 };
  setFarAlong(path.join(outputDir, 'checkpoint-1'), far);
  let collated = 0;
  const plain = createDataCollator({ padTokenId: 0, maxLength: 32 });
  const args = new TrainingArguments({
    ...{ ...options, perDeviceTrainBatchSize: 4, learningRate: 1e-3, loggingSteps: 1 },
    ...{ saveStrategy: 'no', preflight: false },
  });
  const trainer = new Trainer({
    ...{ model: await smallModel(), args, trainDataset: examples, callbacks: [] },
    dataCollator: (batch) => {
      collated++;
      return plain(batch);
    },
  });
  assert.equal((await trainer.train({ resumeFromCheckpoint: true })).globalStep, 400_000);
  assert.equal(collated, 3);
});

test('a run in progress refuses another', async () => {
  const trainer = await make({});
  const first = trainer.train();
  await assert.rejects(trainer.train(), /expected no run in progress/);
  await first;
});

test('missing data is reported together', async () => {
  await assert.rejects(
    make({ evalStrategy: 'steps', evalOnStop: true }, { data: [] }),
    /examples in trainDataset[\s\S]*evalStrategy 'steps'[\s\S]*evalOnStop/,
  );
});
