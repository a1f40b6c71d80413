/** The door of the kernel: starting one, and registering it with Jupyter. */
export { KernelClient, KernelDeadError } from './kernel-client';
export type { KernelOptions, KernelReply, PublishedMessage } from './kernel-client';
export { installKernel, kernelsFolder, kernelsFolders, listKernels, uninstallKernel } from './kernelspec';
export type { KernelPlace, KernelSpec } from './kernelspec';
export { makeOwnedFolder } from './process-owner';
