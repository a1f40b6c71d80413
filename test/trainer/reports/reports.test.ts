/**
 * What runs report: JSON lines, TensorBoard's event files through an independent reader, the HTML page; and how they
 * go on where a run was stopped or killed.
 *
 * The event files were also read once by TensorBoard 2.21.0 (EventFileLoader and EventAccumulator): the same steps,
 * values and tags, and after a resume in a watched folder no step twice.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { JSDOM } from 'jsdom';
import { TrainingArguments } from '../../../lib/trainer';
import type { LogEntry, TrainerCallback, ArgumentOptions } from '../../../lib/trainer';
import { readEvents } from './event-reader';
import type { ReadEvent } from './event-reader';
import { examples, run } from '../small-model';
import type { Run } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-reports-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

const shared: Partial<ArgumentOptions> = {
  ...{ maxSteps: 6, evalStrategy: 'steps', evalSteps: 3, saveStrategy: 'steps', saveSteps: 2 },
  ...{ lrSchedulerType: 'linear', reportTo: 'all' },
};
const data = { evalData: examples.slice(0, 3) };
const report = (outputDir: string, name: string): string => path.join(outputDir, 'runs', name);
const lines = (outputDir: string): Record<string, number>[] =>
  fs
    .readFileSync(report(outputDir, 'log.jsonl'), 'utf8')
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line) as Record<string, number>);
const eventFiles = (outputDir: string): string[] =>
  fs
    .readdirSync(path.join(outputDir, 'runs'))
    .filter((name) => name.includes('tfevents'))
    .sort()
    .map((name) => report(outputDir, name));
const events = (outputDir: string): ReadEvent[] => eventFiles(outputDir).flatMap(readEvents);
const stopAt = (step: number): TrainerCallback => ({
  onStepEnd: ({ state, control }) => void (control.shouldTrainingStop = state.globalStep === step),
});

/** The trainer's history is in each report, entry for entry, and nothing else. */
function assertReports(outputDir: string, history: readonly LogEntry[]): void {
  const steps = lines(outputDir).map(({ step }) => step);
  assert.deepEqual(
    steps,
    history.map(({ step }) => step),
  );
  for (const [i, entry] of history.entries()) {
    for (const [key, value] of Object.entries(entry)) assert.equal(lines(outputDir)[i][key], value, key);
  }
  const scalars = events(outputDir).filter((event) => Object.keys(event.scalars).length > 0);
  assert.deepEqual(
    scalars.map(({ step }) => step),
    steps,
  );
  for (const [i, { scalars: values }] of scalars.entries()) {
    const { loss, eval_loss: evaluation } = history[i];
    assert.equal(values['train/loss'], loss === undefined ? undefined : Math.fround(loss));
    assert.equal(values['eval/loss'], evaluation === undefined ? undefined : Math.fround(evaluation));
  }
}

let whole: Run | undefined;
let wholeFolder = '';
async function wholeRun(): Promise<{ outputDir: string; history: readonly LogEntry[] }> {
  if (whole === undefined) {
    wholeFolder = folder();
    whole = await run({ ...shared, outputDir: wholeFolder }, data);
  }
  return { outputDir: wholeFolder, history: whole.trainer.state.logHistory };
}

test('every report has the whole log: loss, rate, norm, speed, memory, evaluations', async () => {
  const { outputDir, history } = await wholeRun();
  assert.equal(history.length, 8);
  assertReports(outputDir, history);
  const now = Date.now() / 1000;
  for (const { step, time, memory_bytes: memory, tokens_per_second: speed, loss } of lines(outputDir)) {
    assert.ok(now - time < 60 && now - time >= 0, `time ${time} at step ${step}`);
    assert.ok(memory > 2e7 && memory < 1e11, `memory ${memory}`);
    assert.equal(speed > 0, loss !== undefined);
  }
  const [first, ...others] = events(outputDir);
  assert.equal(first.fileVersion, 'brain.Event:2');
  assert.deepEqual(Object.keys(others[0].scalars).sort(), [
    ...['train/epoch', 'train/grad_norm', 'train/learning_rate', 'train/loss', 'train/memory_bytes'],
    'train/tokens_per_second',
  ]);
  const evaluation = others.find(({ scalars }) => 'eval/loss' in scalars);
  assert.equal(evaluation?.step, 3);
  assert.ok(Object.keys(evaluation?.scalars ?? {}).every((tag) => tag.startsWith('eval/')));
});

