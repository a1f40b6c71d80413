/**
 * Whole records with questions about them: a residual's score, the items of a list above a bound, what costs most,
 * which group. The shapes are those of result records; the values are drawn at random, the words are the corpus's own.
 */
import { scoreOf } from '../../lib/hyrox/labels/answers';
import type { SeededRandom } from '../../lib/random';
import { saySide, sideOf } from './numbers';
import { AGE_GROUPS, SEGMENT_NAMES, capital, duration, finish, gap, score, sentenceList } from './words';

/** Where a number lies: below, inside or above a range; both ends are inside. */
export type Place = 'below' | 'inside' | 'above';

/** A made-up athlete's record. */
export interface DrawnRecord {
  residual: number;
  /** Of the residual: beyond 1 and -1 it is out of the ordinary. */
  score: number;
  /** 'None' where there is none. */
  group: string;
  parts: readonly { name: string; z: number; seconds: number }[];
  /** As the context of a prompt. */
  text: string;
}

/** Place of a residual by its score. */
function placeOfScore(score: number): Place {
  return score <= -1 ? 'below' : score >= 1 ? 'above' : 'inside';
}

/** Place of a number. */
export function placeOf(value: number, [low, high]: readonly [number, number]): Place {
  return value < low ? 'below' : value > high ? 'above' : 'inside';
}

/** A range of usual residuals, and a residual that is often near one of its ends. */
export function drawRange(random: SeededRandom): { range: readonly [number, number]; residual: number } {
  const range = [-random.integer(60, 420), random.integer(60, 420)] as const;
  const draw = random.next();
  const residual =
    draw < 0.3
      ? random.pick(range) + random.integer(-40, 40)
      : draw < 0.85
        ? Math.round(random.normal() * 320)
        : random.integer(-999, 999);
  return { range, residual };
}

/** A whole number as a difference is written: '+22', '-7', '0'. */
function plus(value: number): string {
  return value > 0 ? `+${value}` : String(value);
}

/** A record with all fields, and scores that go together as those of one athlete do, the worst first. */
export function drawRecord(random: SeededRandom): DrawnRecord {
  const { range, residual } = drawRange(random);
  const predicted = finish(random);
  const group = random.next() < 0.12 ? 'None' : String(random.integer(0, 8));
  const level = random.normal() * 0.7;
  const names = random.next() < 0.8 ? SEGMENT_NAMES : SEGMENT_NAMES.filter(() => random.next() < 0.6);
  const parts = names.map((name) => {
    const z = Number((level + random.normal() * 0.75).toFixed(1)) + 0;
    const seconds = Math.round(z * random.integer(20, name === 'work_run_time' ? 480 : 110)) + 0;
    return { name, z, seconds };
  });
  const withSeconds = random.next() < 0.35;
  parts.sort((a, b) => b.z - a.z);
  const list = parts.map(({ name, z, seconds }) =>
    withSeconds ? `${score(z)} ${name} (${plus(seconds)})` : `${score(z)} ${name}`,
  );
  const own = scoreOf(residual, range);
  const text = [
    `gender: ${random.integer(0, 1)}`,
    `age: ${random.pick(AGE_GROUPS)}`,
    `total_time: ${predicted + residual}`,
    `predicted: ${predicted}`,
    `cluster: ${group}`,
    `z: ${list.join(', ')}`,
    `residual: ${residual}`,
    `score: ${score(own)}`,
  ].join(', ');
  return {
    residual,
    score: own,
    group,
    parts: withSeconds ? parts : parts.map((p) => ({ ...p, seconds: NaN })),
    text,
  };
}

/** One of several ways to say a place. */
function sayPlace(place: Place, random: SeededRandom): string {
  const phrases: Record<Place, readonly string[]> = {
    below: ['below the range', 'faster than usual', 'under the lower end', 'quick, beyond the usual'],
    inside: ['inside the range', 'as usual', 'between the two ends', 'an ordinary gap'],
    above: ['above the range', 'slow for once', 'over the upper end', 'late, beyond the usual'],
  };
  return random.pick(phrases[place]);
}

