/**
 * Checks that each sentence of an answer is supported by what it cites: a figure must stand beside its name in the
 * cited line, and advice must quote the cited passage.
 *
 * Strict by design, for answers that quote: a free paraphrase is refused even if it is true, and what a sentence says
 * about a line beyond its figures and phrases is not checked. The domain supplies lines, passages and phrases.
 */
import { requireObject, requireString } from '../types';
import { figuresIn, longestFirst, phrasesIn, sentencesOf, trigramShare, wordsOf } from './claim-text';
import type { Figure, FigureForm, Found, Sentence } from './claim-text';

/** A line of evidence: facts by name. */
export interface ClaimLine {
  /** The number to cite it by. */
  readonly id: number;
  readonly text: string;
  /** Its subjects; a claim that cites it must name all of them. */
  readonly names: readonly string[];
  /** Amounts, shares and counts by name; a line without any is quoted like a passage. */
  readonly facts: Readonly<Record<string, number>>;
  /** Statements about it that need no figure. */
  readonly tags: readonly string[];
}

/** A text to quote from. */
export interface ClaimPassage {
  /** The number to cite it by. */
  readonly id: number;
  readonly text: string;
}

/** Words for facts, tags and names. */
export interface ClaimPhrases {
  /** Fact or tag -> words for it, and the form of its figures; a tag has none. */
  readonly terms: Readonly<Record<string, { readonly words: readonly string[]; readonly form?: FigureForm }>>;
  /** Terms allowed with any line, such as "you". */
  readonly anywhere: readonly string[];
  /** Name of a line -> other words for it. */
  readonly names: Readonly<Record<string, readonly string[]>>;
  /** Words after numbers that make them amounts: 'seconds'. */
  readonly units: readonly string[];
  /** Words that begin a new clause. */
  readonly clauses: readonly string[];
}

/** The evidence that an answer may cite. */
export interface ClaimEvidence {
  readonly lines: readonly ClaimLine[];
  readonly passages: readonly ClaimPassage[];
  readonly phrases: ClaimPhrases;
}

/** A checked sentence. */
export interface Claim {
  readonly text: string;
  /** 'figures': states numbers. 'statement': words about a line. 'advice': cites a passage. */
  readonly kind: 'figures' | 'statement' | 'advice';
  readonly citations: readonly number[];
  readonly supported: boolean;
  /** Why it is not supported; '' if it is. */
  readonly reason: string;
  /** Range in the answer: [start, end). */
  readonly start: number;
  readonly end: number;
}

/** An answer, checked sentence by sentence. */
export interface ClaimCheck {
  readonly claims: readonly Claim[];
  /** Share of supported claims, 0 to 1; 1 without claims. */
  readonly supportedShare: number;
}

/** Least share of an advice's word trigrams found in the passage. */
const TRIGRAMS = 0.8;
/** Most words of an advice that are missing in the passage. */
const FOREIGN = 1;

/**
 * Checks each sentence of an answer against the lines and passages that it cites.
 * @throws TunebookError where the answer is no text, or the evidence is incomplete
 * @example
 * ```ts
 * import { checkClaims } from 'tunebook/eval';
 *
 * const lines = [{ id: 1, text: 'row: you 4:12, peers 4:02', names: ['row'], facts: { you: 252, peers: 242 }, tags: [] }];
 * const terms = {
 *   you: { words: ['you'], form: 'amount' as const },
 *   peers: { words: ['your peers'], form: 'amount' as const },
 * };
 * const phrases = { terms, anywhere: ['you'], names: {}, units: ['seconds'], clauses: ['and'] };
 * const answer = 'The row took you 4:12, your peers 4:02 [1]. The row took your peers 4:12 [1].';
 * console.log(checkClaims(answer, { lines, passages: [], phrases }).claims.map(({ supported }) => supported)); // [true, false]
 * ```
 */
