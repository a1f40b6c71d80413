/** What the preflight extrapolates from the batches that it has the time to run. */
import assert from 'node:assert/strict';
import { it } from 'node:test';
import type { TestContext } from 'node:test';
import { batchesMs, timeKinds, untimedBytes } from '../../../lib/trainer/preflight/preflight-timing';
import type { TimingRequest } from '../../../lib/trainer/preflight/preflight-timing';
import type { PieceKind } from '../../../lib/trainer/preflight/run-forecast';

it('without time for a second shape, its memory is measured all the same: the first one is warm', async () => {
  const kindOf = (example: number, T: number): PieceKind => ({
    ...{ shape: [2, T], examples: [example], first: 1, added: 0 },
  });
  const kinds = [kindOf(0, 100), kindOf(1, 100), kindOf(2, 50), kindOf(3, 25)];
  const [ran, kept]: [number[], Buffer[]] = [[], []];
  const times = await timeKinds({
    ...{ kinds, firstRun: { ms: 1, compileMs: 0 }, budgetMs: () => -1 },
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

/** Kinds that take so many milliseconds a token by a clock of their own, and what compiling adds at first. */
function clocked(t: TestContext, perToken = 1): { ran: string[]; request: Omit<TimingRequest, 'budgetMs'> } {
  let now = 0;
  t.mock.method(performance, 'now', () => now);
  const kinds = [
    { shape: [1, 40], examples: [0], first: 1, added: 0 },
    { shape: [1, 10], examples: [1], first: 2, added: 0 },
    { shape: [1, 20], examples: [2], first: 9, added: 0 },
  ] as const;
  const ran: string[] = [];
  const compute = ([[example]]: readonly (readonly number[])[]): Promise<void> => {
    const isNew = example > 0 && !ran.includes(String(example));
    ran.push(String(example));
    now += perToken * kinds[example].shape[1] + (isNew ? 100 : 0);
    return Promise.resolve();
  };
  return { ran, request: { kinds, firstRun: { ms: 500, compileMs: 90 }, compute } };
}

for (const { what, perToken, ran: expected, most: mostMs } of [
  { what: 'a long round counts by itself', ...{ perToken: 15, ran: ['2', '2', '0'], most: [300] } },
  { what: 'a short one is repeated', ...{ perToken: 1, ran: ['2', '2', '2', '0'], most: [20, 20] } },
])
  it(`without time the kind with most work and the longest are timed: ${what}`, async (t) => {
    const { ran, request } = clocked(t, perToken);
    const times = await timeKinds({ ...request, budgetMs: () => -1 });
    assert.deepEqual(ran, expected);
    const [longest, , most] = request.kinds;
    assert.deepEqual([...times.keys()], [most, longest]);
    assert.deepEqual(times.get(most)?.first, mostMs);
    assert.deepEqual(times.get(longest)?.first, [40 * perToken]);
    const rest = { steps: 12, tokens: 1, longestGroup: [], evaluations: 0, checkpoints: 0 };
    const total = batchesMs({ ...rest, kinds: request.kinds }, times);
    // The third kind by its tokens, and what compiling for it takes.
    const expectedMs = perToken * (40 + 9 * 20 + 2 * 10) + 100;
    assert.ok(Math.abs(total.expected - expectedMs) < 1e-9, `${total.expected}`);
  });

it('where compiling is known apart, it alone is what a further shape costs', async (t) => {
  const { ran, request } = clocked(t);
  let compiled = 0;
  const times = await timeKinds({
    ...{ ...request, budgetMs: () => -1, compileMs: () => compiled },
    compute: async (group) => {
      if (!ran.includes(String(group[0][0]))) compiled += 70;
      await request.compute(group);
    },
  });
  const [longest, , most] = request.kinds;
  assert.equal(times.get(most)?.coldMs, 70);
  assert.equal(times.get(longest)?.coldMs, 70 + 90);
});

it('with time all are timed, the longest once: it has been computed before', async (t) => {
  const { ran, request } = clocked(t);
  const times = await timeKinds({ ...request, budgetMs: () => Infinity });
  assert.deepEqual(ran, ['2', '2', '2', '0', '1', '1', '1']);
  const [longest] = request.kinds;
  assert.deepEqual(times.get(longest)?.first, [40]);
  assert.equal(times.get(longest)?.coldBytes, undefined);
  assert.equal(times.get(longest)?.coldMs, 460);
});

it('the longest is left to the others where it is less than a tenth of the work', async (t) => {
  const { ran, request } = clocked(t);
  const [longest, other, most] = request.kinds;
  await timeKinds({ ...request, kinds: [longest, other, { ...most, first: 90 }], budgetMs: () => -1 });
  assert.deepEqual(ran, ['2', '2', '2']);
});
