/** Summaries of runs for CI: JSON, and JUnit's XML with a test case for each code cell. */
import { stripVTControlCharacters } from 'node:util';
import { escapeHtml } from '../../display';
import type { RunResult } from './run-types';

/** Text for XML: markup replaced, control characters that XML 1.0 forbids left out. */
function xml(text: string): string {
  return escapeHtml(
    stripVTControlCharacters(text).replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g, ''),
  );
}

const seconds = (ms: number): string => (ms / 1000).toFixed(3);

/** JUnit's report: a suite for each notebook. */
export function junitReport(results: readonly RunResult[]): string {
  const suites = results.map((result) => {
    const cases = result.cells.map((cell) => {
      const open = `    <testcase classname="${xml(result.notebook)}" name="${xml(`cell ${cell.number}: ${cell.title}`)}" time="${seconds(cell.durationMs)}"`;
      if (cell.status === 'ok') return `${open}/>`;
      const detail = cell.traceback?.join('\n') ?? cell.message ?? '';
      return `${open}>\n      <failure type="${cell.status}" message="${xml(cell.message ?? cell.status)}">${xml(detail)}</failure>\n    </testcase>`;
    });
    // A run can fail outside of its cells: the kernel died between two of them.
    const outside = result.status !== 'ok' && result.cells.every(({ status }) => status === 'ok');
    if (outside)
      cases.push(
        `    <testcase classname="${xml(result.notebook)}" name="run"><failure type="${result.status}" message="${xml(result.message ?? '')}"/></testcase>`,
      );
    const failures = result.cells.filter(({ status }) => status !== 'ok').length + Number(outside);
    return (
      `  <testsuite name="${xml(result.notebook)}" tests="${cases.length}" failures="${failures}" time="${seconds(result.durationMs)}">\n` +
      `${cases.join('\n')}\n  </testsuite>`
    );
  });
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites>\n${suites.join('\n')}\n</testsuites>\n`;
}

/** The results as JSON. */
export function jsonSummary(results: readonly RunResult[]): string {
  return `${JSON.stringify({ ok: results.every(({ status }) => status === 'ok'), runs: results }, null, 2)}\n`;
}
