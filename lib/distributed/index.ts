/** The door of process groups: the ranks of a training run over MPI. */
export {
  allReduce,
  barrier,
  broadcast,
  destroyProcessGroup,
  getLocalRank,
  getRank,
  getWorldSize,
  initProcessGroup,
  isInitialized,
  launchedProcessGroup,
} from './default-group';
export type { ProcessGroupOptions } from './default-group';
export { fakeProcessGroups } from './fake-group';
export { launch } from './launch';
export type { LaunchOptions } from './launch';
export { launcherDescriptor, readLaunch, withLauncher } from './launcher';
export type { Launch, MpiFamily } from './launcher';
export type {
  AllReduceOptions,
  BarrierOptions,
  BroadcastOptions,
  CollectiveArray,
  ProcessGroup,
  ReduceOp,
} from './process-group';
