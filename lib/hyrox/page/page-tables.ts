/** The tables of a feedback page: since the last race, and the sources that the text cites. */
import { escapeHtml } from '../../display';
import { amountText } from '../evidence/names';
import { gapText } from './page-figures';
import type { Page } from './page-frame';
import { fillWords } from './page-words';

/** Each segment before and now; '' if no earlier race was given. */
export function changeSection({ evidence, words }: Page, text: string): string {
  const { change, segments } = evidence;
  if (change === undefined) return '';
  const amount = (value: number): string => escapeHtml(amountText(value, evidence));
  const rows = [
    { name: words.finish, ...change.finish },
    ...change.segments.map((one, s) => ({ name: segments[s].name, ...one })),
  ].map(
    ({ name, before, own, change: by }) =>
      `<tr${name === words.finish ? ' class="whole"' : ''}><th scope="row">${escapeHtml(name)}</th><td>${amount(before)}</td><td>${amount(own)}</td>` +
      `<td class="${by < 0 ? 'faster' : by > 0 ? 'slower' : ''}">${escapeHtml(gapText(by, evidence, words))}</td></tr>`,
  );
  return `<section>
<h2>${escapeHtml(words.since)}</h2>
${text}
${table(words.sinceHead, rows)}
</section>`;
}

function table(head: readonly string[], rows: readonly string[]): string {
  return `<table>
<thead><tr>${head.map((name) => `<th scope="col">${escapeHtml(name)}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>`;
}

/** All lines of the evidence, the segments' as a table, and the passages that are quoted. */
export function sourcesSection(page: Page): string {
  const { evidence, feedback, words } = page;
  const ofSegments = new Set(evidence.segments.map(({ line }) => line));
  // Notes are in the small print.
  const others = evidence.lines.filter(
    ({ id, text }) => !ofSegments.has(id) && !evidence.notes.includes(text),
  );
  const passages = feedback.citations.filter(({ kind }) => kind === 'passage');
  const item = (id: number, html: string): string =>
    `<li id="source-${id}"><span>${id}</span><span>${html}</span></li>`;
  const advice = passages.map(({ id, title, text, source }) =>
    item(
      id,
      (title === undefined ? '' : `<b>${escapeHtml(title)}</b> `) +
        escapeHtml(text) +
        (source === undefined ? '' : ` <cite>${escapeHtml(source)}</cite>`),
    ),
  );
  return `<section class="sources">
<h2>${escapeHtml(words.sources)}</h2>
${segmentTable(page)}
<ol>
${others.map(({ id, text }) => item(id, escapeHtml(text))).join('\n')}
</ol>
${advice.length === 0 ? '' : `<h3>${escapeHtml(words.advice)}</h3>\n<ol>\n${advice.join('\n')}\n</ol>`}
</section>`;
}

function segmentTable({ evidence, words }: Page): string {
  const { peers, faster } = evidence.groups;
  const amount = (value: number): string => escapeHtml(amountText(value, evidence));
  const percent = (value: number): string => `${value} %`;
  const head = [
    ...words.tableHead.slice(0, 3),
    fillWords(words.tablePeers, { count: peers.count }),
    words.tableAhead,
    ...(faster === undefined ? [] : [fillWords(words.tableNext, { count: faster.count }), words.tableAhead]),
  ];
  const rows = evidence.segments.map((one) =>
    [
      `<tr id="source-${one.line}"><td>${one.line}</td><th scope="row">${escapeHtml(one.name)}</th>`,
      ...[amount(one.own), amount(one.peers.median), percent(one.peers.percentile)].map(
        (t) => `<td>${t}</td>`,
      ),
      ...(one.faster === undefined
        ? []
        : [amount(one.faster.median), percent(one.faster.percentile)].map((t) => `<td>${t}</td>`)),
      '</tr>',
    ].join(''),
  );
  return table(head, rows);
}
