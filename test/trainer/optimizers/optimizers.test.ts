/**
 * Optimizers and schedules against PyTorch and transformers over 20 steps (test/golden/optimizers, where the
 * generator and the tolerances are).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { createEngine } from '../../../lib/engine';
import type { EngineOptions } from '../../../lib/engine';
import { allocateGradients } from '../../../lib/models';
import type { Parameter } from '../../../lib/models';
import { createOptimizer, gradientNorm, learningRateAt } from '../../../lib/trainer';
import type { AdafactorOptions, OptimizerName, ScheduleName } from '../../../lib/trainer';
import { ROOT } from '../../support/paths';

type Arrays = Record<'matrix' | 'vector', number[]>;
interface Golden {
  initial: Arrays;
  shapes: Arrays;
  gradients: Arrays[];
  optimizers: { name: string; options: Record<string, unknown>; after: Arrays[] }[];
  schedules: {
    name: ScheduleName;
    learningRate: number;
    warmupSteps: number;
    trainingSteps: number;
    options: Record<string, number>;
    rates: number[];
  }[];
}
const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test/golden/optimizers/golden.json'), 'utf8'),
) as Golden;

function freshParameters(): Parameter[] {
  return (['matrix', 'vector'] as const).map((name) => ({
    name,
    shape: golden.shapes[name],
    decay: name === 'matrix',
    data: Float32Array.from(golden.initial[name]),
  }));
}

function adafactorOptions(options: Record<string, unknown>): AdafactorOptions {
  const { eps, beta1, ...others } = options as unknown as Omit<AdafactorOptions, 'beta1'> & {
    eps: [number, number];
    beta1: number | null;
  };
  return { ...others, epsilon: eps, beta1: beta1 ?? undefined };
}

const engines: EngineOptions[] = [{}, { kind: 'eager', backend: 'cpu' }];
for (const engineOptions of engines) {
  for (const { name, options, after } of golden.optimizers) {
    if (options.nesterov === true) continue; // not offered
    if (name === 'adafactor' && engineOptions.kind === 'eager') continue; // computes on the host
    test(`${name} ${JSON.stringify(options)} as PyTorch, ${engineOptions.kind ?? 'compiled'}`, async () => {
      const engine = await createEngine(engineOptions);
      const parameters = freshParameters();
      const gradients = allocateGradients(parameters);
      const [beta1, beta2] = (options.betas as number[] | undefined) ?? [0.9, 0.999];
      const optimizer = createOptimizer({
        name: name as OptimizerName,
        engine,
        parameters,
        gradients,
        weightDecay: options.weightDecay as number,
        beta1,
        beta2,
        epsilon: typeof options.eps === 'number' ? options.eps : 1e-8,
        momentum: (options.momentum as number | undefined) ?? 0,
        adafactor: name === 'adafactor' ? adafactorOptions(options) : undefined,
      });
      for (const [step, expected] of after.entries()) {
        for (const [key, data] of gradients.byName) data.set(golden.gradients[step][key as keyof Arrays]);
        await optimizer.step((options.lr as number | null) ?? NaN, 1); // null: the optimizer has a rate of its own
        for (const { name: key, data } of parameters) {
          expected[key as keyof Arrays].forEach((value, i) => {
            assert.ok(
              Math.abs(data[i] - value) <= 1e-6 + 1e-5 * Math.abs(value),
              `${key}[${i}] at step ${step}`,
            );
          });
        }
      }
      await engine.dispose();
    });
  }
}

for (const schedule of golden.schedules) {
  const { name, learningRate, warmupSteps, trainingSteps, options, rates } = schedule;
  test(`schedule ${name}, warm-up ${warmupSteps} ${JSON.stringify(options)}, as transformers`, () => {
    rates.forEach((rate, step) => {
      const ours = learningRateAt(
        {
          name,
          learningRate,
          warmupSteps,
          totalSteps: trainingSteps,
          numCycles: options.num_cycles,
          lrEnd: options.lr_end,
          power: options.power,
          timescale: options.timescale,
          minLrRate: options.min_lr_rate,
        },
        step,
      );
      assert.ok(Math.abs(ours - rate) < 1e-12, `step ${step}: ${ours} instead of ${rate}`);
    });
  });
}

test('clipping scales the gradient inside the update', async () => {
  const engine = await createEngine();
  const run = async (factor: number, scale: number): Promise<Float32Array> => {
    const parameters = freshParameters();
    const gradients = allocateGradients(parameters);
    const shared = {
      engine,
      parameters,
      gradients,
      weightDecay: 0,
      beta1: 0.9,
      beta2: 0.999,
      epsilon: 1e-3,
      momentum: 0,
    };
    const optimizer = createOptimizer({ name: 'adamw', ...shared });
    for (let step = 0; step < 3; step++) {
      for (const [key, data] of gradients.byName) {
        data.set(golden.gradients[step][key as keyof Arrays].map((value) => value * factor));
      }
      await optimizer.step(0.01, scale);
    }
    return parameters[0].data;
  };
  const [scaled, plain, unclipped] = [await run(1, 0.25), await run(0.25, 1), await run(1, 1)];
  plain.forEach((value, i) => assert.ok(Math.abs(scaled[i] - value) < 1e-6));
  assert.ok(unclipped.some((value, i) => Math.abs(value - scaled[i]) > 1e-4));
  await engine.dispose();
});

test('the gradient norm is the Euclidean norm, over chunk borders too', async () => {
  const engine = await createEngine();
  const flat = Float32Array.from({ length: (1 << 20) + 5 }, (_, i) => (i % 7) - 3);
  const expected = Math.sqrt(flat.reduce((sum, x) => sum + x * x, 0));
  const norm = await gradientNorm(engine, { flat, byName: new Map(), shapes: new Map() });
  assert.ok(Math.abs(norm / expected - 1) < 1e-6, `${norm} instead of ${expected}`);
  await engine.dispose();
});
