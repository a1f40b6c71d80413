/**
 * Fills a plan from the evidence: each placeholder becomes a sentence with its citation, or a single figure. The plan
 * is the rule's or a model's; figures and quotations come from the evidence alone.
 */
import { requireOptions } from '../../options';
import { TunebookError, requireObject, requireText } from '../../types';
import { CITATION } from '../../eval';
import type { Document } from '../../retrieval';
import { bestOf, isStrength } from '../evidence/lines';
import type { RaceEvidence, SegmentEvidence } from '../evidence/types';
import { ENGLISH } from './english';
import { adviceOf, passageFor, passageText, requirePassage, requirePassages, sourceOf } from './passages';
import { PLACE, readPlan, requireEvidence } from './plan';
import { capital, SentenceWriter } from './sentences';
import type {
  Feedback,
  FeedbackCitation,
  FeedbackParagraph,
  FeedbackTexts,
  ParagraphKind,
  Tone,
} from './types';

/** Settings of `fillPlan`. */
export interface FillOptions {
  /** Seed of the wordings: the same seed, evidence and plan give the same text. Default 42. */
  seed?: number;
  /** Texts of a language. Default: English. */
  texts?: FeedbackTexts;
}

const TONES: readonly string[] = ['celebrate', 'steady', 'direct', 'gentle'] satisfies Tone[];
const KINDS: Readonly<Record<string, ParagraphKind>> = {
  verdict: 'verdict',
  standing: 'verdict',
  change: 'change',
  well: 'strengths',
  best: 'strengths',
  win: 'segment',
  reach: 'reach',
  next: 'reach',
  focus: 'focus',
  notes: 'note',
};

/**
 * Fills a plan in: `{verdict slower}`, `{standing}`, `{change}`, `{well NAME}`, `{best}`, `{win NAME}`,
 * `{advice NAME: TOPIC}`, `{reach}`, `{next}`, `{focus NAME, NAME}` and `{notes}` become sentences with citations;
 * `{finish}`, `{expected}`, `{residual}`, `{you NAME}`, `{peers NAME}`, `{faster NAME}`, `{gap NAME}`, `{next NAME}`
 * and `{cite NAME}` become figures and citations in words of the plan's own. Each line is a paragraph.
 * @throws TunebookError where a line has no placeholder, or one without evidence or passage
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 });
 * console.log(hyrox.fillPlan('{best}\nYour row took you {you row} {cite row}.', evidence, []).text);
 */
export function fillPlan(
  plan: string,
  evidence: RaceEvidence,
  passages: readonly Document[],
  options: FillOptions = {},
): Feedback {
  requireText(plan, { where: 'fillPlan', what: 'a plan, a text' });
  requireEvidence(evidence, 'fillPlan');
  requirePassages(passages, 'fillPlan');
  requireObject(options, { where: 'fillPlan', what: 'options' });
  requireOptions<FillOptions>(options, { where: 'fillPlan', names: { seed: true, texts: true } });
  const { seed = 42, texts = ENGLISH } = options;
  const writer = new SentenceWriter(evidence, { texts, seed });
  const filler = new Filler({ evidence, passages, writer, tone: toneOf(plan) });
  const lines = plan.split('\n').filter((line) => line.trim() !== '' && !/^tone:/.test(line));
  // Words alone have no evidence: a model that has not learned to plan writes whole lines of them.
  const bare = lines.length === 0 ? 'none' : lines.find((line) => line.match(PLACE) === null);
  if (bare !== undefined)
    throw new TunebookError(
      `fillPlan: expected a placeholder in each line, such as {verdict close}, got ${bare.slice(0, 80)}. planFeedback writes a plan.`,
    );
  const paragraphs = lines.flatMap((line) => filler.paragraph(line));
  const text = paragraphs.map((paragraph) => paragraph.text).join('\n\n');
  return {
    headline: filler.sentence(texts.headlines[evidence.finish.verdict], writer.finishPlaces(), 'headline'),
    ...{ paragraphs, text, plan },
    citations: citationsOf(text, { evidence, quoted: filler.quoted }),
    passages: filler.quoted,
  };
}

function toneOf(plan: string): Tone {
  const { tone } = readPlan(plan);
  if (tone === '') return 'steady';
  if (!isTone(tone))
    throw new TunebookError(`fillPlan: expected a tone (${TONES.join(', ')}), got "${tone}". Fix the plan.`);
  return tone;
}

function isTone(tone: string): tone is Tone {
  return TONES.includes(tone);
}

/** Replaces placeholders in order: passages are numbered as they are quoted. */
class Filler {
  readonly quoted: Document[] = [];
  private readonly evidence: RaceEvidence;
  private readonly passages: readonly Document[];
  private readonly writer: SentenceWriter;
  private readonly tone: Tone;

