/**
 * Finding what is like something: numbers by numbers.
 * Where it stands: under the domain, which finds races like a race; nothing here knows a model.
 */
export { NearestNeighbors } from './nearest-neighbors';
export type { Neighbors, NeighborsQuery } from './nearest-neighbors';
export { StandardScaler } from './standard-scaler';
export type { Rows } from './standard-scaler';
