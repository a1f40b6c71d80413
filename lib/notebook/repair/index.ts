/** The door of checking and repairing notebook files. */
export { checkNotebook } from './check';
export type { CheckFinding, CheckOptions } from './check';
export { readBytes, repairBytes, repairFile, repairText } from './repair';
export type { RepairResult } from './repair';