  constructor(parts: {
    evidence: RaceEvidence;
    passages: readonly Document[];
    writer: SentenceWriter;
    tone: Tone;
  }) {
    this.evidence = parts.evidence;
    this.passages = parts.passages;
    this.writer = parts.writer;
    this.tone = parts.tone;
  }

  paragraph(line: string): FeedbackParagraph[] {
    const [first] = line.matchAll(PLACE);
    const text = line.replace(PLACE, (place, what: string, about: string | undefined) =>
      this.fill(what, about?.trim() ?? '', place),
    );
    const kind = KINDS[first[1]] ?? 'text';
    const { titles } = this.writer.texts;
    if (kind === 'segment') {
      const { column, name } = this.segment(first[2] ?? '', first[0]);
      return [{ kind, title: capital(name), text, segment: column }];
    }
    return [{ kind, title: kind === 'text' ? '' : titles[kind], text }];
  }

  /** @throws TunebookError where no wording has all of its places */
  sentence(
    from: readonly string[],
    places: Parameters<SentenceWriter['write']>[1],
    place: string,
    plural = false,
  ): string {
    const written = this.writer.write(from, places, plural);
    if (written === undefined) throw lacking(place, 'no evidence for it');
    return written;
  }

  private fill(what: string, about: string, place: string): string {
    const { evidence, writer } = this;
    const { finish, change, groups } = evidence;
    const { texts } = writer;
    switch (what) {
      case 'verdict':
        if (about !== '' && about !== finish.verdict) throw lacking(place, `a verdict of ${finish.verdict}`);
        return this.sentence(texts.verdict[finish.verdict], writer.finishPlaces(), place);
      case 'standing':
        if (groups.similar.widened) throw lacking(place, 'too few races of this sex and age');
        return this.sentence(texts.standing, writer.finishPlaces(), place);
      case 'change':
        if (change === undefined) throw lacking(place, 'no earlier race');
        return this.changes();
      case 'reach':
        return this.reached('peers', place);
      case 'next':
        if (about !== '') return writer.difference(this.compared(about, 'faster', place).gap);
        return this.reached('faster', place);
      case 'notes':
        return this.notes(place);
      case 'best':
        return this.about('best', bestOf(evidence.segments)?.name ?? '', place);
      case 'well':
      case 'win':
        return this.about(what, about, place);
      case 'focus':
        return this.focus(about, place);
      case 'advice':
        return this.advice(about, place);
      case 'finish':
      case 'expected':
        return writer.amount(what === 'finish' ? finish.own : finish.expected);
      case 'residual':
        return writer.difference(finish.residual);
      case 'you':
        return writer.amount(this.segment(about, place).own);
      case 'peers':
      case 'faster':
        return writer.amount(this.compared(about, what, place).median);
      case 'gap':
        return writer.difference(this.compared(about, 'peers', place).gap);
      case 'cite':
        return about === 'finish' ? '[1]' : `[${this.segment(about, place).line}]`;
      default:
        throw lacking(
          place,
          `verdict, standing, change, well, best, win, advice, reach, next, focus, notes, and figures (see fillPlan)`,
        );
    }
  }

  private segment(name: string, place: string): SegmentEvidence {
    const { segments } = this.evidence;
    const wanted = name.toLowerCase();
    const found = segments.find(
      (one) => one.name.toLowerCase() === wanted || one.column.toLowerCase() === wanted,
    );
    if (found === undefined) throw lacking(place, segments.map((one) => one.name).join(', '));
    return found;
  }

  private compared(name: string, kind: 'peers' | 'faster', place: string): { median: number; gap: number } {
    const compared = this.segment(name, place)[kind];
    if (compared === undefined) throw lacking(place, 'no next level to compare with');
    return compared;
  }

  /** Sentences on what a segment costs, or that it is a strength. */
  private about(what: 'well' | 'best' | 'win', name: string, place: string): string {
    const { writer, tone } = this;
    const { texts } = writer;
    const segment = this.segment(name, place);
    const plural = texts.isPlural(segment.name);
    const places = writer.segmentPlaces(segment);
    if (what !== 'win') {
      if (what === 'well' && !isStrength(segment))
        throw lacking(place, `${segment.name}, which is no strength`);
      return this.sentence(texts[what], places, place, plural);
    }
    const { gapPeers, gapFaster, peers, faster } = places;
    if (gapPeers === undefined && gapFaster === undefined)
      throw lacking(place, `${segment.name}, which is behind neither peers nor the next level`);
    const behind = {
      ...places,
      peers: gapPeers === undefined ? undefined : peers,
      faster: gapFaster === undefined ? undefined : faster,
    };
    const shares =
      segment.peers.percentile === 0
        ? texts.sharesNone
        : faster === undefined
          ? texts.sharesAlone
          : texts.shares;
    const costs = writer.write(texts.win[tone], behind, plural);
    return [
      costs ?? this.sentence(texts.winAlone, behind, place, plural),
      this.sentence(shares, places, place, plural),
    ].join(' ');
  }

