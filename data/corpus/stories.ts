/**
 * Plain English about races: reports, athletes, training, questions and answers.
 */
import type { SeededRandom } from '../../lib/random';
import { formatMinutes } from '../../lib/hyrox/tables/time';
import { saySide, sideOf } from './numbers';
import {
  AGE_GROUPS, CITIES, NAMES, SPOKEN, capital, clock, duration, finish, gap, limit, sentenceList, stationSeconds,
} from './words'; // prettier-ignore

/** Advice per segment, in the order of `SPOKEN`. */
const ADVICE: readonly (readonly string[])[] = [
  [
    'drive from the hips and let the arms finish',
    'keep the damper low and the strokes long',
    'breathe out on every pull',
  ],
  ['stay low with straight arms', 'take short quick steps', 'train heavy pushes on tired legs'],
  ['lean back and walk the rope in', 'pull with the whole body', 'keep the rope out from under the feet'],
  ['step up instead of jumping up', 'find a rhythm and keep it', 'jump long and rest in the air'],
  ['push with the legs first', 'row at a steady rate', 'use the row to calm the breath'],
  ['grip hard and walk fast', 'do not put the weights down', 'train the hands with long holds'],
  ['keep the chest tall', 'touch the knee and drive up', 'build the legs with split squats'],
  ['aim for sets you can repeat', 'let the legs throw the ball', 'rest before the arms fail'],
  [
    'run the first kilometre with patience',
    'train intervals on tired legs',
    'keep the pace even from run to run',
  ],
  ['know the way in and out', 'jog through the transitions', 'take the belt off while walking'],
];

function athlete(random: SeededRandom): string {
  const name = random.pick(NAMES);
  const city = random.pick(CITIES);
  const total = finish(random);
  const value = gap(random) % 900;
  const mark = limit(random);
  const strong = random.integer(0, 9);
  const weak = (strong + random.integer(1, 9)) % 10;
  const said = saySide(sideOf(value, mark.seconds), mark, random);
  const opening = random.pick([
    `${name} raced in ${city} in the ${random.pick(AGE_GROUPS)} group and finished in ${clock(total, random)}.`,
    `In ${city}, ${name} crossed the line after ${clock(total, random)}.`,
    `${clock(total, random)} was the time of ${name} in ${city}.`,
    `It was the ${random.pick(['first', 'second', 'third', 'fifth'])} race for ${name}, this time in ${city}: ${total} seconds.`,
  ]);
  const middle = random.pick([
    `The forecast was ${clock(total - value, random)}, so the gap is ${value} seconds: ${said}.`,
    `The plan had said ${total - value}; the difference of ${value} is ${said}.`,
    `Against a forecast of ${total - value} that is ${said}.`,
  ]);
  const close = random.pick([
    `The best part was ${random.pick(SPOKEN[strong])}; ${random.pick(SPOKEN[weak])} cost the most time.`,
    `${capital(random.pick(SPOKEN[weak]))} took ${duration(stationSeconds(random), random)}, slower than the peers.`,
    `"Next time I will ${random.pick(ADVICE[weak])}," said ${name}.`,
    `${name} wants to work on ${random.pick(SPOKEN[weak])} before the next start.`,
  ]);
  return random.next() < 0.8 ? `${opening} ${middle} ${close}` : `${opening} ${close}`;
}

function report(random: SeededRandom): string {
  const city = random.pick(CITIES);
  const people = random.shuffle(NAMES).slice(0, random.integer(3, 6));
  const times = people.map(() => finish(random)).sort((a, b) => a - b);
  const lead = times[1] - times[0];
  const lines = people.map((name, i) => `${i + 1}. ${name} ${clock(times[i], random)}`);
  const key = random.integer(0, 9);
  return [
    `${random.pick(['Results from', 'Race report:', 'News from', 'The race in'])} ${city}`,
    random.pick([
      `${people[0]} won ahead of ${people[1]} by ${lead} seconds.`,
      `${people[0]} was ${duration(lead, random)} faster than ${people[1]}.`,
      `The winner was ${people[0]} in ${times[0]} seconds; ${people[1]} needed ${times[1]}.`,
    ]),
    random.pick([
      `The race was decided on ${random.pick(SPOKEN[key])}.`,
      `Most athletes lost time on ${random.pick(SPOKEN[key])}.`,
      `Nobody was faster in ${random.pick(SPOKEN[key])} than ${people[people.length - 1]}.`,
    ]),
    lines.join('\n'),
  ].join('\n');
}

