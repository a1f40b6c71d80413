/** The feedback's texts as a grammar: every sentence that they can make, with names and numbers in agreement. */
import assert from 'node:assert/strict';
import { adviceOf, ENGLISH } from '../../lib/hyrox';
import type { Feedback, FeedbackTexts, RaceEvidence, SegmentKind } from '../../lib/hyrox';

interface Named {
  readonly name: string;
  readonly kind: SegmentKind;
  readonly plural: boolean;
}

const TIME = String.raw`\d+:\d\d(?::\d\d)?`;
const SPAN = String.raw`(?:${TIME}|1 second|(?:[2-9]|[1-5]\d) seconds)`;
const share = (whose: string): string => String.raw`(?:[1-9]\d? % of ${whose}|all of ${whose})`;

/** Whether a sentence is one of the grammar's. */
function grammarOf(texts: FeedbackTexts, names: readonly Named[]): (sentence: string) => boolean {
  const wordings = [
    ...[texts.headlines, texts.verdict, texts.win, texts.focus].flatMap((by) => Object.values(by).flat()),
    ...[texts.standing, texts.well, texts.best, texts.winAlone, texts.shares, texts.sharesAlone].flat(),
    ...[texts.sharesNone, texts.reach, texts.next, texts.change, texts.changeSegment].flat(),
  ];
  const all = wordings.flatMap((wording) =>
    [false, true].map((plural) => new RegExp(`^${patternOf(wording, { texts, names, plural })}$`)),
  );
  return (sentence) => all.some((pattern) => pattern.test(sentence));
}

function patternOf(
  wording: string,
  { texts, names, plural }: { texts: FeedbackTexts; names: readonly Named[]; plural: boolean },
): string {
  const any = (words: readonly string[]): string => `(?:${words.join('|')})`;
  const capital = (text: string): string => text[0].toUpperCase() + text.slice(1);
  const own = names.filter((one) => one.plural === plural);
  const the = (of: readonly Named[]): string[] => of.map(({ name }) => texts.the(name));
  const at = (of: readonly Named[]): string => any(of.map(({ name, kind }) => texts.at(name, kind)));
  const places: Record<string, string> = {
    ...{ finish: TIME, expected: TIME, own: TIME, peers: TIME, faster: TIME, before: TIME, same: TIME },
    ...{ residual: SPAN, gap: SPAN, gapPeers: SPAN, gapFaster: SPAN, gain: SPAN, gained: SPAN, lost: SPAN },
    ...{ the: any(the(own)), The: any(the(own).map(capital)), at: at(own), atFirst: at(names) },
    atList: `${at(names)}(?:(?:, ${at(names)})? and ${at(names)})?`,
    focus: `${any(the(names))} first(?: and ${any(the(names))} second)?`,
    sharePeers: share('your peers'),
    shareFaster: `(?:${share('the next level')}|nobody at the next level)`,
    shareAll: share('your field'),
    ...{ percentAll: String.raw`[1-9]\d? %`, count: String.raw`\d+`, cite: String.raw`(?:\[\d+\])+` },
    ...{ most: texts.most, Most: capital(texts.most) },
  };
  return wording
    .replace(/<([^|<>]*)\|([^<>]*)>/g, (_, one: string, many: string) => (plural ? many : one))
    .replace(/[.?()]/g, (sign) => `\\${sign}`)
    .replace(/\{(\w+)\}/g, (_, place: string) => places[place]);
}

const PLURAL = ['burpee broad jumps', 'sandbag lunges', 'wall balls'];

/** Sentences of a text, each with the citations that end it. */
const sentencesOf = (text: string): string[] => text.split(/(?<=\]\.|[!?] \[\d+\]) |\n\n/);

/**
 * Reads answers through the grammar of the texts, sentence by sentence, and through rules that no sentence may break.
 * @returns the number of sentences
 */
export function readThrough(
  answers: readonly { readonly row: number; readonly evidence: RaceEvidence; readonly feedback: Feedback }[],
): number {
  const names = answers[0].evidence.segments.map(({ name, kind }) => ({
    ...{ name, kind },
    plural: PLURAL.includes(name),
  }));
  const knows = grammarOf(ENGLISH, names);
  let read = 0;
  for (const { row, evidence, feedback } of answers) {
    const quoted = [...feedback.passages.map(adviceOf), ...evidence.notes];
    assert.ok(knows(feedback.headline), feedback.headline);
    for (const sentence of [feedback.headline, ...sentencesOf(feedback.text)]) {
      const bare = sentence.replace(/\s*\[\d+\]/g, '');
      assert.ok(knows(sentence) || quoted.includes(bare), `row ${row}: ${sentence}`);
      assert.match(sentence, /^[A-Z\d]/);
      assert.doesNotMatch(sentence, /[{}<>|]|undefined|NaN| {2}| [,.;:]|[,;:]{2}/, sentence);
      assert.doesNotMatch(bare, /\b(\w+) \1\b/i, sentence);
      assert.doesNotMatch(bare, /\ba [aeiou](?!ne\b|nit\b|sed\b)|\ban [^aeiouh\d]/i, sentence);
      read++;
    }
  }
  return read;
}
