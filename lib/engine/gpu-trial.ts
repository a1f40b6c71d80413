/** The program behind `gpu-race.ts`: times a matrix product on GPU and processor, and prints a `GpuRace` as JSON. */
import { createEngine } from './engine';
import type { Engine } from './contract/engine-types';
import type { GpuRace } from './compiled/gpu-race';
import { tf } from './graph/tf';
import { messageOf } from '../types';

/** A GPU takes a fraction of this time for a product of this size; a software driver takes longer. */
const TRIAL = { size: 256, limitMs: 25 };

async function measure(): Promise<GpuRace> {
  const [gpu, cpu] = [await createEngine({ provider: 'webgpu' }), await createEngine({ provider: 'cpu' })];
  const trial = await timeProduct(gpu, TRIAL.size);
  if (trial.ms > TRIAL.limitMs) return { reason: 'the only Vulkan driver computes on the processor' };
  const [onGpu, onCpu] = [await timeProduct(gpu, 1024), await timeProduct(cpu, 1024)];
  if (!(Math.abs(onGpu.value - onCpu.value) < 1e-2))
    return { reason: `the GPU computes wrongly: ${onGpu.value} for ${onCpu.value}` };
  return { gpuMs: onGpu.ms, cpuMs: onCpu.ms };
}

/** @returns Time of one product without transfers, in ms, and one of its values. */
async function timeProduct(engine: Engine, size: number): Promise<{ ms: number; value: number }> {
  const shape = [size, size];
  const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
  const y = engine.device?.allocate(size * size) ?? new Float32Array(size * size);
  engine.device?.pin([data]);
  const product = await engine.compile(({ x }) => ({ y: tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D) }), {
    x: { shape, dtype: 'float32' },
  });
  /** Time of some products and of downloading the last one, in ms. */
  const timed = async (count: number): Promise<number> => {
    const started = performance.now();
    for (let i = 0; i < count; i++) await product.run({ x: { data, shape } }, { into: { y } });
    home = (await engine.device?.read(y)) ?? y;
    return performance.now() - started;
  };
  let home: Float32Array = y;
  await timed(1);
  const [few, many] = [await timed(1), await timed(5)];
  return { ms: Math.max((many - few) / 4, 0.01), value: home[size + 1] };
}

void measure()
  .catch((error: unknown): GpuRace => {
    const words = messageOf(error);
    return { reason: `WebGPU did not start: ${/Failed[^\n]*/.exec(words)?.[0] ?? words}` };
  })
  .then((result) => {
    console.log(JSON.stringify(result));
    process.exit(0);
  });
