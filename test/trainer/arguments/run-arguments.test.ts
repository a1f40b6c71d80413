/**
 * The arguments that say how long a run is and when it logs, evaluates and saves; and the two that change only what
 * it takes: gradient checkpointing and the evaluation's batch size.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import type { CompiledVjp } from '../../../lib/engine';
import { listCheckpoints } from '../../../lib/trainer';
import type { ArgumentOptions } from '../../../lib/trainer';
import { examples, run, smallModel } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-run-arguments-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);
const TINY = { n_embd: 4, n_head: 1, n_inner: 4 };

interface Timetable {
  last: number;
  logs: number[];
  evaluations: number[];
  saves: number[];
}

/** Eleven examples, four a batch: three steps an epoch. */
async function timetable(options: Partial<ArgumentOptions>): Promise<Timetable> {
  const outputDir = folder();
  const { trainer } = await run(
    { maxSteps: 7, loggingSteps: 100, outputDir, ...options },
    { model: await smallModel(TINY), evalData: examples.slice(0, 2) },
  );
  const { logHistory, globalStep } = trainer.state;
  const stepsWith = (key: string): number[] =>
    logHistory.filter((entry) => entry[key] !== undefined).map(({ step }) => step);
  const saves = (await listCheckpoints(outputDir)).map(({ step }) => step);
  return { last: globalStep, logs: stepsWith('loss'), evaluations: stepsWith('eval_loss'), saves };
}

const quiet: Timetable = { last: 7, logs: [1], evaluations: [], saves: [] };
const cases: [Partial<ArgumentOptions>, Partial<Timetable>][] = [
  [{}, {}],
  [{ maxSteps: 4 }, { last: 4 }],
  [{ maxSteps: -1, numTrainEpochs: 2 }, { last: 6 }],
  [{ maxSteps: -1, numTrainEpochs: 1.5 }, { last: 5 }],
  [{ maxSteps: -1, numTrainEpochs: 2, gradientAccumulationSteps: 2 }, { last: 4 }],
  [{ loggingSteps: 3 }, { logs: [1, 3, 6] }],
  [{ loggingStrategy: 'epoch' }, { logs: [1, 3, 6, 7] }],
  [{ loggingStrategy: 'no', loggingSteps: 1 }, { logs: [] }],
  [{ evalStrategy: 'steps', evalSteps: 2 }, { evaluations: [2, 4, 6] }],
  [
    { evalStrategy: 'steps', loggingSteps: 3 },
    { logs: [1, 3, 6], evaluations: [3, 6] },
  ],
  [{ evalStrategy: 'epoch' }, { evaluations: [3, 6, 7] }],
  [{ saveStrategy: 'steps', saveSteps: 4 }, { saves: [4, 7] }],
  [{ saveStrategy: 'epoch' }, { saves: [3, 6, 7] }],
  [{ saveStrategy: 'steps', saveSteps: 2, saveTotalLimit: 2 }, { saves: [6, 7] }],
];
for (const [options, wanted] of cases) {
  test(`schedule of logs, evaluations and checkpoints: ${JSON.stringify(options)}`, async () => {
    assert.deepEqual(await timetable(options), { ...quiet, ...wanted });
  });
}

test('an entry of the log is the mean of the steps since the last one', async () => {
  const losses = async (loggingSteps: number): Promise<number[]> =>
    (await run({ maxSteps: 7, loggingSteps, outputDir: folder() })).losses;
  const [each, third] = [await losses(1), await losses(3)];
  const mean = (steps: readonly number[]): number =>
    steps.reduce((total, step) => total + each[step - 1], 0) / steps.length;
  // The first step has an entry of its own.
  [[1], [2, 3], [4, 5, 6]].forEach((steps, i) => assert.ok(Math.abs(third[i] - mean(steps)) < 1e-9));
  assert.equal(third.length, 3);
});

test('metricForBestModel and greaterIsBetter say which checkpoint is the best', async () => {
  const best = async (options: Partial<ArgumentOptions>): Promise<string> => {
    const shared = { evalStrategy: 'steps', evalSteps: 2, saveStrategy: 'steps', saveSteps: 2 } as const;
    const { trainer } = await run(
      { ...shared, maxSteps: 6, learningRate: 0.02, outputDir: folder(), ...options },
      { model: await smallModel({ n_embd: 16 }), evalData: examples },
    );
    return path.basename(trainer.state.bestModelCheckpoint ?? '');
  };
  assert.equal(await best({}), 'checkpoint-6'); // the loss falls
  assert.equal(await best({ greaterIsBetter: true }), 'checkpoint-2');
  assert.equal(await best({ metricForBestModel: 'eval_perplexity' }), 'checkpoint-2'); // not a loss: more is better
  assert.equal(await best({ metricForBestModel: 'perplexity', greaterIsBetter: false }), 'checkpoint-6');
});

test('perDeviceEvalBatchSize: fewer, larger batches, the same loss', async () => {
  const evaluation = async (size: number): Promise<{ batches: number; loss: number }> => {
    let batches = 0;
    const { trainer } = await run(
      { maxSteps: 1, learningRate: 0, perDeviceEvalBatchSize: size, outputDir: folder() },
      { evalData: examples, callbacks: [{ onPredictionStep: ({ total }) => void (batches = total) }] },
    );
    const { eval_loss: loss } = await trainer.evaluate();
    return { batches, loss };
  };
  const [small, large] = [await evaluation(2), await evaluation(8)];
  assert.deepEqual([small.batches, large.batches], [6, 2]);
  assert.ok(Math.abs(small.loss - large.loss) < 1e-6);
});

test('gradientCheckpointing keeps next to nothing between forward and backward, and learns the same', async () => {
  const trained = async (gradientCheckpointing: boolean): Promise<{ kept: number; losses: number[] }> => {
    const model = await smallModel();
    const { engine } = model;
    const compile = engine.compileVjp.bind(engine);
    let kept = 0;
    engine.compileVjp = async (request) => {
      const vjp = await compile(request);
      const forward: CompiledVjp['forward'] = async (...given) => {
        const result = await vjp.forward(...given);
        for (const { data } of Object.values(result.residuals)) kept += data.byteLength;
        return result;
      };
      return { ...vjp, forward, backward: vjp.backward.bind(vjp) };
    };
    const { losses } = await run({ gradientCheckpointing, maxSteps: 2, outputDir: folder() }, { model });
    return { kept, losses };
  };
  const [all, few] = [await trained(false), await trained(true)];
  assert.ok(few.kept < 0.2 * all.kept, `${few.kept} and ${all.kept} bytes`);
  few.losses.forEach((loss, i) => assert.ok(Math.abs(loss - all.losses[i]) < 1e-5));
});
