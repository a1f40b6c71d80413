/** Finds what WebGPU needs on Linux, a Vulkan loader and a driver's description, without starting either. */
import fs from 'node:fs';
import path from 'node:path';

/** What Vulkan this machine has. */
export interface Vulkan {
  /** Paths of the drivers' descriptions. */
  readonly drivers: readonly string[];
  /** Path of the loader, if it is in a known place. */
  readonly loader: string | undefined;
}

/** Looks for drivers and loader where Vulkan itself does. */
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
