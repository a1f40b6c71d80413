/**
 * Feedback in a notebook, as a cell's result or shown directly. It stays complete in the HTML that GitHub allows, and
 * the profile is a separate SVG.
 */
import { escapeHtml, profileSvg, show } from '../../display';
import type { MimeBundle } from '../../display';
import { amountText } from '../evidence/names';
import type { RaceEvidence } from '../evidence/types';
import type { Feedback } from '../feedback/types';
import { feedbackMarkdown } from './markdown-page';
import { partsOf } from './marked-text';
import { requirePage } from './page-arguments';
import type { FeedbackPageOptions } from './page-arguments';
import { gapText, profileFigure } from './page-figures';
import { fillWords, wordsOf } from './page-words';

const JUPYTER_DISPLAY = Symbol.for('Jupyter.display');

/** Feedback that notebooks show as text and a table if it is a cell's result. */
export interface FeedbackView {
  /** The mime bundle for front ends. */
  readonly [JUPYTER_DISPLAY]: () => MimeBundle;
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
  /** The text and the table as HTML. */
  toHTML(): string;
  /** The profile against the peers, as an SVG image. */
  toSVG(): string;
}

/**
 * Feedback on one race for a notebook: leave it as a cell's last expression.
 * @example
 * const { table, log } = hyrox.readRaces(projectPath('data/hyrox/hyrox-sample.csv'));
 * const races = hyrox.checkRaces(table, log);
 * const evidence = hyrox.raceEvidence(hyrox.fit(races), races, { row: 7 });
 * hyrox.feedbackView(evidence, hyrox.composeFeedback(evidence, []));
 */
export function feedbackView(
  evidence: RaceEvidence,
  feedback: Feedback,
  options: FeedbackPageOptions = {},
): FeedbackView {
  requirePage('feedbackView', { evidence, feedback, options });
  const view = {
    evidence,
    feedback,
    toHTML: () => viewHtml(evidence, feedback, options),
    toSVG: () => profileSvg(profileFigure(evidence, wordsOf(options.lang)), { standalone: true }),
  };
  return {
    ...view,
    [JUPYTER_DISPLAY]: () => ({
      'text/html': view.toHTML(),
      'text/plain': feedbackMarkdown(evidence, feedback, options),
    }),
  };
}

/** Shows feedback on one race: text and table, then the profile as an image that every front end draws. */
export function showFeedback(
  evidence: RaceEvidence,
  feedback: Feedback,
  options: FeedbackPageOptions = {},
): void {
  requirePage('showFeedback', { evidence, feedback, options });
  const view = feedbackView(evidence, feedback, options);
  show(view[JUPYTER_DISPLAY]());
  const { title } = profileFigure(evidence, wordsOf(options.lang));
  show({ 'image/svg+xml': view.toSVG(), 'text/plain': `[figure] ${title}` });
}

/** HTML that survives GitHub's filter: no style, `align` for numbers. */
function viewHtml(evidence: RaceEvidence, feedback: Feedback, { lang }: FeedbackPageOptions): string {
  const words = wordsOf(lang);
  const amount = (value: number): string => amountText(value, evidence);
  const cell = (text: string, tag = 'td'): string => `<${tag} align="right">${escapeHtml(text)}</${tag}>`;
  const paragraphs = feedback.paragraphs.map((one) => {
    const text = partsOf(one, words)
      .map((part) =>
        part.mark === undefined
          ? escapeHtml(part.text)
          : `⚠ <em>${escapeHtml(part.text)}</em> <strong>(${escapeHtml(part.mark)})</strong>`,
      )
      .join('');
    return one.kind === 'verdict' || one.title === ''
      ? `<p>${text}</p>`
      : `<p><strong>${escapeHtml(one.title)}.</strong> ${text}</p>`;
  });
  const { peers } = evidence.groups;
  const head = [
    words.tableHead[2],
    fillWords(words.tablePeers, { count: peers.count }),
    words.tableGap,
    words.tableAhead,
  ];
  const rows = evidence.segments.map(
    (one) =>
      `<tr><td>${escapeHtml(one.name)} [${one.line}]</td>${cell(amount(one.own))}${cell(amount(one.peers.median))}` +
      `${cell(gapText(one.peers.gap, evidence, words))}${cell(`${one.peers.percentile} %`)}</tr>`,
  );
  const advice = feedback.citations.filter(({ kind }) => kind === 'passage');
  return [
    `<h3>${escapeHtml(feedback.headline)}</h3>`,
    ...paragraphs,
    `<table><thead><tr><th>${escapeHtml(words.tableHead[1])}</th>${head.map((name) => cell(name, 'th')).join('')}</tr></thead>`,
    `<tbody>${rows.join('\n')}</tbody></table>`,
    ...advice.map(
      ({ id, title, text }) =>
        `<p><small>[${id}] ${title === undefined ? '' : `<strong>${escapeHtml(title)}.</strong> `}${escapeHtml(text)}</small></p>`,
    ),
  ].join('\n');
}
