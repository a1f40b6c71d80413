/**
 * Whether this machine's GPU is worth using: times the same matrix product on both, by `gpu-trial.ts` in a process of
 * its own, since a failing driver can kill the process.
 */
import { execFile } from 'node:child_process';
import path from 'node:path';
import { promisify } from 'node:util';
import { lazySchema } from '../../schema';
import { onnxRuntime } from './onnx-runtime';
import { findVulkan } from './vulkan';

/** Time of one 1024 x 1024 x 1024 product in float32 on each, in ms, or why the GPU has none. */
export type GpuRace = { readonly gpuMs: number; readonly cpuMs: number } | { readonly reason: string };

/** How many times faster the GPU must be: transfers eat up smaller gains. */
const MARGIN = 2;

/** Whether the GPU is the default. */
export function isGpuWorth(race: GpuRace): boolean {
  return 'gpuMs' in race && race.gpuMs * MARGIN < race.cpuMs;
}

/** The result in one sentence. */
export function raceText(race: GpuRace): string {
  if ('reason' in race) return race.reason;
  const { gpuMs, cpuMs } = race;
  return (
    `a product of 1024^3 takes ${gpuMs.toFixed(1)} ms there and ${cpuMs.toFixed(1)} ms on the processor: ` +
    (isGpuWorth(race) ? 'used by default' : 'not used by default')
  );
}

/** A driver that has not answered by then never will, on a machine that is not busy otherwise. */
const PATIENCE_MS = 15_000;

let measured: Promise<GpuRace> | undefined;

/**
 * Measures once per process; immediate where there cannot be a GPU.
 * @param patienceMs how long a driver may take, ms; the first call's counts
 */
export function gpuRace(
  env: NodeJS.ProcessEnv = process.env,
  patienceMs: number = PATIENCE_MS,
): Promise<GpuRace> {
  measured ??= race(env, patienceMs);
  return measured;
}

const MEASURED = lazySchema((z) =>
  z.union([z.object({ gpuMs: z.number(), cpuMs: z.number() }), z.object({ reason: z.string() })]),
);

async function race(env: NodeJS.ProcessEnv, timeout: number): Promise<GpuRace> {
  if (
    !onnxRuntime()
      .listSupportedBackends()
      .some(({ name }) => name === 'webgpu')
  )
    return { reason: `ONNX Runtime has no WebGPU for ${process.platform} ${process.arch}` };
  if (process.platform === 'linux') {
    const { drivers, loader } = findVulkan(env);
    if (drivers.length === 0) return { reason: 'no Vulkan driver' };
    if (loader === undefined) return { reason: 'no Vulkan loader (libvulkan.so.1)' };
  }
  try {
    const { stdout } = await promisify(execFile)(
      process.execPath,
      [path.join(__dirname, '..', 'gpu-trial.js')],
      {
        env: { ...env, NODE_OPTIONS: '' },
        timeout,
      },
    );
    return MEASURED().parse(JSON.parse(stdout.trim().split('\n').at(-1) ?? ''));
  } catch (error) {
    const isLate = error instanceof Error && 'killed' in error && error.killed === true;
    return { reason: `WebGPU did not start: ${isLate ? 'it took too long' : 'its process ended'}` };
  }
}
