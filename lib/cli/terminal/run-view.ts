/**
 * A run on the terminal: a line per finished cell; below, on a real terminal, the running cell with its last output,
 * progress and time, rewritten in place; plain lines otherwise (CI, a file).
 */
import { stripVTControlCharacters } from 'node:util';
import { formatDuration } from '../../display';
import { cellTitle, foldCarriageReturns } from '../../notebook/run';
import type { CellResult, RunEvent } from '../../notebook/run';

/** Where a view writes; `process.stdout` is one. */
export interface ViewStream {
  readonly isTTY?: boolean;
  readonly columns?: number;
  write(text: string): unknown;
}

/** Shows a run's events; `close()` leaves the terminal as it should be. */
export interface RunView {
  take(event: RunEvent): void;
  close(): void;
}

const LIVE_LINES = 6;
const REDRAW_MS = 120;
const PLAIN_PROGRESS_MS = 5000;

/** The text of an event on the screen: lines of output, or a progress line that replaces the last one. */
function eventText(event: RunEvent & { type: 'output' }): { text: string; replaces: boolean } | undefined {
  const { kind, content } = event;
  if (kind === 'stream') return { text: String(content.text), replaces: false };
  if (kind !== 'update_display_data' && kind !== 'display_data' && kind !== 'execute_result')
    return undefined;
  const plain = (content.data as Record<string, unknown> | undefined)?.['text/plain'];
  if (typeof plain !== 'string') return undefined;
  return { text: `${plain}\n`, replaces: kind === 'update_display_data' };
}

/**
 * Makes the view that fits the stream.
 * @param expectedMs duration of each cell in an earlier run, in order; with it the time left is shown
 */
export function makeRunView(stream: ViewStream, expectedMs: readonly number[] = []): RunView {
  // Open MPI gives ranks a terminal without columns, whatever it writes their output to itself.
  const isLive = stream.isTTY === true && stream.columns !== 0;
  return isLive ? liveView(stream, expectedMs) : plainView(stream, expectedMs);
}

function timeLeft(expectedMs: readonly number[], number: number, elapsedMs: number): string {
  if (expectedMs.length < number) return '';
  const rest = expectedMs.slice(number).reduce((sum, ms) => sum + ms, 0);
  const left = rest + Math.max(0, expectedMs[number - 1] - elapsedMs);
  return `, about ${formatDuration(left)} left`;
}

function endLine(number: number, of: number, cell: CellResult): string {
  const mark = cell.status === 'ok' ? 'ok' : cell.status;
  return `[${number}/${of}] ${mark.padEnd(3)} ${formatDuration(cell.durationMs).padStart(8)}  ${cell.title}`;
}

function failureLines(cell: CellResult): string {
  if (cell.status === 'ok') return '';
  return `${cell.traceback?.join('\n') ?? cell.message ?? cell.status}\n`;
}

function plainView(stream: ViewStream, expectedMs: readonly number[]): RunView {
  let lastProgressMs = 0;
  let atLineStart = true;
  const write = (text: string): void => {
    if (text === '') return;
    stream.write(text);
    atLineStart = text.endsWith('\n');
  };
  const line = (text: string): void => write(`${atLineStart ? '' : '\n'}${text}\n`);
  return {
    take(event) {
      if (event.type === 'start') line(`${event.cells} cells to run`);
      else if (event.type === 'cell-start') {
        const left = timeLeft(expectedMs, event.number, 0);
        line(`[${event.number}/${event.of}] ${cellTitle(event.source)}${left}`);
        lastProgressMs = 0;
      } else if (event.type === 'output') {
        const shown = eventText(event);
        if (!shown) return;
        if (shown.replaces) {
          if (Date.now() - lastProgressMs < PLAIN_PROGRESS_MS) return;
          lastProgressMs = Date.now();
        }
        write(stripVTControlCharacters(shown.text));
      } else if (event.type === 'cell-end') {
        line(`${endLine(event.number, event.of, event.cell)}`);
        write(stripVTControlCharacters(failureLines(event.cell)));
      } else line(event.text);
    },
    close: () => undefined,
  };
}

function liveView(stream: ViewStream, expectedMs: readonly number[]): RunView {
  const start = Date.now();
  let drawn = 0;
  let lastDrawMs = 0;
  let current: { number: number; of: number; title: string; startMs: number } | undefined;
  let text = '';
  let progress = '';

  const fit = (line: string): string => {
    const width = Math.max(20, (stream.columns || 80) - 1);
    const plain = stripVTControlCharacters(line).replace(/\t/g, '  ');
    return plain.length > width ? `${plain.slice(0, width - 1)}…` : plain;
  };
  const erase = (): void => {
    if (drawn > 0) stream.write(`\u001b[${drawn}A\u001b[0J`);
    drawn = 0;
  };
  const draw = (): void => {
    erase();
    if (!current) return;
    const elapsed = Date.now() - current.startMs;
    const times = `${formatDuration(elapsed)} of ${formatDuration(Date.now() - start)}${timeLeft(expectedMs, current.number, elapsed)}`;
    const lines = [`[${current.number}/${current.of}] ${times}  ${current.title}`];
    const last = foldCarriageReturns(text).trimEnd().split('\n').slice(-LIVE_LINES);
    lines.push(...last.filter((line) => line !== '').map((line) => `  ${line}`));
    lines.push(
      ...progress
        .trimEnd()
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => `  ${line}`),
    );
    stream.write(lines.map((line) => `${fit(line)}\n`).join(''));
    drawn = lines.length;
    lastDrawMs = Date.now();
  };
  const timer = setInterval(draw, 500);
  timer.unref();
  return {
    take(event) {
      switch (event.type) {
        case 'cell-start':
          current = {
            number: event.number,
            of: event.of,
            title: cellTitle(event.source),
            startMs: Date.now(),
          };
          text = '';
          progress = '';
          return draw();
        case 'output': {
          const shown = eventText(event);
          if (!shown) return;
          if (!current) {
            stream.write(shown.text); // output of work that a cell left running, after the last cell
            return;
          }
          if (shown.replaces) progress = shown.text;
          else text = (text + shown.text).slice(-8000);
          if (Date.now() - lastDrawMs > REDRAW_MS) draw();
          return;
        }
        case 'cell-end':
          current = undefined;
          erase();
          stream.write(`${fit(endLine(event.number, event.of, event.cell))}\n${failureLines(event.cell)}`);
          return;
        case 'note':
          erase();
          stream.write(`${event.text}\n`);
      }
    },
    close() {
      clearInterval(timer);
      current = undefined;
      erase();
    },
  };
}
