/** Codes of 8 bits: how far they may be from what they stand for. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  codesFormOf,
  codesOfQuantized,
  codesOfRows,
  headCodesForm,
  dequantize,
  quantize,
  weightCodesBytes,
} from '../../lib/quantization';
import type { QuantizeOptions, RowsOfWeight, WeightCodes } from '../../lib/quantization';
import type { CodesForm } from '../../lib/quantization/weight-codes';
import { rowTable } from '../../lib/engine';
import { normal } from '../engine/kernels/kernel-case';

function rowsOf(data: Float32Array, shape: readonly [number, number]): RowsOfWeight {
  return { shape, rows: rowTable({ data, shape }).rows };
}

/** Values of codes, [out, in]. */
function valuesOf({ shape: [rows, width], blockSize, codes, scales }: WeightCodes): Float32Array {
  const blocks = scales.length / rows;
  return Float32Array.from({ length: rows * width }, (_, i) => {
    const [row, at] = [Math.floor(i / width), i % width];
    const block = row * blocks + Math.floor(at / blockSize);
    return (codes[block * blockSize + (at % blockSize)] - 128) * scales[block];
  });
}

/** The largest difference as a share of the largest magnitude in its block. */
function worstShare(values: Float32Array, wanted: Float32Array, width: number, blockSize: number): number {
  let worst = 0;
  for (let row = 0; row < wanted.length; row += width)
    for (let start = row; start < row + width; start += blockSize) {
      const end = Math.min(start + blockSize, row + width);
      const block = wanted.subarray(start, end);
      const most = block.reduce((largest, value) => Math.max(largest, Math.abs(value)), 0);
      const off = block.reduce(
        (largest, value, i) => Math.max(largest, Math.abs(value - values[start + i])),
        0,
      );
      worst = Math.max(worst, most === 0 ? off : off / most);
    }
  return worst;
}

for (const quantType of ['nf4', 'fp4'] as const)
  for (const doubleQuant of [false, true])
    test(`${quantType}${doubleQuant ? ', double quantization' : ''}: within 0.4 % of the block's largest`, () => {
      const tensor = quantize(normal([6, 192], 1).data as Float32Array, {
        quantType,
        shape: [6, 192],
        doubleQuant,
      });
      const codes = codesOfQuantized(tensor);
      assert.ok(codes !== undefined);
      const worst = worstShare(valuesOf(codes), dequantize(tensor), 192, 64);
      assert.ok(worst < 1 / 254 + 1e-6, `${worst}`);
      assert.ok(worst > 0.001, 'levels are no integers');
    });

test('int8: the same values', () => {
  const tensor = quantize(normal([5, 200], 2).data as Float32Array, {
    quantType: 'int8',
    shape: [5, 200],
    blockSize: 200,
  });
  const codes = codesOfQuantized(tensor);
  assert.ok(codes !== undefined);
  assert.ok(worstShare(valuesOf(codes), dequantize(tensor), 200, 200) < 1e-6);
});

test('values: within 0.4 % of the largest of 32, the last block of a row shorter', () => {
  const values = normal([4, 72], 3).data as Float32Array;
  values.fill(0, 72, 104); // a block of zeros
  const codes = codesOfRows(rowsOf(values, [4, 72]));
  assert.deepEqual([codes.codes.length, codes.scales.length], [4 * 96, 4 * 3]);
  const worst = worstShare(valuesOf(codes), values, 72, 32);
  assert.ok(worst <= 1 / 254 + 1e-6, `${worst}`);
  assert.equal(codes.scales[3], 0);
});

test('heads have blocks of 128, those of quantized models 32', () => {
  assert.equal(headCodesForm(true).blockSize, 32);
  const values = normal([3, 200], 7).data as Float32Array;
  const codes = codesOfRows(rowsOf(values, [3, 200]), headCodesForm(false));
  assert.deepEqual([codes.blockSize, codes.codes.length, codes.scales.length], [128, 3 * 256, 3 * 2]);
  const worst = worstShare(valuesOf(codes), values, 200, 128);
  assert.ok(worst <= 1 / 254 + 1e-6, `${worst}`);
});

test('blocks that run over the ends of rows have no codes of their own', () => {
  const tensor = quantize(normal([4, 96], 4).data as Float32Array, { quantType: 'nf4', shape: [4, 96] });
  assert.equal(codesOfQuantized(tensor), undefined);
});

test('the form that codes will have is known before they are made', () => {
  const values = normal([4, 256], 6).data as Float32Array;
  const forms: [QuantizeOptions['quantType'], number, CodesForm][] = [
    ['nf4', 64, { bits: 8, blockSize: 64 }],
    ['fp4', 128, { bits: 8, blockSize: 128 }],
    ['int8', 256, { bits: 8, blockSize: 128 }],
    ['affine4', 32, { bits: 4, blockSize: 32 }],
    ['affine8', 64, { bits: 8, blockSize: 64 }],
  ];
  for (const [quantType, blockSize, form] of forms) {
    const tensor = quantize(values, { quantType, shape: [4, 256], blockSize });
    const codes = codesOfQuantized(tensor);
    assert.ok(codes !== undefined);
    assert.deepEqual(codesFormOf(tensor), form);
    assert.deepEqual({ bits: codes.bits, blockSize: codes.blockSize }, form);
    // Codes and scales, and at most as much again for what arranges them.
    const bytes = codes.codes.byteLength + codes.scales.byteLength;
    const planned = weightCodesBytes(values.length, form);
    assert.ok(planned > bytes && planned < 2 * bytes, `${quantType}: ${planned} of ${bytes}`);
  }
  const { bits, blockSize } = codesOfRows(rowsOf(values, [4, 256]));
  assert.deepEqual(codesFormOf(undefined), { bits, blockSize });
});

test('values that are not finite are refused, by row', () => {
  const values = normal([3, 32], 5).data as Float32Array;
  values[40] = NaN;
  assert.throws(() => codesOfRows(rowsOf(values, [3, 32])), /expected finite weights, got NaN in row 1/);
});
