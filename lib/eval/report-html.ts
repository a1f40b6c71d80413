/**
 * The samples as one HTML file: no script, no request, light and dark, a table on a screen and cards on a phone.
 */
import { diffWords, escapeHtml } from '../display';
import { unsupportedPlaces } from './numbers';
import { extentOf } from './report-content';
import type { ReportContent } from './report-content';
import { REPORT_STYLE } from './report-style';
import type { GenerationSample, ReportFigure } from './types';

type Verdict = 'right' | 'half' | 'wrong';

/** The whole page. */
export function htmlReport(content: ReportContent): string {
  const verdicts = content.samples.map(verdictOf);
  const count = (verdict: Verdict): number => verdicts.filter((one) => one === verdict).length;
  const filters: [id: string, label: string][] = [
    ['all', `All ${verdicts.length}`],
    ['right', `Right ${count('right')}`],
    ...(count('half') > 0 ? [['half', `Partly right ${count('half')}`] as [string, string]] : []),
    ['wrong', `Wrong ${count('wrong')}`],
  ];
  const title = pageText(content.title);
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${title}</title>
<style>${REPORT_STYLE}</style>
</head>
<body>
<h1>${title}</h1>
<table class="measures">
<tbody>
${content.figures.map(figureRow).join('\n')}
</tbody>
</table>
<section>
${filters
  .map(
    ([id, label], i) =>
      `<input type="radio" name="show" id="show-${id}"${i === 0 ? ' checked' : ''}>` +
      `<label for="show-${id}">${label}</label>`,
  )
  .join('\n')}
<p class="key">In the answer: <mark>words that the truth does not have</mark>, <mark class="number">numbers that neither
prompt nor truth has</mark>. In the truth: <del>what the answer lacks</del>.</p>
<table class="samples">
<caption>${extentOf(content)}</caption>
<thead><tr><th scope="col">#</th><th scope="col">Question</th><th scope="col">Truth</th>
<th scope="col">Answer</th><th scope="col">Result</th></tr></thead>
<tbody>
${content.samples.map((sample, i) => sampleRow(sample, verdicts[i])).join('\n')}
</tbody>
</table>
</section>
</body>
</html>
`;
}

/** An answer that the judge accepts is half right where its text differs. */
function verdictOf({ exact, mark }: GenerationSample): Verdict {
  if (exact) return 'right';
  return /(?:^|\s)right$/.test(mark) ? 'half' : 'wrong';
}

/** A measure, as a bar where it is a share. */
function figureRow({ name, value, share }: ReportFigure): string {
  const percent = share === undefined ? undefined : Math.min(100, Math.max(0, 100 * share));
  const bar =
    percent === undefined
      ? ''
      : `<span class="bar"><span style="width:${percent.toFixed(1)}%"></span></span>`;
  return `<tr><th scope="row">${pageText(name)}</th><td>${pageText(value)}</td><td>${bar}</td></tr>`;
}

function sampleRow(sample: GenerationSample, verdict: Verdict): string {
  const { index, question, truth, answer, mark } = sample;
  const { lacking, marked } = markChanges(sample);
  const cell = (label: string, html: string, text: string): string =>
    `<td data-label="${label}"><div${text.length > 400 ? ' tabindex="0"' : ''}>${html}</div></td>`;
  return (
    `<tr class="${verdict}"><td>${index + 1}</td>${cell('Question', pageText(question), question)}` +
    `${cell('Truth', lacking, truth)}${cell('Answer', marked, answer)}` +
    `<td data-label="Result" class="mark">${pageText(mark)}</td></tr>`
  );
}

/** Truth and answer with their differences marked, otherwise verbatim. */
function markChanges({ truth, answer, exact, prompt }: GenerationSample): {
  lacking: string;
  marked: string;
} {
  const parts = exact ? [] : diffWords(truth.trim(), answer.trim());
  const lacking = parts
    .filter(({ kind }) => kind !== 'extra')
    .map(({ kind, text }) => (kind === 'same' ? pageText(text) : `<del>${pageText(text)}</del>`));
  if (exact) return { lacking: pageText(truth), marked: pageText(answer) };
  const places = unsupportedPlaces(answer.trim(), `${prompt}\n${truth}`);
  let at = 0;
  const marked = parts
    .filter(({ kind }) => kind !== 'missing')
    .map(({ kind, text }) => {
      const inner = markPlaces(text, at, places);
      at += text.length;
      return kind === 'same' ? inner : `<mark>${inner}</mark>`;
    });
  return { lacking: lacking.join(''), marked: marked.join('') };
}

/** A part of a text, which begins at `start`, with the places in it marked. */
function markPlaces(text: string, start: number, places: readonly (readonly [number, number])[]): string {
  let html = '';
  let done = 0;
  for (const [from, to] of places) {
    const [a, b] = [Math.max(from - start, done), Math.min(to - start, text.length)];
    if (b <= a) continue;
    html += `${pageText(text.slice(done, a))}<mark class="number">${pageText(text.slice(a, b))}</mark>`;
    done = b;
  }
  return html + pageText(text.slice(done));
}

/** Verbatim text as HTML; control characters, which a page may not contain, become U+FFFD. */
function pageText(text: string): string {
  return escapeHtml(text.replace(/[^\t\n\r\x20-\x7e\x80-\uffff]|[\x80-\x9f]/g, '\ufffd'));
}
