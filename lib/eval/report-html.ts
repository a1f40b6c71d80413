/**
 * The samples table as one HTML file: no script, nothing fetched, light and dark.
 */
import { escapeHtml } from '../display';
import { extentOf } from './report-content';
import type { ReportContent } from './report-content';

const STYLE = `
:root { color-scheme: light dark; --line: #8886; --soft: #8881; --good: #1a7f37; --half: #9a6700; --bad: #cf222e; }
@media (prefers-color-scheme: dark) { :root { --good: #3fb950; --half: #d29922; --bad: #ff7b72; } }
body { font: 15px/1.5 system-ui, sans-serif; margin: 2rem auto; max-width: 80rem; padding: 0 1rem; }
h1 { font-size: 1.5rem; }
table { border-collapse: collapse; margin: 1rem 0; }
th, td { border: 1px solid var(--line); padding: .4rem .6rem; text-align: left; vertical-align: top; }
thead th { background: var(--soft); }
td { white-space: pre-wrap; overflow-wrap: anywhere; }
.samples { width: 100%; }
.samples td:first-child { white-space: nowrap; }
.mark { font-weight: 600; }
.mark { color: var(--bad); }
.exact { color: var(--good); }
[class$='-right'] { color: var(--half); }
`;

/** The whole page. */
export function htmlReport(content: ReportContent): string {
  const figures = content.figures.map(
    ({ name, value }) => `<tr><th scope="row">${pageText(name)}</th><td>${pageText(value)}</td></tr>`,
  );
  const rows = content.samples.map((sample) => {
    const { mark } = sample;
    const texts = [sample.question, sample.truth, sample.answer].map((text) => `<td>${pageText(text)}</td>`);
    return (
      `<tr><td>${sample.index + 1}</td>${texts.join('')}` +
      `<td class="mark ${mark.replace(/\W+/g, '-')}">${pageText(mark)}</td></tr>`
    );
  });
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${pageText(content.title)}</title>
<style>${STYLE}</style>
</head>
<body>
<h1>${pageText(content.title)}</h1>
<table>
<tbody>
${figures.join('\n')}
</tbody>
</table>
<table class="samples">
<caption>${extentOf(content)}</caption>
<thead><tr><th scope="col">#</th><th scope="col">Question</th><th scope="col">Truth</th>
<th scope="col">Answer</th><th scope="col">Result</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</body>
</html>
`;
}

/** Text as it is, inside HTML; what no page may hold (control characters) as U+FFFD. */
function pageText(text: string): string {
  return escapeHtml(text.replace(/[^\t\n\r\x20-\x7e\x80-\uffff]|[\x80-\x9f]/g, '\ufffd'));
}
