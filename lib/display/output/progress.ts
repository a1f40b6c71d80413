/** A progress bar for long work in a cell: rich in Jupyter, one line in a terminal and in the runner's live view. */
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import { VOLATILE, displayHandle } from './display';
import { escapeHtml } from './html';
import { clockTime } from './text';

/** Settings of a progress bar. */
export interface ProgressOptions {
  /** Number of units that are all of the work. */
  readonly total: number;
  /** Units that were done before the bar began; speed and time left count from there. Default 0. */
  readonly start?: number;
  /** What is done. */
  readonly label?: string;
  /** Name of a unit, for the speed: `step` gives `3.2 steps/s`. Default `step`. */
  readonly unit?: string;
  /** Shortest time between two updates of the display, in ms. Default 200. */
  readonly throttleMs?: number;
}

/** A running progress bar. */
export interface ProgressBar {
  /**
   * Shows that `done` units are done; `note` stands behind the bar (a loss, a speed).
   * @returns whether the display changes now; what comes too fast after the last change waits for the next
   */
  update(done: number, note?: string): boolean;
  /** Shows the bar as full, or where it stopped, and how long it took. */
  finish(note?: string): void;
}

const WIDTH = 24;

/**
 * Starts a progress bar.
 * @throws TunebookError when `total` is not a number above 0
 * @example
 * ```ts
 * import { progressBar } from 'tunebook';
 *
 * const bar = progressBar({ total: 3, label: 'Answers', unit: 'answer' });
 * for (let done = 1; done <= 3; done++) bar.update(done);
 * bar.finish();
 * ```
 */
export function progressBar(options: ProgressOptions): ProgressBar {
  requireOptions<ProgressOptions>(options, {
    where: 'progressBar',
    names: { total: true, start: true, label: true, unit: true, throttleMs: true },
  });
  const { total, start = 0, label = '', unit = 'step', throttleMs = 200 } = options;
  if (!(total > 0 && Number.isFinite(total)))
    throw new TunebookError(`progressBar: expected a total above 0, got ${total}`);
  const handle = displayHandle();
  const startMs = Date.now();
  let lastMs = -Infinity;
  let lastDone = start;

  const draw = (done: number, note: string, ended: boolean): void => {
    const elapsedMs = Date.now() - startMs;
    const share = Math.min(1, Math.max(0, done / total));
    const filled = Math.round(share * WIDTH);
    const rate = elapsedMs > 0 ? ((done - start) / elapsedMs) * 1000 : 0;
    const speed =
      rate <= 0 ? '' : rate >= 1 ? `${rate.toFixed(1)} ${unit}s/s` : `${(1 / rate).toFixed(1)} s/${unit}`;
    const time = ended
      ? `took ${clockTime(elapsedMs)}`
      : `${clockTime(elapsedMs)}${done > start ? `, ${clockTime((elapsedMs / (done - start)) * (total - done))} left` : ''}`;
    const parts = [`${done}/${total}`, speed, time, note].filter((fact) => fact !== '');
    const facts = parts.join(' · ');
    const unbroken = parts.map((fact) => fact.replaceAll(' ', '\u00a0')).join(' · ');
    const head = label === '' ? '' : `${label} `;
    const data = {
      'text/html':
        `<div style="font-family:monospace;white-space:pre-wrap">${escapeHtml(head)}` +
        `<progress value="${share}" max="1" style="width:16em;vertical-align:middle"></progress> ` +
        `${Math.floor(share * 100)} % · ${escapeHtml(unbroken)}</div>`,
      'text/plain': `${head}${'█'.repeat(filled)}${'░'.repeat(WIDTH - filled)} ${Math.floor(share * 100)} % · ${facts}`,
    };
    handle.update(data, VOLATILE);
  };
  draw(start, '', false);
  return {
    update(done, note = '') {
      lastDone = done;
      if (Date.now() - lastMs < throttleMs && done < total) return false;
      lastMs = Date.now();
      draw(done, note, false);
      return true;
    },
    finish(note = '') {
      draw(lastDone, note, true);
    },
  };
}
