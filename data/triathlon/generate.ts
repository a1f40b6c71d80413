/**
 * A second example for the mapping file: made-up triathlon results, written another way than the race sample
 * (semicolons, m:ss beside h:mm:ss, other names, a column too many, a few gaps).
 *
 * `node .build/data/triathlon/generate.js` writes `triathlon-sample.csv`; the same seed gives the same bytes.
 */
import fs from 'node:fs';
import path from 'node:path';
import { seededRandom } from '../../lib/random';
import { formatMinutes, formatTime } from '../../lib/hyrox/tables/time';
import { PACKAGE_ROOT } from '../../lib/environment';

/** Where the example and its mapping are. */
export const TRIATHLON_FOLDER = path.join(PACKAGE_ROOT, 'data', 'triathlon');

/** Typical seconds, spread of the logarithm, and how much of it is general fitness. */
const LEGS = [
  { name: 'Swim', seconds: 1650, spread: 0.16, fitness: 0.6 },
  { name: 'T1', seconds: 170, spread: 0.25, fitness: 0.4 },
  { name: 'Bike', seconds: 4200, spread: 0.11, fitness: 0.8 },
  { name: 'T2', seconds: 110, spread: 0.28, fitness: 0.4 },
  { name: 'Run', seconds: 2900, spread: 0.14, fitness: 0.8 },
] as const;

const CLASSES = ['18-29', '30-39', '40-49', '50-59', '60-69'];

/** The example as CSV text. */
export function generateTriathlon(options: { athletes?: number; seed?: number } = {}): string {
  const { athletes = 600, seed = 11 } = options;
  const random = seededRandom(seed);
  const lines = ['Bib;Sex;Class;Swim;T1;Bike;T2;Run;Finish'];
  for (let i = 0; i < athletes; i++) {
    const fitness = random.normal();
    const sex = random.next() < 0.38 ? 'F' : 'M';
    const age = random.integer(0, CLASSES.length - 1);
    const slower = (sex === 'F' ? 0.1 : 0) + 0.025 * age;
    const legs = LEGS.map((leg) => {
      const own = leg.fitness * fitness + Math.sqrt(1 - leg.fitness ** 2) * random.normal();
      return Math.round(leg.seconds * Math.exp(slower + leg.spread * own));
    });
    const finish = legs.reduce((sum, leg) => sum + leg, 0);
    const cells = legs.map((leg) => (leg < 3600 ? formatMinutes(leg) : formatTime(leg)));
    if (i % 150 === 70) cells[1] = '';
    lines.push([100 + i, sex, CLASSES[age], ...cells, formatTime(finish)].join(';'));
  }
  return `${lines.join('\n')}\n`;
}

if (require.main === module) {
  fs.writeFileSync(path.join(TRIATHLON_FOLDER, 'triathlon-sample.csv'), generateTriathlon());
}
