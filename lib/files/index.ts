/** The door of `files`: writing, so that a file is whole or absent whatever happens, and reading JSON. */
export { requireFreeSpace, stageFile, writeFileAtomic, writeFileAtomicSync } from './atomic-write';
export type { ByteSink, StagedFile } from './atomic-write';
export { isJsonObject, parseJson, readJson, readJsonObject, readJsonObjectIfPresent } from './json';
export type { JsonObject, ReadJsonOptions } from './json';
export { isFile, isFolder, isMissing, readTextIfPresent } from './presence';
