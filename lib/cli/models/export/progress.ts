/** How far an export is: a line of stderr every few seconds, with the time left. Files and words are stdout's. */
import { clockTime } from '../../../display';

const EVERY_MS = 5000;

/**
 * What exports report their progress to.
 * @param say prints a line
 * @param now in ms
 */
export function exportProgress(
  say: (line: string) => void = console.error,
  now: () => number = Date.now,
): (done: number, total: number, what: string) => void {
  const startMs = now();
  let lastMs = startMs;
  return (done, total, what) => {
    const isWritten = done >= total;
    if (!isWritten && now() - lastMs < EVERY_MS) return;
    lastMs = now();
    const leftMs = ((lastMs - startMs) / done) * (total - done);
    const share = `${Math.floor((100 * done) / total)} % written`;
    // The first bytes say nothing of the time that the others take.
    const isEarly = done < total / 100;
    say(isWritten || isEarly ? `${share}: ${what}` : `${share}, ${clockTime(leftMs)} left: ${what}`);
  };
}
