/**
 * Optimizers that keep little: 8-bit AdamW against an independent computation over 20 steps
 * (test/golden/optimizers/make_8bit.py), the bytes that each optimizer keeps, and going on from a saved state.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { after, test } from 'node:test';
import { createEngine } from '../../../lib/engine';
import type { Engine } from '../../../lib/engine';
import { allocateGradients } from '../../../lib/models';
import type { Gradients, Parameter } from '../../../lib/models';
import { createOptimizer, dynamicMap, OPTIMIZERS, optimizerStateBytes } from '../../../lib/trainer';
import type { Optimizer, OptimizerName, OptimizerFactoryOptions } from '../../../lib/trainer';
import { ROOT } from '../../support/paths';

type Moments<T> = Record<'exp_avg' | 'exp_avg_sq', T>;
interface Golden {
  shapes: Record<string, number[]>;
  options: { lr: number; betas: [number, number]; eps: number; weightDecay: number };
  sample: number;
  maps: Record<'signed' | 'unsigned', number[]>;
  after: Record<string, number[]>[];
  codes: Moments<string>;
  scales: Moments<number[]>;
}
const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test/golden/optimizers/golden-8bit.json'), 'utf8'),
) as Golden;
let shared: Engine | undefined;
const engine = async (): Promise<Engine> => (shared ??= await createEngine({ threads: 1 }));
after(() => shared?.dispose());

/** The generator's formula. */
function formula(size: number, step: number, offset: number): Float32Array {
  return Float32Array.from({ length: size }, (_, i) => {
    const unit = ((i * 7919 + step * 104729 + offset * 31) % 2003) / 2003 - 0.5;
    return unit * 2 ** -((Math.floor(i / 97) + 3 * step) % 7);
  });
}

const sizeOf = (shape: readonly number[]): number => shape.reduce((product, size) => product * size, 1);

function freshParameters(shapes: Record<string, readonly number[]> = golden.shapes): Parameter[] {
  return Object.entries(shapes).map(([name, shape]) => ({
    name,
    shape,
    decay: shape.length > 1,
    data: formula(sizeOf(shape), 0, 5),
  }));
}

async function make(
  name: OptimizerName,
  parameters: readonly Parameter[],
  more: Partial<OptimizerFactoryOptions> = {},
): Promise<{
  optimizer: Optimizer;
  gradients: Gradients;
  step: (t: number, scale?: number) => Promise<void>;
}> {
  const gradients = allocateGradients(parameters);
  const { betas, eps, weightDecay, lr } = golden.options;
  const optimizer = createOptimizer({
    ...{ name, engine: await engine(), parameters, gradients, weightDecay, epsilon: eps, momentum: 0.9 },
    ...{ beta1: betas[0], beta2: betas[1] },
    ...more,
  });
  const step = async (t: number, scale = 1): Promise<void> => {
    for (const data of gradients.byName.values()) {
      data.set(formula(data.length, t, 0).map((slope) => slope / scale));
    }
    await optimizer.step(lr, scale);
  };
  return { optimizer, gradients, step };
}

test('the dynamic maps are those of the definition', () => {
  for (const kind of ['signed', 'unsigned'] as const) {
    const map = dynamicMap(kind === 'signed');
    assert.equal(map.length, 256);
    golden.maps[kind].forEach((value, i) => {
      assert.ok(Math.abs(map[i] - value) <= 1.2e-7 * Math.abs(value), `${kind} ${i}: ${map[i]}, ${value}`);
    });
  }
});

test('adamw_8bit as computed from its definition, over 20 steps; codes and scales too', async () => {
  const parameters = freshParameters();
  const { optimizer, step } = await make('adamw_8bit', parameters);
  for (const [i, expected] of golden.after.entries()) {
    await step(i + 1);
    for (const { name, data } of parameters) {
      const stride = name === 'matrix' ? golden.sample : 1;
      expected[name].forEach((value, k) => {
        const got = data[k * stride];
        assert.ok(
          Math.abs(got - value) <= 1e-6 + 1e-5 * Math.abs(value),
          `${name}[${k * stride}] at step ${i + 1}: ${got} instead of ${value}`,
        );
      });
    }
  }
  for (const name of ['exp_avg', 'exp_avg_sq'] as const) {
    assert.deepEqual(
      optimizer.state.get(`${name}.codes`),
      new Uint8Array(Buffer.from(golden.codes[name], 'base64')),
    );
    const scales = optimizer.state.get(`${name}.absmax`) ?? [];
    assert.equal(scales.length, 17);
    golden.scales[name].forEach((value, i) => assert.ok(Math.abs(scales[i] / value - 1) < 1e-6));
    assert.equal(optimizer.state.get(name)?.length, 5, 'a small parameter stays in float32');
  }
});

