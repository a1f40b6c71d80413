/**
 * What is known about one race among many: plain data, without a name or an id of anybody.
 * Where it stands: `raceEvidence` makes it; pages are drawn from it, answers are written from it and checked against it.
 */
import type { Verdict } from '../labels/answers';

/** What an athlete does in a segment. */
export type SegmentKind = 'run' | 'station' | 'roxzone';

/**
 * All that can be said of one race; amounts are in `unit`, rounded (whole seconds), so that sums on a page add up.
 */
export interface RaceEvidence {
  /** Word after amounts: 'seconds'. */
  readonly unit: string;
  /** Whether amounts are times, and read best as m:ss. */
  readonly clock: boolean;
  /** The athlete's own groups, as the state names them, and as people say them: 'women aged 30-34'. */
  readonly athlete: { readonly groups: Readonly<Record<string, string>>; readonly words: string };
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
  /** Columns of the two or three segments with most to win, most first; fewer where little is to be won. */
  readonly chosen: readonly string[];
  /** What the finish would be with each group's median in the chosen segments. */
  readonly reach: { readonly peers?: ReachEvidence; readonly faster?: ReachEvidence };
  /** Against the athlete's last race before, where earlier ones were given. */
  readonly change?: ChangeEvidence;
  /** What a reader has to know about the comparison, in sentences: groups that had to be widened. The last lines. */
  readonly notes: readonly string[];
  /** The same as numbered lines, to cite: `[2] sled pull: you 8:49, peers 6:34 (22), faster 5:38`. */
  readonly lines: readonly EvidenceLine[];
}

/** The whole race. */
export interface FinishEvidence {
  /** Name of the target in the state: 'total_time'. */
  readonly column: string;
  readonly own: number;
  /** What the state expects of an athlete with these segments, among these peers. */
  readonly expected: number;
  /** own - expected; positive is slower. */
  readonly residual: number;
  /** Where the residual lies among the usual ones: see `scoreOf`. */
  readonly score: number;
  readonly verdict: Verdict;
  /** Share of the same sex and age that are slower, 0 .. 100. */
  readonly percentile: number;
  /** How many that share is of. */
  readonly among: number;
}

/** One segment. */
export interface SegmentEvidence {
  /** As the state names it: '50m Sled Pull'. */
  readonly column: string;
  /** As people say it: 'sled pull'. */
  readonly name: string;
  readonly kind: SegmentKind;
  readonly own: number;
  /** Standard deviations from the state's peers (sex and age group); positive is slower. */
  readonly score: number;
  /** Whether the state lists it as slow: its score is above the state's mark. */
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
  /** Share of the group that is slower in this segment, 0 .. 100. */
  readonly percentile: number;
}

/** Races that were compared with. */
export interface GroupEvidence {
  /** How many. */
  readonly count: number;
  /** Who they are: 'women within 6 years of your age who finished within 3 % of your time'. */
  readonly words: string;
  /** Median finish. */
  readonly finish: number;
  /** Whether too few were within the usual range, and others had to be taken. */
  readonly widened: boolean;
}

/** The finish, if the chosen segments were as the group's median. */
export interface ReachEvidence {
  readonly finish: number;
  /** What that is better than the finish that was. */
  readonly gain: number;
  /** Columns of the segments that are behind the median: those that the gain is made of. */
  readonly segments: readonly string[];
  /** Id of its line in `lines`. */
  readonly line: number;
}

/** Since the last race before this one. */
export interface ChangeEvidence {
  /** How many earlier races were given. */
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
  /** Id of its line in `lines`; undefined for segments that changed less than others. */
  readonly line?: number;
}

/** A line to cite. */
export interface EvidenceLine {
  /** The number to cite it by, from 1 on. */
  readonly id: number;
  /** What it is about, as people say it: the names that a claim which cites it has to say. */
  readonly names: readonly string[];
  /** Without its number: 'sled pull: you 8:49, peers 6:34 (22), faster 5:38'. */
  readonly text: string;
  /** Amounts by what they are called: `{ you: 529, peers: 394, 'behind peers': 135, ... }`. */
  readonly facts: Readonly<Record<string, number>>;
  /** What can be said of it in words: 'strength', 'most to win', 'slower than expected'. */
  readonly tags: readonly string[];
}
