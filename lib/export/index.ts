/** The door of `export`: models in the forms that other programs load, each export compared with the model itself. */
export type { ExportOutcome } from './outcome';
export { agreementWords, compareAnswers, isWithin } from './proof/agreement';
export type { Agreement, AgreementBound } from './proof/agreement';
export type { Responder } from './proof/responder';
