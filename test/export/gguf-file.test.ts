/**
 * Whole files: what is written is read by a reader of others (@huggingface/gguf), holds the model's numbers under
 * llama.cpp's names, and is the same from a folder, a quantized folder and a model with its adapter at work.
 */
import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { exportGguf, exportGgufAdapter } from '../../lib/export';
import { decode } from '../../lib/export/gguf/types/decode';
import { rotaryRows } from '../../lib/export/gguf/families';
import { openGguf } from '../../lib/export/gguf/read';
import type { GgufFile, GgufTensorInfo } from '../../lib/export/gguf/read';
import { LoraConfig } from '../../lib/models';
import type { LoraOptions } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { quantizationConfigOf } from '../../lib/quantization';
import { AutoTokenizer } from '../../lib/tokenizer';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

const UNCHECKED = { check: false } as const;
// Files are read back here; what llama.cpp makes of them is in its own test.
process.env.TUNEBOOK_LLAMA_CPP = '';

async function valuesOf(file: string, name: string): Promise<{ info: GgufTensorInfo; values: Float32Array }> {
  const opened = await openGguf(file);
  try {
    const info = tensorOf(opened, name);
    return { info, values: decode(info.type, await opened.readBytes(info, 0, info.byteLength)) };
  } finally {
    await opened.close();
  }
}

function tensorOf({ tensors }: GgufFile, name: string): GgufTensorInfo {
  const found = tensors.find((tensor) => tensor.name === name);
  assert.ok(found, name);
  return found;
}

/** An adapter that changes something, on a model. */
function adapted(model: CausalLM, options: LoraOptions): CausalLM {
  getPeftModel(model, new LoraConfig(options));
  for (const { name, data } of model.trainableParameters())
    if (name.endsWith('lora_B')) data.forEach((_, i) => (data[i] = 0.05 * Math.sin(i)));
  return model;
}

const NF4 = quantizationConfigOf('nf4');

