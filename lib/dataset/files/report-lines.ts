/** What reading a file left out, as lines for the console: a notebook shows them under the cell. */
import { firstOf } from '../../types';
import type { LoadReport } from './record-types';

/** Problems that a line names; the report has more. */
const NAMED = 3;

/** Nothing where every record was taken as it is. */
export function reportLines({ file, loaded, skipped, problems, notes }: LoadReport): string[] {
  const lines = notes.map((note) => `${file}: ${note}`);
  if (skipped === 0) return lines;
  const named = firstOf(
    problems.map(({ line, reason }) => `line ${line}: ${reason}`),
    { most: NAMED, total: skipped, of: ', in report.problems' },
  );
  lines.push(`${file}: ${skipped} of ${loaded + skipped} records were left out (${named}).`);
  return lines;
}
