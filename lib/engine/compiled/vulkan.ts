/** What WebGPU goes through on Linux: a Vulkan loader and a driver's description. Looked up, not started. */
import fs from 'node:fs';
import path from 'node:path';

export interface Vulkan {
  /** Descriptions of drivers that exist. */
  readonly drivers: readonly string[];
  /** The loader's file, where a known place has it. */
  readonly loader: string | undefined;
}

export function findVulkan(env: NodeJS.ProcessEnv): Vulkan {
  const named = (env.VK_ICD_FILENAMES ?? env.VK_DRIVER_FILES)?.split(':').filter(Boolean);
  const folders = ['/usr/share/vulkan/icd.d', '/etc/vulkan/icd.d'];
  const drivers =
    named ??
    folders.flatMap((folder) =>
      fs.existsSync(folder) ? fs.readdirSync(folder).map((file) => path.join(folder, file)) : [],
    );
  const system = process.arch === 'arm64' ? 'aarch64' : 'x86_64';
  const places = [
    ...(env.LD_LIBRARY_PATH ?? '').split(':').filter(Boolean),
    ...[
      '/usr/lib',
      '/usr/lib64',
      '/usr/local/lib',
      `/usr/lib/${system}-linux-gnu`,
      `/lib/${system}-linux-gnu`,
    ],
  ];
  const loader = places
    .map((place) => path.join(place, 'libvulkan.so.1'))
    .find((file) => fs.existsSync(file));
  return { drivers: drivers.filter((file) => fs.existsSync(file)), loader };
}