describe('exportGguf', () => {
  it("writes GPT-2 under llama.cpp's names, Conv1D as [out, in]", async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'gpt2.gguf');
    await exportGguf('gpt2-mini', file, { type: 'f32' });
    const opened = await openGguf(file);
    const { metadata, tensors } = opened;
    await opened.close();
    const wanted = {
      'general.architecture': 'gpt2',
      'general.file_type': 0,
      'general.name': 'gpt2-mini',
      'gpt2.context_length': 512,
      'gpt2.embedding_length': 96,
      'gpt2.feed_forward_length': 384,
      'gpt2.block_count': 6,
      'tokenizer.ggml.model': 'gpt2',
      'tokenizer.ggml.pre': 'gpt-2',
      'tokenizer.ggml.bos_token_id': 50256,
      'tokenizer.ggml.eos_token_id': 50256,
      'tokenizer.ggml.add_bos_token': false,
      'tokenizer.ggml.add_eos_token': false,
    };
    for (const [key, value] of Object.entries(wanted)) assert.equal(metadata.get(key), value, key);
    assert.equal((metadata.get('tokenizer.ggml.tokens') as string[])[464], 'The');
    assert.equal((metadata.get('tokenizer.ggml.merges') as string[])[0], 'Ġ t');
    assert.equal(tensors.length, 6 * 12 + 4); // tied: no output.weight
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const { info, values } = await valuesOf(file, 'blk.2.attn_qkv.weight');
    assert.deepEqual(info.shape, [288, 96]);
    const own = model.weights.parameter('h.2.attn.c_attn.weight').data; // [96, 288]
    for (const [row, column] of [
      [0, 0],
      [5, 9],
      [287, 95],
    ])
      assert.equal(values[row * 96 + column], own[column * 288 + row]);
    const inUse = path.join(folder, 'in-use.gguf');
    await exportGguf(model, inUse, { type: 'f32', tokenizer: 'gpt2', ...UNCHECKED });
    assert.deepEqual((await valuesOf(inUse, 'blk.2.attn_qkv.weight')).values, values);
    const positions = await valuesOf(file, 'position_embd.weight');
    assert.deepEqual(positions.values, model.weights.parameter('wpe.weight').data);
    await model.dispose();
  });

  it('caps the context of a Mistral by its window, and turns the rows of query and key', async (t) => {
    const file = path.join(await temporaryFolder(t), 'mistral.gguf');
    const { words } = await exportGguf('mistral-mini', file, { type: 'f32', ...UNCHECKED });
    assert.match(words.join(' '), /context is 512 tokens, the model's sliding window, in place of 2048/);
    const opened = await openGguf(file);
    const { metadata } = opened;
    await opened.close();
    const model = await AutoModelForCausalLM.fromPretrained('mistral-mini');
    const { heads, keyValueHeads, headSize, width } = model.architecture;
    const wanted = {
      'general.architecture': 'llama',
      'llama.context_length': 512,
      'llama.attention.head_count': heads,
      'llama.attention.head_count_kv': keyValueHeads,
      'llama.rope.dimension_count': headSize,
      'tokenizer.ggml.model': 'llama',
      'tokenizer.ggml.add_bos_token': true,
      'tokenizer.ggml.add_space_prefix': true,
    };
    for (const [key, value] of Object.entries(wanted)) assert.equal(metadata.get(key), value, key);
    assert.match(String(metadata.get('tokenizer.chat_template')), /INST/);
    for (const module of ['q', 'k', 'v']) {
      const own = model.weights.parameter(`layers.1.self_attn.${module}_proj.weight`).data;
      const { values } = await valuesOf(file, `blk.1.attn_${module}.weight`);
      // Row 2d of a head is its row d, row 2d + 1 its row d + half.
      const row = (data: Float32Array, at: number): number[] => [...data.slice(at * width, (at + 1) * width)];
      const half = headSize / 2;
      const places = module === 'v' ? [0, 1, 2, 3] : [0, half, 1, half + 1];
      for (const [at, from] of places.entries()) assert.deepEqual(row(values, at), row(own, from), module);
    }
    await model.dispose();
  });

  it('turns rows so that neighbours are the pairs that rotary positions turn', () => {
    const rows = Float32Array.from({ length: 8 }, (_, i) => i); // two heads of four
    const size = { rowLength: 1, headSize: 4 };
    assert.deepEqual([...rotaryRows(rows, size)], [0, 2, 1, 3, 4, 6, 5, 7]);
  });

  it('is read by a tool that we did not write', async (t) => {
    const file = path.join(await temporaryFolder(t), 'small.gguf');
    await exportGguf('mistral-mini', file, { type: 'q4_0' });
    let module: { gguf(file: string, options: object): Promise<Listed> };
    try {
      module = createRequire(__filename)('@huggingface/gguf') as typeof module;
    } catch {
      t.skip('@huggingface/gguf is not installed: npm ci');
      return;
    }
    const listed = await module.gguf(file, { allowLocalFile: true });
    const opened = await openGguf(file);
    await opened.close();
    assert.deepEqual(
      listed.tensorInfos.map(({ name, shape, dtype }) => [name, shape.map(Number).reverse(), dtype]),
      opened.tensors.map(({ name, shape, type }) => [
        name,
        [...shape],
        { F32: 0, Q4_0: 2, Q8_0: 8, F16: 1 }[type as 'F32'],
      ]),
    );
    assert.equal(listed.metadata['llama.context_length'], 512);
    assert.equal(listed.metadata['general.file_type'], 2);
  });

  it('merges an adapter into the dequantized weights that it was trained on', async (t) => {
    const folder = await temporaryFolder(t);
    const adapter = path.join(folder, 'adapter');
    const model = adapted(
      await AutoModelForCausalLM.fromPretrained('mistral-mini', { quantizationConfig: NF4 }),
      { r: 4, loraAlpha: 8 },
    );
    await saveAdapter(model, adapter, 'mistral-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
    const [atWork, fromFolder, plain] = ['a', 'b', 'c'].map((name) => path.join(folder, `${name}.gguf`));
    await exportGguf(model, atWork, { type: 'f32', tokenizer, name: 'same' });
    await exportGguf(undefined, fromFolder, { type: 'f32', adapter, quantizationConfig: NF4, name: 'same' });
    await exportGguf('mistral-mini', plain, { type: 'f32', adapter, ...UNCHECKED, name: 'same' });
    assert.deepEqual(await fs.readFile(atWork), await fs.readFile(fromFolder));
    // W + scale B A over the codes' values; the rows of query are turned.
    const module = model.architecture.modules[0];
    const wanted = model.weights.linearWeight(0, module);
    const [layer] = [model.adapter?.modulesOf(0)[0]];
    assert.ok(layer);
    model.adapter?.addTo(wanted, 'layers.0.self_attn.q_proj', layer);
    const { width, headSize } = model.architecture;
    const { values } = await valuesOf(fromFolder, 'blk.0.attn_q.weight');
    assert.deepEqual(values, rotaryRows(wanted, { rowLength: width, headSize }));
    // The adapter's folder says how its base was quantized; one that does not is merged into plain weights.
    const unasked = await valuesOf(plain, 'blk.0.attn_q.weight');
    assert.deepEqual(unasked.values, values);
    await fs.rm(path.join(adapter, 'tunebook_base.json'));
    await exportGguf('mistral-mini', plain, { type: 'f32', adapter, ...UNCHECKED, name: 'same' });
    const other = await valuesOf(plain, 'blk.0.attn_q.weight');
    assert.notDeepEqual(other.values, values);
    await model.dispose();
  });

  it('reads a folder of quantized weights', async (t) => {
    const folder = await temporaryFolder(t);
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini', { quantizationConfig: NF4 });
    await model.savePretrained(path.join(folder, 'nf4'));
    const file = path.join(folder, 'nf4.gguf');
    await exportGguf(path.join(folder, 'nf4'), file, { type: 'f32', tokenizer: 'gpt2', ...UNCHECKED });
    const { values } = await valuesOf(file, 'blk.0.ffn_up.weight');
    assert.deepEqual(values, model.weights.linearWeight(0, model.architecture.modules[2]));
    await model.dispose();
  });

  it('leaves no file when values cannot be stored, and keeps what was there', async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'model.gguf');
    await fs.writeFile(file, 'GGUF before');
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    model.weights.parameter('h.5.mlp.c_fc.weight').data[7] = Number.NaN;
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
    const damaged = exportGguf(model, file, { tokenizer });
    await assert.rejects(damaged, isError('blk.5.ffn_up.weight', 'finite', 'earlier checkpoint'));
    model.weights.parameter('h.5.mlp.c_fc.weight').data[7] = 1e5;
    await assert.rejects(exportGguf(model, file, { tokenizer }), isError('65504', 'bf16'));
    assert.equal(await fs.readFile(file, 'utf8'), 'GGUF before');
    assert.deepEqual(await fs.readdir(folder), ['model.gguf']);
    await model.dispose();
  });
});

