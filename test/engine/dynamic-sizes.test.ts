/** Functions that are built for sizes that change with each run, and with inputs that never do. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { attention, createEngine, mergeHeads, splitHeads, tf } from '../../lib/engine';
import type { BuildRequest, BuiltFunction, Engine, Feeds } from '../../lib/engine';
import { assertClose } from '../support/assert-close';
import { normal } from './kernels/kernel-case';

const [ROWS, TOKENS, PAST] = [100_003, 200_003, 400_009];
const WIDTH = 8;

/** Attention on top of a cache, and a product whose result takes its rows' shape again. */
const REQUEST: BuildRequest = {
  fn: ({ x, weight, bias, key, value }) => {
    const [rows, tokens] = x.shape;
    const heads = splitHeads(x, 2);
    const attended = attention({
      query: heads,
      key: heads,
      value: heads,
      bias,
      pastKey: key,
      pastValue: value,
    });
    const matrix = tf.reshape(mergeHeads(attended), [rows * tokens, WIDTH]);
    const product = tf.reshape(tf.matMul(matrix, weight as tf.Tensor2D), [rows, tokens, WIDTH]);
    const y = tf.add(product, tf.fill([rows, tokens, WIDTH], 1));
    return { y, last: tf.slice(y, [0, 0, 0], [rows, tokens, 3]) };
  },
  signature: {
    x: { shape: [ROWS, TOKENS, WIDTH], dtype: 'float32' },
    bias: { shape: [ROWS, 1, TOKENS, PAST + TOKENS], dtype: 'float32' },
    key: { shape: [ROWS, 2, PAST, 4], dtype: 'float32' },
    value: { shape: [ROWS, 2, PAST, 4], dtype: 'float32' },
  },
  constants: { weight: normal([WIDTH, WIDTH], 9) },
  dynamicSizes: [ROWS, TOKENS, PAST, PAST + TOKENS],
};

function feedsOf([rows, tokens, past]: readonly number[]): Feeds {
  return {
    x: normal([rows, tokens, WIDTH], 1),
    bias: normal([rows, 1, tokens, past + tokens], 2),
    key: normal([rows, 2, past, 4], 3),
    value: normal([rows, 2, past, 4], 4),
  };
}

let [compiled, eager]: Engine[] = [];
let subject: BuiltFunction;
let reference: BuiltFunction;
before(async () => {
  compiled = await createEngine({ provider: 'cpu', threads: 1 });
  eager = await createEngine({ kind: 'eager' });
  subject = await compiled.build(REQUEST);
  reference = await eager.build(REQUEST);
});
after(() => compiled.dispose());

for (const sizes of [
  [1, 1, 5],
  [2, 3, 4],
  [3, 1, 1],
  [2, 6, 0],
  [1, 1, 0],
]) {
  const [rows, tokens, past] = sizes;
  test(`${rows} rows of ${tokens} tokens on ${past} equal the eager engine`, async () => {
    const wanted = await reference.run(feedsOf(sizes));
    const got = await subject.run(feedsOf(sizes));
    assert.deepEqual(got.last.shape, [rows, tokens, 3]);
    for (const name of ['y', 'last']) {
      assert.deepEqual(got[name].shape, wanted[name].shape);
      assertClose(got[name].data, wanted[name].data, { absolute: 2e-5, relative: 2e-5 }, name);
    }
  });
}

test('sizes that do not go together, and other shapes, are refused', async () => {
  const feeds = feedsOf([2, 3, 4]);
  await assert.rejects(
    subject.run({ ...feeds, value: normal([2, 2, 5, 4], 4) }),
    /^TunebookError: engine\.run: expected 'value' float32 \[2, 2, 4, 4\], got float32 \[2, 2, 5, 4\]/,
  );
  await assert.rejects(
    subject.run({ ...feeds, x: normal([2, 3, 9], 1) }),
    /^TunebookError: engine\.run: expected 'x' float32 \[2, 3, 8\], got float32 \[2, 3, 9\]/,
  );
});

test('a size that cannot be told from a stand-in is refused', async () => {
  const signature = {
    ...REQUEST.signature,
    key: { shape: [ROWS, 2 * ROWS, PAST, 4], dtype: 'float32' as const },
  };
  await assert.rejects(compiled.build({ ...REQUEST, signature }));
});

test('a function is gone after dispose()', async () => {
  const own = await compiled.build(REQUEST);
  await own.dispose();
  await own.dispose();
  await assert.rejects(own.run(feedsOf([1, 1, 1])), /after dispose\(\)/);
});
