/** The door of the machine's examination. */
export { examine } from './examine';
export type { DoctorOptions } from './examine';
export type { Finding } from './finding';
export { gpu as examineGpu } from './machine';
