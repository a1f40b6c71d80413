/**
 * Words and numbers that the corpus is made of: names, stations, seconds, and how English says them.
 */
import { STATIONS } from '../../lib/hyrox/tables/columns';
import type { SeededRandom } from '../../lib/random';
import { formatMinutes, formatTime } from '../../lib/hyrox/tables/time';

export const SEGMENT_NAMES: readonly string[] = [...STATIONS, 'work_run_time', 'roxzone_time'];

/** How people call the stations, in race order, then the runs and the transitions. */
export const SPOKEN: readonly (readonly string[])[] = [
  ['the ski erg', 'the SkiErg', 'the ski', 'skiing'],
  ['the sled push', 'pushing the sled', 'the push'],
  ['the sled pull', 'pulling the sled', 'the rope'],
  ['the burpee broad jumps', 'the burpees', 'the jumps'],
  ['the rower', 'the row', 'rowing', 'the erg'],
  ['the farmer carry', 'the farmers carry', 'the kettlebells', 'carrying the kettlebells'],
  ['the sandbag lunges', 'the lunges', 'lunging', 'the sandbag'],
  ['the wall balls', 'the wall', 'throwing the ball'],
  ['the running', 'the runs', 'the eight kilometres of running', 'running between stations'],
  ['the roxzone', 'the transitions', 'getting in and out of the stations', 'the time between stations'],
];

export const NAMES: readonly string[] = [
  'Anna', 'Ben', 'Carla', 'David', 'Elena', 'Felix', 'Grace', 'Hugo', 'Ines', 'Jonas', 'Kim', 'Lena', 'Marco',
  'Nora', 'Oscar', 'Paula', 'Quentin', 'Rosa', 'Sam', 'Tara', 'Uma', 'Victor', 'Wanda', 'Yusuf', 'Zoe', 'Maya',
  'Liam', 'Olga', 'Pedro', 'Sofia',
]; // prettier-ignore

export const CITIES: readonly string[] = [
  'Berlin', 'Madrid', 'London', 'Vienna', 'Chicago', 'Hamburg', 'Milan', 'Lisbon', 'Dublin', 'Warsaw', 'Oslo',
  'Toronto', 'Valencia', 'Leipzig', 'Manchester', 'Lyon', 'Porto', 'Zurich',
]; // prettier-ignore

export const AGE_GROUPS: readonly string[] = [
  '16-24', '25-29', '30-34', '35-39', '40-44', '45-49', '50-54', '55-59', '60-64', '16-29', '30-39', '40-49', '50-59',
]; // prettier-ignore

/** Words for a signed number of seconds. */
export const GAP_WORDS: readonly string[] = [
  'gap', 'difference', 'residual', 'delta', 'margin', 'offset', 'deviation', 'error', 'time difference',
]; // prettier-ignore

/** A limit, as a number of seconds and in many wordings; three minutes more often than any other. */
export interface Limit {
  seconds: number;
  text: string;
}

const COUNT_WORDS: Readonly<Record<number, string>> = {
  1: 'one', 2: 'two', 3: 'three', 4: 'four', 5: 'five', 6: 'six', 7: 'seven', 8: 'eight', 9: 'nine', 10: 'ten',
}; // prettier-ignore

/** Draws a limit. */
export function limit(random: SeededRandom): Limit {
  const seconds = random.next() < 0.7 ? 180 : random.pick([30, 60, 90, 120, 240, 300, 360, 420, 600]);
  return { seconds, text: duration(seconds, random) };
}

/** A positive number of seconds in one of its wordings: '180 seconds', 'three minutes', '3:00', '180 s'. */
export function duration(seconds: number, random: SeededRandom): string {
  const minutes = seconds / 60;
  const options = [`${seconds} seconds`, `${seconds} s`, `${formatMinutes(seconds)}`];
  if (Number.isInteger(minutes)) {
    const unit = minutes === 1 ? 'minute' : 'minutes';
    const word = COUNT_WORDS[minutes];
    options.push(`${minutes} ${unit}`, `${minutes} min`);
    if (word !== undefined) options.push(`${word} ${unit}`, `${word} full ${unit}`);
  } else if (seconds > 60) {
    const whole = Math.floor(minutes);
    options.push(`${whole} min ${seconds % 60} s`, `${whole} minutes and ${seconds % 60} seconds`);
  }
  return random.pick(options);
}

/**
 * A signed number of seconds: most in the hundreds, many near three minutes, a few in the thousands.
 * Near the limit is where a model must look at every digit.
 */
export function gap(random: SeededRandom): number {
  const draw = random.next();
  const sign = random.next() < 0.5 ? -1 : 1;
  if (draw < 0.35) return sign * random.integer(0, 999);
  if (draw < 0.65) return sign * random.integer(100, 299);
  if (draw < 0.8) return sign * random.integer(160, 200);
  if (draw < 0.92) return Math.round(random.normal() * 400) - 150;
  return sign * random.integer(0, 9000);
}

/** A signed number as a file writes it: '397', '-393', sometimes '+25'. */
export function signed(value: number, random: SeededRandom): string {
  return value > 0 && random.next() < 0.25 ? `+${value}` : String(value);
}

/** A standard score with sign and one digit: '+0.8', '-1.2', '0.0'. */
export function score(value: number): string {
  const text = value.toFixed(1);
  if (Number(text) === 0) return '0.0';
  return value > 0 ? `+${text}` : text;
}

/** A finish time in seconds. */
export function finish(random: SeededRandom): number {
  return Math.max(3050, Math.min(8999, Math.round(Math.exp(8.55 + 0.18 * random.normal()))));
}

/** Seconds of a station. */
export function stationSeconds(random: SeededRandom): number {
  return random.integer(85, 620);
}

/** A time of day of the race in one of its forms. */
export function clock(seconds: number, random: SeededRandom): string {
  return random.next() < 0.5
    ? formatTime(seconds)
    : seconds >= 3600
      ? formatTime(seconds)
      : formatMinutes(seconds);
}

/** 'a', 'a and b', 'a, b and c'. */
export function sentenceList(items: readonly string[]): string {
  if (items.length <= 1) return items.join('');
  return `${items.slice(0, -1).join(', ')} and ${items[items.length - 1]}`;
}

/** First letter in upper case. */
export function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
