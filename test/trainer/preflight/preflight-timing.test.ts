/** What the preflight extrapolates from the batches that it has the time to run. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import { timeKinds, untimedBytes } from '../../../lib/trainer/preflight/preflight-timing';
import type { PieceKind } from '../../../lib/trainer/preflight/run-forecast';

it('without time for a second shape, its memory is measured all the same: the first one is warm', async () => {
  const kindOf = (example: number, T: number): PieceKind => ({
    ...{ shape: [2, T], examples: [example], first: 1, added: 0 },
  });
  const kinds = [kindOf(0, 100), kindOf(1, 100), kindOf(2, 50), kindOf(3, 25)];
  const [ran, kept]: [number[], Buffer[]] = [[], []];
  const times = await timeKinds({
    ...{ kinds, firstMs: 1, budgetMs: () => -1 },
    compute: ([[example]]) => {
      ran.push(example);
      if (example === 2) kept.push(Buffer.alloc(40e6, 1)); // what a shape takes for good
      return Promise.resolve();
    },
  });
  assert.deepEqual(ran, [0, 0, 2]);
  const rest = { steps: 4, tokens: 1, longestGroup: [], evaluations: 0, checkpoints: 0 };
  // 40 MB for 100 tokens, of which the two other shapes have 150.
  const bytes = untimedBytes({ ...rest, kinds }, times);
  assert.ok(bytes > 0.9 * 60e6 && bytes < 1.2 * 60e6, `${bytes} bytes`);
  assert.equal(kept.length, 1);
});
