/**
 * Whether this machine's GPU is worth using: the same matrix product on both, in a process of its own, since a driver
 * that fails can end the process. Run as a program it prints what it measured.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import * as ort from 'onnxruntime-node';
import { z } from 'zod';
import type { Engine } from './engine';
import { tf } from './tf';
import { findVulkan } from './vulkan';

/** Milliseconds of one 1024 x 1024 x 1024 product in float32, or why there is none. */
export type GpuRace = { readonly gpuMs: number; readonly cpuMs: number } | { readonly reason: string };

/** Times that the GPU has to be faster, so that it is not taken for small gains that transfers eat up. */
const MARGIN = 2;

export function isGpuWorth(race: GpuRace): boolean {
  return 'gpuMs' in race && race.gpuMs * MARGIN < race.cpuMs;
}

/** One sentence about a race. */
export function raceText(race: GpuRace): string {
  if ('reason' in race) return race.reason;
  const { gpuMs, cpuMs } = race;
  return (
    `a product of 1024^3 takes ${gpuMs.toFixed(1)} ms there and ${cpuMs.toFixed(1)} ms on the processor: ` +
    (isGpuWorth(race) ? 'used by default' : 'not used by default')
  );
}

let measured: Promise<GpuRace> | undefined;

/** Measured once in a process; at once where there cannot be a GPU. */
export function gpuRace(env: NodeJS.ProcessEnv = process.env): Promise<GpuRace> {
  measured ??= race(env);
  return measured;
}

const MEASURED = z.union([
  z.object({ gpuMs: z.number(), cpuMs: z.number() }),
  z.object({ reason: z.string() }),
]);

async function race(env: NodeJS.ProcessEnv): Promise<GpuRace> {
  if (!ort.listSupportedBackends().some(({ name }) => name === 'webgpu'))
    return { reason: `ONNX Runtime has no WebGPU for ${process.platform} ${process.arch}` };
  if (process.platform === 'linux') {
    const { drivers, loader } = findVulkan(env);
    if (drivers.length === 0) return { reason: 'no Vulkan driver' };
    if (loader === undefined) return { reason: 'no Vulkan loader (libvulkan.so.1)' };
  }
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [__filename], {
      env: { ...env, NODE_OPTIONS: '' },
      timeout: 15_000,
    });
    return MEASURED.parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch (error) {
    const isLate = error instanceof Error && 'killed' in error && error.killed === true;
    return { reason: `WebGPU did not start: ${isLate ? 'it took too long' : 'its process ended'}` };
  }
}

/** A product of this size takes a GPU a fraction of this time, and a driver that computes on the processor longer. */
const TRIAL = { size: 256, limitMs: 25 };

async function measure(): Promise<GpuRace> {
  const { createEngine } = await import('./engine.js');
  const [gpu, cpu] = [await createEngine({ provider: 'webgpu' }), await createEngine({ provider: 'cpu' })];
  const trial = await timeProduct(gpu, TRIAL.size);
  if (trial.ms > TRIAL.limitMs) return { reason: 'the only Vulkan driver computes on the processor' };
  const [onGpu, onCpu] = [await timeProduct(gpu, 1024), await timeProduct(cpu, 1024)];
  if (!(Math.abs(onGpu.value - onCpu.value) < 1e-2))
    return { reason: `the GPU computes wrongly: ${onGpu.value} for ${onCpu.value}` };
  return { gpuMs: onGpu.ms, cpuMs: onCpu.ms };
}

/** @returns milliseconds of one product, transfers left out, and one value of it */
async function timeProduct(engine: Engine, size: number): Promise<{ ms: number; value: number }> {
  const shape = [size, size];
  const data = Float32Array.from({ length: size * size }, (_, i) => Math.sin(i));
  const y = engine.device?.borrow(size * size) ?? new Float32Array(size * size);
  engine.device?.keep([data]);
  const product = await engine.compile(({ x }) => ({ y: tf.matMul(x as tf.Tensor2D, x as tf.Tensor2D) }), {
    x: { shape, dtype: 'float32' },
  });
  /** Milliseconds of some products and of bringing the last one home. */
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

if (require.main === module) {
  void measure()
    .catch((error: unknown): GpuRace => {
      const words = error instanceof Error ? error.message : String(error);
      return { reason: `WebGPU did not start: ${/Failed[^\n]*/.exec(words)?.[0] ?? words}` };
    })
    .then((result) => {
      console.log(JSON.stringify(result));
      process.exit(0);
    });
}
