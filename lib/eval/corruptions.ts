/**
 * Corrupts grounded answers in eight ways, to measure what a check catches: one that does not refuse these proves
 * nothing.
 */
import { createRandom } from '../random';
import type { Random } from '../random';
import { requireOptions } from '../options';
import { requireObject, requireString } from '../types';
import { longestFirst, phrasesIn, sentencesOf } from './claim-text';
import type { Figure, Sentence } from './claim-text';
import { readerOf, termOf } from './claims';
import type { ClaimEvidence, ClaimLine, ReadClaim } from './claims';

/** The kinds of corruption. */
export const CORRUPTIONS = [
  'wrong number',
  'groups swapped',
  'number of another line',
  'wrong citation',
  'advice never retrieved',
  'words of the advice changed',
  'name swapped',
  'citations left out',
] as const;

/** One of `CORRUPTIONS`. */
export type Corruption = (typeof CORRUPTIONS)[number];

/** Options of `corruptAnswer`. */
export interface CorruptionOptions {
  readonly kind: Corruption;
  /** The answer's evidence. */
  readonly evidence: ClaimEvidence;
  /** Two facts of a line that are swapped: ['peers', 'faster']. */
  readonly swap: readonly [string, string];
  /** Advice that is in no passage of the evidence. */
  readonly foreign: readonly string[];
  /** Default 42. */
  readonly seed?: number;
}

/**
 * Corrupts an answer in one place ('citations left out': everywhere).
 * @returns undefined where this kind of corruption does not apply
 */
export function corruptAnswer(answer: string, options: CorruptionOptions): string | undefined {
  requireString(answer, { where: 'corruptAnswer', what: 'an answer, a text' });
  requireObject(options, {
    ...{ where: 'corruptAnswer', what: 'options { kind, evidence, swap, foreign }' },
    fields: ['kind', 'evidence', 'swap', 'foreign'],
  });
  requireOptions<CorruptionOptions>(options, {
    where: 'corruptAnswer',
    names: { kind: true, evidence: true, swap: true, foreign: true, seed: true },
  });
  const { kind, evidence, seed = 42 } = options;
  if (kind === 'citations left out') {
    const bare = answer.replace(/\s*\[\d+(?:\s*,\s*\d+)*\]/g, '');
    return bare === answer ? undefined : bare;
  }
  const random = createRandom('corruption', kind, seed);
  const reader = readerOf(evidence);
  const changes = sentencesOf(answer).flatMap((sentence) => {
    const whole = answer.slice(sentence.start, sentence.end);
    const cited = evidence.lines.filter(({ id }) => sentence.citations.includes(id));
    const made = CHANGES[kind]({ whole, sentence, cited, ...options, random, reader });
    return made === undefined || made === whole ? [] : [{ sentence, made }];
  });
  if (changes.length === 0) return undefined;
  const { sentence, made } = pick(changes, random);
  return answer.slice(0, sentence.start) + made + answer.slice(sentence.end);
}

interface Place extends CorruptionOptions {
  /** The sentence with its citations. */
  readonly whole: string;
  readonly sentence: Sentence;
  readonly cited: readonly ClaimLine[];
  readonly random: Random;
  readonly reader: (text: string) => ReadClaim;
}

const CHANGES: Readonly<
  Record<Exclude<Corruption, 'citations left out'>, (place: Place) => string | undefined>