export function checkClaims(answer: string, evidence: ClaimEvidence): ClaimCheck {
  requireString(answer, { where: 'checkClaims', what: 'an answer, a text' });
  requireObject(evidence, {
    where: 'checkClaims',
    what: 'evidence { lines, passages, phrases }',
    fields: ['lines', 'passages', 'phrases'],
    remedy: 'For a race: hyrox.claimEvidence(evidence, passages).',
  });
  const reader = readerOf(evidence);
  let before: Before | undefined;
  const claims = sentencesOf(answer).map((sentence): Claim => {
    const { text, citations, start, end } = sentence;
    const cited = citedBy(sentence, evidence);
    const read = reader(text);
    const kind = cited.passages.length > 0 ? 'advice' : read.figures.length > 0 ? 'figures' : 'statement';
    const reason = reasonAgainst({ sentence, cited, read, before, phrases: evidence.phrases });
    // Without a name, "there" refers to the subject of the sentence before.
    before = { names: read.names.length > 0 ? read.names : (before?.names ?? []), citations };
    return { text, kind, citations, supported: reason === '', reason, start, end };
  });
  const supported = claims.filter((claim) => claim.supported).length;
  return { claims, supportedShare: claims.length === 0 ? 1 : supported / claims.length };
}

/** Subject of the sentence before. */
interface Before {
  readonly names: readonly string[];
  readonly citations: readonly number[];
}

interface Cited {
  readonly lines: readonly ClaimLine[];
  readonly passages: readonly ClaimPassage[];
  readonly unknown: readonly number[];
}

/** Lines without facts are quoted, as passages are. */
function citedBy({ citations }: Sentence, { lines, passages }: ClaimEvidence): Cited {
  const found = lines.filter(({ id }) => citations.includes(id));
  const quoted = found.filter(({ facts }) => Object.keys(facts).length === 0);
  const known = new Set([...lines, ...passages].map(({ id }) => id));
  return {
    lines: found.filter((line) => !quoted.includes(line)),
    passages: [...quoted, ...passages.filter(({ id }) => citations.includes(id))],
    unknown: citations.filter((id) => !known.has(id)),
  };
}

/** Contents of a claim. */
export interface ReadClaim {
  readonly figures: readonly Figure[];
  /** Names of lines, in order. */
  readonly names: readonly string[];
  /** Phrases with the terms that each may mean. */
  readonly terms: readonly Found<readonly string[]>[];
}

/** Makes a function that reads claims by the phrases of an evidence. */
export function readerOf({ lines, phrases }: ClaimEvidence): (text: string) => ReadClaim {
  const all = [...new Set(lines.flatMap(({ names }) => names))];
  const nameWords = longestFirst(
    all.flatMap((name) => [name, ...(phrases.names[name] ?? [])].map((words) => ({ words, meaning: name }))),
  );
  const meanings = new Map<string, string[]>();
  for (const [term, { words }] of Object.entries(phrases.terms))
    for (const phrase of words) meanings.set(phrase, [...(meanings.get(phrase) ?? []), term]);
  const termWords = longestFirst([...meanings].map(([words, meaning]) => ({ words, meaning })));
  return (text) => {
    const names = phrasesIn(text, nameWords);
    // Numbers within names ("run 3") are no figures.
    const masked = names.reduce(
      (rest, { start, end }) => rest.slice(0, start) + ' '.repeat(end - start) + rest.slice(end),
      text,
    );
    return {
      figures: figuresIn(masked, phrases.units),
      names: [...new Set(names.map(({ meaning }) => meaning))],
      // "first" of "first change" is no phrase.
      terms: phrasesIn(text, termWords).filter(
        (term) =>
          !names.some(
            ({ start, end }) => start <= term.start && term.end <= end && end - start > term.end - term.start,
          ),
      ),
    };
  };
}

interface Case {
  readonly sentence: Sentence;
  readonly cited: Cited;
  readonly read: ReadClaim;
  readonly before: Before | undefined;
  readonly phrases: ClaimPhrases;
}

/** Why a claim is not supported; '' if it is. */
function reasonAgainst(it: Case): string {
  const { sentence, cited } = it;
  if (sentence.citations.length === 0) return 'it cites nothing';
  if (cited.unknown.length > 0) return `it cites [${cited.unknown.join('], [')}], which is not there`;
  return cited.passages.length > 0 ? adviceReason(it) : lineReason(it);
}

