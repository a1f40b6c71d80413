/**
 * Writes the table of question, truth and answer, for people (HTML, Markdown) and for programs (JSON).
 */
import { requireOptions } from '../options';
import { requireObject, requireText } from '../types';
import { join } from 'node:path';
import { writeFileAtomic } from '../files';
import { extentOf } from './report-content';
import type { ReportContent } from './report-content';
import { htmlReport } from './report-html';
import type { GenerationEvaluation, ReportOptions } from './types';

/**
 * Writes NAME.json (everything), NAME.html (opens anywhere, no network) and NAME.md, each whole or not at all.
 *
 * @throws TunebookError where a file cannot be written.
 */
export async function writeReport(
  evaluation: GenerationEvaluation,
  options: ReportOptions,
): Promise<{ json: string; html: string; markdown: string }> {
  requireObject(evaluation, {
    ...{ where: 'writeReport', what: 'an evaluation', remedy: 'Pass what evaluateGeneration gave.' },
    fields: ['metrics', 'samples'],
  });
  requireObject(options, { where: 'writeReport', what: 'options { folder }' });
  requireOptions<ReportOptions>(options, {
    where: 'writeReport',
    names: { folder: true, name: true, title: true, maxRows: true },
  });
  requireText(options.folder, { where: 'writeReport', what: 'the path of a folder' });
  const { folder, name = 'samples', title = 'Question, truth and answer', maxRows = 100 } = options;
  const content: ReportContent = {
    title,
    figures: evaluation.figures,
    samples: evaluation.samples.slice(0, maxRows),
    total: evaluation.samples.length,
  };
  const paths = {
    json: join(folder, `${name}.json`),
    html: join(folder, `${name}.html`),
    markdown: join(folder, `${name}.md`),
  };
  await writeFileAtomic(paths.json, `${JSON.stringify({ title, ...evaluation }, null, 2)}\n`);
  await writeFileAtomic(paths.html, htmlReport(content));
  await writeFileAtomic(paths.markdown, markdownReport(content));
  return paths;
}

function markdownReport(content: ReportContent): string {
  const figures = content.figures.map(({ name, value }) => `| ${inCell(name)} | ${inCell(value)} |`);
  const rows = content.samples.map((sample) => {
    const cells = [sample.question, sample.truth, sample.answer, sample.mark].map(inCell);
    return `| ${sample.index + 1} | ${cells.join(' | ')} |`;
  });
  return [
    `# ${inCell(content.title)}`,
    '',
    '| Measure | Value |',
    '| --- | --- |',
    ...figures,
    '',
    `${extentOf(content)}:`,
    '',
    '| # | Question | Truth | Answer | |',
    '| --- | --- | --- | --- | --- |',
    ...rows,
    '',
  ].join('\n');
}

/** Verbatim text in a cell of a Markdown table: markup, HTML and line breaks escaped. */
function inCell(text: string): string {
  return text
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
    .replace(/[\\`*_[\]|~]/g, (mark) => `\\${mark}`)
    .trim()
    .replace(/\r?\n/g, '<br>');
}