/** One of several ways to list what is above a bound. */
function sayList(names: readonly string[], random: SeededRandom): string {
  if (names.length === 0)
    return random.pick(['Nothing is above the mark.', 'No part stands out.', 'The list is empty.']);
  const list = names.join(', ');
  return random.pick([
    `Above the mark: ${list}.`,
    `Parts that lose time: ${list}.`,
    `To work on: ${list}.`,
    `Behind the others in: ${list}.`,
  ]);
}

interface Asked {
  input: string;
  context: string;
  response: string;
}

/** Names of the parts whose score is above a mark, in the order of the record. */
function aboveMark(record: DrawnRecord, mark: number): string[] {
  return record.parts.filter(({ z }) => z > mark).map(({ name }) => name);
}

/** Place and list together, the way a short feedback goes. */
function feedback(random: SeededRandom): Asked {
  const record = drawRecord(random);
  const said = `${capital(sayPlace(placeOfScore(record.score), random))}.`;
  const listed = sayList(aboveMark(record, 0.5), random);
  return {
    input: random.pick([
      'Sum up the race in two sentences.',
      'What does the record say?',
      'Give a short judgement.',
    ]),
    context: record.text,
    response: random.next() < 0.7 ? `${said} ${listed}` : listed,
  };
}

/** The list at a mark that the question names. */
function listed(random: SeededRandom): Asked {
  const record = drawRecord(random);
  const mark = random.pick([0.5, 0.5, 0.5, 0.5, 0.3, 1.0]);
  return {
    input: `Which parts are above ${score(mark)}?`,
    context: record.text,
    response: sayList(aboveMark(record, mark), random),
  };
}

/** The residual by its score, with the numbers. */
function ranged(random: SeededRandom): Asked {
  const record = drawRecord(random);
  const { residual } = record;
  const place = placeOfScore(record.score);
  const own = score(record.score);
  const why =
    place === 'above' ? `${own} reaches +1.0` : place === 'below' ? `${own} reaches -1.0` : `${own} is small`;
  const said = sayPlace(place, random);
  return {
    input: random.pick(['Is the residual usual?', 'Where does the residual lie?']),
    context: record.text,
    response: random.pick([
      `${capital(said)}.`,
      `${why}: ${said}.`,
      `${capital(said)}, ${Math.abs(residual)} seconds.`,
    ]),
  };
}

/** Single values of a record. */
function single(random: SeededRandom): Asked {
  const record = drawRecord(random);
  const part = record.parts.length > 0 ? random.pick(record.parts) : undefined;
  const most = record.parts.filter(({ seconds }) => seconds > 0).sort((a, b) => b.seconds - a.seconds)[0];
  const group = record.group === 'None' ? 'No group is named.' : `Group (#${record.group}.0).`;
  const asked: [string, string][] = [['Which group is named?', group]];
  if (part) asked.push([`What is the score of ${part.name}?`, `${part.name} ${score(part.z)}.`]);
  if (part && Number.isFinite(part.seconds))
    asked.push([`How many seconds for ${part.name}?`, `${plus(part.seconds)} seconds.`]);
  if (most) asked.push(['Where is most time lost?', `${most.name}: ${most.seconds} seconds.`]);
  const [input, response] = random.pick(asked);
  return { input, context: record.text, response };
}

/** A short record without scores: which side of three minutes, and which group, or none. */
function grouped(random: SeededRandom): Asked {
  const predicted = finish(random);
  const residual = gap(random) % 2000;
  const group = random.next() < 0.35 ? 'None' : String(random.integer(0, 8));
  const mark = { seconds: 180, text: duration(180, random) };
  const side = `${capital(saySide(sideOf(residual, mark.seconds), mark, random))}.`;
  const rest =
    group === 'None'
      ? random.pick(['No group to compare with.', 'The group is missing.', 'There is no group.'])
      : random.pick([
          `The group is (#${group}.0).`,
          `Compare with group (#${group}.0).`,
          `Group (#${group}.0) is the measure.`,
        ]);
  return {
    input: random.pick(['Judge the gap and name the group.', 'Side of the limit, and group?']),
    context: `gender: ${random.integer(0, 1)}, age: ${random.pick(AGE_GROUPS)}, total_time: ${predicted + residual}, predicted: ${predicted}, residual: ${residual}, cluster: ${group}`,
    response: `${side} ${rest}`,
  };
}

