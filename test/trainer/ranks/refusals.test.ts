/** What several ranks cannot train, said before anything runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fakeProcessGroups } from '../../../lib/distributed';
import { DPOTrainer } from '../../../lib/trainer';
import { ranksOf } from '../../../lib/trainer/parallel/ranks';
import { requireWork } from '../../../lib/trainer/step/rank-work';

test('gradients that stay on a GPU', () => {
  const [group] = fakeProcessGroups(2);
  const model = { engine: { device: {} } };
  const values = { perDeviceTrainBatchSize: 2, dataloaderDropLast: false };
  const run = { model, values, examples: 8 } as unknown as Parameters<typeof requireWork>[1];
  assert.throws(
    () => requireWork(ranksOf(group), run),
    /expected an engine on the processor.*got one on a GPU/,
  );
  assert.doesNotThrow(() => requireWork(ranksOf(undefined), run));
});

test('DPO, whose reference model one process asks', (t) => {
  t.after(() => ['PMI_RANK', 'PMI_SIZE'].forEach((name) => Reflect.deleteProperty(process.env, name)));
  Object.assign(process.env, { PMI_RANK: '0', PMI_SIZE: '2' });
  const options = {} as ConstructorParameters<typeof DPOTrainer>[0];
  assert.throws(() => new DPOTrainer(options), /DPOTrainer: expected one process, got 2 ranks/);
});
