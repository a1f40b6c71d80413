/** What changes while it is shown: in a kernel, by a clock that the test sets, and in a terminal. */
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, it, mock } from 'node:test';
import { displayHandle } from '../../lib/display/output/display';
import { lineFigure } from '../../lib/display/figures/figure';
import type { Figure } from '../../lib/display/figures/figure';
import type { MimeBundle } from '../../lib/display';
import { livePlot } from '../../lib/display/figures/plot';
import { lossFigure, trainingView } from '../../lib/notebook/training-view';
import type { LogEntry } from '../../lib/trainer';
import { sleep } from '../notebook/kernel/kernel-session';

const bridge = Symbol.for('tunebook.kernel');
const figure = (title: string): Figure => lineFigure([{ name: 'a', x: [1, 2], y: [1, 2] }], { title });

describe('live displays in a kernel', () => {
  let shown: { data: MimeBundle; update: boolean }[] = [];
  beforeEach(() => {
    shown = [];
    mock.timers.enable({ apis: ['Date'], now: 0 });
    const display = ({ data }: { data: MimeBundle }, update: boolean): unknown =>
      shown.push({ data, update });
    Object.assign(globalThis, { [bridge]: { display } });
  });
  afterEach(() => {
    mock.timers.reset();
    Reflect.deleteProperty(globalThis, bridge);
  });
  const titles = (): string[] =>
    shown.map(({ data }) => /\[figure\] (.*)/.exec(String(data['text/plain']))?.[1] ?? '');
  /** Waits until so many outputs are shown. */
  const count = async (wanted: number): Promise<void> => {
    while (shown.length < wanted) await sleep(5);
    await sleep(20); // the drawing has ended as well
  };

  it('figures are drawn no more often than they should, and the last one wins', async () => {
    const live = livePlot({ throttleMs: 1000, width: 200, height: 150 });
    live.update(figure('first'));
    live.update(figure('while it is drawn'));
    await count(1);
    mock.timers.setTime(999);
    live.update(figure('too early'));
    await sleep(20);
    mock.timers.setTime(1001);
    live.update(figure('second'));
    await count(2);
    live.update(figure('last'));
    await live.finish();
    assert.deepEqual(titles(), ['first', 'second', 'last', 'last']);
    assert.deepEqual(
      shown.map(({ data, update }) => [Object.keys(data)[0], update]),
      [
        ['image/svg+xml', false],
        ['image/svg+xml', true],
        ['image/svg+xml', true],
        ['text/html', false],
      ],
    );
  });

  it('figures take no more than a twentieth of the time', async () => {
    const live = livePlot({ throttleMs: 1000, width: 200, height: 150 });
    live.update(figure('drawn in 200 ms'));
    mock.timers.setTime(200);
    await count(1);
    for (const [ms, title] of [
      [4199, 'too early'],
      [4201, 'second'],
    ] as const) {
      mock.timers.setTime(ms);
      live.update(figure(title));
      await sleep(30);
    }
    await count(2);
    assert.deepEqual(titles(), ['drawn in 200 ms', 'second']);
  });

  it('figures that nobody updated show nothing', async () => {
    await livePlot().finish();
    assert.deepEqual(shown, []);
  });

  it('a training run is followed from where it goes on, with both losses', async () => {
    const entry = (step: number, values: Record<string, number>): LogEntry =>
      ({ step, epoch: 0, ...values }) as LogEntry;
    const logHistory = [entry(1, { loss: 3 }), entry(20, { loss: 2 }), entry(20, { eval_loss: 2.5 })];
    assert.deepEqual(
      lossFigure(logHistory, 'T').data.map(({ name, x, y }) => [name, x, y]),
      [
        ['training', [1, 20], [3, 2]],
        ['validation', [20], [2.5]],
      ],
    );
    assert.equal(lossFigure([entry(1, { loss: 3 })]).data.length, 1);

    const view = trainingView('Run');
    const at = (globalStep: number): never => ({ state: { maxSteps: 40, globalStep, logHistory } }) as never;
    await view.onTrainBegin?.(at(20));
    mock.timers.setTime(5000);
    await view.onLog?.({ ...(at(30) as object), entry: logHistory[1] } as never);
    await view.onStepEnd?.({ ...(at(30) as object), progress: { tokensPerSecond: 99.6 } } as never);
    const bar = (): string =>
      String(
        shown.filter(({ data }) => /Run [█░]/.test(String(data['text/plain']))).at(-1)?.data['text/plain'],
      );
    assert.match(bar(), /75 % · 30\/40 · 2.0 steps\/s · 0:05, 0:05 left · loss 2.0000 · 100 tokens\/s$/);
    await view.onTrainEnd?.(at(40));
    assert.match(bar(), / · took 0:05 · loss 2.0000$/);
    assert.deepEqual(titles().slice(-2), ['Run', 'Run']);
  });
});

