/**
 * The preflight of a model whose layers lie on disk: their folder is written and read before the run, and what is wrong
 * with it is said before anything else is read from it.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import type { TestContext } from 'node:test';
import { Trainer, TrainingArguments } from '../../../lib/trainer';
import type { PreflightReport } from '../../../lib/trainer';
import { startChild } from '../child-process';
import { crashOptions } from '../child-run';
import { loadOffloaded, saveOffloaded } from './offloaded-model';
import type { Offloaded } from './offloaded-model';
import { examples } from '../small-model';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-offload-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));
let folders = 0;
const folder = (): string => path.join(temporary, `folder-${folders++}`);

let saved: Offloaded;
before(async () => (saved = await saveOffloaded(folder(), '')));

interface Case {
  readonly trainer: Trainer;
  readonly offloadFolder: string;
  readonly reports: readonly PreflightReport[];
}

/** A trainer of two steps on a fresh offloaded model. */
async function make(t: TestContext): Promise<Case> {
  const offloadFolder = folder();
  const model = await loadOffloaded({ ...saved, offloadFolder });
  t.after(() => model.dispose());
  assert.equal(model.weights.frozen?.offloadFolder, offloadFolder);
  const reports: PreflightReport[] = [];
  const trainer = new Trainer({
    model,
    args: new TrainingArguments({ ...crashOptions(folder()), maxSteps: 2, preflight: true }),
    trainDataset: examples,
    evalDataset: examples.slice(0, 2),
    callbacks: [{ onPreflight: ({ report }) => void reports.push(report) }],
  });
  return { trainer, offloadFolder, reports };
}

test('a folder that works: the check leaves nothing in it, and the run goes through', async (t) => {
  const { trainer, offloadFolder, reports } = await make(t);
  const layers = fs.readdirSync(offloadFolder).sort();
  assert.equal(layers.filter((name) => name.endsWith('.bin')).length, 3);
  assert.equal((await trainer.train()).globalStep, 2);
  assert.equal(reports.length, 1);
  assert.deepEqual(fs.readdirSync(offloadFolder).sort(), layers);
});

const isRoot = process.getuid?.() === 0;
const BROKEN: [what: string, breaks: (folder: string) => void, words: RegExp][] = [
  [
    'gone',
    (at) => fs.rmSync(at, { recursive: true }),
    /offloadFolder: expected the folder .* got nothing there\. Load the model again: its layers are written anew\./,
  ],
  [
    'a file of its name',
    (at) => {
      fs.rmSync(at, { recursive: true });
      fs.writeFileSync(at, 'in the way');
    },
    /offloadFolder: .* got a file of that name\. Move it away and load the model again/,
  ],
  [
    'not writable',
    (at) => {
      // Root may write everywhere but where there is nothing to write to.
      fs.renameSync(at, `${at}-moved`);
      if (isRoot) fs.symlinkSync('/proc/self', at);
      else fs.mkdirSync(at, { mode: 0o555 });
    },
    /offloadFolder: .* cannot be written \(E\w+: .*\)\. Choose another folder or fix its permissions\./,
  ],
];
for (const [what, breaks, words] of BROKEN) {
  test(`${what}: refused by train and by preflight, with a reason`, async (t) => {
    const { trainer, offloadFolder, reports } = await make(t);
    breaks(offloadFolder);
    for (const check of [() => trainer.train(), () => trainer.preflight()]) {
      const started = performance.now();
      await assert.rejects(check(), (error: Error) => {
        assert.match(error.message, /^preflight: this run cannot work\.\n- offloadFolder/);
        assert.match(error.message, words);
        return true;
      });
      assert.ok(performance.now() - started < 5000);
    }
    assert.equal(reports.length, 0);
    if (what === 'gone') assert.ok(!fs.existsSync(offloadFolder), 'expected no empty folder in its place');
  });
}

test('a missing layer is named, with what to do', async (t) => {
  const { trainer, offloadFolder } = await make(t);
  fs.rmSync(path.join(offloadFolder, 'layer-0003.bin'));
  await assert.rejects(
    trainer.preflight(),
    /layer-0003\.bin: expected a layer of the model, but it cannot be read .*Load the model again/,
  );
});

test('both folders full: reported together, before the first layer is computed', async (t) => {
  const { offloadFolder, trainer } = await make(t); // has written the layers
  await trainer.model.dispose();
  const options = { ...crashOptions(folder()), preflight: true };
  // Files may not grow over 16 KiB in the child.
  const end = await startChild(
    { kind: 'offloaded', offloaded: { ...saved, offloadFolder }, options, resume: false },
    undefined,
    `trap '' XFSZ; ulimit -f 32; exec "$@"`,
  );
  assert.equal(end.code, 1, end.output);
  assert.match(
    end.output,
    /failed preflight: this run cannot work\.\n- outputDir: .* cannot be written \(EFBIG.*Free space, or choose another folder\.\n- offloadFolder: .* cannot be written \(EFBIG.*Free space/,
  );
  assert.deepEqual(fs.readdirSync(options.outputDir), []);
});
