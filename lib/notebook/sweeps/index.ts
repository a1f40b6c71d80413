/** The door of sweeps: here one after the other, or on clusters by plans, Slurm's scripts and Kubernetes' Jobs. */
export { DOCKERFILE, jobName, jobSettings, writeJob } from './kubernetes';
export {
  addSubmission,
  collectSweep,
  clearStatus,
  pointStates,
  readPlan,
  readSubmissions,
  removeSubmission,
  updateSubmission,
  writePlan,
} from './plan';
export type { Submission, SweepPlan } from './plan';
export { runSweepPoint } from './point';
export { inArrays, queue, slurm, slurmLimits, submitArray } from './slurm';
export type { QueuedTask } from './slurm';
export { gridValues, sweepNotebook } from './sweep';
