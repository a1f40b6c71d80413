/**
 * The text that the small base models are pre-trained on: English about races, made up here, none of it real
 * and none of it from the label files. `node .build/data/corpus/generate.js 20` prints twenty documents.
 *
 * A fine-tune has to read signed seconds and tell which side of three minutes they lie on, and to read standard
 * scores. So a good part of the documents is about numbers: size, sign, limits, ranges, minutes, differences, order,
 * and whole records with questions about them.
 */
import { seededRandom } from '../../lib/random';
import type { SeededRandom } from '../../lib/random';
import { layoutDocument } from './layouts';
import { numberDocument } from './numbers';
import { recordDocument } from './records';
import { drillDocument, scoreDocument } from './scores';
import { storyDocument } from './stories';

export interface CorpusOptions {
  /** The same seed gives the same documents. */
  seed: number;
  /** How many. */
  documents: number;
}

/** Kinds of documents and their shares. */
const SHARES: readonly (readonly [number, (random: SeededRandom) => string])[] = [
  [0.08, numberDocument],
  [0.06, layoutDocument],
  [0.46, recordDocument],
  [0.28, drillDocument],
  [0.07, scoreDocument],
  [0.05, storyDocument],
];

/** Documents one by one, about 120 words each; no end-of-text marks in them. */
export function* raceCorpus(options: CorpusOptions): Generator<string, void, undefined> {
  const random = seededRandom(options.seed);
  for (let i = 0; i < options.documents; i++) {
    let draw = random.next();
    const kind = SHARES.find(([share]) => (draw -= share) < 0) ?? SHARES[0];
    yield kind[1](random);
  }
}

if (require.main === module) {
  for (const text of raceCorpus({ seed: 42, documents: Number(process.argv[2] ?? 10) })) {
    console.log(`${text}\n<|endoftext|>`);
  }
}