> = {
  'wrong number': (place) => {
    const { figure } = someOf(figuresAt(place), place) ?? {};
    return figure && replaceAt(place.whole, [[figure, writeLike(place.whole, figure, figure.value + 7)]]);
  },
  'groups swapped': (place) => {
    const found = figuresAt(place);
    const [a, b] = place.swap.map((name) => found.find(({ term }) => term === name)?.figure);
    if (a === undefined || b === undefined || a.value === b.value) return undefined;
    return replaceAt(place.whole, [
      [a, place.whole.slice(b.start, b.end)],
      [b, place.whole.slice(a.start, a.end)],
    ]);
  },
  'number of another line': (place) => {
    const found = figuresAt(place).flatMap(({ figure, term }) =>
      place.evidence.lines
        .map(({ facts }) => facts[term])
        .filter((value) => value !== undefined && value !== figure.value)
        .map((value) => ({ figure, value })),
    );
    const { figure, value } = someOf(found, place) ?? {};
    if (figure === undefined || value === undefined) return undefined;
    return replaceAt(place.whole, [[figure, writeLike(place.whole, figure, value)]]);
  },
  'wrong citation': ({ whole, sentence, cited, evidence, random }) => {
    const all = cited.length > 0 ? evidence.lines : evidence.passages;
    const others = all.map(({ id }) => id).filter((id) => !sentence.citations.includes(id));
    if (others.length === 0 || sentence.citations.length === 0) return undefined;
    return whole.replace(`[${sentence.citations[0]}]`, `[${pick(others, random)}]`);
  },
  'advice never retrieved': ({ whole, sentence, foreign, evidence, random }) => {
    const known = evidence.passages.map(({ text }) => text).join('\n');
    const others = foreign.filter((advice) => !known.includes(advice));
    if (others.length === 0 || !citesPassage(sentence, evidence)) return undefined;
    return `${pick(others, random)} ${citationsOf(whole)}`;
  },
  'words of the advice changed': ({ whole, sentence, evidence, random }) => {
    if (!citesPassage(sentence, evidence)) return undefined;
    const words = sentence.text.split(' ');
    if (words.length < 4) return undefined;
    const [first, second] = random.shuffle(words.slice(2).map((_, i) => i));
    words[first + 1] = 'carefully';
    words[second + 1] = 'seldom';
    return `${words.join(' ')} ${citationsOf(whole)}`;
  },
  'name swapped': ({ whole, cited, evidence, random }) => {
    const own = [...new Set(cited.flatMap((line) => line.names))];
    const found = phrasesIn(whole, longestFirst(own.map((name) => ({ words: name, meaning: name }))));
    const others = [...new Set(evidence.lines.flatMap((line) => line.names))].filter(
      (name) => !own.includes(name),
    );
    if (found.length === 0 || others.length === 0) return undefined;
    const { start, end } = pick(found, random);
    return whole.slice(0, start) + pick(others, random) + whole.slice(end);
  },
};

interface NamedFigure {
  readonly figure: Figure;
  readonly term: string;
}

/** Figures of a sentence that cites lines, with the facts that they state. */
function figuresAt({ whole, cited, evidence, reader }: Place): NamedFigure[] {
  if (cited.length === 0) return [];
  const bare = whole.replace(/\[\d+(?:\s*,\s*\d+)*\]/g, (citation) => ' '.repeat(citation.length));
  const read = reader(bare);
  return read.figures.flatMap((figure) => {
    const term = termOf(figure, read, { text: bare, phrases: evidence.phrases });
    return term === undefined ? [] : [{ figure, term }];
  });
}

function citesPassage({ citations }: Sentence, { passages }: ClaimEvidence): boolean {
  return passages.some(({ id }) => citations.includes(id));
}

function citationsOf(whole: string): string {
  return (whole.match(/\[\d+(?:\s*,\s*\d+)*\]/g) ?? []).join(' ');
}

/** A value in the form of a figure: clock times stay clock times. */
function writeLike(text: string, { start, end }: Figure, value: number): string {
  if (!text.slice(start, end).includes(':')) return String(value);
  const two = (part: number): string => String(part).padStart(2, '0');
  const [hours, minutes, seconds] = [Math.floor(value / 3600), Math.floor(value / 60) % 60, value % 60];
  return hours > 0 ? `${hours}:${two(minutes)}:${two(seconds)}` : `${minutes}:${two(seconds)}`;
}

function replaceAt(text: string, changes: readonly (readonly [Figure, string])[]): string {
  return [...changes]
    .sort(([a], [b]) => b.start - a.start)
    .reduce((rest, [{ start, end }, by]) => rest.slice(0, start) + by + rest.slice(end), text);
}

function someOf<T>(from: readonly T[], { random }: Place): T | undefined {
  return from.length === 0 ? undefined : pick(from, random);
}

function pick<T>(from: readonly T[], random: Random): T {
  return from[random.nextInt(from.length)];
}
