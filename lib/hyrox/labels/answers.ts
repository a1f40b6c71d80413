/**
 * Corrected contexts and answers. An answer is written from the *text* of its context and nothing else, so that a
 * model which reads the context can be right; wordings are chosen by a hash of the context and the seed.
 * Where it stands: the last step of `corrected.ts`.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireList, requireObject, requireString } from '../../types';
import type { AnswerTemplates } from '../mapping/templates';

/** How a finish compares with the one expected. */
export type Verdict = 'slower' | 'close' | 'outperformed';

/** The facts of a corrected context. */
export interface ContextFacts {
  /** 'gender', 'age', ... as text, in order. */
  groups: readonly (readonly [string, string])[];
  targetName: string;
  /** Whole units. */
  total: number;
  predicted: number;
  /** total - predicted. */
  residual: number;
  /** The residual relative to the usual range: see `scoreOf`. */
  score: number;
  cluster: number;
  /** In the order of the answer's list. */
  segments: readonly SegmentFact[];
}

/** A segment as a context states it. */
export interface SegmentFact {
  name: string;
  /** With one decimal. */
  z: number;
  /** Whole units behind the peers' mean (negative: ahead); only in rich contexts. */
  behind?: number;
}

/** '+0.8', '-1.2', '0.0' */
export function withSign(value: number, digits: number): string {
  const text = Math.abs(value).toFixed(digits);
  return Number(text) === 0 ? text : `${value < 0 ? '-' : '+'}${text}`;
}

/**
 * A residual as a score: 0 in the middle of the usual range, +1 at its upper and -1 at its lower end. Truncated to one
 * decimal, so that the range ends exactly at 1.0.
 */
export function scoreOf(residual: number, usual: readonly [low: number, high: number]): number {
  requireList(usual, { where: 'scoreOf', what: 'the usual range [low, high]' });
  const [low, high] = usual;
  if (high <= low) return 0;
  return Math.trunc(((2 * residual - low - high) * 10) / (high - low)) / 10 + 0;
}

/**
 * The context as text. Scores precede names, so that a left-to-right model knows a segment's score when it reads the
 * name; what the verdict needs comes last, next to the answer, as published.
 */
export function writeContext(facts: ContextFacts): string {
  requireObject(facts, {
    where: 'writeContext',
    what: 'the facts of a context',
    fields: ['groups', 'segments'],
  });
  const parts = facts.segments.map(({ name, z, behind }) =>
    behind === undefined ? `${withSign(z, 1)} ${name}` : `${withSign(z, 1)} ${name} (${withSign(behind, 0)})`,
  );
  return [
    ...facts.groups.map(([name, value]) => `${name}: ${value}`),
    `${facts.targetName}: ${facts.total}`,
    `predicted: ${facts.predicted}`,
    `cluster: ${facts.cluster}`,
    `z: ${parts.join(', ')}`,
    `residual: ${facts.residual}`,
    `score: ${withSign(facts.score, 1)}`,
  ].join(', ');
}

const FACTS = /cluster: \d+, z: (.*), residual: (-?\d+), score: ([+-]?\d+\.\d)$/;
const SEGMENT = /^([+-]?\d+\.\d) (.*?)(?: \(([+-]?\d+)\))?$/;

/** The facts of an answer, parsed from a context. */
export interface AnswerFacts {
  residual: number;
  score: number;
  segments: readonly SegmentFact[];
}

/**
 * Parses a context that `writeContext` wrote.
 *
 * @throws TunebookError for any other text
 */
export function readContext(context: string): AnswerFacts {
  requireString(context, { where: 'readContext', what: 'a context, a text' });
  const match = FACTS.exec(context);
  if (!match)
    throw new TunebookError(
      `readContext: expected a corrected context, got "${context.slice(0, 80)}". Pass what writeContext or labelCorrected wrote.`,
    );
  const segments = match[1].split(', ').map((part) => {
    const [, z, name, behind] = SEGMENT.exec(part) ?? [];
    if (name === undefined)
      throw new TunebookError(
        `readContext: expected a score and its segment, got "${part}". Pass what writeContext wrote.`,
      );
    return { name, z: Number(z), ...(behind === undefined ? {} : { behind: Number(behind) }) };
  });
  return { residual: Number(match[2]), score: Number(match[3]), segments };
}

/** Slower from the upper end of the usual range on, outperformed from the lower end on. */
export function verdictOf(facts: Pick<AnswerFacts, 'score'>): Verdict {
  requireObject(facts, { where: 'verdictOf', what: 'facts { score }', fields: ['score'] });
  const { score } = facts;
  return score >= 1 ? 'slower' : score <= -1 ? 'outperformed' : 'close';
}

/** Segments whose score is above the threshold, in the context's order. */
export function slowSegments(facts: Pick<AnswerFacts, 'segments'>, mark: number): SegmentFact[] {
  requireObject(facts, { where: 'slowSegments', what: 'facts { segments }', fields: ['segments'] });
  return facts.segments.filter(({ z }) => z > mark);
}

/** How a verdict and segments become a text. */
export interface AnswerOptions {
  templates: AnswerTemplates;
  /** A segment is listed above this score. */
  mark: number;
  unit: string;
  seed: number;
}

/** The answer to a context. */
export function writeAnswer(context: string, options: AnswerOptions): string {
  requireObject(options, {
    where: 'writeAnswer',
    what: 'options { templates, mark, unit, seed }',
    fields: ['templates'],
  });
  requireOptions<AnswerOptions>(options, {
    where: 'writeAnswer',
    names: { templates: true, mark: true, unit: true, seed: true },
  });
  const { templates, mark, unit, seed } = options;
  const facts = readContext(context);
  let state = hash(context, seed);
  const pick = (from: readonly string[]): string => {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9;
    return from[(state >>> 8) % from.length];
  };
  const slow = slowSegments(facts, mark);
  const costliest = slow
    .filter(({ behind }) => behind !== undefined && behind > 0)
    .reduce<SegmentFact | undefined>((a, b) => (!a || (b.behind ?? 0) > (a.behind ?? 0) ? b : a), undefined);
  const sentences = [pick(templates[verdictOf(facts)])];
  if (costliest && templates.cost.length > 0) sentences.push(pick(templates.cost));
  sentences.push(pick(slow.length > 0 ? templates.improve : templates.inLine));
  const advice = costliest && templates.advice[costliest.name];
  if (advice && templates.advise.length > 0)
    sentences.push(pick(templates.advise).replace('{advice}', () => pick(advice)));
  const values: Record<string, string> = {
    residual: String(Math.abs(facts.residual)),
    unit,
    list: slow.map(({ name }) => name).join(', '),
    segment: costliest?.name ?? '',
    behind: String(costliest?.behind ?? ''),
  };
  return sentences.join(' ').replace(/\{(\w+)\}/g, (place, name: string) => values[name] ?? place);
}

/** FNV-1a over the text, started by the seed. */
function hash(text: string, seed: number): number {
  let h = (0x811c9dc5 ^ seed) | 0;
  for (let i = 0; i < text.length; i++) h = Math.imul(h ^ text.charCodeAt(i), 0x01000193);
  return h;
}