test('a block of zeros stays zero, and a clipped gradient is the smaller gradient', async () => {
  const [clipped, plain] = [freshParameters(), freshParameters()];
  const [a, b] = [await make('adamw_8bit', clipped), await make('adamw_8bit', plain)];
  a.gradients.flat.fill(0);
  await a.optimizer.step(0.01, 1);
  assert.ok(clipped[0].data.every(Number.isFinite));
  assert.ok(a.optimizer.state.get('exp_avg.absmax')?.every((scale) => scale === 0));
  b.gradients.flat.fill(0);
  await b.optimizer.step(0.01, 1);
  for (let t = 1; t <= 3; t++) {
    await a.step(t, 0.25);
    await b.step(t);
  }
  assert.deepEqual(clipped[0].data, plain[0].data);
});

test('8-bit AdamW stays near AdamW', async () => {
  const run = async (name: OptimizerName): Promise<{ moved: number; data: Float32Array }> => {
    const parameters = freshParameters();
    const start = parameters[0].data.slice();
    const { step } = await make(name, parameters);
    for (let t = 1; t <= 20; t++) await step(t);
    const { data } = parameters[0];
    return { data, moved: Math.hypot(...data.map((x, i) => x - start[i])) };
  };
  const [full, small] = [await run('adamw'), await run('adamw_8bit')];
  const apart = Math.hypot(...full.data.map((x, i) => x - small.data[i]));
  assert.ok(apart > 0, 'expected quantization to show');
  assert.ok(apart < 0.1 * full.moved, `${apart} apart after a way of ${full.moved}`);
});

// Bytes per parameter of a layer like GPT-2's, 256 wide.
const LAYER: Record<string, readonly number[]> = {
  'attn.c_attn.weight': [256, 768],
  'attn.c_attn.bias': [768],
  'mlp.c_fc.weight': [256, 1024],
  'ln_1.weight': [256],
};
const PER_PARAMETER: Record<OptimizerName, [number, number]> = {
  adamw: [8, 8],
  adamw_8bit: [2.03, 2.05], // 1 + 1 + 2 x 4 / 256, and vectors in float32
  sgd: [4, 4],
  lion: [4, 4],
  adafactor: [0.02, 0.03],
};
for (const name of Object.keys(OPTIMIZERS) as OptimizerName[]) {
  test(`bytes of state for each parameter: ${name}`, async () => {
    const parameters = freshParameters(LAYER);
    const count = parameters.reduce((total, { data }) => total + data.length, 0);
    const { optimizer } = await make(name, parameters);
    const bytes = optimizerStateBytes(optimizer) / count;
    const [least, most] = PER_PARAMETER[name];
    assert.ok(bytes >= least && bytes <= most, `${bytes}`);
  });

  test(`going on from a saved state gives the same bits: ${name}`, async () => {
    const [straight, stopped] = [freshParameters(), freshParameters()];
    const whole = await make(name, straight);
    for (let t = 1; t <= 8; t++) await whole.step(t);
    const first = await make(name, stopped);
    for (let t = 1; t <= 4; t++) await first.step(t);
    const second = await make(name, stopped);
    assert.deepEqual([...second.optimizer.state.keys()], [...first.optimizer.state.keys()]);
    for (const [key, values] of first.optimizer.state) second.optimizer.state.get(key)?.set(values);
    second.optimizer.stepCount = first.optimizer.stepCount;
    for (let t = 5; t <= 8; t++) await second.step(t);
    assert.deepEqual(stopped, straight);
    assert.deepEqual(second.optimizer.state, whole.optimizer.state);
  });
}

test('embeddings can stay in float32', async () => {
  const parameters = freshParameters({ 'wte.weight': [100, 64], 'h.weight': [100, 64] });
  const { optimizer } = await make('adamw_8bit', parameters, { fullPrecision: new Set(['wte.weight']) });
  assert.equal(optimizer.state.get('exp_avg')?.length, 6400);
  assert.equal(optimizer.state.get('exp_avg.codes')?.length, 6400);
});

test('Adafactor refuses what it cannot do', async () => {
  await assert.rejects(
    make('adafactor', freshParameters({ cube: [2, 3, 4] })),
    /one or two dimensions.*cube/,
  );
  await assert.rejects(
    make('adafactor', freshParameters(), { adafactor: { warmupInit: true } }),
    /expected relativeStep with warmupInit/,
  );
});
