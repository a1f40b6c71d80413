/** What the tests of models against golden values share: the batch, gradients by name, training. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { allocateGradients, countLabels, forwardBackward } from '../../../lib/models';
import { AutoModelForCausalLM } from '../../../lib/pretrained';
import type { CausalLM, FromPretrainedOptions } from '../../../lib/pretrained';
import type { Gradients } from '../../../lib/models';
import type { SafetensorsFile } from '../../../lib/checkpoint';
import { createOptimizer } from '../../../lib/trainer';
import type { Batch } from '../../../lib/types';

export interface GoldenRun {
  inputIds: number[][];
  attentionMask: number[][];
  labels: number[][];
}

export const GOLDEN = path.resolve('test/golden');

/** A JSON file below test/golden. */
export function readGolden(file: string): unknown {
  return JSON.parse(readFileSync(path.join(GOLDEN, file), 'utf8'));
}

/** What a family's model was asked. @param base a folder below test/golden */
export function goldenRun(base: string): GoldenRun {
  return readGolden(`${base}/golden.json`) as GoldenRun;
}

/** That model. */
export function loadBase(base: string, options: FromPretrainedOptions = {}): Promise<CausalLM> {
  return AutoModelForCausalLM.fromPretrained(path.join(GOLDEN, base, 'model'), options);
}

export function goldenBatch({ inputIds, attentionMask, labels }: GoldenRun): Batch {
  return {
    shape: [inputIds.length, inputIds[0].length],
    inputIds: Int32Array.from(inputIds.flat()),
    attentionMask: Int32Array.from(attentionMask.flat()),
    labels: Int32Array.from(labels.flat()),
  };
}

/** Each gradient within 1e-3 of the golden one, relative to its largest value; a golden one may hold the first rows only. */
export async function assertGradients(
  gradients: Gradients,
  values: SafetensorsFile,
  goldenName: (own: string) => string,
): Promise<void> {
  assert.ok(gradients.byName.size > 0);
  for (const [own, got] of gradients.byName) {
    const wanted = await values.read(goldenName(own));
    const scale = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = wanted.reduce((most, value, i) => Math.max(most, Math.abs(got[i] - value)), 0);
    assert.ok(scale > 0 && worst <= 1e-3 * scale, `${own}: off by ${worst}, largest ${scale}`);
  }
}

/** Losses before each of `steps` AdamW steps (learning rate 1e-3) on one batch. */
export async function adamLosses(
  model: CausalLM,
  batch: Batch,
  steps: number,
  weightDecay = 0.01,
): Promise<number[]> {
  const parameters = model.trainableParameters();
  const gradients = allocateGradients(parameters);
  const optimizer = createOptimizer({
    name: 'adamw',
    engine: model.engine,
    parameters,
    gradients,
    weightDecay,
    beta1: 0.9,
    beta2: 0.999,
    epsilon: 1e-8,
    momentum: 0,
  });
  const losses: number[] = [];
  const lossScale = 1 / countLabels(batch);
  for (let step = 0; step < steps; step++) {
    const request = { batch, lossScale, accumulate: false, gradientCheckpointing: true };
    losses.push(await forwardBackward(model, gradients, request));
    await optimizer.step(1e-3, 1);
  }
  return losses;
}
