/**
 * Number sense: size and sign, limits, minutes and seconds, differences, order. Every sentence is true.
 */
import type { SeededRandom } from '../../lib/random';
import { formatMinutes, formatTime } from '../../lib/hyrox/tables/time';
import { GAP_WORDS, capital, clock, duration, finish, gap, limit, signed } from './words';
import type { Limit } from './words';

/** Where a gap lies: beyond the limit on the slow or the fast side, or inside. */
export type Side = 'behind' | 'ahead' | 'inside';

/** Which side of a limit a gap (true minus expected, seconds) is on; the limit itself is inside. */
export function sideOf(value: number, seconds: number): Side {
  return value > seconds ? 'behind' : value < -seconds ? 'ahead' : 'inside';
}

/** One of many ways to say a side. */
export function saySide(side: Side, { text }: Limit, random: SeededRandom): string {
  const phrases: Record<Side, readonly string[]> = {
    behind: [
      `more than ${text} behind`,
      `slower by over ${text}`,
      `too slow, by more than ${text}`,
      `over ${text} late`,
      `slower than forecast by more than ${text}`,
      `a slow race, beyond ${text}`,
      `clearly slower, past ${text}`,
    ],
    ahead: [
      `more than ${text} ahead`,
      `faster by over ${text}`,
      `very fast, by more than ${text}`,
      `over ${text} early`,
      `faster than forecast by more than ${text}`,
      `a great race, beyond ${text}`,
      `clearly faster, it beat the forecast by more than ${text}`,
    ],
    inside: [
      `within ${text}`,
      `close, less than ${text} either way`,
      `near the forecast, inside ${text}`,
      `about as expected, within ${text}`,
      `not far off, ${text} at most`,
      `close to the plan, no more than ${text}`,
    ],
  };
  return random.pick(phrases[side]);
}

/** One line about one gap. */
function gapLine(random: SeededRandom): string {
  const value = gap(random);
  const mark = limit(random);
  const word = random.pick(GAP_WORDS);
  const said = saySide(sideOf(value, mark.seconds), mark, random);
  const shown = signed(value, random);
  const sign = value > 0 ? 'positive' : value < 0 ? 'negative' : 'zero';
  return random.pick([
    `${word}: ${shown} -> ${said}`,
    `${word}: ${shown}, ${said}`,
    `${/^[aeiou]/.test(word) ? 'An' : 'A'} ${word} of ${shown} means ${said}.`,
    `${capital(word)} ${shown}: ${said}.`,
    `${shown} is ${sign}; ${said}.`,
    `The ${word} is ${shown}, and the verdict: ${said}.`,
    `${word}=${shown} (${said})`,
    `If the ${word} is ${shown}, say: ${said}.`,
  ]);
}

/** Why a gap lies where it lies, step by step. */
function reasonedGap(random: SeededRandom): string {
  const value = gap(random);
  const mark = limit(random);
  const side = sideOf(value, mark.seconds);
  const size = Math.abs(value);
  const compare =
    size > mark.seconds
      ? `${size} > ${mark.seconds}`
      : size < mark.seconds
        ? `${size} < ${mark.seconds}`
        : `${size} = ${mark.seconds}`;
  const direction = value > 0 ? 'slow side' : value < 0 ? 'fast side' : 'neither side';
  return `residual: ${value}, sign: ${direction}, size: ${size}, ${compare}, so ${saySide(side, mark, random)}.`;
}

/** Finish, forecast and what lies between. */
function subtraction(random: SeededRandom): string {
  const forecast = finish(random);
  const value = gap(random) % 1500;
  const actual = forecast + value;
  const mark = limit(random);
  const said = saySide(sideOf(value, mark.seconds), mark, random);
  const word = random.pick(GAP_WORDS);
  return random.pick([
    `${actual} - ${forecast} = ${value}`,
    `total_time: ${actual}, predicted: ${forecast}, residual: ${value}: ${said}`,
    `Forecast ${forecast}, finish ${actual}, ${word} ${signed(value, random)}.`,
    `The clock said ${clock(actual, random)}, the forecast ${clock(forecast, random)}: ${word} ${value} seconds, ${said}.`,
    `finish ${actual} minus forecast ${forecast} leaves ${value}, ${said}.`,
    `predicted: ${forecast}, residual: ${value}, so the finish was ${actual}.`,
  ]);
}

