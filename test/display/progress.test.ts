/** Progress bars, by a clock that the test sets. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import type { MimeBundle } from '../../lib/display';
import { progressBar } from '../../lib/display/output/progress';
import { clockTime } from '../../lib/display/output/text';
import type { ProgressBar } from '../../lib/display/output/progress';
import { asGithub } from './github-filter';

const bridge = Symbol.for('tunebook.kernel');

describe('progress', () => {
  let shown: MimeBundle[] = [];
  beforeEach(() => {
    shown = [];
    mock.timers.enable({ apis: ['Date'], now: 0 });
    Object.assign(globalThis, {
      [bridge]: { display: ({ data }: { data: MimeBundle }) => shown.push(data) },
    });
  });
  afterEach(() => {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, bridge);
  });
  /** What the last update says behind the bar. */
  const said = (): string => String(shown.at(-1)?.['text/plain']).replace(/^.*[█░] /, '');

  it('tells time as clocks do', () => {
    assert.deepEqual([0, 7_400, 754_000, 3_723_000, -5].map(clockTime), [
      '0:00',
      '0:07',
      '12:34',
      '1:02:03',
      '0:00',
    ]);
  });

  const steps: [name: string, ms: number, act: (bar: ProgressBar) => void, said: string][] = [
    ['nothing yet', 0, () => undefined, '8 % · 20/240 · 0:00'],
    ['no time has passed', 0, (bar) => bar.update(30), '12 % · 30/240 · 0:00, 0:00 left'],
    [
      'steps a second, counted from the start',
      5_000,
      (bar) => bar.update(30),
      '12 % · 30/240 · 2.0 steps/s · 0:05, 1:45 left',
    ],
    [
      'seconds a step',
      40_000,
      (bar) => bar.update(30, 'loss 1'),
      '12 % · 30/240 · 4.0 s/step · 0:40, 14:00 left · loss 1',
    ],
    ['not the end yet', 110_000, (bar) => bar.update(239), '99 % · 239/240 · 2.0 steps/s · 1:50, 0:01 left'],
    [
      'the end',
      110_000,
      (bar) => (bar.update(240), bar.finish('done')),
      '100 % · 240/240 · 2.0 steps/s · took 1:50 · done',
    ],
    [
      'an end before the end',
      10_000,
      (bar) => (bar.update(40), bar.finish()),
      '16 % · 40/240 · 2.0 steps/s · took 0:10',
    ],
    ['more than all', 10_000, (bar) => bar.update(300), '100 % · 300/240 · 28.0 steps/s · 0:10, 0:00 left'],
  ];
  for (const [name, ms, act, expected] of steps)
    it(`says where the work is: ${name}`, () => {
      const bar = progressBar({ total: 240, start: 20 });
      mock.timers.setTime(ms);
      act(bar);
      assert.equal(said(), expected);
    });

  it('is redrawn after its minimum interval, and always at the end', () => {
    const bar = progressBar({ total: 100, unit: 'record', label: 'Reading', throttleMs: 1000 });
    bar.update(1);
    for (const [ms, done] of [
      [500, 2],
      [999, 3],
      [1000, 4],
      [1500, 5],
    ] as const) {
      mock.timers.setTime(ms);
      bar.update(done);
    }
    assert.deepEqual(
      shown.map((data) => /(\d+)\/100/.exec(String(data['text/plain']))?.[1]),
      ['0', '1', '4'],
    );
    bar.finish();
    assert.match(
      String(shown.at(-1)?.['text/plain']),
      /^Reading █░+ 5 % · 5\/100 · 3.3 records\/s · took 0:02$/,
    );
    bar.update(100);
    assert.match(said(), /^100 %/);
  });

  it('says 100 % at the end only, in both forms', () => {
    const bar = progressBar({ total: 1000 });
    bar.update(999);
    for (const form of ['text/plain', 'text/html']) assert.match(String(shown.at(-1)?.[form]), / 99 % · 999/);
  });

  it('is escaped, and says the same where there are no bars: on GitHub', () => {
    progressBar({ total: 2, label: '<b>' }).finish('a & b');
    const html = String(shown.at(-1)?.['text/html']);
    assert.match(html, /0\/2 · took\u00a00:00 · a\u00a0&amp;\u00a0b/, 'no line breaks inside of a fact');
    assert.match(html, /&lt;b&gt; <progress value="0" max="1"/);
    assert.equal(asGithub(html).text.replaceAll('\u00a0', ' '), '<b>  0 % · 0/2 · took 0:00 · a & b');
  });

  for (const total of [0, -1, NaN, Infinity])
    it(`refuses a total of ${total}`, () =>
      assert.throws(() => progressBar({ total }), {
        name: 'TunebookError',
        message: /expected a total above 0/,
      }));
});