const ASKED = [
  feedback,
  feedback,
  feedback,
  feedback,
  feedback,
  listed,
  listed,
  ranged,
  single,
  grouped,
  grouped,
];

const ROLES: readonly string[] = [
  'Read the record and answer.',
  'You judge races by their numbers.',
  'You are a careful reader of tables.',
  'You are a coach who keeps to the record.',
];

/** One question about one record, in the instruction layout. */
export function recordDocument(random: SeededRandom): string {
  const { input, context, response } = random.pick(ASKED)(random);
  return (
    `### Instruction:\n${random.pick(ROLES)}\n\n### Input:\n${input}\n\n` +
    `### Context:\n${context}\n\n### Response:\n${response}`
  );
}

/** A line of a residual and a range: '-120 in -190 to 170: inside the range'. */
export function rangeLine(random: SeededRandom): string {
  const { range, residual } = drawRange(random);
  const usual = `${range[0]} to ${range[1]}`;
  const place = placeOf(residual, range);
  const said = sayPlace(place, random);
  return random.pick([
    `residual: ${residual}, usual: ${usual}: ${said}`,
    `${residual} is ${place} ${usual}.`,
    `usual: ${usual}, residual: ${residual} -> ${said}`,
    `From ${usual} is usual; ${plus(residual)} is ${place}.`,
  ]);
}

/** Fields of a record with a residual's score among them, judged at once: 'score: -1.3, cluster: 2: faster than usual'. */
export function judgedLine(random: SeededRandom): string {
  const { range, residual } = drawRange(random);
  const own = scoreOf(residual, range);
  const fields = [`residual: ${residual}`, `score: ${score(own)}`, `cluster: ${random.integer(0, 8)}`];
  const shown = fields.slice(random.integer(0, 1), random.integer(2, 3)).join(', ');
  const said = sayPlace(placeOfScore(own), random);
  return random.pick([`${shown}: ${said}`, `${shown} -> ${said}`, `${shown}. ${capital(said)}.`]);
}

/** A list with the worst first, and what of it is above the mark: 'z: +0.9 Anna, +0.2 Ben. Above the mark: Anna.' */
export function markedLine(names: readonly string[], random: SeededRandom): string {
  const level = random.normal() * 0.7;
  const items = random
    .shuffle(names)
    .map((name) => ({ name, z: Number((level + random.normal() * 0.75).toFixed(1)) + 0 }))
    .sort((a, b) => b.z - a.z);
  const kept = items.filter(({ z }) => z > 0.5).map(({ name }) => name);
  return `z: ${items.map(({ name, z }) => `${score(z)} ${name}`).join(', ')}. ${sayList(kept, random)}`;
}

/** Scores one by one against a bound, then the list: '+0.8 Anna yes, -0.2 Ben no; above +0.5: Anna'. */
export function filterLine(names: readonly string[], random: SeededRandom): string {
  const mark = random.pick([0.5, 0.5, 0.5, 0.3, 1.0]);
  const items = names.map((name) => ({ name, z: Number((random.normal() * 0.9).toFixed(1)) + 0 }));
  const kept = items.filter(({ z }) => z > mark).map(({ name }) => name);
  const plain = items.map(({ name, z }) => `${score(z)} ${name}`).join(', ');
  const judged = items.map(({ name, z }) => `${score(z)} ${name} ${z > mark ? 'yes' : 'no'}`).join(', ');
  return random.pick([
    `${judged}; above ${score(mark)}: ${kept.join(', ') || 'none'}`,
    `${plain}; above ${score(mark)}: ${kept.join(', ') || 'none'}`,
    `Of ${plain}, above ${score(mark)}: ${kept.length === 0 ? 'none' : sentenceList(kept)}.`,
  ]);
}