test('the page has five figures, and nothing to load', async () => {
  const { outputDir, history } = await wholeRun();
  const html = fs.readFileSync(report(outputDir, 'report.html'), 'utf8');
  assert.doesNotMatch(html, /<script|<link|<img|<iframe|url\(|(src|href)\s*=/i);
  assert.doesNotMatch(html.replace(/http:\/\/www\.w3\.org\/2000\/svg/g, ''), /https?:/);
  assert.doesNotMatch(html, /NaN|Infinity|undefined/);
  const { document } = new JSDOM(html).window;
  const figures = [...document.querySelectorAll('svg[role="img"]')];
  assert.deepEqual(
    figures.map((figure) => figure.getAttribute('aria-label')),
    ['Loss (nats per token)', 'Learning rate', 'Gradient norm', 'Speed (tokens/s)', 'Memory (GiB)'],
  );
  const points = figures.map((figure) =>
    [...figure.querySelectorAll('polyline')].map((line) => line.getAttribute('points')?.split(' ').length),
  );
  assert.deepEqual(points, [[6, 2], [6], [6], [6], [8]]);
  // The rate falls in a straight line: equal steps to the right, and down on the screen.
  const rate = figures[1].querySelector('polyline')?.getAttribute('points')?.split(' ') ?? [];
  const [x, y] = [0, 1].map((part) => rate.map((pair) => Number(pair.split(',')[part])));
  for (let i = 1; i < 6; i++) {
    assert.ok(Math.abs(x[i] - x[i - 1] - (x[5] - x[0]) / 5) < 0.2);
    assert.ok(Math.abs(y[i] - y[i - 1] - (y[5] - y[0]) / 5) < 0.2 && y[i] > y[i - 1]);
  }
  const text = document.body.textContent ?? '';
  assert.match(text, /step6 of 6/);
  assert.match(text, new RegExp(`eval_loss${String(Number(history[7].eval_loss.toPrecision(7)))}`));
  assert.match(text, /learningRate0\.001/);
});

for (const reportTo of ['all', 'tensorboard'] as const) {
  test(`a run stopped and resumed has each step once: ${reportTo}`, async () => {
    const outputDir = folder();
    const options = { ...shared, reportTo, outputDir };
    await run(options, { ...data, callbacks: [stopAt(3)] });
    const resumed = await run(options, { ...data, resume: true });
    assertReports(outputDir, resumed.trainer.state.logHistory);
    assert.equal(eventFiles(outputDir).length, 2);
    // Readers that have seen more of the first part are told to forget it.
    const [, start] = readEvents(eventFiles(outputDir)[1]);
    assert.deepEqual([start.sessionStatus, start.step], [1, 4]);
  });
}

test('a run killed after its checkpoint loses the entries that came after, and a cut line', async () => {
  const outputDir = folder();
  const options = { ...shared, outputDir };
  await run(options, data);
  // As if killed in step 5: checkpoint-4 is the last one, the logs are further, the last writes are cut.
  fs.rmSync(path.join(outputDir, 'checkpoint-6'), { recursive: true });
  fs.appendFileSync(report(outputDir, 'log.jsonl'), '{"step":7,"epo');
  const [file] = eventFiles(outputDir);
  fs.truncateSync(file, fs.statSync(file).size - 7);
  assert.throws(() => readEvents(file));
  const resumed = await run(options, { ...data, resume: true });
  assert.equal(lines(outputDir).filter(({ step }) => step === 5).length, 1);
  assert.ok(
    lines(outputDir).every(({ memory_bytes: memory }) => memory > 0),
    'what was measured before the stop is kept',
  );
  assertReports(outputDir, resumed.trainer.state.logHistory);
});

test('reports that are added later begin with the history; a new run starts over', async () => {
  const outputDir = folder();
  await run({ ...shared, reportTo: 'none', outputDir }, { ...data, callbacks: [stopAt(4)] });
  assert.ok(!fs.existsSync(path.join(outputDir, 'runs')));
  const resumed = await run({ ...shared, outputDir }, { ...data, resume: true });
  assertReports(outputDir, resumed.trainer.state.logHistory);
  const again = await run({ ...shared, maxSteps: 2, evalStrategy: 'no', outputDir });
  assertReports(outputDir, again.trainer.state.logHistory);
  assert.equal(eventFiles(outputDir).length, 1);
});

test('reportTo and loggingDir say what is written, and where', async () => {
  const names = async (reportTo: ArgumentOptions['reportTo']): Promise<string[]> => {
    const [outputDir, loggingDir] = [folder(), folder()];
    await run({ maxSteps: 1, reportTo, outputDir, loggingDir });
    assert.ok(!fs.existsSync(path.join(outputDir, 'runs')));
    if (!fs.existsSync(loggingDir)) return [];
    return fs.readdirSync(loggingDir).map((name) => name.split('.').slice(0, 2).join('.'));
  };
  assert.deepEqual(await names('none'), []);
  assert.deepEqual(await names('jsonl'), ['log.jsonl']);
  assert.deepEqual((await names(['html'])).sort(), ['log.jsonl', 'report.html']);
  assert.deepEqual((await names(['tensorboard', 'jsonl'])).sort(), ['events.out', 'log.jsonl']);
  assert.throws(
    () => new TrainingArguments({ outputDir: 'x', reportTo: 'wandb' as 'all' }),
    /reportTo|Invalid/,
  );
});

test('a report that can no longer be written does not end the run', async () => {
  const outputDir = folder();
  const warnings: string[] = [];
  const warn = console.warn;
  console.warn = (text: string) => void warnings.push(text);
  try {
    const sabotage: TrainerCallback = {
      onStepEnd: ({ state }) => {
        if (state.globalStep !== 2) return;
        fs.rmSync(path.join(outputDir, 'runs'), { recursive: true });
        fs.writeFileSync(path.join(outputDir, 'runs'), 'in the way');
      },
    };
    const { trainer } = await run({ reportTo: 'all', outputDir }, { callbacks: [sabotage] });
    assert.equal(trainer.state.globalStep, 4);
  } finally {
    console.warn = warn;
  }
  assert.equal(warnings.length, 1);
  assert.match(warnings[0], /no more reports of this run/);
});
