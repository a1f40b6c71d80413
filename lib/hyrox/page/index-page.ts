/** The index of the pages of several races. */
import { escapeHtml } from '../../display';
import { requireOptions } from '../../options';
import { requireList, requireObject } from '../../types';
import type { RaceEvidence } from '../evidence/types';
import type { Feedback } from '../feedback/types';
import { pageHtml } from './page-frame';
import { fillWords, wordsOf } from './page-words';

/** A page of the index. */
export interface IndexedRace {
  /** Name of the page's file, beside the index. */
  readonly file: string;
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
}

/** An index of races in the given order, in the style of the pages. @throws TunebookError where there is no list */
export function feedbackIndex(races: readonly IndexedRace[], options: { lang?: string } = {}): string {
  requireList(races, { where: 'feedbackIndex', what: 'a list of races, each with its page' });
  requireObject(options, { where: 'feedbackIndex', what: 'options' });
  requireOptions<{ lang?: string }>(options, { where: 'feedbackIndex', names: { lang: true } });
  const words = wordsOf(options.lang);
  const items = races.map(
    ({ file, evidence, feedback }, i) =>
      `<li><a href="${escapeHtml(encodeURI(file))}"><b>${i + 1}. ${escapeHtml(feedback.headline)}</b> ` +
      `<span>${escapeHtml(evidence.athlete.words)}</span></a></li>`,
  );
  return pageHtml({
    lang: options.lang ?? 'en',
    title: words.indexTitle,
    body: `<header>
<h1>${escapeHtml(words.indexTitle)}</h1>
<p class="lead">${escapeHtml(fillWords(words.indexLead, { count: races.length }))}</p>
</header>
<ol class="list">
${items.join('\n')}
</ol>`,
  });
}
