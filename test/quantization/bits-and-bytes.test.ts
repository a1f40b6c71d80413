import assert from 'node:assert/strict';
import path from 'node:path';
import { test } from 'node:test';
import { openCheckpoint, writeCheckpoint } from '../../lib/checkpoint';
import {
  BitsAndBytesConfig,
  companionsOf,
  dequantize,
  findQuantizedWeights,
  quantize,
  readQuantizedTensor,
  toStoredTensors,
} from '../../lib/quantization';
import type { BitsAndBytesOptions, StoredTensor } from '../../lib/quantization';
import { temporaryFolder } from '../support/temporary-folder';
import { ROOT } from '../support/paths';
import { readerOf } from './stored-reader';

const NAME = 'model.layers.0.self_attn.q_proj.weight';
const values = Float32Array.from({ length: 96 * 32 }, (_, i) => Math.sin(i * 1.7) * 0.05);
const SHAPE = [96, 32] as const;

/** A checkpoint in memory. */
test('4-bit weights are stored by the names and in the layout of bitsandbytes', () => {
  const tensor = quantize(values, {
    quantType: 'nf4',
    shape: SHAPE,
    doubleQuant: true,
    originalDtype: 'bfloat16',
  });
  const stored = toStoredTensors(NAME, tensor);
  assert.deepEqual(
    stored.map(({ name, dtype, shape }) => [name.replace(NAME, '*'), dtype, shape]),
    [
      ['*', 'U8', [1536, 1]],
      ['*.absmax', 'U8', [48]],
      ['*.quant_map', 'F32', [16]],
      ['*.nested_absmax', 'F32', [1]],
      ['*.nested_quant_map', 'F32', [256]],
      ['*.quant_state.bitsandbytes__nf4', 'U8', [stored[5].values.length]],
    ],
  );
  const state: unknown = JSON.parse(new TextDecoder().decode(Buffer.from(stored[5].values.buffer)));
  assert.ok(!(tensor.scales instanceof Float32Array));
  assert.deepEqual(state, {
    quant_type: 'nf4',
    blocksize: 64,
    dtype: 'bfloat16',
    shape: [96, 32],
    nested_blocksize: 256,
    nested_dtype: 'float32',
    nested_offset: tensor.scales.offset,
  });
  const plain = toStoredTensors(NAME, quantize(values, { quantType: 'fp4', shape: SHAPE }));
  assert.deepEqual(
    plain.map(({ name, dtype }) => [name.replace(NAME, '*'), dtype]),
    [
      ['*', 'U8'],
      ['*.absmax', 'F32'],
      ['*.quant_map', 'F32'],
      ['*.quant_state.bitsandbytes__fp4', 'U8'],
    ],
  );
});

test('8-bit weights have one scale per row', async () => {
  const tensor = quantize(values, new BitsAndBytesConfig({ loadIn8bit: true }).quantizeOptions(SHAPE));
  const stored = toStoredTensors(NAME, tensor);
  assert.deepEqual(
    stored.map(({ name, dtype, shape }) => [name.slice(NAME.length - 6), dtype, shape]),
    [
      ['weight', 'I8', [96, 32]],
      ['SCB', 'F32', [96]],
      ['weight_format', 'U8', []],
    ],
  );
  const back = await readQuantizedTensor(readerOf(stored), NAME, SHAPE);
  assert.deepEqual(dequantize(back), dequantize(tensor));
  const blocks = quantize(values, { quantType: 'int8', shape: SHAPE, blockSize: 64 });
  assert.throws(() => toStoredTensors(NAME, blocks), /one scale per row: expected blocks of 32, got 64/);
});

