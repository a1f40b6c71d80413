/** The door of sweeps: here one after the other, or on clusters by files, Slurm's scripts and Kubernetes' Jobs. */
export { DOCKERFILE, jobName, jobSettings, writeJob } from './kubernetes';
export {
  addSubmission,
  collectSweep,
  clearStatus,
  pointStates,
  readSweepFile,
  readSubmissions,
  removeSubmission,
  updateSubmission,
  writeSweepFile,
} from './sweep-file';
export type { Submission, SweepFile } from './sweep-file';
export { runSweepPoint } from './point';
export { inArrays, queue, slurm, slurmLimits, submitArray } from './slurm';
export type { QueuedTask } from './slurm';
export { gridValues, sweepNotebook } from './sweep';
