/** A run on the terminal: rewritten in place on a real one, plain lines elsewhere. */
import assert from 'node:assert/strict';
import { describe, it, mock } from 'node:test';
import { makeRunView } from '../../../lib/cli/terminal/run-view';
import { formatDuration, formatSize } from '../../../lib/display';
import type { RunView } from '../../../lib/cli/terminal/run-view';
import type { CellResult, RunEvent } from '../../../lib/notebook/run/run-types';

/** What a terminal shows after all that was written, of the few control sequences that the view uses. */
function screen(written: string): string[] {
  const lines = [''];
  let row = 0;
  for (const [part] of written.matchAll(/\u001b\[\d*[A-Za-z]|\n|[^\u001b\n]+/g)) {
    const up = /^\u001b\[(\d+)A$/.exec(part);
    if (up) row -= Number(up[1]);
    else if (part === '\u001b[0J') {
      lines.length = row + 1;
      lines[row] = '';
    } else if (part === '\n') lines[++row] ??= '';
    else lines[row] += part;
  }
  return lines;
}

const done = (status: CellResult['status'], extra: Partial<CellResult> = {}): CellResult => ({
  number: 1,
  title: 'train()',
  status,
  durationMs: 1500,
  ...extra,
});
const output = (kind: string, content: Record<string, unknown>): RunEvent => ({
  type: 'output',
  kind,
  content,
});
const text = (value: string): RunEvent => output('stream', { name: 'stdout', text: value });
const bar = (value: string): RunEvent => output('update_display_data', { data: { 'text/plain': value } });
const START: RunEvent = { type: 'cell-start', number: 1, of: 2, source: '// why\ntrain()' };

function view(isTTY: boolean, expectedMs: number[] = []): { view: RunView; shown(): string[] } {
  let written = '';
  const stream = { isTTY, columns: 40, write: (part: string) => (written += part) };
  return { view: makeRunView(stream, expectedMs), shown: () => screen(written) };
}

describe('terminal view', () => {
  it('live: shows the running cell with its last lines, progress and time, then one line when it ends', () => {
    mock.timers.enable({ apis: ['Date', 'setInterval'], now: 1_000_000 });
    try {
      const { view: live, shown } = view(true, [10_000, 5_000]);
      live.take({ type: 'start', cells: 2 });
      live.take(START);
      for (let i = 0; i < 9; i++) live.take(text(`line ${i}\n`));
      live.take(text('10 %\r20 %'));
      live.take(bar('train ██ 2/10'));
      live.take(bar('train ███ 3/10'));
      mock.timers.tick(2000);
      const lines = shown();
      assert.match(lines[0], /^\[1\/2\] 2\.0 s of 2\.0 s, about 13 s left/);
      assert.ok(lines[0].length <= 39 && lines[0].endsWith('…'), 'lines fit the terminal');
      assert.deepEqual(lines.slice(1), [
        ...[4, 5, 6, 7, 8].map((i) => `  line ${i}`),
        '  20 %',
        '  train ███ 3/10',
        '',
      ]);
      live.take({ type: 'cell-end', number: 1, of: 2, cell: done('ok') });
      assert.deepEqual(shown(), ['[1/2] ok     1.5 s  train()', '']);
      live.take({ type: 'cell-start', number: 2, of: 2, source: 'bad()' });
      live.take({ type: 'note', text: 'Interrupted' });
      const traceback = ['Error: no', '    at In[2]:1:1'];
      live.take({ type: 'cell-end', number: 2, of: 2, cell: done('error', { title: 'bad()', traceback }) });
      live.close();
      assert.deepEqual(shown(), [
        '[1/2] ok     1.5 s  train()',
        'Interrupted',
        '[2/2] error    1.5 s  bad()',
        ...traceback,
        '',
      ]);
      mock.timers.tick(5000);
      assert.equal(shown().length, 6, 'nothing is drawn after the end');
    } finally {
      mock.timers.reset();
    }
  });

  it('plain: each line once, progress now and then, no control characters', () => {
    const { view: plain, shown } = view(false);
    plain.take({ type: 'start', cells: 2 });
    plain.take(START);
    plain.take(text('\u001b[31mred\u001b[39m'));
    plain.take(bar('1/10\n'));
    plain.take(bar('2/10\n'));
    plain.take({ type: 'cell-end', number: 1, of: 2, cell: done('error', { message: 'Error: no' }) });
    plain.close();
    assert.deepEqual(shown(), [
      '2 cells to run',
      '[1/2] train()',
      'red1/10',
      '',
      '[1/2] error    1.5 s  train()',
      'Error: no',
      '',
    ]);
  });

  it('formats durations and sizes for people', () => {
    assert.deepEqual([400, 12_000, 185_000, 3_723_000].map(formatDuration), [
      '0.4 s',
      '12 s',
      '3:05 min',
      '1:02:03 h',
    ]);
    assert.deepEqual([812, 4200, 11_900_000, 999_999].map(formatSize), [
      '812 B',
      '4.2 kB',
      '11.9 MB',
      '1.0 MB',
    ]);
  });
});
