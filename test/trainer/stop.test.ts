/**
 * How runs end early, as real processes: signals, a second Ctrl-C, a time limit, a full disk, too little memory.
 */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { checkpointFault, listCheckpoints } from '../../lib/trainer';
import type { TrainResult } from '../../lib/trainer';
import { startChild } from './child-process';
import type { ChildEnd } from './child-process';
import { crashOptions } from './child-run';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-stop-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `run-${folders++}`);

const outcome = ({ output }: ChildEnd): TrainResult =>
  JSON.parse(/^outcome (.*)$/m.exec(output)?.[1] ?? 'null') as TrainResult;

for (const signal of ['SIGINT', 'SIGTERM'] as const) {
  test(`${signal}: the step is finished, the model evaluated, a checkpoint written, and how to go on said`, async () => {
    const options = { ...crashOptions(folder()), saveStrategy: 'no' as const, evalOnStop: true };
    let sent = false;
    const end = await startChild({ kind: 'full', options, resume: false }, (what, kill) => {
      if (what !== 'onSubstepEnd' || sent) return;
      sent = true;
      kill(signal);
    });
    const result = outcome(end);
    assert.equal(end.code, 0, end.output);
    assert.equal(result.stopped, 'interrupted');
    assert.ok(result.globalStep >= 1 && result.globalStep <= 3, `stopped at ${result.globalStep}`);
    assert.ok(result.metrics.eval_loss > 0);
    assert.equal(await checkpointFault(result.checkpoint ?? ''), undefined);
    assert.match(end.output, /Training stopped \(interrupted\).*resumeFromCheckpoint: true/);
    const again = await startChild({ kind: 'full', options, resume: true });
    assert.equal(outcome(again).globalStep, 24);
  });
}

// Operations of a checkpoint write: the first, in the middle, among the last.
for (const operation of [1, 6, 14, 24]) {
  test(`a second Ctrl-C, at operation ${operation} of the checkpoint write, ends at once and leaves the last one whole`, async () => {
    const options = { ...crashOptions(folder()), saveSteps: 1, maxSteps: 5000, saveTotalLimit: undefined };
    const request = { kind: 'full', options, resume: false, interruptAtFileOperation: operation } as const;
    let asked = 0;
    const end = await startChild(request, (what) => {
      if (what === 'again') asked = performance.now();
    });
    assert.ok(asked > 0 && performance.now() - asked < 2000, `${performance.now() - asked} ms`);
    assert.equal(end.code, 130, end.output);
    assert.equal(end.lastMark, 'again', 'expected the write not to be finished');
    assert.doesNotMatch(end.output, /^outcome/m);
    for (const { folder: checkpoint } of await listCheckpoints(options.outputDir))
      assert.equal(await checkpointFault(checkpoint), undefined);
    const steps = (await listCheckpoints(options.outputDir)).map(({ step }) => step);
    assert.deepEqual(steps.slice(0, 2), [1, 2]);
  });
}

test('a time limit ends cleanly, and the evaluation at the stop does not change what follows', async () => {
  const run = async (evalOnStop: boolean): Promise<string> => {
    const options = { ...crashOptions(folder()), evalOnStop };
    const first = outcome(
      await startChild({ kind: 'full', options: { ...options, maxTimeMs: 1 }, resume: false }),
    );
    assert.deepEqual([first.stopped, first.globalStep], ['time limit', 1]);
    assert.equal('eval_loss' in first.metrics, evalOnStop);
    const second = await startChild({ kind: 'full', options, resume: true });
    assert.equal(outcome(second).stopped, 'finished', second.output);
    return fs
      .readFileSync(path.join(options.outputDir, 'checkpoint-24', 'model.safetensors'))
      .toString('base64');
  };
  assert.equal(await run(true), await run(false));
});

test('no room for a checkpoint: the run stops and keeps the last one whole; with room it goes on', async () => {
  const options = { ...crashOptions(folder()), maxSteps: 4 };
  const { outputDir } = options;
  const first = await startChild({ kind: 'full', options: { ...options, maxTimeMs: 1 }, resume: false });
  assert.equal(outcome(first).globalStep, 1);
  // Weights fit below the limit, the optimizer's two moments do not.
  const weights = fs.statSync(path.join(outputDir, 'checkpoint-1', 'model.safetensors')).size;
  const end = await startChild(
    { kind: 'full', options, resume: true },
    undefined,
    `trap '' XFSZ; ulimit -f ${Math.ceil(weights / 512) + 8}; exec "$@"`,
  );
  assert.equal(end.code, 1);
  assert.match(
    end.output,
    /failed trainer: checkpoint-2 could not be written\..*The last checkpoint is .*checkpoint-1\..*free space/s,
  );
  const kept = await listCheckpoints(outputDir);
  assert.deepEqual(
    kept.map(({ step }) => step),
    [1],
  );
  assert.equal(await checkpointFault(kept[0].folder), undefined);
  assert.deepEqual(fs.readdirSync(outputDir).sort(), ['checkpoint-1', 'trainer_state.json']);

  const again = await startChild({ kind: 'full', options, resume: true });
  assert.equal(outcome(again).globalStep, 4, again.output);
  const straight = { ...options, outputDir: folder() };
  await startChild({ kind: 'full', options: straight, resume: false });
  const last = (from: string): Buffer =>
    fs.readFileSync(path.join(from, 'checkpoint-4', 'model.safetensors'));
  assert.ok(last(outputDir).equals(last(straight.outputDir)));
});

const canMount = process.platform === 'linux' && process.getuid?.() === 0;

// What a limit on single files does not show: the third of three like checkpoints is the one that does not fit.
test(
  'a full disk during a checkpoint',
  { skip: canMount ? false : 'needs a root user to make a small disk' },
  async () => {
    const disk = folder();
    fs.mkdirSync(disk);
    // Two checkpoints of some 190 kB fit, the third does not.
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=500k', 'tmpfs', disk]);
    try {
      const options = { ...crashOptions(path.join(disk, 'run')), saveTotalLimit: undefined };
      const end = await startChild({ kind: 'full', options, resume: false });
      assert.equal(end.code, 1);
      assert.match(
        end.output,
        /failed trainer: checkpoint-\d+ could not be written.*(disk is full|expected space).*The last checkpoint is .*checkpoint-\d+\./s,
      );
      const kept = await listCheckpoints(options.outputDir);
      assert.ok(kept.length >= 1);
      for (const { folder: checkpoint } of kept) assert.equal(await checkpointFault(checkpoint), undefined);
      assert.deepEqual(
        fs.readdirSync(options.outputDir).filter((name) => name.endsWith('.draft')),
        [],
      );
    } finally {
      execFileSync('umount', [disk]);
    }
  },
);
