/**
 * Chooses passages for a segment, and the sentence to quote.
 */
import { TunebookError, requireList, requireObject } from '../../types';
import type { Random } from '../../random';
import { titleOf } from '../../retrieval';
import type { Document } from '../../retrieval';
import type { RaceEvidence, SegmentEvidence } from '../evidence/types';

/** Topics of advice on a segment; `WORK_TOPICS` are those of training between races. */
export const ADVICE_TOPICS: readonly string[] = ['technique', 'common-mistake', 'pacing'];
export const WORK_TOPICS: readonly string[] = ['drill', 'strength', 'endurance', 'threshold', 'training'];

/** @throws TunebookError where passages are not documents */
export function requirePassages(passages: unknown, where: string): void {
  requireList(passages, {
    ...{ where, what: 'a list of passages' },
    remedy: "Pass await loadDocuments('data/coaching'), or what a retriever found; [] for none.",
  });
  for (const passage of passages as readonly unknown[])
    requireObject(passage, {
      ...{ where, what: 'a passage { pageContent, metadata }' },
      fields: ['pageContent', 'metadata'],
    });
}

/** The text of a passage without front matter and headings, its lines joined. */
export function passageText({ pageContent }: Document): string {
  return pageContent
    .replace(/^---\r?\n[\s\S]*?\r?\n---\r?\n/, '')
    .split(/\r?\n/)
    .filter((line) => !/^#{1,6}\s/.test(line))
    .join('\n')
    .replace(/\s+/g, ' ')
    .trim();
}

/** The sentence to quote of a passage: its first one, without Markdown marks and citations. */
export function adviceOf(passage: Document): string {
  requirePassages([passage], 'adviceOf');
  const text = passageText(passage)
    .replace(/^(?:[-*+>]|\d+[.)])\s+/, '')
    .replace(/\*\*|__|`|\s*\[\d+\]/g, '');
  // A full stop before a lower-case letter ends no sentence: "e.g. a sled".
  return /^.*?[.!?]["”’)]?(?=\s+\P{Ll}|$)/u.exec(text)?.[0] ?? text;
}

/** Heading and source of a passage. */
export function sourceOf(passage: Document): { title?: string; source?: string } {
  const title = titleOf(passage);
  const source = passage.metadata.source ?? passage.id;
  return {
    ...(title === undefined ? {} : { title }),
    ...(typeof source === 'string' ? { source } : {}),
  };
}

/** What a passage is chosen by. */
export interface PassageQuery {
  readonly segment: SegmentEvidence;
  /** Topics, best first; undefined for any. */
  readonly topics?: readonly string[];
  readonly evidence: RaceEvidence;
  /** Passages already quoted. */
  readonly used: readonly Document[];
  readonly random: Random;
}

/** A passage about a segment, preferably for the athlete's level; undefined if there is none. */
export function passageFor(passages: readonly Document[], query: PassageQuery): Document | undefined {
  const { segment, topics, evidence, used, random } = query;
  const about = passages.filter((passage) => isAbout(passage, segment) && !used.includes(passage));
  const level = levelOf(evidence);
  const fitting = about.filter(
    ({ metadata: { level: of } }) => of === undefined || of === 'all' || of === level,
  );
  const pool = fitting.length > 0 ? fitting : about;
  const of = topics ?? [];
  const wanted = pool.filter(({ metadata: { topic } }) => typeof topic === 'string' && of.includes(topic));
  const from = topics === undefined ? pool : wanted;
  return from.length === 0 ? undefined : from[random.nextInt(from.length)];
}

/** Whether a passage is about a segment: its column, or its name, in `metadata.segment`. */
export function isAbout({ metadata }: Document, { column, name }: SegmentEvidence): boolean {
  const { segment } = metadata;
  if (typeof segment !== 'string') return false;
  return [column, name].some((own) => own.toLowerCase() === segment.trim().toLowerCase());
}

/** The athlete's level, by the share of the field that is slower. */
function levelOf({ finish: { percentile } }: RaceEvidence): string {
  return percentile >= 75 ? 'advanced' : percentile >= 35 ? 'intermediate' : 'beginner';
}

/** @throws TunebookError where no passage is about a segment */
export function requirePassage(found: Document | undefined, what: string, passages: number): Document {
  if (found !== undefined) return found;
  throw new TunebookError(
    `fillPlan: expected a passage about ${what}, got none among ${passages}. Give one, or leave the advice out of the plan.`,
  );
}
