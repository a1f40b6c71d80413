/** The door of sweeps on clusters: plans, Slurm's scripts, Kubernetes' Jobs, and what came of them. */
export { DOCKERFILE, jobName, jobSettings, writeJob } from './kubernetes';
export {
  addSubmission,
  collectSweep,
  forgetStatus,
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