describe('exportGgufAdapter', () => {
  it('writes A as it is and B with turned rows; rank-stabilized scales are in alpha', async (t) => {
    const folder = await temporaryFolder(t);
    const adapter = path.join(folder, 'adapter');
    const model = adapted(await AutoModelForCausalLM.fromPretrained('mistral-mini'), {
      ...{ r: 4, loraAlpha: 8, useRslora: true, targetModules: ['q_proj', 'v_proj'] },
      alphaPattern: { v_proj: 32 },
    });
    await saveAdapter(model, adapter, 'mistral-mini');
    const file = path.join(folder, 'lora.gguf');
    await exportGgufAdapter(adapter, file, UNCHECKED);
    const opened = await openGguf(file);
    await opened.close();
    assert.equal(opened.metadata.get('general.type'), 'adapter');
    assert.equal(opened.metadata.get('adapter.lora.alpha'), 16); // 8 / sqrt(4) is 16 / 4
    assert.equal(opened.tensors.length, 4 * model.architecture.layers);
    const own = (name: string): Float32Array => model.adapter?.get(name).data ?? new Float32Array();
    const A = await valuesOf(file, 'blk.0.attn_q.weight.lora_a');
    assert.deepEqual(A.values, own('layers.0.self_attn.q_proj.lora_A'));
    assert.deepEqual(A.info.shape, [4, model.architecture.width]);
    const B = await valuesOf(file, 'blk.0.attn_q.weight.lora_b');
    const size = { rowLength: 4, headSize: model.architecture.headSize };
    assert.deepEqual(B.values, rotaryRows(own('layers.0.self_attn.q_proj.lora_B'), size));
    const V = await valuesOf(file, 'blk.0.attn_v.weight.lora_b');
    // The file has one alpha: what another module's is larger by, is in its B.
    assert.deepEqual(
      V.values,
      own('layers.0.self_attn.v_proj.lora_B').map((value) => 4 * value),
    );
    await model.dispose();
  });

  const refused: readonly [string, LoraOptions, string][] = [
    ['DoRA', { r: 2, useDora: true }, 'DoRA'],
    ['whole modules', { r: 2, modulesToSave: ['wte'] }, 'modules_to_save'],
    ['a bias of its own', { r: 2, loraBias: true }, 'lora_bias'],
    ['biases of the base', { r: 2, bias: 'all' }, "bias 'all'"],
    ['trained tokens', { r: 2, trainableTokenIndices: [1, 2] }, 'trainable tokens'],
  ];
  for (const [title, options, word] of refused) {
    it(`refuses ${title}, and says to merge`, async (t) => {
      const folder = await temporaryFolder(t);
      const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
      getPeftModel(model, new LoraConfig(options));
      await saveAdapter(model, path.join(folder, 'adapter'), 'gpt2-mini');
      await model.dispose();
      const call = exportGgufAdapter(path.join(folder, 'adapter'), path.join(folder, 'x.gguf'));
      await assert.rejects(call, isError(word, 'Merge it'));
      assert.deepEqual(await fs.readdir(folder), ['adapter']);
    });
  }

  it('refuses an adapter of another base', async (t) => {
    const folder = await temporaryFolder(t);
    const model = adapted(await AutoModelForCausalLM.fromPretrained('mistral-mini'), { r: 2 });
    await saveAdapter(model, path.join(folder, 'adapter'), 'mistral-mini');
    await model.dispose();
    const call = exportGgufAdapter(path.join(folder, 'adapter'), path.join(folder, 'x.gguf'), {
      base: 'gpt2-mini',
    });
    await assert.rejects(call, isError('another base model'));
  });
});

interface Listed {
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensorInfos: readonly {
    readonly name: string;
    readonly shape: readonly bigint[];
    readonly dtype: number;
  }[];
}
