/**
 * What of this machine the library can use, what is missing, and what to type to get it. Nothing is installed or
 * downloaded.
 */
import { PACKAGE_ROOT } from '../../environment';
import type { Finding } from './finding';
import { machine, vulkan } from './machine';
import { hub, kernelspecs } from './setup';
import { loads, node, providers, tensorflow, tslab } from './software';

/** What is looked at; the defaults are this machine's. */
export interface DoctorOptions {
  readonly env?: NodeJS.ProcessEnv;
  /** Folder whose free space counts. */
  readonly folder?: string;
}
/** Looks at everything but the GPU, which has to be started. */
export function examine(options: DoctorOptions = {}): Finding[] {
  const { env = process.env, folder = PACKAGE_ROOT } = options;
  return [
    node(),
    tslab(),
    loads('zeromq', 'npm rebuild zeromq'),
    ...providers(),
    ...vulkan(env),
    tensorflow(env),
    ...machine(folder),
    kernelspecs(env),
    ...hub(env),
  ];
}
