/** The door of `random`: seeded streams and numbers by their place. The same seed gives the same bytes on every machine. */
export { fillNormal, uniformAt } from './counter';
export { createRandom, seededRandom } from './stream';
export type { Random, SeededRandom } from './stream';
