/**
 * Standard scores and segment lists: who is above a mark, in which order, and what is worst. Every answer is true.
 */
import { RACE_ORDER } from '../../lib/hyrox/tables/columns';
import type { SeededRandom } from '../../lib/random';
import { formatMinutes } from '../../lib/hyrox/tables/time';
import { filterLine, judgedLine, markedLine, rangeLine } from './records';
import { CITIES, NAMES, SEGMENT_NAMES, SPOKEN, score, sentenceList } from './words';

/** Scores of all or some segments, one digit. */
function drawScores(random: SeededRandom): { name: string; value: number }[] {
  const names = random.next() < 0.6 ? SEGMENT_NAMES : SEGMENT_NAMES.filter(() => random.next() < 0.6);
  return names.map((name) => ({ name, value: Number((random.normal() * 0.9).toFixed(1)) }));
}

/** A list of scores and the segments that pass a mark. */
function above(random: SeededRandom): string {
  const scores = drawScores(random);
  const mark = random.pick([0.5, 0.5, 0.3, 0.8, 1.0]);
  const listed = scores.map(({ name, value }) => `${score(value)} ${name}`).join(', ');
  const slow = scores.filter(({ value }) => value > mark).map(({ name }) => name);
  const fast = scores.filter(({ value }) => value < -mark).map(({ name }) => name);
  const none = random.pick(['none', 'nothing']);
  return random.pick([
    `z: ${listed}\nabove ${score(mark)}: ${slow.join(', ') || none}`,
    `Scores: ${listed}. Slower than the peers by more than ${mark.toFixed(1)}: ${slow.join(', ') || none}.`,
    `${listed}\nfast (below -${mark.toFixed(1)}): ${fast.join(', ') || none}\nslow (above ${mark.toFixed(1)}): ${slow.join(', ') || none}`,
    `z: ${listed}\nslow: ${slow.join(', ') || none}`.replace('slow:', `slow at ${score(mark)}:`),
  ]);
}

/** The largest and the smallest of a list. */
function extremes(random: SeededRandom): string {
  const scores = drawScores(random);
  if (scores.length < 2) return ladder(random);
  const sorted = [...scores].sort((a, b) => b.value - a.value);
  const listed = scores.map(({ name, value }) => `${name} ${score(value)}`).join(', ');
  const last = sorted[sorted.length - 1];
  return `${listed}\nslowest part: ${sorted[0].name} (${score(sorted[0].value)}), fastest part: ${last.name} (${score(last.value)})`;
}

/** What single scores mean. */
function meaning(random: SeededRandom): string {
  const value = Number((random.normal() * 1.1).toFixed(1));
  const name = random.pick(SEGMENT_NAMES);
  const said =
    value > 1 ? 'much slower than the peers' : value > 0.5 ? 'slower than the peers'
    : value < -1 ? 'much faster than the peers' : value < -0.5 ? 'faster than the peers' : 'like the peers'; // prettier-ignore
  return random.pick([
    `${name} ${score(value)}: ${said}`,
    `A score of ${score(value)} in ${name} is ${said}.`,
    `${name}: ${score(value)} (${said})`,
  ]);
}

/** Scores in order. */
function ladder(random: SeededRandom): string {
  const from = random.integer(-30, 10);
  return Array.from({ length: random.integer(5, 20) }, (_, i) => score((from + i) / 10)).join(', ');
}

/** Some segments in race order, as files and as people name them. */
function names(random: SeededRandom): string {
  const kept = SEGMENT_NAMES.map((_, i) => i).filter(() => random.next() < 0.4);
  const written = kept.map((i) => SEGMENT_NAMES[i]).join(', ');
  if (kept.length === 0) return `In race order: ${SEGMENT_NAMES.join(', ')}.`;
  return random.pick([
    `To work on: ${written}.`,
    `Strong parts: ${written}.`,
    `${written}: that is ${sentenceList(kept.map((i) => random.pick(SPOKEN[i])))}.`,
    `Segments: ${written}. Count: ${kept.length}.`,
  ]);
}

/** Splits of one race. */
function splits(random: SeededRandom): string {
  const form = random.integer(0, 2);
  return RACE_ORDER.map((name) => {
    const seconds = name.startsWith('roxzone') ? random.integer(25, 110) : random.integer(120, 480);
    if (form === 0) return `${name}: ${formatMinutes(seconds)}`;
    return form === 1 ? `| ${name} | ${seconds} |` : `${name} ${seconds} s (${formatMinutes(seconds)})`;
  })
    .slice(0, random.integer(8, RACE_ORDER.length))
    .join('\n');
}

/** Anything with scores, against a bound. */
function filtered(random: SeededRandom): string {
  const from = random.pick([NAMES, CITIES, SEGMENT_NAMES]);
  const kept = from === SEGMENT_NAMES ? from : random.shuffle(from).slice(0, random.integer(3, 10));
  return filterLine(kept, random);
}

const LINES = [above, above, filtered, filtered, rangeLine, extremes, meaning, names, ladder];

/** Lines of one kind that a record's answer needs: its residual judged, its list cut at the mark. */
export function drillDocument(random: SeededRandom): string {
  if (random.next() < 0.4)
    return Array.from({ length: random.integer(8, 14) }, () => judgedLine(random)).join('\n');
  const from = random.pick([NAMES, CITIES, SEGMENT_NAMES, SEGMENT_NAMES, SEGMENT_NAMES]);
  return Array.from({ length: random.integer(2, 4) }, () => {
    const count = from === SEGMENT_NAMES ? random.integer(4, 10) : random.integer(3, 10);
    return markedLine(random.shuffle(from).slice(0, count), random);
  }).join('\n');
}

/** A document of a few lines or blocks. */
export function scoreDocument(random: SeededRandom): string {
  if (random.next() < 0.12) return splits(random);
  const kind = random.next() < 0.5 ? random.pick(LINES) : undefined;
  return Array.from({ length: random.integer(2, 5) }, () => (kind ?? random.pick(LINES))(random)).join('\n');
}
