/** The door of notebook files: reading, checking against the official schema, writing. */
export {
  cellSource,
  cellTags,
  formatNotebook,
  joinText,
  makeCell,
  readNotebook,
  splitText,
  validateNotebook,
  writeNotebook,
} from './nbformat';
export type { CellOutput, MultilineText, Notebook, NotebookCell } from './nbformat';
export { codeDigests, storedDigests } from './outputs-of';
export type { CodeDigests } from './outputs-of';