describe('the figure of a training run', () => {
  const total = 40;
  for (const stepMs of [7, 60, 150, 250, 3000])
    for (const loggingSteps of [1, 10])
      it(`reaches as far as the bar, at ${stepMs} ms a step with a log every ${loggingSteps}`, async () => {
        let [barStep, figureStep, drawings] = [0, 0, 0];
        const display = ({ data }: { data: MimeBundle }): void => {
          const text = String(data['text/plain']);
          barStep = Number(/(\d+)\/40/.exec(text)?.[1] ?? barStep);
          const last = /training: .*last ([\d.]+)/.exec(text)?.[1];
          if (last === undefined) return;
          figureStep = 100 - Number(last);
          drawings++;
        };
        mock.timers.enable({ apis: ['Date'], now: 0 });
        Object.assign(globalThis, { [bridge]: { display } });
        try {
          const view = trainingView('Run');
          const logHistory: LogEntry[] = [];
          const state = { maxSteps: total, globalStep: 0, epoch: 0, logHistory };
          const since = { lossSinceLog: 0, stepsSinceLog: 0 };
          const call = { state: Object.assign(state, since), progress: {} };
          await view.onTrainBegin?.(call as never);
          for (let step = 1; step < total; step++) {
            mock.timers.setTime(step * stepMs);
            // The loss tells the step.
            const loss = 100 - step;
            call.state.globalStep = step;
            call.state.lossSinceLog = loss * ++call.state.stepsSinceLog;
            await view.onStepEnd?.(call as never);
            assert.equal(figureStep, barStep, `after step ${step}`);
            if (step > 1 && step % loggingSteps > 0) continue;
            const entry = { step, epoch: 0, loss } as LogEntry;
            logHistory.push(entry);
            Object.assign(call.state, { lossSinceLog: 0, stepsSinceLog: 0 });
            await view.onLog?.({ ...call, entry } as never);
            assert.ok(figureStep >= barStep);
          }
          assert.ok(
            drawings >= Math.min(total - 1, Math.floor(((total - 1) * stepMs) / 400)),
            String(drawings),
          );
          await view.onTrainEnd?.(call as never);
        } finally {
          mock.timers.reset();
          Reflect.deleteProperty(globalThis, bridge);
        }
      });
});

describe('live displays in a terminal', () => {
  let written: string[] = [];
  const { isTTY } = process.stdout;
  beforeEach(() => {
    written = [];
    mock.timers.enable({ apis: ['Date'], now: 100_000 });
    mock.method(process.stdout, 'write', (text: string) => {
      written.push(text);
      return true;
    });
  });
  afterEach(() => {
    mock.restoreAll();
    mock.timers.reset();
    Object.assign(process.stdout, { isTTY });
  });
  const update = (handle: ReturnType<typeof displayHandle>, text: string): void =>
    handle.update({ 'text/plain': text });

  it('take the place of what they were, whatever its lines', () => {
    Object.assign(process.stdout, { isTTY: true });
    const handle = displayHandle();
    update(handle, 'one');
    update(handle, 'one');
    update(handle, 'two\nlines');
    update(handle, 'end');
    handle.update({ 'text/html': 'no text' });
    mock.restoreAll();
    assert.deepEqual(written, ['one\n', '\u001b[1A\u001b[0Jtwo\nlines\n', '\u001b[2A\u001b[0Jend\n']);
  });

  it('are a line now and then in a file, which no control sequence can rewrite', () => {
    Object.assign(process.stdout, { isTTY: false });
    const handle = displayHandle();
    for (const [ms, text] of [
      [0, 'a'],
      [9_000, 'b'],
      [10_001, 'c'],
      [12_000, 'd'],
      [20_002, 'e'],
    ] as const) {
      mock.timers.setTime(100_000 + ms);
      update(handle, text);
    }
    mock.restoreAll();
    assert.deepEqual(written, ['a\n', 'c\n', 'e\n'].slice(0, written.length));
    assert.equal(written.length, 3);
  });
});