test('what is saved in a checkpoint loads bit for bit', async (t) => {
  const folder = await temporaryFolder(t);
  const tensors = {
    [NAME]: quantize(values, { quantType: 'nf4', shape: SHAPE, doubleQuant: true }),
    'a.weight': quantize(values, {
      quantType: 'fp4',
      shape: SHAPE,
      blockSize: 128,
      originalDtype: 'float16',
    }),
  };
  const stored = Object.entries(tensors).flatMap(([name, tensor]) => toStoredTensors(name, tensor));
  const norm = { name: 'norm.weight', shape: [2], values: Float32Array.of(1, 2) };
  await writeCheckpoint(folder, [...stored, norm], { maxShardSizeBytes: 2000 });
  const checkpoint = await openCheckpoint(folder);
  t.after(() => checkpoint.close());
  assert.ok(checkpoint.files.length > 1);
  assert.deepEqual(findQuantizedWeights(checkpoint.names).sort(), ['a.weight', NAME]);
  for (const [name, tensor] of Object.entries(tensors)) {
    assert.deepEqual(await readQuantizedTensor(checkpoint, name, [tensor.shape[0], tensor.shape[1]]), tensor);
    for (const { name: part } of toStoredTensors(name, tensor).slice(1)) {
      assert.ok(companionsOf(name).includes(part), part);
    }
  }
});

test('a checkpoint that the reference tools wrote by the published layout is read', async (t) => {
  // Written by test/golden/mistral/make.py with the safetensors library of Python.
  const folder = path.join(ROOT, 'test', 'golden', 'mistral', 'model-nf4');
  const checkpoint = await openCheckpoint(folder);
  t.after(() => checkpoint.close());
  const source = await openCheckpoint(path.join(folder, '../model'));
  t.after(() => source.close());
  const names = findQuantizedWeights(checkpoint.names);
  assert.equal(names.length, 14);
  for (const name of names) {
    const [rows, width] = source.info(name).shape;
    const theirs = await readQuantizedTensor(checkpoint, name, [rows, width]);
    const original = await source.read(name);
    const ours = quantize(original, { quantType: 'nf4', shape: theirs.shape, doubleQuant: true });
    assert.deepEqual(ours, theirs, name);
  }
});

const BROKEN: [title: string, change: (tensors: StoredTensor[]) => StoredTensor[], message: RegExp][] = [
  ['no state', (t) => t.slice(0, 5), /expected .*bitsandbytes__nf4, .*SCB or .*scales beside it, got none/],
  [
    'no scales',
    (t) => t.filter(({ name }) => !name.endsWith('.absmax')),
    /weight.absmax: expected this part/,
  ],
  [
    'scales that are too few',
    (t) => edit(t, '.absmax', { shape: [47] }),
    /expected 48 values of U8, got U8 \[47\]/,
  ],
  ['codes of another type', (t) => edit(t, NAME, { dtype: 'F32' }), /expected 1536 values of U8, got F32/],
  [
    'a state that is no JSON',
    (t) => edit(t, '__nf4', { values: Uint8Array.of(1, 2) }),
    /expected JSON in bytes/,
  ],
  ['a state that is too long', (t) => edit(t, '__nf4', { shape: [10_001] }), /at most 10000 bytes of JSON/],
  ['an unknown type', (t) => state(t, { quant_type: 'nf3' }), /quant_type/],
  ['another type than its name says', (t) => state(t, { quant_type: 'fp4' }), /which its name contradicts/],
  ['a block size of zero', (t) => state(t, { blocksize: 0 }), /blocksize/],
  [
    'a shape that does not fit',
    (t) => state(t, { shape: [96, 64] }),
    /expected 3072 values of U8, got U8 \[1536, 1\]/,
  ],
];

function edit(tensors: StoredTensor[], ending: string, change: Partial<StoredTensor>): StoredTensor[] {
  return tensors.map((tensor) =>
    tensor.name.endsWith(ending) && !tensor.name.endsWith(`nested_${ending}`)
      ? { ...tensor, ...change }
      : tensor,
  );
}

function state(tensors: StoredTensor[], change: Record<string, unknown>): StoredTensor[] {
  const base = {
    quant_type: 'nf4',
    blocksize: 64,
    dtype: 'float32',
    shape: SHAPE,
    nested_blocksize: 256,
    nested_offset: 0,
  };
  return edit(tensors, '__nf4', { values: new TextEncoder().encode(JSON.stringify({ ...base, ...change })) });
}