/** Seconds and clock times. */
function conversion(random: SeededRandom): string {
  const seconds = random.next() < 0.5 ? random.integer(0, 999) : random.integer(60, 9000);
  const minutes = Math.floor(seconds / 60);
  const rest = seconds % 60;
  return random.pick([
    `${seconds} seconds = ${formatMinutes(seconds)}`,
    `${formatMinutes(seconds)} is ${seconds} seconds`,
    `${seconds} s is ${minutes} min ${rest} s`,
    `${formatTime(seconds)} = ${seconds} s`,
    `${minutes} minutes and ${rest} seconds make ${seconds} seconds.`,
    `In seconds, ${formatTime(seconds)} is ${seconds}.`,
  ]);
}

/** Two numbers, or several, in order. */
function ordering(random: SeededRandom): string {
  const a = gap(random);
  const b = random.next() < 0.4 ? a + random.integer(-30, 30) : gap(random);
  if (random.next() < 0.3) {
    const many = Array.from({ length: random.integer(3, 6) }, () => gap(random));
    const sorted = [...many].sort((x, y) => x - y);
    return `From low to high: ${many.join(', ')} gives ${sorted.join(', ')}.`;
  }
  if (a === b) return `${a} equals ${b}.`;
  const [low, high] = a < b ? [a, b] : [b, a];
  return random.pick([
    `${high} > ${low}`,
    `${low} < ${high}`,
    `${high} is larger than ${low}.`,
    `${low} is smaller than ${high}.`,
    `Between ${a} and ${b}, the larger is ${high}.`,
    `Which is smaller, ${a} or ${b}? ${low}.`,
    `${capital(duration(Math.abs(a) + 1, random))} is longer than ${duration(Math.abs(a), random)}.`,
  ]);
}

/** How far a number is from three minutes. */
function aroundLimit(random: SeededRandom): string {
  const value = random.integer(100, 300);
  const mark = { seconds: 180, text: duration(180, random) };
  const over = value - mark.seconds;
  const side = over > 0 ? `${over} over` : over < 0 ? `${-over} short of` : 'exactly';
  return random.pick([
    `${value} seconds is ${side} ${mark.text}.`,
    `${value} ${over > 0 ? '>' : over < 0 ? '<' : '='} 180`,
    `-${value} ${over > 0 ? '<' : over < 0 ? '>' : '='} -180`,
    `${value}: ${over > 0 ? 'more than' : over < 0 ? 'less than' : 'just'} ${mark.text}.`,
    `Is ${value} above 180? ${over > 0 ? 'Yes' : 'No'}.`,
    `Is -${value} below -180? ${over > 0 ? 'Yes' : 'No'}.`,
  ]);
}

/** Counting through a range, with signs. */
function counting(random: SeededRandom): string {
  const start = random.next() < 0.6 ? random.integer(-999, 990) : random.integer(1000, 8900);
  const step = random.pick([1, 1, 2, 5, 10, 20, 50]);
  return Array.from({ length: random.integer(6, 14) }, (_, i) => start + i * step).join(', ');
}

/** Digits and places, so that pieces of a number mean something. */
function digits(random: SeededRandom): string {
  const value = random.integer(0, 999);
  const sign = random.next() < 0.5 ? '-' : '';
  const hundreds = Math.floor(value / 100);
  return random.pick([
    `${sign}${value}: ${hundreds} hundreds, ${Math.floor(value / 10) % 10} tens, ${value % 10} ones`,
    `${sign}${value} lies between ${sign}${hundreds * 100} and ${sign}${hundreds * 100 + 100}.`,
    `${sign}${value} to the nearest hundred: ${Math.round(value / 100) === 0 ? '0' : `${sign}${Math.round(value / 100) * 100}`}.`,
    `The opposite of ${sign}${value} is ${sign === '' ? `-${value}` : value}.`,
  ]);
}

const KINDS = [
  gapLine,
  gapLine,
  gapLine,
  reasonedGap,
  subtraction,
  conversion,
  ordering,
  aroundLimit,
  counting,
  digits,
];

/** A document of several lines, of one kind or mixed. */
export function numberDocument(random: SeededRandom): string {
  const lines = random.integer(6, 18);
  const kind = random.next() < 0.6 ? random.pick(KINDS) : undefined;
  const title = random.pick([
    '',
    '',
    'Numbers of the day\n',
    'Race arithmetic\n',
    'Ahead or behind?\n',
    'Notes\n',
  ]);
  return title + Array.from({ length: lines }, () => (kind ?? random.pick(KINDS))(random)).join('\n');
}
