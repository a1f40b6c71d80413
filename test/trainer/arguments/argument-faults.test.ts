/**
 * Arguments that are refused: everything that is wrong stands in one error, once, and nothing in it is a guess.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { TrainingArguments } from '../../../lib/trainer';
import type { ArgumentOptions } from '../../../lib/trainer';
import { TunebookError } from '../../../lib/types';

/** The sentences that the options are refused with; none where they are accepted. */
function faults(options: unknown): string[] {
  try {
    new TrainingArguments(options as ArgumentOptions);
    return [];
  } catch (error) {
    assert.ok(error instanceof TunebookError);
    const [head, ...list] = error.message.split('\n');
    assert.equal(head, 'TrainingArguments:');
    for (const sentence of list)
      assert.match(sentence, /^- [\w.]+: expected .+, got .+\.( Did you mean \w+\?)?$/);
    return list.map((sentence) => sentence.slice(2));
  }
}

/** What a list of sentences is about. */
const subjects = (list: readonly string[]): string[] => list.map((sentence) => sentence.split(':')[0]);

const CONTRADICTIONS: [subject: string, about: RegExp, options: Partial<ArgumentOptions>][] = [
  ['maxSteps', /-1, got 0/, { maxSteps: 0 }],
  ['maxSteps', /-1, got -2/, { maxSteps: -2 }],
  ['maxLength', /packing/, { maxLength: 16 }],
  ['lrSchedulerKwargs', /\[\] for 'linear', got power/, { lrSchedulerKwargs: { power: 2 } }],
  [
    'lrSchedulerKwargs',
    /\[lrEnd, power\] for 'polynomial', got numCycles/,
    { lrSchedulerType: 'polynomial', lrSchedulerKwargs: { numCycles: 2 } },
  ],
  [
    'lrSchedulerKwargs.lrEnd',
    /less than learningRate, got 0.1 and 0.01/,
    { lrSchedulerType: 'polynomial', lrSchedulerKwargs: { lrEnd: 0.1 }, learningRate: 0.01 },
  ],
  ['lrSchedulerKwargs.lrEnd', /1e-7 and 1e-8/, { lrSchedulerType: 'polynomial', learningRate: 1e-8 }],
  ['earlyStoppingPatience', /evalStrategy/, { earlyStoppingPatience: 2 }],
  ['earlyStoppingThreshold', /earlyStoppingPatience/, { earlyStoppingThreshold: 1, evalStrategy: 'epoch' }],
  [
    'loadBestModelAtEnd',
    /evalStrategy 'steps' or 'epoch', got 'no'/,
    { loadBestModelAtEnd: true, saveStrategy: 'no' },
  ],
  [
    'loadBestModelAtEnd',
    /saveStrategy to be evalStrategy, got 'steps' and 'epoch'/,
    { loadBestModelAtEnd: true, evalStrategy: 'epoch' },
  ],
  [
    'loadBestModelAtEnd',
    /multiple of evalSteps, got 5 and 2/,
    { loadBestModelAtEnd: true, evalStrategy: 'steps', evalSteps: 2, saveSteps: 5 },
  ],
  [
    'loadBestModelAtEnd',
    /multiple of evalSteps, got 500 and 7/,
    { loadBestModelAtEnd: true, evalStrategy: 'steps', loggingSteps: 7 },
  ],
];
for (const [subject, about, options] of CONTRADICTIONS) {
  test(`reports a contradiction, and nothing else: ${JSON.stringify(options)}`, () => {
    const found = faults({ outputDir: 'x', ...options });
    assert.deepEqual(subjects(found), [subject]);
    assert.match(found[0], about);
  });
}

test('what agrees is accepted', () => {
  const agreeing: Partial<ArgumentOptions>[] = [
    { maxSteps: -1, maxLength: 16, packing: true },
    { lrSchedulerType: 'polynomial', lrSchedulerKwargs: { power: 2, lrEnd: 0, timescale: undefined } },
    { earlyStoppingPatience: 1, earlyStoppingThreshold: 1, evalStrategy: 'epoch' },
    { loadBestModelAtEnd: true, evalStrategy: 'epoch', saveStrategy: 'epoch', saveSteps: 7 },
    { loadBestModelAtEnd: true, evalStrategy: 'steps', evalSteps: 2, saveSteps: 6 },
  ];
  for (const options of agreeing) assert.deepEqual(faults({ outputDir: 'x', ...options }), []);
});

