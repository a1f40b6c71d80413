/** What several ranks cannot train, said before anything runs. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DPOTrainer } from '../../../lib/trainer';

test('DPO, whose reference model one process asks', (t) => {
  t.after(() => ['PMI_RANK', 'PMI_SIZE'].forEach((name) => Reflect.deleteProperty(process.env, name)));
  Object.assign(process.env, { PMI_RANK: '0', PMI_SIZE: '2' });
  const options = {} as ConstructorParameters<typeof DPOTrainer>[0];
  assert.throws(() => new DPOTrainer(options), /DPOTrainer: expected one process, got 2 ranks/);
});
