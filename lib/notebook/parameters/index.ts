/** The door of a notebook's parameters: their declarations, and values for them. */
export { collectParameters } from './collect-parameters';
export type { ParameterSources } from './collect-parameters';
export { readGridFile, readParameterFile } from './parameter-files';
export type { ParameterType, ParameterValue } from './parameter-types';
export { checkParameters, describeParameters, injectParameters, notebookParameters } from './parameters';
export type { GivenParameters } from './parameters';
export type { FixedParameter, Parameter } from './read-parameters';
