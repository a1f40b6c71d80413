/**
 * The bytes of GGUF's tensor types. q8_0, q4_0, bf16 and f16 equal gguf-py's to the byte. The K types are searched, in
 * ggml in float32 and here in double precision: where two scales are as good as each other they differ, so that bytes may
 * differ in a fiftieth (some values here are ties) and the error of the values may not be larger by a thousandth. What is decoded equals gguf-py's
 * within a float32's rounding.
 */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { encode } from '../../lib/export/gguf/types/blocks';
import { decode } from '../../lib/export/gguf/types/decode';
import { storedBytes } from '../../lib/export/gguf/types/format';
import type { TensorType } from '../../lib/export/gguf/types/format';
import { tensorType } from '../../lib/export/gguf/types/tensor-types';
import type { GgufType } from '../../lib/export/gguf/types/format';
import { createRandom } from '../../lib/random';
import { ROOT } from '../support/paths';

interface Golden {
  readonly values: string;
  readonly types: Readonly<Record<string, { readonly bytes: string; readonly decoded: string }>>;
}
const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test', 'golden', 'gguf', 'golden.json'), 'utf8'),
) as Golden;

const bytesOf = (text: string): Uint8Array => new Uint8Array(Buffer.from(text, 'base64'));
const floatsOf = (text: string): Float32Array => new Float32Array(bytesOf(text).buffer);
const values = floatsOf(golden.values);

function rootMeanSquare(type: TensorType, bytes: Uint8Array): number {
  const read = decode(type, bytes);
  return Math.sqrt(values.reduce((sum, value, i) => sum + (value - read[i]) ** 2, 0) / values.length);
}

/** SHA-256 of the K types' bytes of `manyBlocks()`, written by commit 2689fc7, which compares every scale value by value. */
const SEARCHED = {
  Q4_K: '57a0d596d8f756b7666ea321ea9406e2a4ccc8060337933e6fdb04f328c68976',
  Q5_K: 'abcadfc7ac34b246cb193afca20399e3836c442219f1acb1ed240f75142e7f2c',
  Q6_K: '3ec6810c22e2de4a3a92c75844429e260a71b093aaa7a8db66d31d5ac3b174cd',
} as const;

/** Blocks of many kinds: bell-shaped, tiny, of one sign, on a grid with ties, with an outlier, of two values, half zero. */
function manyBlocks(): Float32Array {
  const random = createRandom('K types');
  const bell = (): number => random.next() + random.next() + random.next() - 1.5;
  const kinds: ((i: number) => number)[] = [
    bell,
    () => 1e-20 * bell(),
    () => 1e-38 * bell(),
    () => Math.abs(bell()),
    () => -0.01 - Math.abs(bell()),
    () => random.nextInt(21) / 64,
    (i) => (i % 32 === 3 ? 900 : bell()),
    (i) => (i % 2 === 0 ? 1 : -1),
    (i) => (i % 64 < 32 ? 0 : bell()),
    () => 0.5,
    () => -1 - 1e-6 * random.next(),
  ];
  return Float32Array.from({ length: 256 * 40 * kinds.length }, (_, i) =>
    kinds[Math.floor(i / 256) % kinds.length](i),
  );
}

describe('blocks of GGUF', () => {
  for (const type of ['F16', 'BF16', 'Q8_0', 'Q4_0'] as const) {
    it(`${type} has gguf-py's bytes`, () => {
      assert.deepEqual(encode(type, values), bytesOf(golden.types[type].bytes));
    });
  }

  for (const type of ['Q4_K', 'Q5_K', 'Q6_K'] as const) {
    it(`${type} is as near to the values as ggml's`, () => {
      const [ours, theirs] = [encode(type, values), bytesOf(golden.types[type].bytes)];
      assert.equal(ours.length, storedBytes(type, values.length));
      assert.equal(ours.length, theirs.length);
      const differing = ours.filter((byte, i) => byte !== theirs[i]).length / ours.length;
      assert.ok(differing < 0.02, `${differing} of the bytes differ`);
      const ratio = rootMeanSquare(type, ours) / rootMeanSquare(type, theirs);
      assert.ok(ratio < 1.001, `error ${ratio} times theirs`);
    });
  }

  it('the K types take the scales that a comparison of every scale takes', () => {
    const many = manyBlocks();
    for (const [type, wanted] of Object.entries(SEARCHED))
      assert.equal(
        createHash('sha256')
          .update(encode(type as TensorType, many))
          .digest('hex'),
        wanted,
        type,
      );
  });

  for (const [type, { bytes, decoded }] of Object.entries(golden.types)) {
    it(`${type} is decoded as gguf-py decodes it`, () => {
      const [read, wanted] = [decode(type as TensorType, bytesOf(bytes)), floatsOf(decoded)];
      const largest = wanted.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
      for (const [i, value] of wanted.entries())
        assert.ok(Math.abs(read[i] - value) <= 1e-6 * Math.max(Math.abs(value), largest / 1000), `${i}`);
    });
  }
});

describe('types of a file', () => {
  const typeOf = (name: string, type: GgufType, columns = 512, isTied = false): TensorType =>
    tensorType({ name, shape: [512, columns], type, layers: 32, isTied });

  it("q4_k_m mixes as llama.cpp's own tool", () => {
    const named = (layers: number[], module: string): TensorType[] =>
      layers.map((layer) => typeOf(`blk.${layer}.${module}.weight`, 'q4_k_m'));
    // Of 32 layers the first four, the last four and every third between them have more bits.
    const more = [0, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 31];
    const fewer = [4, 5, 7, 8, 10, 25, 26];
    assert.deepEqual([...new Set(named(more, 'attn_v'))], ['Q6_K']);
    assert.deepEqual([...new Set(named(fewer, 'attn_v'))], ['Q4_K']);
    assert.deepEqual([...new Set(named(more, 'ffn_down'))], ['Q6_K']);
    assert.deepEqual([...new Set(named(more, 'attn_q'))], ['Q4_K']);
    assert.equal(typeOf('blk.0.attn_qkv.weight', 'q4_k_m'), 'Q5_K');
    assert.equal(typeOf('output.weight', 'q4_k_m'), 'Q6_K');
    assert.equal(typeOf('token_embd.weight', 'q4_k_m'), 'Q4_K');
    assert.equal(typeOf('token_embd.weight', 'q4_k_m', 512, true), 'Q6_K');
  });

  it('rows that no block divides take a larger type; vectors and positions stay in float32', () => {
    assert.equal(typeOf('blk.0.attn_q.weight', 'q4_k_m', 96), 'Q8_0');
    assert.equal(typeOf('blk.0.attn_q.weight', 'q4_k_m', 100), 'F16');
    assert.equal(typeOf('blk.0.attn_q.weight', 'q4_0', 100), 'F16');
    assert.equal(typeOf('output.weight', 'q4_0', 96), 'Q8_0');
    assert.equal(typeOf('position_embd.weight', 'q8_0'), 'F32');
    assert.equal(
      tensorType({ name: 'output_norm.weight', shape: [512], type: 'f16', layers: 1, isTied: false }),
      'F32',
    );
  });
});
