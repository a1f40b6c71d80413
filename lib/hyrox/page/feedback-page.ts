/**
 * A page of feedback on one race, as a coach would hand it over: one HTML file, no script, no request; for phone,
 * paper, light and dark. Every figure comes from the evidence.
 */
import { escapeHtml, profileSvg, waterfallSvg } from '../../display';
import type { RowFigureOptions } from '../../display';
import { amountText } from '../evidence/names';
import type { GroupEvidence, RaceEvidence, ReachEvidence } from '../evidence/types';
import { listWords } from '../feedback/sentences';
import type { Feedback, FeedbackParagraph, ParagraphKind } from '../feedback/types';
import { profileFigure, restOf, wayFigure } from './page-figures';
import { changeSection, sourcesSection } from './page-tables';
import { requirePage } from './page-arguments';
import type { FeedbackPageOptions } from './page-arguments';
import { partsOf } from './marked-text';
import { pageHtml } from './page-frame';
import type { Page } from './page-frame';
import { fillWords, wordsOf } from './page-words';

/**
 * Feedback on one race as an HTML page: it opens offline, prints on A4 and needs no script.
 * @param feedback what `composeFeedback` wrote from the evidence
 * @throws TunebookError for an unknown language
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 });
 * const page = hyrox.feedbackPage(evidence, hyrox.composeFeedback(evidence, []));
 */
export function feedbackPage(
  evidence: RaceEvidence,
  feedback: Feedback,
  options: FeedbackPageOptions = {},
): string {
  requirePage('feedbackPage', { evidence, feedback, options });
  const words = wordsOf(options.lang);
  const page = { evidence, feedback, words };
  const about = (...kinds: ParagraphKind[]): FeedbackParagraph[] =>
    feedback.paragraphs.filter(({ kind }) => kinds.includes(kind));
  return pageHtml({
    lang: options.lang ?? 'en',
    title: `${feedback.headline} · ${words.kicker}`,
    body: `<header>
<p class="kicker">${escapeHtml(`${words.kicker} · ${evidence.athlete.words}`)}</p>
<h1>${escapeHtml(feedback.headline)}</h1>
${keyFigures(page)}
</header>
<div class="text">
${about('verdict', 'strengths', 'text')
  .map((one) => paragraph(one, page))
  .join('\n')}
</div>
${profileSection(page)}
${waySection(page)}
${section('text', about('segment', 'reach'), page)}
${section('focus', about('focus'), page)}
${changeSection(
  page,
  about('change')
    .map((one) => paragraph(one, page))
    .join('\n'),
)}
${sourcesSection(page)}
${smallPrint(page, options)}`,
  });
}

/** Text with its citations as links to the sources; one that has none is a number. */
function cited(text: string, { evidence, feedback }: Page): string {
  const hasSource = (id: number): boolean =>
    [...evidence.lines, ...feedback.citations].some((source) => source.id === id);
  return escapeHtml(text).replace(/ ?\[(\d+(?:\s*,\s*\d+)*)\]/g, (_, ids: string) =>
    ids
      .split(',')
      .map((one) => one.trim())
      .map((id) =>
        hasSource(Number(id))
          ? `<a class="cite" href="#source-${id}">${id}</a>`
          : `<span class="cite">${id}</span>`,
      )
      .join(' '),
  );
}

function paragraph(one: FeedbackParagraph, page: Page): string {
  const parts = partsOf(one, page.words).map(({ text, mark }) =>
    mark === undefined
      ? cited(text, page)
      : `<mark>${cited(text, page)}</mark> <span class="why">(${escapeHtml(mark)})</span>`,
  );
  return `<p>${parts.join('')}</p>`;
}

/** Paragraphs with their headings; '' without paragraphs. */
function section(name: string, paragraphs: readonly FeedbackParagraph[], page: Page): string {
  if (paragraphs.length === 0) return '';
  return `<section class="${name}">\n${paragraphs.map((one) => headed(one, page)).join('\n')}\n</section>`;
}

function headed(one: FeedbackParagraph, page: Page): string {
  return `<h3>${escapeHtml(one.title)}</h3>\n${paragraph(one, page)}`;
}

function keyFigures({ evidence, words }: Page): string {
  const { finish, groups, reach } = evidence;
  const amount = (value: number): string => amountText(value, evidence);
  const direction = finish.residual === 0 ? 'asExpected' : finish.residual < 0 ? 'faster' : 'slower';
  const cell = (label: string, big: string, small: string): string =>
    `<div><dt>${escapeHtml(label)}</dt><dd class="big">${escapeHtml(big)}</dd><dd class="small">${escapeHtml(small)}</dd></div>`;
  const reached = (found: ReachEvidence, sentence: string): string => {
    const names = found.segments.map(
      (column) => evidence.segments.find((one) => one.column === column)?.name ?? '',
    );
    return cell(
      words.reach,
      amount(found.finish),
      fillWords(sentence, { segments: listWords(names, words.and) }),
    );
  };
  return `<dl class="key">
${cell(words.finish, amount(finish.own), evidence.athlete.words)}
${cell(words.expected, amount(finish.expected), fillWords(words[direction], { amount: amount(Math.abs(finish.residual)) }))}
${cell(words.ahead, `${finish.percentile} %`, fillWords(words.of, { count: finish.among, people: groups.similar.words }))}
${reach.peers ? reached(reach.peers, words.reachPeers) : reach.faster ? reached(reach.faster, words.reachFaster) : ''}
</dl>`;
}

function groupWords(text: string, { count, words: people }: GroupEvidence): string {
  return fillWords(text, { count, people });
}

/** A figure for screen and paper, and a narrow one for phones. */
function both(draw: (options: RowFigureOptions) => string): string {
  return `<figure>${draw({})}${draw({ narrow: true })}</figure>`;
}

function profileSection({ evidence, words }: Page): string {
  const figure = profileFigure(evidence, words);
  return `<section class="figure">
<h2>${escapeHtml(words.profile)}</h2>
<p class="lead">${escapeHtml(groupWords(words.profileLead, evidence.groups.peers))}</p>
${both((options) => profileSvg(figure, options))}
</section>`;
}

function waySection({ evidence, words }: Page): string {
  const figure = wayFigure(evidence, words);
  const { faster } = evidence.groups;
  const lead =
    figure === undefined || faster === undefined
      ? words.wayNone
      : groupWords(words.wayLead, faster) + (restOf(evidence) === 0 ? '' : ` ${words.wayRest}`);
  return `<section class="figure">
<h2>${escapeHtml(words.way)}</h2>
<p class="lead">${escapeHtml(lead)}</p>
${figure === undefined ? '' : both((options) => waterfallSvg(figure, options))}
</section>`;
}

function smallPrint({ evidence, words }: Page, { data, notes = [] }: FeedbackPageOptions): string {
  const { groups } = evidence;
  const sentences = [
    ...(data === undefined ? [] : [fillWords(words.data, { data })]),
    groupWords(words.peers, groups.peers),
    ...(groups.faster === undefined ? [] : [groupWords(words.nextLevel, groups.faster)]),
    groupWords(words.similar, groups.similar),
    ...evidence.notes,
    words.percentages,
    ...notes,
    words.nobody,
  ];
  return `<footer class="print">
<h2>${escapeHtml(words.rests)}</h2>
${sentences.map((sentence) => `<p>${escapeHtml(sentence)}</p>`).join('\n')}
</footer>`;
}
