/** Affine quantization: MLX's own codes, restored values, files, and the codes that products read. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { describe, it } from 'node:test';
import { openSafetensors } from '../../lib/checkpoint';
import {
  AffineConfig,
  affineBiases,
  codesOfQuantized,
  dequantize,
  quantizationConfigFromJson,
  quantize,
  quantizedSizeBytes,
  readQuantizedTensor,
  startQuantization,
  toStoredTensors,
} from '../../lib/quantization';
import type { AffineType, QuantizedTensor, StoredTensor } from '../../lib/quantization';
import { normal } from '../engine/kernels/kernel-case';
import { ROOT } from '../support/paths';
import { readerOf } from './stored-reader';

const refuses = (call: () => unknown, message: RegExp): Promise<void> =>
  assert.rejects(async () => call(), { name: 'TunebookError', message });
const GOLDEN = path.join(ROOT, 'test', 'golden', 'affine', 'golden.safetensors');
const BITS = { affine4: 4, affine8: 8 } as const;
const TYPES = Object.keys(BITS) as AffineType[];

function random(quantType: AffineType, shape: [number, number], blockSize: number): QuantizedTensor {
  const values = normal(shape, 7).data as Float32Array;
  return quantize(values, { quantType, shape, blockSize });
}

describe('affine quantization', () => {
  for (const quantType of TYPES)
    for (const blockSize of [32, 64, 128])
      it(`${quantType} in blocks of ${blockSize}: codes and scales are MLX's`, async (t) => {
        const golden = await openSafetensors(GOLDEN);
        t.after(() => golden.close());
        const [input, name] = [await golden.read('input'), `${BITS[quantType]}.${blockSize}`];
        const tensor = quantize(input, { quantType, shape: [48, 256], blockSize });
        assert.deepEqual(tensor.packed, await golden.readBytes(`${name}.weight`));
        assert.deepEqual(tensor.scales, await golden.read(`${name}.scales`));
        // MLX stores a block's end, of which the scale is a part: one rounding apart.
        const [ours, theirs] = [
          affineBiases({ ...tensor, scales: await golden.read(`${name}.scales`) }),
          await golden.read(`${name}.biases`),
        ];
        ours.forEach((bias, i) => assert.ok(Math.abs(bias - theirs[i]) <= 2 ** -23 * Math.abs(theirs[i])));
      });

  // A block's other end may lie up to a step beyond the last code: the scale fits the larger one.
  it('restores each value to a step, and 0 to 0', () => {
    for (const quantType of TYPES) {
      const values = normal([6, 64], 3).data as Float32Array;
      values.fill(0, 0, 5);
      for (let i = 64; i < 96; i++) values[i] = 1 + i / 100; // one sign
      for (let i = 96; i < 128; i++) values[i] = -3 - i / 100;
      const tensor = quantize(values, { quantType, shape: [6, 64], blockSize: 32 });
      const restored = dequantize(tensor);
      const scales = tensor.scales as Float32Array;
      restored.forEach((value, i) => {
        const step = Math.abs(scales[Math.floor(i / 32)]);
        assert.ok(Math.abs(value - values[i]) <= step, `${quantType} ${i}`);
      });
      assert.deepEqual([...restored.subarray(0, 5)].map(Math.abs), [0, 0, 0, 0, 0]);
      assert.ok(tensor.zeros?.every((zero) => zero < 2 ** BITS[quantType]));
    }
  });

  it('comes in pieces and is restored in parts as in one', () => {
    for (const quantType of TYPES) {
      const shape = [5, 128];
      const values = normal(shape, 4).data as Float32Array;
      const options = { quantType, shape, blockSize: 64 };
      const whole = quantize(values, options);
      const quantizer = startQuantization(options);
      for (let at = 0; at < values.length; at += 128) quantizer.add(values.subarray(at, at + 128));
      assert.deepEqual(quantizer.finish(), whole);
      const [all, range] = [dequantize(whole), { start: 70, count: 301 }];
      assert.deepEqual(dequantize(whole, { range }), all.subarray(70, 371));
      assert.equal(
        quantizedSizeBytes(640, options),
        whole.packed.length + 5 * (whole.scales as Float32Array).length,
      );
    }
  });

  it('is stored as MLX stores it, and read back bit for bit', async () => {
    for (const quantType of TYPES) {
      const tensor = random(quantType, [6, 192], 64);
      const stored = toStoredTensors('a.weight', tensor);
      assert.deepEqual(
        stored.map(({ name, dtype, shape }) => [name, dtype, shape]),
        [
          ['a.weight', 'U32', [6, (192 * BITS[quantType]) / 32]],
          ['a.scales', 'F32', [6, 3]],
          ['a.biases', 'F32', [6, 3]],
        ],
      );
      assert.deepEqual(await readQuantizedTensor(readerOf(stored), 'a.weight', [6, 192]), tensor);
    }
  });

  it('keeps offsets of other tools that lie between two codes', async () => {
    const stored = toStoredTensors('a.weight', random('affine4', [4, 64], 32)).map((part) =>
      part.name === 'a.biases'
        ? { ...part, values: (part.values as Float32Array).map((v) => v * 1.01) }
        : part,
    );
    const tensor = await readQuantizedTensor(readerOf(stored), 'a.weight', [4, 64]);
    assert.equal(tensor.zeros, undefined);
    assert.deepEqual(toStoredTensors('a.weight', tensor), stored);
    const [codes, scales, biases] = stored.map(({ values }) => values);
    const byHand = Float32Array.from({ length: 256 }, (_, i) => {
      const code = (codes[i >> 1] >> ((i & 1) * 4)) & 15;
      return Math.fround(code * scales[i >> 5]) + biases[i >> 5];
    });
    assert.deepEqual(dequantize(tensor), byHand);
  });

  for (const [title, change, message] of [
    ['a matrix of another width', { scales: [4, 3] }, /in groups of 32, 64, 128, got U32 \[4, 8\]/],
    ['codes of 3 bits', { weight: [4, 6] }, /codes of 4 or 8 bits for \[4, 64\]/],
    ['biases of another length', { biases: [4, 1] }, /a\.biases: expected 8 values of F32/],
  ] as const)
    it(`refuses ${title}`, async () => {
      const stored = toStoredTensors('a.weight', random('affine4', [4, 64], 32)).map((part): StoredTensor => {
        const shape = (change as Record<string, readonly number[]>)[part.name.slice(2)];
        if (shape === undefined) return part;
        const size = shape[0] * shape[1];
        return { ...part, shape, values: part.values.slice(0, part.dtype === 'U32' ? 4 * size : size) };
      });
      await refuses(() => readQuantizedTensor(readerOf(stored), 'a.weight', [4, 64]), message);
    });
});

describe('affine codes of products', () => {
  it('are the stored ones, not copied, with codes of 0 in halves of bytes', () => {
    const tensor = random('affine4', [4, 96], 32);
    const codes = codesOfQuantized(tensor);
    assert.ok(codes?.zeros !== undefined && tensor.zeros !== undefined);
    assert.equal(codes.codes, tensor.packed);
    assert.equal(codes.bits, 4);
    const [bytes, zeros] = [codes.zeros, tensor.zeros];
    assert.deepEqual(
      [...zeros],
      Array.from(
        { length: 12 },
        (_, i) => (bytes[2 * Math.floor(i / 3) + ((i % 3) >> 1)] >> (((i % 3) & 1) * 4)) & 15,
      ),
    );
    assert.equal(codesOfQuantized(random('affine8', [4, 96], 32))?.bits, 8);
  });

  it('are the nearest of whole numbers for offsets of 16 bits, and none for those that lie between', async () => {
    const moved = async (part: number): Promise<QuantizedTensor> => {
      const tensor = random('affine4', [4, 64], 32);
      const scales = tensor.scales as Float32Array;
      const biases = affineBiases({ ...tensor, scales }).map((bias, i) => bias + part * scales[i]);
      return { ...tensor, zeros: undefined, biases };
    };
    assert.deepEqual(codesOfQuantized(await moved(0.1)), codesOfQuantized(await moved(0)));
    assert.equal(codesOfQuantized(await moved(0.3)), undefined);
  });
});

describe('AffineConfig', () => {
  it('is said in config.json as MLX says it, and read from there', () => {
    const config = new AffineConfig({ bits: 8, blockSize: 32 });
    assert.deepEqual(config.toJson(), { group_size: 32, bits: 8, mode: 'affine' });
    assert.deepEqual(quantizationConfigFromJson({ quantization: config.toJson() }), config);
    assert.deepEqual(
      quantizationConfigFromJson({ quantization_config: { group_size: 64, bits: 4 } }),
      new AffineConfig(),
    );
  });

  for (const [title, act, message] of [
    ['another mode', { group_size: 32, bits: 4, mode: 'mxfp4' }, /mode "affine".*use the 16-bit model/s],
    ['3 bits', { group_size: 64, bits: 3 }, /of 4 or 8 bits in groups of 32, 64, 128/],
  ] as const)
    it(`refuses ${title}`, () => refuses(() => quantizationConfigFromJson({ quantization: act }), message));

  it('refuses rows that are no whole blocks, with the block that fits', async () => {
    const options = { quantType: 'affine4', shape: [2, 96] } as const;
    const values = new Float32Array(192);
    await refuses(
      () => quantize(values, options),
      /whole blocks of 64, got rows of 96\. Use a block size of 32\./,
    );
    await refuses(
      () => quantize(values, { ...options, blockSize: 256 }),
      /a block size of 32, 64, 128, got 256/,
    );
    await refuses(
      () => quantize(values, { ...options, blockSize: 32, doubleQuant: true }),
      /leave it out for affine4/,
    );
    await refuses(() => new AffineConfig({ bits: 5 as 4 }), /^AffineConfig: .*bits/);
  });
});
