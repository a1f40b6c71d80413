/**
 * The instruction / input / context / response layout with tasks of its own, so that a model that is tuned on
 * some other task has seen where an answer stands. None of the label maker's sentences is here.
 */
import type { SeededRandom } from '../../lib/random';
import { formatMinutes, formatTime } from '../../lib/hyrox/tables/time';
import { saySide, sideOf } from './numbers';
import { AGE_GROUPS, SEGMENT_NAMES, SPOKEN, capital, duration, finish, gap, limit, score } from './words';

interface Task {
  instruction: string;
  input: string;
  context: string;
  response: string;
}

const ROLES: readonly string[] = [
  'You know about races. Answer briefly.',
  'Answer the question from the context.',
  'You are a helpful assistant for athletes.',
  'Read the numbers and answer.',
  'You are a coach. Look at the numbers before you answer.',
];

/** A line of facts about one athlete, as the records have it, with its numbers. */
function facts(random: SeededRandom): {
  line: string;
  total: number;
  predicted: number;
  residual: number;
  group: number;
} {
  const predicted = finish(random);
  const residual = gap(random) % 2000;
  const total = predicted + residual;
  const group = random.integer(0, 5);
  const gender = random.integer(0, 1);
  const age = random.pick(AGE_GROUPS);
  const cluster = random.next() < 0.25 ? 'None' : String(group);
  const line = `gender: ${gender}, age: ${age}, total_time: ${total}, predicted: ${predicted}, residual: ${residual}, cluster: ${cluster}`;
  return { line, total, predicted, residual, group: cluster === 'None' ? -1 : group };
}

/** Which side of a limit the residual is on. */
function side(random: SeededRandom): Omit<Task, 'instruction'> {
  const { line, residual } = facts(random);
  const usual = random.next() < 0.8;
  const mark = usual ? { seconds: 180, text: duration(180, random) } : limit(random);
  const inputs = [
    `Was the athlete ahead or behind, and by more than ${mark.text}?`,
    `Compare the residual with ${mark.text}.`,
    `Is the finish within ${mark.text} of the forecast?`,
  ];
  // Where the question names no limit it is three minutes.
  const input = random.pick(usual ? [...inputs, 'Say how the race went against the forecast.'] : inputs);
  const said = saySide(sideOf(residual, mark.seconds), mark, random);
  return { input, context: line, response: `${capital(said)}.` };
}

/** Reading one number back. */
function reading(random: SeededRandom): Omit<Task, 'instruction'> {
  const { line, total, predicted, residual, group } = facts(random);
  const [input, response] = random.pick([
    ['What is the residual?', `The residual is ${residual}.`],
    ['What was predicted?', `The forecast was ${predicted} seconds, which is ${formatTime(predicted)}.`],
    ['What was the finish time?', `The finish time was ${total} seconds, which is ${formatTime(total)}.`],
    ['Which group is it?', group < 0 ? 'No group is given.' : `The athlete is in cluster (#${group}.0).`],
    [
      'Is the residual positive or negative?',
      `${residual > 0 ? 'Positive' : residual < 0 ? 'Negative' : 'Zero'}.`,
    ],
    ['How large is the residual?', `${Math.abs(residual)} seconds, ${formatMinutes(Math.abs(residual))}.`],
  ] as const);
  return { input, context: line, response };
}

/** Larger, smaller. */
function larger(random: SeededRandom): Omit<Task, 'instruction'> {
  const a = gap(random);
  const b = a + random.pick([-1, 1]) * random.integer(1, 400);
  const most = random.next() < 0.5;
  const answer = most ? Math.max(a, b) : Math.min(a, b);
  return {
    input: `Which number is ${most ? 'larger' : 'smaller'}?`,
    context: `first: ${a}, second: ${b}`,
    response: `${answer}`,
  };
}

/** Seconds to a clock time and back. */
function convert(random: SeededRandom): Omit<Task, 'instruction'> {
  const seconds = random.next() < 0.5 ? random.integer(1, 900) : finish(random);
  const back = random.next() < 0.5;
  return {
    input: back ? 'Convert the time to seconds.' : 'Write the seconds as a time.',
    context: back ? `time: ${formatTime(seconds)}` : `seconds: ${seconds}`,
    response: back ? `${seconds} seconds.` : `${formatTime(seconds)}.`,
  };
}

/** Segments above a mark. */
function weak(random: SeededRandom): Omit<Task, 'instruction'> {
  const scores = SEGMENT_NAMES.map((name) => ({ name, value: Number((random.normal() * 0.9).toFixed(1)) }));
  const mark = random.pick([0.5, 0.5, 0.5, 0.3, 1.0]);
  const slow = scores.filter(({ value }) => value > mark);
  const spoken = slow.map(({ name }) => SPOKEN[SEGMENT_NAMES.indexOf(name)][0]);
  const context = `z: ${scores.map(({ name, value }) => `${score(value)} ${name}`).join(', ')}`;
  return random.next() < 0.7
    ? {
        input: `Which segments are above ${score(mark)}?`,
        context,
        response:
          slow.length === 0 ? 'None of them.' : `Above the mark: ${slow.map(({ name }) => name).join(', ')}.`,
      }
    : {
        input: `How many segments are above ${score(mark)}, and which?`,
        context,
        response: slow.length === 0 ? 'None.' : `${slow.length}: ${spoken.join(', ')}.`,
      };
}

/** Copying a list, with or without its end. */
function copying(random: SeededRandom): Omit<Task, 'instruction'> {
  const kept = SEGMENT_NAMES.filter(() => random.next() < 0.4);
  const shown = kept.length === 0 ? [SEGMENT_NAMES[0]] : kept;
  return {
    input: random.pick(['Repeat the segments in race order.', 'List the segments of the context.']),
    context: `segments: ${random.shuffle(shown).join('; ')}`,
    response: `${shown.join(', ')}.`,
  };
}

const TASKS = [side, side, side, side, reading, reading, larger, convert, weak, weak, copying];

/** One document in the layout. */
export function layoutDocument(random: SeededRandom): string {
  const { input, context, response } = random.pick(TASKS)(random);
  const instruction = random.pick(ROLES);
  return (
    `### Instruction:\n${instruction}\n\n### Input:\n${input}\n\n` +
    `### Context:\n${context}\n\n### Response:\n${response}`
  );
}
