/** The door of `pretrained`. */
export { generateAnswers, QUANTIZATIONS } from './generate-answers';
export type { GenerateAnswersOptions, GeneratedAnswers } from './generate-answers';
