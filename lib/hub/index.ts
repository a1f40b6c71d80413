/** The door of `hub`: one client and one cache for models and tokenizers. */
export { MAX_SMALL_FILE_BYTES, resolveModelFolder, TOKENIZER_FILES } from './model-folder';
export { cachedSnapshot, hubSnapshot, isHubId } from './snapshot';
export type { HubRepository, SnapshotRequest } from './snapshot';
export { hubOptions } from './options';
export type { HubOptions } from './options';
export type { DownloadProgress } from './progress';
export { pushToHub } from './push';
export type { PushOptions, PushResult } from './push';
export { resolveDataset } from './dataset-files';
export type { DatasetFiles } from './dataset-files';
