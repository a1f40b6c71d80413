/** Whether WebGPU can start here: on Linux it needs a Vulkan driver, a GPU's or Chromium's software one. */
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import * as ort from 'onnxruntime-node';

/** Environment variables that a process needs for WebGPU, or why there is none. */
export type WebGpu = { readonly env: Record<string, string> } | { readonly reason: string };

export function findWebGpu(): WebGpu {
  if (!ort.listSupportedBackends().some(({ name }) => name === 'webgpu'))
    return { reason: `onnxruntime-node has no WebGPU on ${process.platform} ${process.arch}` };
  if (process.platform !== 'linux' || process.env.VK_ICD_FILENAMES !== undefined) return { env: {} };
  const software = '/usr/lib/chromium/vk_swiftshader_icd.json';
  if (existsSync(software)) {
    // Chromium brings the loader as well, which the system may lack.
    const libraries = [path.dirname(software), process.env.LD_LIBRARY_PATH].filter(Boolean).join(':');
    return { env: { VK_ICD_FILENAMES: software, LD_LIBRARY_PATH: libraries } };
  }
  const folders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
  const found = folders.flatMap((folder) =>
    existsSync(folder) ? readdirSync(folder).map((file) => path.join(folder, file)) : [],
  );
  if (found.length > 0) return { env: {} };
  return {
    reason: `no Vulkan driver: neither ${software} (Debian's chromium) nor any in ${folders.join(', ')}`,
  };
}
