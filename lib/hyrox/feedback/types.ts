/** Types of written feedback and of its texts. */
import type { ClaimPhrases } from '../../eval';
import type { Document } from '../../retrieval';
import type { Verdict } from '../labels/answers';
import type { SegmentKind } from '../evidence/types';

/** Kind of a paragraph. */
export type ParagraphKind =
  'verdict' | 'strengths' | 'segment' | 'reach' | 'change' | 'focus' | 'note' | 'text';

/** Tone of the feedback. */
export type Tone = 'celebrate' | 'steady' | 'direct' | 'gentle';

/** One paragraph. */
export interface FeedbackParagraph {
  readonly kind: ParagraphKind;
  /** A heading: 'Sled pull'. */
  readonly title: string;
  /** Sentences with their citations: `[4]`. */
  readonly text: string;
  /** Column of its segment, if it is about one. */
  readonly segment?: string;
  /** Sentences that the evidence does not bear out, in a text that a model wrote. */
  readonly unsupported?: readonly UnsupportedSentence[];
}

/** A sentence that failed the claim check. */
export interface UnsupportedSentence {
  /** Why, in words. */
  readonly reason: string;
  /** Range in the paragraph's text: [start, end). */
  readonly start: number;
  readonly end: number;
}

/** Target of a number in brackets. */
export interface FeedbackCitation {
  readonly id: number;
  readonly kind: 'line' | 'passage';
  /** The line, or the passage without headings. */
  readonly text: string;
  /** Of a passage: its heading. */
  readonly title?: string;
  /** Of a passage: its file or source. */
  readonly source?: string;
}

/** A page of feedback. */
export interface Feedback {
  /** One line, without citations: its figures are those of the text. */
  readonly headline: string;
  readonly paragraphs: readonly FeedbackParagraph[];
  /** The paragraphs' texts, a blank line between them. */
  readonly text: string;
  /** The citations of the text, by number. */
  readonly citations: readonly FeedbackCitation[];
  /** The passages in order of their numbers, for `claimEvidence`: those quoted, or shown to the model that wrote. */
  readonly passages: readonly Document[];
  /** The plan that was filled in; '' where a model wrote the text. */
  readonly plan: string;
}

/**
 * All texts of one language. Sentences have places in braces, and are only used if all their places have a value;
 * `<is|are>` is chosen by the grammatical number of the subject.
 */
export interface FeedbackTexts {
  /** 'en' */
  readonly language: string;
  readonly titles: Readonly<Record<Exclude<ParagraphKind, 'segment' | 'text'>, string>>;
  readonly headlines: Readonly<Record<Verdict, readonly string[]>>;
  readonly verdict: Readonly<Record<Verdict, readonly string[]>>;
  readonly standing: readonly string[];
  /** Sentences on a strength; `best` on the best segment where none is a strength. */
  readonly well: readonly string[];
  readonly best: readonly string[];
  /** What a segment costs, by tone; `shares` compares the athlete with the groups. */
  readonly win: Readonly<Record<Tone, readonly string[]>>;
  readonly shares: readonly string[];
  /** The same with only one of the two groups. */
  readonly winAlone: readonly string[];
  readonly sharesAlone: readonly string[];
  /** Where all peers are faster. */
  readonly sharesNone: readonly string[];
  readonly reach: readonly string[];
  readonly next: readonly string[];
  readonly change: readonly string[];
  readonly changeSegment: readonly string[];
  readonly focus: Readonly<Record<Tone, readonly string[]>>;
  /** 'the sled pull first and the row second' */
  readonly order: (first: string, second: string | undefined) => string;
  /** 'most time', of a segment with most to win. */
  readonly most: string;
  /** '12 % of your peers', 'nobody at the next level' */
  readonly share: (percent: number, who: 'peers' | 'faster' | 'all') => string;
  /** Words of amounts and lists. */
  readonly seconds: (count: number) => string;
  readonly list: (items: readonly string[]) => string;
  /** 'the sled pull', 'running' */
  readonly the: (name: string) => string;
  /** 'on the sled pull', 'in running' */
  readonly at: (name: string, kind: SegmentKind) => string;
  readonly isPlural: (name: string) => boolean;
  /** Phrases for facts, for the claim check. */
  readonly phrases: ClaimPhrases;
}