test('one error lists wrong values, unknown names and contradictions, each once', () => {
  const found = faults({
    outputDir: 'x',
    // Values
    ...{ learningRate: '1e-4', perDeviceTrainBatchSize: 1.5, optim: 'adam', seed: -1, reportTo: 'wandb' },
    // Names
    ...{ learnRate: 1e-4, batchSize: 4 },
    // Of a group both, and a contradiction beside them
    lrSchedulerType: 'polynomial',
    lrSchedulerKwargs: { power: 0, cycles: 2, timescale: 3 },
    // Contradictions
    ...{ maxSteps: 0, maxLength: 8, earlyStoppingPatience: 2, loadBestModelAtEnd: true, saveStrategy: 'no' },
  });
  assert.deepEqual(subjects(found).sort(), [
    ...['batchSize', 'earlyStoppingPatience', 'learnRate', 'learningRate', 'loadBestModelAtEnd'],
    ...['lrSchedulerKwargs', 'lrSchedulerKwargs.cycles', 'lrSchedulerKwargs.power', 'maxLength', 'maxSteps'],
    ...['optim', 'perDeviceTrainBatchSize', 'reportTo', 'seed'],
  ]);
  const of = (subject: string): string | undefined =>
    found.find((sentence) => sentence.startsWith(`${subject}:`));
  assert.equal(of('learningRate'), "learningRate: expected number, got '1e-4'.");
  assert.match(of('lrSchedulerKwargs') ?? '', /got timescale/);
  assert.match(of('learnRate') ?? '', /unknown/);
  assert.match(of('reportTo') ?? '', /'jsonl', 'tensorboard', 'html' or a list of these, got 'wandb'/);
});

/** Each would contradict if the wrong value's default, or the wrong value itself, stood in its place. */
const UNJUDGED: [wrong: string, options: Record<string, unknown>][] = [
  ['evalStrategy', { evalStrategy: 'often', earlyStoppingPatience: 2, loadBestModelAtEnd: true }],
  ['earlyStoppingPatience', { earlyStoppingPatience: 0, earlyStoppingThreshold: 1, evalStrategy: 'epoch' }],
  ['packing', { packing: 'yes', maxLength: 16 }],
  ['learningRate', { learningRate: -1, lrSchedulerType: 'polynomial', lrSchedulerKwargs: { lrEnd: 1 } }],
  ['lrSchedulerType', { lrSchedulerType: 'poly', lrSchedulerKwargs: { power: 2 } }],
  [
    'lrSchedulerKwargs.lrEnd',
    { learningRate: 1e-8, lrSchedulerType: 'polynomial', lrSchedulerKwargs: { lrEnd: -1 } },
  ],
  ['lrSchedulerKwargs', { learningRate: 1e-8, lrSchedulerType: 'polynomial', lrSchedulerKwargs: 3 }],
  ['evalSteps', { evalSteps: 0, loadBestModelAtEnd: true, evalStrategy: 'steps', saveSteps: 7 }],
  ['saveSteps', { saveSteps: 0, loadBestModelAtEnd: true, evalStrategy: 'steps', evalSteps: 7 }],
  ['maxSteps', { maxSteps: 0.5 }],
];
for (const [wrong, options] of UNJUDGED) {
  test(`nothing is concluded from a wrong ${wrong}`, () => {
    assert.deepEqual(subjects(faults({ outputDir: 'x', ...options })), [wrong]);
  });
}

test('a wrong value that nothing depends on hides no contradiction', () => {
  // evalSteps is there, so loggingSteps does not matter; nor does what the folder is called.
  const options = {
    loggingSteps: 0,
    loadBestModelAtEnd: true,
    evalStrategy: 'steps',
    evalSteps: 2,
    saveSteps: 5,
  };
  assert.deepEqual(subjects(faults({ ...options, outputDir: 3 })), [
    'loggingSteps',
    'outputDir',
    'loadBestModelAtEnd',
  ]);
});

test('no options at all', () => {
  for (const options of [undefined, null, 'x', []]) assert.deepEqual(subjects(faults(options)), ['options']);
  assert.deepEqual(subjects(faults({})), ['outputDir']);
});

test('maxMemory is a size in bytes, or in words', () => {
  const bytes = (maxMemory: number | string): number | undefined =>
    new TrainingArguments({ outputDir: 'x', maxMemory }).values.maxMemory;
  assert.deepEqual([bytes(3e9), bytes('3GB'), bytes('2 GiB')], [3e9, 3e9, 2 ** 31]);
  for (const maxMemory of ['lots', 0, -1, '3XB', true]) {
    const [sentence, ...others] = faults({ outputDir: 'x', maxMemory, maxSteps: 0 });
    assert.match(sentence, /^maxMemory: expected bytes above 0, as a number or as '3GB' or '3GiB', got /);
    assert.deepEqual(subjects(others), ['maxSteps']);
  }
});
