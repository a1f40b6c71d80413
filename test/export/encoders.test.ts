/** Threads that encode: the bytes of one after another, in order, whatever happens to a thread. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { encoderThreads, startEncoders } from '../../lib/export/gguf/encoders';
import { openGguf } from '../../lib/export/gguf/read';
import { encode } from '../../lib/export/gguf/types/blocks';
import { tensorOf, stageGguf } from '../../lib/export/gguf/write';
import { createRandom, fillNormal } from '../../lib/random';
import { temporaryFolder } from '../support/temporary-folder';

function values(count: number, seed: number): Float32Array {
  const filled = new Float32Array(count);
  fillNormal(filled, 0.02, seed);
  return filled;
}

describe('threads that encode', () => {
  it('give the bytes of one thread, of values as they were at the call', async () => {
    const encoders = startEncoders(2);
    try {
      const random = createRandom('pieces');
      const types = ['Q4_K', 'Q6_K', 'Q8_0', 'Q4_0', 'F16', 'Q5_K', 'Q4_K'] as const;
      const parts = types.map((type, i) => ({ type, values: values(256 * (300 + random.nextInt(300)), i) }));
      const wanted = parts.map((part) => encode(part.type, part.values));
      const got = parts.map((part) => encoders.encode(part.type, part.values));
      for (const part of parts) part.values.fill(0);
      assert.deepEqual(await Promise.all(got), wanted);
    } finally {
      await encoders.close();
    }
  });

  it('write the pieces of a large file in order', async (t) => {
    const file = path.join(await temporaryFolder(t), 'large.gguf');
    const shape = [3 << 11, 1024];
    const large = values(shape[0] * shape[1], 7);
    const cut = [large.subarray(0, 1 << 22), large.subarray(1 << 22)];
    const tensors = [
      {
        ...{ name: 'large', shape, type: 'Q4_0' as const },
        pieces: async function* () {
          yield* cut;
        },
      },
      tensorOf({ name: 'last', shape: [2, 1024], type: 'Q8_0' }, large.subarray(0, 2048)),
    ];
    assert.equal(encoderThreads(large.length, 0) > 0, os.availableParallelism() > 1);
    await (await stageGguf(file, [], tensors)).commit();
    const opened = await openGguf(file);
    try {
      const [first, last] = opened.tensors;
      assert.deepEqual(await opened.readBytes(first, 0, first.byteLength), encode('Q4_0', large));
      assert.deepEqual(
        await opened.readBytes(last, 0, last.byteLength),
        encode('Q8_0', large.slice(0, 2048)),
      );
    } finally {
      await opened.close();
    }
  });

  const broken: readonly [how: string, program: string, error: RegExp][] = [
    ['throws', 'throw new RangeError("no memory");', /no memory/],
    ['ends', 'process.exit(3);', /thread that encodes ended with status 3/],
  ];
  for (const [how, body, error] of broken)
    it(`one that ${how} is the error of what it was asked, then and later`, async (t) => {
      const file = path.join(await temporaryFolder(t), 'thread.js');
      await fs.writeFile(
        file,
        `require('node:worker_threads').parentPort.once('message', () => { ${body} });`,
      );
      const encoders = startEncoders(1, file);
      try {
        const asked = [1, 2].map((seed) => encoders.encode('Q4_0', values(1 << 16, seed)));
        for (const one of asked) await assert.rejects(one, error);
        await assert.rejects(encoders.encode('Q4_0', values(1 << 16, 3)), error);
      } finally {
        await encoders.close();
      }
    });

  it('are none for a small file', () => {
    assert.equal(encoderThreads(1 << 20), 0);
    assert.equal(encoderThreads(1 << 20, 4), 0);
  });

  it('are as many as TUNEBOOK_THREADS says', () => {
    assert.equal(encoderThreads(1 << 30, 3), 3);
    assert.equal(encoderThreads(1 << 30, 1), 0);
  });
});
