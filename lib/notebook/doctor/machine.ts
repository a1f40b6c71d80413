/** The machine: GPU and its drivers, memory, disk, processor. */
import fs from 'node:fs';
import os from 'node:os';
import { findVulkan, gpuRace, raceText } from '../../engine';
import { finding } from './finding';
import type { Finding } from './finding';

const gigabytes = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;

/** Chromium's driver that computes on the CPU: slow, but it makes WebGPU testable. */
const SOFTWARE_DRIVER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** WebGPU on Linux goes through Vulkan: its loader must be found, and a driver. */
export function vulkan(env: NodeJS.ProcessEnv): Finding[] {
  if (process.platform !== 'linux') return [];
  const { drivers, loader } = findVulkan(env);
  const driverAdvice = fs.existsSync(SOFTWARE_DRIVER)
    ? `the GPU's driver (apt-get install mesa-vulkan-drivers, or NVIDIA's); to try without one: VK_ICD_FILENAMES=${SOFTWARE_DRIVER}`
    : "the GPU's driver (apt-get install mesa-vulkan-drivers, or NVIDIA's)";
  const loaderAdvice = fs.existsSync('/usr/lib/chromium/libvulkan.so.1')
    ? 'apt-get install libvulkan1, or start with LD_LIBRARY_PATH=/usr/lib/chromium'
    : 'apt-get install libvulkan1';
  return [
    finding('Vulkan driver (WebGPU)', drivers.length > 0, drivers.join(', ') || 'none', false, driverAdvice),
    finding(
      'Vulkan loader (WebGPU)',
      loader !== undefined,
      loader ?? 'no libvulkan.so.1',
      false,
      loaderAdvice,
    ),
  ];
}

/** Whether the GPU is faster than the processor, tried out; takes some seconds. */
export async function gpu(): Promise<Finding> {
  const race = await gpuRace();
  return finding('GPU (WebGPU)', 'gpuMs' in race, raceText(race), false, 'nothing: the processor is used');
}

/** Memory, disk, processor. @param folder whose free space counts */
export function machine(folder: string): Finding[] {
  const { bavail, bsize } = fs.statfsSync(folder);
  const free = bavail * bsize;
  const memory = os.totalmem();
  return [
    finding(
      'memory',
      memory >= 2 * 2 ** 30,
      `${gigabytes(memory)}, ${gigabytes(os.freemem())} free`,
      false,
      'at least 2 GiB for the small model, 6 GiB to train GPT-2 wholly',
    ),
    finding(
      'disk',
      free >= 2 * 2 ** 30,
      `${gigabytes(free)} free at ${folder}`,
      false,
      'at least 2 GiB free: checkpoints hold the weights and the optimizer',
    ),
    finding(
      'processor',
      true,
      `${os.availableParallelism()} cores, ${os.cpus()[0]?.model.trim() ?? 'unknown'}`,
      false,
    ),
  ];
}
