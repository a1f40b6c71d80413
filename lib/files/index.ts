/** The door of `files`: how every room writes, so that a file is whole or absent whatever happens. */
export { requireFreeSpace, stageFile, writeFileAtomic } from './atomic-write';
export type { ByteSink, StagedFile } from './atomic-write';
