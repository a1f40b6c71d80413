/**
 * Named segments: the list that an answer gives after "improve:", and how well it agrees with the truth's.
 */
import { requirePairs } from '../../eval';
import { requireOptions } from '../../options';
import { requireString } from '../../types';
import type { F1Scores, SegmentOptions } from './types';

/**
 * The names listed after the marker up to the end of the sentence or line, in order, without repeats.
 *
 * @example
 * namedSegments('You may want to improve: 1000m Row, 100 Wall Balls.'); // ['1000m Row', '100 Wall Balls']
 */
export function namedSegments(text: string, options: SegmentOptions = {}): string[] {
  requireString(text, { where: 'namedSegments', what: 'a text' });
  requireOptions<SegmentOptions>(options, {
    where: 'namedSegments',
    names: { marker: true, segments: true },
  });
  const { marker = /improve:/i, segments } = options;
  const match = marker.exec(text);
  if (match === null) return [];
  const [list = ''] = text.slice(match.index + match[0].length).split(/\n|\.(?=\s|$)/);
  const names = list.split(',').map((name) => name.trim());
  const listed = [...new Set(names)].filter((name) => name !== '');
  return segments === undefined ? listed : listed.filter((name) => segments.includes(name));
}

interface Counts {
  hit: number;
  extra: number;
  missed: number;
}

/** F1 of the named segments: over all names together (micro), and as the mean of each name's own (macro). */
export function segmentF1(
  truths: readonly string[],
  answers: readonly string[],
  options: SegmentOptions = {},
): F1Scores {
  requirePairs('segmentF1', truths, answers);
  requireOptions<SegmentOptions>(options, { where: 'segmentF1', names: { marker: true, segments: true } });
  const counts = new Map<string, Counts>();
  const countsOf = (name: string): Counts => {
    const known = counts.get(name) ?? { hit: 0, extra: 0, missed: 0 };
    counts.set(name, known);
    return known;
  };
  for (const [i, text] of truths.entries()) {
    const truth = new Set(namedSegments(text, options));
    const answer = new Set(namedSegments(answers[i] ?? '', options));
    for (const name of truth) countsOf(name)[answer.has(name) ? 'hit' : 'missed']++;
    for (const name of answer) if (!truth.has(name)) countsOf(name).extra++;
  }
  const all = { hit: 0, extra: 0, missed: 0 };
  // From entries: a model may write any name, "__proto__" included.
  const entries: [string, F1Scores['perSegment'][string]][] = [];
  for (const [name, { hit, extra, missed }] of [...counts].sort(([a], [b]) => (a < b ? -1 : 1))) {
    all.hit += hit;
    all.extra += extra;
    all.missed += missed;
    const scores = {
      f1: f1Of({ hit, extra, missed }) ?? 0,
      precision: share(hit, hit + extra) ?? 0,
      recall: share(hit, hit + missed) ?? 0,
      support: hit + missed,
    };
    entries.push([name, scores]);
  }
  return {
    micro: f1Of(all),
    microPrecision: share(all.hit, all.hit + all.extra),
    microRecall: share(all.hit, all.hit + all.missed),
    macro: share(
      entries.reduce((sum, [, { f1 }]) => sum + f1, 0),
      entries.length,
    ),
    perSegment: Object.fromEntries(entries),
  };
}

/** 2 hit / (2 hit + extra + missed): the harmonic mean of precision and recall. */
function f1Of({ hit, extra, missed }: Counts): number | null {
  return share(2 * hit, 2 * hit + extra + missed);
}

function share(part: number, whole: number): number | null {
  return whole === 0 ? null : part / whole;
}
