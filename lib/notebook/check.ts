/** `tunebook check`: what is wrong with a notebook file, before a reader, GitHub or a run finds out. */
import fs from 'node:fs';
import { checkCellTypes, missingDependencies } from './check-types';
import { isTypescript, notebookLanguage } from './language';
import { cellSource, joinText, validateNotebook, type Notebook, type NotebookCell } from './nbformat';
import { parameterCellIndex, readParameterCell } from './parameters';

/** Settings of a check. */
export interface CheckOptions {
  /** Whether outputs are expected (an executed notebook). Default false: a notebook in a repository has none. */
  readonly executed?: boolean;
  /** Whether cells are type-checked. Default true. */
  readonly types?: boolean;
  /** Whether scripts in outputs are reported, for files from elsewhere. Default false. */
  readonly untrusted?: boolean;
}

/** One thing that is wrong; `where` names the place. */
export interface CheckFinding {
  readonly where: string;
  readonly message: string;
}

/** Markup that runs something, or takes the reader elsewhere. */
const scripted =
  /<script\b|<[^>]*[\s"'/]on\w+\s*=|(?:href|src|action|data)\s*=\s*["']?\s*javascript:|<(?:iframe|object|embed|base)\b|<meta\b[^>]*http-equiv/i;

/** Outputs whose text readers take as markup. */
const markup = /html|svg|markdown/;

function outputFindings(cell: NotebookCell, where: string, options: CheckOptions): CheckFinding[] {
  const outputs = cell.outputs ?? [];
  const findings: CheckFinding[] = [];
  if (!options.executed && (outputs.length > 0 || typeof cell.execution_count === 'number'))
    findings.push({ where, message: 'has outputs; notebooks are committed without (or pass --executed)' });
  const bundles = outputs.flatMap((output) => ('data' in output ? [output.data] : []));
  const text = (value: unknown): string =>
    typeof value === 'string' || Array.isArray(value) ? joinText(value as string[]) : '';
  const plotly = bundles.some(
    (data) => 'application/vnd.plotly.v1+json' in data || /Plotly|newPlot/.test(text(data['text/html'])),
  );
  const image = bundles.some(
    (data) => 'image/png' in data || 'image/svg+xml' in data || 'image/jpeg' in data,
  );
  if (plotly && !image)
    findings.push({ where, message: 'shows a figure without a static image: GitHub runs no scripts' });
  if (options.untrusted)
    for (const data of bundles)
      for (const [mime, value] of Object.entries(data))
        if (/javascript|ecmascript/.test(mime) || (markup.test(mime) && scripted.test(text(value))))
          findings.push({ where, message: `has an output of ${mime} with a script` });
  return findings;
}

function parameterFindings(notebook: Notebook): CheckFinding[] {
  const at = parameterCellIndex(notebook);
  if (at < 0) return [];
  return readParameterCell(cellSource(notebook.cells[at]))
    .parameters.filter(({ typed }) => !typed)
    .map(({ name, typeText }) => ({
      where: `cell ${at + 1}`,
      message: `parameter ${name} has no declared type; write \`${name}: ${typeText}\``,
    }));
}

function structureFindings(notebook: unknown): CheckFinding[] {
  return validateNotebook(notebook).map((problem): CheckFinding => {
    const at = problem.indexOf(': ');
    return { where: problem.slice(0, at), message: problem.slice(at + 2) };
  });
}

/** Checks a notebook file. @returns what is wrong, nothing for a good notebook */
export function checkNotebook(file: string, options: CheckOptions = {}): CheckFinding[] {
  let notebook: Notebook;
  let text: string;
  try {
    text = fs.readFileSync(file, 'utf8');
  } catch (error) {
    return [{ where: 'file', message: `cannot be read (${(error as NodeJS.ErrnoException).code})` }];
  }
  const marked = text.startsWith('\uFEFF');
  try {
    notebook = JSON.parse(marked ? text.slice(1) : text) as Notebook;
  } catch (error) {
    const message = `cannot be read as JSON: ${(error as Error).message}; \`tunebook repair\` may mend it`;
    return [{ where: 'file', message }];
  }
  const problems: CheckFinding[] = marked
    ? [{ where: 'file', message: 'starts with a byte order mark; Jupyter cannot read it' }]
    : [];
  problems.push(...structureFindings(notebook));
  if (notebook?.nbformat !== 4 || !Array.isArray(notebook.cells)) return problems;
  const cells = notebook.cells.filter(
    (cell) => cell?.cell_type === 'code' && cell.metadata && cell.source !== undefined,
  );
  if (cells.length < notebook.cells.filter((cell) => cell?.cell_type === 'code').length) return problems;
  notebook.cells.forEach((cell, i) => {
    if (cell.cell_type === 'code') problems.push(...outputFindings(cell, `cell ${i + 1}`, options));
    else if (options.untrusted && scripted.test(joinText(cell.source ?? '')))
      problems.push({ where: `cell ${i + 1}`, message: 'has a script in its text' });
  });
  const language = notebookLanguage(notebook);
  if (!isTypescript(language)) {
    problems.push({ where: 'metadata', message: `the notebook is in ${language}, not in TypeScript` });
    return problems;
  }
  problems.push(...parameterFindings(notebook));
  problems.push(
    ...missingDependencies(notebook, file).map((name) => ({
      where: 'imports',
      message: `${name} is no dependency of the package that the notebook is in`,
    })),
  );
  if (options.types ?? true)
    problems.push(
      ...checkCellTypes(notebook, file).map(({ cell, line, message }) => ({
        where: `cell ${cell}, line ${line}`,
        message,
      })),
    );
  return problems;
}
