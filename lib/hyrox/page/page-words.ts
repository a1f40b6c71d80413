/** The words of a feedback page around its text. Another language is another member of `PAGE_WORDS`. */
import { TunebookError } from '../../types';

/** A page's own texts; `{name}` is a place to fill. */
export interface PageWords {
  readonly kicker: string;
  readonly finish: string;
  readonly expected: string;
  readonly faster: string;
  readonly slower: string;
  readonly asExpected: string;
  readonly ahead: string;
  readonly of: string;
  readonly reach: string;
  readonly reachPeers: string;
  readonly reachFaster: string;
  readonly profile: string;
  readonly profileLead: string;
  readonly scale: readonly [low: string, middle: string, high: string];
  readonly behind: string;
  readonly before: string;
  readonly level: string;
  readonly way: string;
  readonly wayLead: string;
  readonly wayRest: string;
  readonly wayNone: string;
  readonly you: string;
  readonly next: string;
  readonly rest: string;
  readonly since: string;
  readonly sinceHead: readonly [segment: string, before: string, now: string, change: string];
  readonly sources: string;
  /** Number, segment and own time. */
  readonly tableHead: readonly [id: string, segment: string, you: string];
  readonly tablePeers: string;
  readonly tableNext: string;
  readonly tableAhead: string;
  readonly tableGap: string;
  readonly advice: string;
  readonly rests: string;
  readonly data: string;
  readonly peers: string;
  readonly similar: string;
  readonly nextLevel: string;
  readonly percentages: string;
  readonly nobody: string;
  readonly and: string;
  /** Behind a sentence that the evidence does not bear out. */
  readonly unsupported: string;
  readonly indexTitle: string;
  readonly indexLead: string;
}

const ENGLISH: PageWords = {
  kicker: 'Race feedback',
  finish: 'Finish',
  expected: 'Expected',
  faster: 'you were {amount} faster',
  slower: 'you were {amount} slower',
  asExpected: 'and so it was',
  ahead: 'Ahead of',
  of: 'of {count} {people}',
  reach: 'In reach',
  reachPeers: "with your peers' median in {segments}",
  reachFaster: "with the next level's median in {segments}",
  profile: 'Your profile',
  profileLead:
    'In percent: how many of your peers are slower than you in each segment. Peers are {count} {people}. On the right, your time against their median.',
  scale: ['slower', 'median', 'faster'],
  behind: '+{amount}',
  before: '−{amount}',
  level: '0:00',
  way: 'Where the time is',
  wayLead:
    'From your finish to the next level’s, {count} {people}: what each segment would bring at their median. Blue is where you are ahead of them already.',
  wayRest: '“Other”: medians of single segments do not add up to the median finish exactly.',
  wayNone: 'There is no next level to compare with: too few of these races finish earlier than yours.',
  you: 'Your finish',
  next: 'Next level',
  rest: 'other',
  since: 'Since your last race',
  sinceHead: ['', 'before', 'now', 'change'],
  sources: 'Sources',
  tableHead: ['', 'segment', 'you'],
  tablePeers: 'peers ({count})',
  tableNext: 'next level ({count})',
  tableAhead: 'ahead of',
  tableGap: 'difference',
  advice: 'Advice',
  rests: 'What this rests on',
  data: 'Data: {data}.',
  peers: 'Peers: {count} {people}.',
  similar: 'Similar profiles: {count} {people}.',
  nextLevel: 'Next level: {count} {people}.',
  percentages:
    'Times are medians of these groups; percentages are shares of them that are slower, equal times count half.',
  nobody: 'Nobody is named, and no race of another athlete can be read from this page.',
  and: 'and',
  unsupported: 'not supported: {reason}',
  indexTitle: 'Race feedback',
  indexLead: '{count} races, a page each.',
};

/** Words by language. */
export const PAGE_WORDS: Readonly<Record<string, PageWords>> = { en: ENGLISH };

/** The words of a language. @throws TunebookError for an unknown language */
export function wordsOf(lang = 'en'): PageWords {
  const words = Object.hasOwn(PAGE_WORDS, lang) ? PAGE_WORDS[lang] : undefined;
  if (words === undefined)
    throw new TunebookError(
      `feedbackPage: expected one of the languages ${Object.keys(PAGE_WORDS).join(', ')}, got "${lang}".`,
    );
  return words;
}

/** Fills the places of a sentence. */
export function fillWords(text: string, values: Readonly<Record<string, string | number>>): string {
  return text.replace(/\{(\w+)\}/g, (place, name: string) => String(values[name] ?? place));
}
