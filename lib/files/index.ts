/**
 * The door of `files`: writing, so that a file is whole or absent whatever happens, and reading JSON, lines and CSV.
 */
export { requireFreeSpace, stageFile, writeFileAtomic, writeFileAtomicSync } from './atomic-write';
export type { ByteSink, StagedFile } from './atomic-write';
export { CsvRows, delimiterLine } from './csv';
export type { CsvRow } from './csv';
export { fileDigest } from './file-digest';
export { isGzip } from './gzip';
export { byteLines, textLines } from './lines';
export type { LineEnd } from './lines';
export {
  isJsonObject,
  parseJson,
  readJson,
  readJsonObject,
  readJsonObjectIfPresent,
  unreadFields,
} from './json';
export type { JsonObject, ReadJsonOptions } from './json';
export { makeFolders, makeFoldersSync } from './make-folders';
export { isHubAddress, makeFolder, makeFolderSync, requireLocalPath } from './local-path';
export { isFile, isFolder, isMissing, readTextIfPresent } from './presence';
export { decodeWindows1252 } from './windows-1252';
