/** The door of publishing: executed notebooks for a repository. */
export { publishNotebooks, publishedNotebook } from './publish';
export type { PublishOptions } from './publish';