for (const [title, change, message] of BROKEN) {
  test(`a quantized weight with ${title} is refused`, async () => {
    const tensors = toStoredTensors(
      NAME,
      quantize(values, { quantType: 'nf4', shape: SHAPE, doubleQuant: true }),
    );
    await readQuantizedTensor(readerOf(tensors), NAME, SHAPE);
    await assert.rejects(readQuantizedTensor(readerOf(change(tensors)), NAME, SHAPE), {
      name: 'TunebookError',
      message,
    });
  });
}

test('BitsAndBytesConfig has the names and defaults that people know', () => {
  const config = new BitsAndBytesConfig({
    loadIn4bit: true,
    bnb4bitQuantType: 'nf4',
    bnb4bitUseDoubleQuant: true,
  });
  assert.deepEqual(config.quantizeOptions([8, 4]), { quantType: 'nf4', shape: [8, 4], doubleQuant: true });
  assert.deepEqual(config.toJson(), {
    _load_in_4bit: true,
    _load_in_8bit: false,
    load_in_4bit: true,
    load_in_8bit: false,
    bnb_4bit_quant_type: 'nf4',
    bnb_4bit_use_double_quant: true,
    bnb_4bit_compute_dtype: 'float32',
    bnb_4bit_quant_storage: 'uint8',
    llm_int8_skip_modules: null,
    llm_int8_threshold: 6,
    llm_int8_enable_fp32_cpu_offload: false,
    llm_int8_has_fp16_weight: false,
    quant_method: 'bitsandbytes',
  });
  assert.deepEqual(BitsAndBytesConfig.fromJson(config.toJson()), config);
  assert.equal(new BitsAndBytesConfig().bnb4bitQuantType, 'fp4');
  assert.equal(new BitsAndBytesConfig().isQuantizing, false);
  assert.throws(() => new BitsAndBytesConfig().quantizeOptions([1]), /neither loadIn4bit nor loadIn8bit/);
});

test('modules to skip are matched by full name, by suffix or by part', () => {
  const standard = new BitsAndBytesConfig({ loadIn4bit: true });
  assert.ok(
    standard.skips('lm_head') && standard.skips('model.lm_head') && !standard.skips('model.lm_heads'),
  );
  const config = new BitsAndBytesConfig({ loadIn4bit: true, llmInt8SkipModules: ['layers.1', 'down_proj'] });
  assert.ok(config.skips('model.layers.1.mlp.up_proj') && config.skips('model.layers.0.mlp.down_proj'));
  assert.ok(!config.skips('model.layers.11.mlp.up_proj') && !config.skips('lm_head'));
});

const BAD_CONFIGS: [title: string, options: Record<string, unknown>, message: RegExp][] = [
  ['an unknown type', { bnb4bitQuantType: 'nf3' }, /nf4.*bnb4bitQuantType/],
  ['both widths', { loadIn4bit: true, loadIn8bit: true }, /exclude each other/],
  ['a misspelt name', { loadIn4Bit: true }, /loadIn4Bit/],
  ['an unsupported storage', { bnb4bitQuantStorage: 'bfloat16' }, /bnb4bitQuantStorage/],
];

for (const [title, options, message] of BAD_CONFIGS) {
  test(`BitsAndBytesConfig refuses ${title}`, () => {
    const make = (): BitsAndBytesConfig => new BitsAndBytesConfig(options as BitsAndBytesOptions);
    assert.throws(make, { name: 'TunebookError', message });
  });
}

test('a quantization_config of another method is refused', () => {
  assert.throws(() => BitsAndBytesConfig.fromJson({ quant_method: 'gptq', bits: 4 }), /got "gptq"/);
  assert.throws(() => BitsAndBytesConfig.fromJson([]), /expected an object/);
  assert.throws(() => BitsAndBytesConfig.fromJson({ bnb_4bit_quant_type: 'int4' }), /bnb4bitQuantType/);
});
