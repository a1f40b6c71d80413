/**
 * DPO and ORPO against TRL's trainers (test/golden/preferences/make.py): ten steps of losses, rewards, log-probabilities,
 * an evaluation among them, and gradients of the first and the last step. Tolerances: numbers of the log 2e-4 of their
 * size (sums of log-probabilities in float32), gradients 1e-3 of the largest in their tensor.
 */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { EncodedPair } from '../../../lib/dataset';
import { AutoModelForCausalLM, loadAdapter } from '../../../lib/pretrained';
import type { CausalLM } from '../../../lib/pretrained';
import { storedName } from '../../../lib/models';
import {
  DPOConfig,
  DPOTrainer,
  OPTIMIZERS,
  ORPOConfig,
  ORPOTrainer,
  registerOptimizer,
} from '../../../lib/trainer';
import type { DPOLossType, DPOOptions, LogEntry } from '../../../lib/trainer';
import { assertClose } from '../../support/assert-close';
import type { Tolerance } from '../../support/assert-close';
import { ROOT } from '../../support/paths';
import { temporaryFolder } from '../../support/temporary-folder';

interface Fingerprint {
  norm: number;
  at: number[];
  values: number[];
}
interface Case {
  method: 'dpo' | 'orpo';
  adapter: boolean;
  learningRate: number;
  options: { loss_type?: DPOLossType | DPOLossType[]; loss_weights?: number[]; label_smoothing?: number };
  log: Record<string, number>[];
  evaluation: Record<string, number>;
  gradients: Record<string, Record<string, number[] | Fingerprint>>;
}
interface Golden {
  beta: number;
  train: EncodedPair[];
  evaluation: EncodedPair[];
  cases: Record<string, Case>;
}

const FOLDER = path.join(ROOT, 'test/golden');
const golden = JSON.parse(readFileSync(path.join(FOLDER, 'preferences/golden.json'), 'utf8')) as Golden;
const NEAR = { absolute: 2e-4, relative: 2e-4 };

async function goldenModel(isAdapted: boolean): Promise<CausalLM> {
  const model = await AutoModelForCausalLM.fromPretrained(path.join(FOLDER, 'gpt2/model'), {
    engine: { threads: 1 },
  });
  return isAdapted ? loadAdapter(model, path.join(FOLDER, 'gpt2/adapter')) : model;
}

/** Gradients by step, written by the optimizer that the test registers. */
let watched = new Map<number, Map<string, Float32Array>>();
registerOptimizer('watched_adamw', (options) => {
  const optimizer = OPTIMIZERS.adamw(options);
  const step = optimizer.step.bind(optimizer);
  optimizer.step = async (learningRate, gradientScale) => {
    const now = [...options.gradients.byName].map(([name, values]) => [name, values.slice()] as const);
    watched.set(optimizer.stepCount + 1, new Map(now));
    await step(learningRate, gradientScale);
  };
  return optimizer;
});

describe('preference training equals TRL', () => {
  for (const [name, wanted] of Object.entries(golden.cases)) {
    it(name, async (t) => {
      const model = await goldenModel(wanted.adapter);
      t.after(() => model.dispose());
      const options: DPOOptions = {
        outputDir: await temporaryFolder(t),
        ...{ maxSteps: 10, perDeviceTrainBatchSize: 4, perDeviceEvalBatchSize: 3, beta: golden.beta },
        ...{
          learningRate: wanted.learningRate,
          lrSchedulerType: 'constant',
          maxGradNorm: 0,
          loggingSteps: 1,
        },
        ...{ evalStrategy: 'steps', evalSteps: 5, saveStrategy: 'no', preflight: false },
        optim: 'watched_adamw',
      };
      watched = new Map();
      const data = { model, trainDataset: golden.train, evalDataset: golden.evaluation, callbacks: [] };
      const withoutAdapter = name.endsWith('reference without it');
      const dpo = (): DPOTrainer =>
        new DPOTrainer({
          ...data,
          ...(withoutAdapter ? { refModel: 'base' as const } : {}),
          args: new DPOConfig({
            ...options,
            lossType: wanted.options.loss_type,
            lossWeights: wanted.options.loss_weights,
            labelSmoothing: wanted.options.label_smoothing,
          }),
        });
      const trainer =
        wanted.method === 'dpo' ? dpo() : new ORPOTrainer({ ...data, args: new ORPOConfig(options) });
      await trainer.train();
      const log = trainer.state.logHistory;
      const steps = log.filter((entry) => entry.loss !== undefined);
      assert.equal(steps.length, 10);
      for (const [step, entry] of wanted.log.entries()) sameEntry(steps[step], entry, `step ${step + 1}`);
      sameEntry(
        log.find((entry) => entry.eval_loss !== undefined),
        wanted.evaluation,
        'evaluation',
      );
      for (const [step, gradients] of Object.entries(wanted.gradients)) {
        const got = watched.get(Number(step)) ?? new Map<string, Float32Array>();
        assert.equal(got.size, Object.keys(gradients).length);
        for (const [own, values] of got) {
          const stored = model.adapter?.storedName(own) ?? storedName(model.architecture, own);
          sameGradient(values, gradients[stored], `step ${step}, ${stored}`);
        }
      }
    });
  }
});

function sameEntry(got: LogEntry | undefined, wanted: Record<string, number>, what: string): void {
  // Before the first update both models are one, and rounding decides which answer is better.
  const isTie = Math.abs(wanted['rewards/margins'] ?? 1) < 1e-4;
  for (const [key, value] of Object.entries(wanted)) {
    if (isTie && key === 'rewards/accuracies') continue;
    assertClose([got?.[key] ?? NaN], [value], NEAR, `${what}, ${key}`);
  }
}

function sameGradient(got: Float32Array, wanted: number[] | Fingerprint, what: string): void {
  const near = (largest: number): Tolerance => ({ absolute: 1e-3 * largest, relative: 0 });
  if (Array.isArray(wanted)) return assertClose(got, wanted, near(Math.max(...wanted.map(Math.abs))), what);
  const norm = Math.sqrt(got.reduce((sum, x) => sum + x * x, 0));
  assertClose([norm], [wanted.norm], near(wanted.norm), `${what}, norm`);
  const chosen = wanted.at.map((i) => got[i]);
  assertClose(chosen, wanted.values, near(got.reduce((most, x) => Math.max(most, Math.abs(x)), 0)), what);
}