  private reached(kind: 'peers' | 'faster', place: string): string {
    const { evidence, writer } = this;
    const { texts } = writer;
    const reach = evidence.reach[kind];
    if (reach === undefined) throw lacking(place, 'no segment that is behind them');
    const names = reach.segments.map((column) => this.segment(column, place));
    return this.sentence(
      kind === 'peers' ? texts.reach : texts.next,
      {
        atList: texts.list(names.map(({ name, kind: done }) => texts.at(name, done))),
        finish: writer.amount(reach.finish),
        gain: writer.difference(reach.gain),
        cite: `[${reach.line}]`,
      },
      place,
    );
  }

  private changes(): string {
    const { evidence, writer } = this;
    const { change } = evidence;
    if (change === undefined) return '';
    const { texts } = writer;
    const cited = change.segments.filter(({ line }) => line !== undefined);
    return [
      this.sentence(texts.change, writer.changePlaces(change.finish), '{change}'),
      ...cited.map((one) => {
        const { name, kind } = this.segment(one.column, '{change}');
        const named = { the: texts.the(name), The: capital(texts.the(name)), at: texts.at(name, kind) };
        const places = { ...writer.changePlaces(one), ...named };
        return this.sentence(texts.changeSegment, places, '{change}', texts.isPlural(name));
      }),
    ].join(' ');
  }

  private focus(about: string, place: string): string {
    const { texts } = this.writer;
    const segments = about.split(',').map((name) => this.segment(name.trim(), place));
    const [first, second] = segments.slice(0, 2).map(({ name }) => texts.the(name));
    const cite = segments
      .slice(0, 2)
      .map(({ line }) => `[${line}]`)
      .join('');
    const still = segments.find(({ peers, faster }) => peers.gap <= 0 && (faster?.gap ?? 0) <= 0);
    if (still !== undefined)
      throw lacking(place, `${still.name}, which is behind neither peers nor the next level`);
    return this.sentence(texts.focus[this.tone], { focus: texts.order(first, second), cite }, place);
  }

  private advice(about: string, place: string): string {
    const [name, topic] = about.split(':').map((part) => part.trim());
    const segment = this.segment(name, place);
    const { evidence, passages, quoted: used, writer } = this;
    const query = { segment, evidence, used, random: writer.random };
    const found =
      topic === undefined || topic === ''
        ? passageFor(passages, query)
        : passageFor(passages, { ...query, topics: [topic] });
    const what = topic === undefined || topic === '' ? segment.name : `${segment.name} and ${topic}`;
    const passage = requirePassage(found, what, passages.length);
    this.quoted.push(passage);
    const advice = adviceOf(passage);
    const cite = `[${evidence.lines.length + this.quoted.length}]`;
    return advice.endsWith('.') ? `${advice.slice(0, -1)} ${cite}.` : `${advice} ${cite}`;
  }

  private notes(place: string): string {
    const notes = this.evidence.lines.filter(({ facts }) => Object.keys(facts).length === 0);
    if (notes.length === 0) throw lacking(place, 'no notes');
    return notes.map(({ id, text }) => `${text.replace(/\.$/, '')} [${id}].`).join(' ');
  }
}

function lacking(place: string, got: string): TunebookError {
  return new TunebookError(
    `fillPlan: expected evidence for "${place}", got ${got}. Fix the plan, or use that of planFeedback.`,
  );
}

/** The lines and passages that a text cites. */
export function citationsOf(
  text: string,
  { evidence, quoted }: { evidence: RaceEvidence; quoted: readonly Document[] },
): FeedbackCitation[] {
  const cited = new Set([...text.matchAll(CITATION)].flatMap(([, ids]) => ids.split(',').map(Number)));
  const all: FeedbackCitation[] = [
    ...evidence.lines.map(({ id, text: line }): FeedbackCitation => ({ id, kind: 'line', text: line })),
    ...quoted.map((passage, i): FeedbackCitation => ({
      ...{ id: evidence.lines.length + 1 + i, kind: 'passage', text: passageText(passage) },
      ...sourceOf(passage),
    })),
  ];
  return all.filter(({ id }) => cited.has(id));
}