function training(random: SeededRandom): string {
  const order = random.shuffle(SPOKEN.map((_, i) => i)).slice(0, random.integer(2, 4));
  const sets = random.integer(3, 8);
  const rest = random.pick([30, 45, 60, 90, 120, 180]);
  return [
    random.pick(['A week of training', 'How to get faster', 'Notes from the coach', 'Before the next race']),
    ...order.map((i) =>
      random.pick([
        `For ${random.pick(SPOKEN[i])}: ${random.pick(ADVICE[i])}.`,
        `${capital(random.pick(ADVICE[i]))}: that helps with ${random.pick(SPOKEN[i])}.`,
        `If ${random.pick(SPOKEN[i])} is slower than that of your peers, ${random.pick(ADVICE[i])}.`,
      ]),
    ),
    `Do ${sets} rounds with ${duration(rest, random)} of rest, ${formatMinutes(sets * rest)} of rest in all.`,
  ].join('\n');
}

function questions(random: SeededRandom): string {
  return Array.from({ length: random.integer(2, 5) }, () => {
    const value = gap(random);
    const mark = limit(random);
    const i = random.integer(0, 9);
    const total = finish(random);
    return random.pick([
      `Q: The gap is ${value}. What does that mean?\nA: The athlete was ${saySide(sideOf(value, mark.seconds), mark, random)}.`,
      `Q: Is ${value} more than ${mark.text} behind?\nA: ${value > mark.seconds ? 'Yes' : 'No'}.`,
      `Q: Is ${value} more than ${mark.text} ahead?\nA: ${value < -mark.seconds ? 'Yes' : 'No'}.`,
      `Q: How do I get better at ${random.pick(SPOKEN[i])}?\nA: ${capital(random.pick(ADVICE[i]))}.`,
      `Q: How long is ${total} seconds?\nA: ${clock(total, random)}.`,
      `Q: Which is better, a gap of ${value} or ${value + 40}?\nA: ${value}, because less time is faster.`,
    ]);
  }).join('\n');
}

function thoughts(random: SeededRandom): string {
  const [a, b, c] = random.shuffle(SPOKEN.map((_, i) => i));
  return random.pick([
    `A race has eight runs and eight stations. ${capital(random.pick(SPOKEN[a]))} and ${random.pick(SPOKEN[b])} decide many races, but ${random.pick(SPOKEN[c])} decides how one feels at the end.`,
    `Nobody is good at everything. Some lose time on ${sentenceList([SPOKEN[a][0], SPOKEN[b][0], SPOKEN[c][0]])} and still finish with a smile.`,
    `A forecast is only a guess. A positive residual means slower than the guess, a negative residual means faster, and a small one means the guess was good.`,
    `Peers are people of the same gender and age. To be slower than they are on ${SPOKEN[a][0]} is no shame; it says where time can be won.`,
    `A time is better when it is lower. ${capital(SPOKEN[a][0])} in ${duration(stationSeconds(random), random)} means little until it stands beside the time of others.`,
  ]);
}

const KINDS = [athlete, athlete, athlete, report, training, questions, questions, thoughts];

/** One document of prose. */
export function storyDocument(random: SeededRandom): string {
  const kind = random.pick(KINDS);
  if (kind !== athlete) return kind(random);
  return Array.from({ length: random.integer(1, 3) }, () => athlete(random)).join('\n');
}
