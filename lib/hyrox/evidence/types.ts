/**
 * The evidence on one race: plain data, without names or ids of anybody. `raceEvidence` makes it; pages and answers are
 * made from it and checked against it.
 */
import type { Verdict } from '../labels/answers';

/** Kind of a segment. */
export type SegmentKind = 'run' | 'station' | 'roxzone';

/**
 * Evidence on one race; amounts are in `unit`, rounded (whole seconds), so that sums on a page add up.
 */
export interface RaceEvidence {
  /** Unit of amounts: 'seconds'. */
  readonly unit: string;
  /** Whether amounts are times, shown as m:ss. */
  readonly clock: boolean;
  readonly athlete: {
    /** The athlete's groups by the state's names: { gender: '1', age: '30-34' }. */
    readonly groups: Readonly<Record<string, string>>;
    /** In words: 'women aged 30-34'. */
    readonly words: string;
    /** The state's cluster of athletes with similar strengths, from 0. */
    readonly cluster: number;
  };
  readonly finish: FinishEvidence;
  /** In the order of the state's segments. */
  readonly segments: readonly SegmentEvidence[];
  /** The races that this one is compared with. */
  readonly groups: {
    /** Those with the most similar profile of strengths, whatever their finish. */
    readonly similar: GroupEvidence;
    /** Those with the same finish. */
    readonly peers: GroupEvidence;
    /** The next level: those that finish 3 to 10 % earlier; undefined where there are too few. */
    readonly faster?: GroupEvidence;
  };
  /** Columns of the two or three segments with most to win, most first; fewer if there is little to win. */
  readonly chosen: readonly string[];
  /** The finish with each group's median in the chosen segments. */
  readonly reach: { readonly peers?: ReachEvidence; readonly faster?: ReachEvidence };
  /** Change since the athlete's last race, if earlier ones were given. */
  readonly change?: ChangeEvidence;
  /** Notes on the comparison, in sentences: groups that were widened. They are the last lines. */
  readonly notes: readonly string[];
  /** All of it as numbered lines to cite: `[2] sled pull: you 8:49, peers 6:34 (22), faster 5:38`. */
  readonly lines: readonly EvidenceLine[];
}

/** The whole race. */
export interface FinishEvidence {
  /** Name of the target in the state: 'total_time'. */
  readonly column: string;
  readonly own: number;
  /** The finish that the state expects of this athlete. */
  readonly expected: number;
  /** own - expected; positive is slower. */
  readonly residual: number;
  /** The residual relative to the usual range: see `scoreOf`. */
  readonly score: number;
  readonly verdict: Verdict;
  /** Percentage of the same sex and age that is slower, 0 to 100. */
  readonly percentile: number;
  /** Size of that group. */
  readonly among: number;
}

/** One segment. */
export interface SegmentEvidence {
  /** The state's name: '50m Sled Pull'. */
  readonly column: string;
  /** The readable name: 'sled pull'. */
  readonly name: string;
  readonly kind: SegmentKind;
  readonly own: number;
  /** Standard deviations from the state's peers (sex and age group); positive is slower. */
  readonly score: number;
  /** Whether its score is above the state's threshold for slow segments. */
  readonly slow: boolean;
  readonly similar: ComparedSegment;
  readonly peers: ComparedSegment;
  readonly faster?: ComparedSegment;
  /** Id of its line in `lines`. */
  readonly line: number;
}

/** A segment against one group. */
export interface ComparedSegment {
  readonly median: number;
  /** own - median; positive is time to win. */
  readonly gap: number;
  /** Percentage of the group that is slower in this segment, 0 to 100. */
  readonly percentile: number;
}

/** A group of races for comparison. */
export interface GroupEvidence {
  /** Number of races. */
  readonly count: number;
  /** Description: 'women within 6 years of your age who finished within 3 % of your time'. */
  readonly words: string;
  /** Median finish. */
  readonly finish: number;
  /** Whether the group was widened because too few races were close enough. */
  readonly widened: boolean;
}

/** The finish with the group's median in the chosen segments. */
export interface ReachEvidence {
  readonly finish: number;
  /** Improvement on the actual finish. */
  readonly gain: number;
  /** Columns of the segments that the gain comes from. */
  readonly segments: readonly string[];
  /** Id of its line in `lines`. */
  readonly line: number;
}

/** Change since the previous race. */
export interface ChangeEvidence {
  /** Number of earlier races. */
  readonly races: number;
  readonly finish: ChangedTime;
  /** In the order of the segments. */
  readonly segments: readonly (ChangedTime & { readonly column: string })[];
}

/** One time, before and now. */
export interface ChangedTime {
  readonly before: number;
  readonly own: number;
  /** own - before; negative is faster than before. */
  readonly change: number;
  /** Id of its line in `lines`; undefined for segments with small changes. */
  readonly line?: number;
}

/** A line to cite. */
export interface EvidenceLine {
  /** The number to cite it by, from 1. */
  readonly id: number;
  /** Its subjects by readable name, which a claim that cites it must mention. */
  readonly names: readonly string[];
  /** Without its number: 'sled pull: you 8:49, peers 6:34 (22), faster 5:38'. */
  readonly text: string;
  /** Amounts by name: `{ you: 529, peers: 394, 'behind peers': 135, ... }`. */
  readonly facts: Readonly<Record<string, number>>;
  /** Statements without figures: 'strength', 'most to win', 'slower than expected'. */
  readonly tags: readonly string[];
}