function adviceReason({ sentence, cited }: Case): string {
  const source = [...cited.passages, ...cited.lines].map(({ text }) => text).join('\n');
  const known = new Set(wordsOf(source));
  const foreign = wordsOf(sentence.text).filter((word) => !known.has(word));
  if (foreign.length > FOREIGN) return `"${foreign.slice(0, 3).join('", "')}" are not in the cited passage`;
  // Numbers must keep their order, so that none is taken for another.
  const [numbers, theirs] = [sentence.text, source].map(numbersOf);
  if (numbers !== '' && !` ${theirs} `.includes(` ${numbers} `))
    return `the cited passage does not say ${numbers}`;
  const share = trigramShare(sentence.text, source);
  return share >= TRIGRAMS ? '' : `only ${Math.round(100 * share)} % of it is the cited passage's own words`;
}

/** The words with digits, in order. */
function numbersOf(text: string): string {
  return wordsOf(text)
    .filter((word) => /\d/.test(word))
    .join(' ');
}

function lineReason({ sentence, cited, read, before, phrases }: Case): string {
  const same = before?.citations.join() === sentence.citations.join();
  const names = read.names.length > 0 || !same ? read.names : (before?.names ?? []);
  for (const line of cited.lines) {
    const lacking = line.names.find((name) => !names.includes(name));
    if (lacking !== undefined) return `it cites [${line.id}] and does not name ${lacking}`;
  }
  const about = new Set(cited.lines.flatMap((line) => line.names));
  const other = names.find((name) => !about.has(name));
  if (other !== undefined) return `it names ${other}, which the cited line is not about`;
  const has = (term: string): boolean =>
    phrases.anywhere.includes(term) ||
    cited.lines.some((line) => term in line.facts || line.tags.includes(term));
  const wrong = read.terms.find(({ meaning }) => !meaning.some(has));
  if (wrong !== undefined)
    return `the cited line does not say "${sentence.text.slice(wrong.start, wrong.end)}"`;
  for (const figure of read.figures) {
    const term = termOf(figure, read, { text: sentence.text, phrases });
    const written = sentence.text.slice(figure.start, figure.end);
    if (term === undefined) return `${written} stands beside no name`;
    if (!cited.lines.some((line) => line.facts[term] === figure.value))
      return `${written} is not the cited line's "${term}"`;
  }
  const says = read.terms.some(({ meaning }) =>
    meaning.some((term) => !phrases.anywhere.includes(term) && has(term)),
  );
  return says || read.figures.length > 0 ? '' : 'it says nothing that the cited line could bear out';
}

/** The name beside a figure: the nearest in its clause, else the last one before it. */
export function termOf(
  figure: Figure,
  { terms }: ReadClaim,
  { text, phrases }: { text: string; phrases: ClaimPhrases },
): string | undefined {
  const fits = terms.flatMap(({ meaning, start, end }) =>
    meaning.filter((term) => phrases.terms[term].form === figure.form).map((term) => ({ term, start, end })),
  );
  const apart = ({ start, end }: { start: number; end: number }): number =>
    end <= figure.start ? figure.start - end : start - figure.unitEnd;
  const [from, to] = clauseAround(figure, { text, phrases, terms });
  const within = fits.filter(({ start, end }) => start >= from && end <= to);
  const [nearest] = within.sort((a, b) => apart(a) - apart(b));
  return (nearest ?? fits.filter(({ end }) => end <= figure.start).at(-1))?.term;
}

/** Clauses end at punctuation and at words that begin a new one, unless these are part of a phrase. */
function clauseAround(
  figure: Figure,
  { text, phrases, terms }: Pick<ReadClaim, 'terms'> & { text: string; phrases: ClaimPhrases },
): [from: number, to: number] {
  const words = phrases.clauses.map((word) => `\\b${word}\\b`);
  const edge = new RegExp(['[,;()—–](?!\\d)', ':(?!\\d)', ...words].join('|'), 'gi');
  const edges = [...text.matchAll(edge)]
    .map(({ index }) => index)
    .filter((index) => !terms.some(({ start, end }) => start <= index && index < end));
  const from = edges.filter((index) => index < figure.start).at(-1) ?? 0;
  const to = edges.find((index) => index >= figure.end) ?? text.length;
  return [from, to];
}
