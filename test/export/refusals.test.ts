/** What cannot be exported is refused in words, before anything is written. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { exportGguf, exportGgufAdapter, exportOnnx, exportWeb, writeModelfile } from '../../lib/export';
import { openGguf } from '../../lib/export/gguf/read';
import { LoraConfig } from '../../lib/models';
import { AutoModelForCausalLM, getPeftModel, saveAdapter, savePretrained } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { instructionTemplate } from '../../lib/prompts';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

type Json = Record<string, unknown>;

/** GPT-2's tokenizer with tokenizer.json changed. */
async function tokenizerWith(folder: string, change: (json: Json) => void): Promise<string> {
  await (await AutoTokenizer.fromPretrained('gpt2')).savePretrained(folder);
  const file = path.join(folder, 'tokenizer.json');
  const json = JSON.parse(await fs.readFile(file, 'utf8')) as Json;
  change(json);
  await fs.writeFile(file, JSON.stringify(json));
  return folder;
}

/** What splits texts before Qwen's byte-level BPE. */
const QWEN_PATTERN =
  String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}` +
  String.raw`| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** GPT-2's shape over single bytes. */
const SMALL = { model_type: 'gpt2', vocab_size: 305, n_embd: 32, n_layer: 1, n_head: 2, n_positions: 160 };

describe('every export', () => {
  let model: CausalLM;
  const tokenizers: PretrainedTokenizer[] = [];
  before(async () => {
    model = await AutoModelForCausalLM.fromConfig(SMALL);
    const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'tunebook-'));
    await fs.cp(path.join(ROOT, 'test', 'golden', 'tokenizer', 'byte-level'), folder, { recursive: true });
    const file = path.join(folder, 'tokenizer_config.json');
    const config = JSON.parse(await fs.readFile(file, 'utf8')) as Json;
    for (const template of ['{{ messages[0].content }}', ...BROKEN.map(([text]) => text)]) {
      await fs.writeFile(file, JSON.stringify({ ...config, chat_template: template }));
      tokenizers.push(await AutoTokenizer.fromPretrained(folder));
    }
    await fs.rm(folder, { recursive: true });
  });
  after(() => model.dispose());

  const BROKEN = [
    ["{{ raise_exception('no') }}", 'refuses these messages: no'],
    ['{% for m in messages %}{{ m.content', 'cannot be rendered'],
  ];
  const exports: Readonly<
    Record<string, (place: string, tokenizer: PretrainedTokenizer) => Promise<unknown>>
  > = {
    gguf: (place, tokenizer) => exportGguf(model, place, { tokenizer, type: 'q8_0', check: false }),
    onnx: (place, tokenizer) => exportOnnx(model, place, { tokenizer, dtypes: ['q8'], check: false }),
    web: (place, tokenizer) => exportWeb(model, place, { tokenizer, dtypes: ['q8'], check: false }),
    ollama: (place, tokenizer) => writeModelfile(model, place, { tokenizer, type: 'q8_0', check: false }),
  };
  const filesIn = async (folder: string): Promise<string[]> => {
    const found = await fs.readdir(folder, { recursive: true, withFileTypes: true });
    return found.filter((entry) => entry.isFile()).map(({ name }) => name);
  };

  for (const [name, run] of Object.entries(exports)) {
    it(`${name} refuses a template that does not render, before anything is written`, async (t) => {
      const folder = await temporaryFolder(t);
      for (const [i, [, word]] of BROKEN.entries())
        await assert.rejects(run(path.join(folder, 'out'), tokenizers[i + 1]), isError('template', word));
      assert.deepEqual(await fs.readdir(folder), []);
    });

    it(`${name} refuses a tokenizer with more tokens than the model has rows`, async (t) => {
      const folder = await temporaryFolder(t);
      const large = await AutoTokenizer.fromPretrained('mistral');
      await assert.rejects(
        run(path.join(folder, 'out'), large),
        isError('at most 305 tokens', 'got 32000', "the model's own folder"),
      );
      assert.deepEqual(await fs.readdir(folder), []);
    });

    it(`${name} refuses a disk without room, before anything is written`, async (t) => {
      const folder = await temporaryFolder(t);
      // Room for a model, and for nothing that goes with a page.
      const bytes = name === 'web' ? 4096 * 1000 : 4096;
      t.mock.method(fs, 'statfs', () => Promise.resolve({ blocks: 9, bavail: bytes / 4096, bsize: 4096 }));
      await assert.rejects(
        run(path.join(folder, 'out'), tokenizers[0]),
        isError(`got ${bytes} free`, 'Nothing was written'),
      );
      assert.deepEqual(await filesIn(folder), []);
    });

    it(`${name} on a disk that fills up leaves what was there, and no half file`, async (t) => {
      const folder = await temporaryFolder(t);
      const names: Record<string, string> = { gguf: 'out', ollama: 'out/model.gguf' };
      const onnx = name === 'web' ? 'out/model/onnx' : 'out/onnx';
      const whole = path.join(folder, names[name] ?? `${onnx}/model_quantized.onnx`);
      await fs.mkdir(path.dirname(whole), { recursive: true });
      await fs.writeFile(whole, 'GGUF before');
      const handle = await fs.open(whole);
      const prototype = Object.getPrototypeOf(handle) as typeof handle;
      await handle.close();
      const write = prototype.write as (...all: unknown[]) => Promise<unknown>;
      let left = 20_000;
      t.mock.method(prototype, 'write', function (this: unknown, ...all: [Uint8Array, number, number]) {
        left -= all[2];
        if (left >= 0) return write.apply(this, all);
        return Promise.reject(Object.assign(new Error('no space left'), { code: 'ENOSPC' }));
      });
      await assert.rejects(
        run(path.join(folder, 'out'), tokenizers[0]),
        isError('the disk is full (stopped after', 'no partial file was left'),
      );
      assert.equal(await fs.readFile(whole, 'utf8'), 'GGUF before');
      assert.deepEqual(await filesIn(folder), [path.basename(whole)]);
    });
  }
});

it('an adapter for llama.cpp is refused with a tokenizer that its base has no rows for', async (t) => {
  const folder = await temporaryFolder(t);
  const at = (name: string): string => path.join(folder, name);
  const base = await AutoModelForCausalLM.fromConfig(SMALL);
  t.after(() => base.dispose());
  await savePretrained(base, at('base'));
  await saveAdapter(getPeftModel(base, new LoraConfig({ r: 2 })), at('adapter'), at('base'));
  const call = exportGgufAdapter(at('adapter'), at('x.gguf'), { tokenizer: 'mistral' });
  await assert.rejects(call, isError('at most 305 tokens', 'got 32000'));
  assert.deepEqual((await fs.readdir(folder)).sort(), ['adapter', 'base']);
});

describe('exportGguf refuses', () => {
  const kinds: readonly [string, (json: Json) => void, string][] = [
    [
      'a pre-tokenizer without a name in llama.cpp',
      (json) => {
        const split = { type: 'Split', pattern: { Regex: '\\d' }, behavior: 'Isolated', invert: false };
        const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
        json.pre_tokenizer = { type: 'Sequence', pretokenizers: [split, bytes] };
      },
      'rules of its own',
    ],
  ];
  for (const [title, change, word] of kinds) {
    it(title, async (t) => {
      const folder = await temporaryFolder(t);
      const tokenizer = await tokenizerWith(path.join(folder, 'tokenizer'), change);
      const call = exportGguf('gpt2-mini', path.join(folder, 'x.gguf'), { tokenizer });
      await assert.rejects(call, isError(word));
      assert.deepEqual(await fs.readdir(folder), ['tokenizer']);
    });
  }

  for (const [behavior, invert, isKnown] of [
    ['Isolated', false, true],
    ['Removed', true, true],
    ['Removed', false, false],
    ['Isolated', true, false],
    ['MergedWithNext', false, false],
  ] as const)
    it(`Qwen’s pattern with behavior ${behavior}, invert ${invert}: ${isKnown ? 'written' : 'refused'}`, async (t) => {
      const folder = await temporaryFolder(t);
      const tokenizer = await tokenizerWith(path.join(folder, 'tokenizer'), (json) => {
        const split = { type: 'Split', pattern: { Regex: QWEN_PATTERN }, behavior, invert };
        const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
        json.pre_tokenizer = { type: 'Sequence', pretokenizers: [split, bytes] };
      });
      const call = exportGguf('gpt2-mini', path.join(folder, 'x.gguf'), { tokenizer, check: false });
      await (isKnown ? call : assert.rejects(call, isError('rules of its own')));
      assert.deepEqual(await fs.readdir(folder), isKnown ? ['tokenizer', 'x.gguf'] : ['tokenizer']);
    });

  it('a tokenizer of another kind', async (t) => {
    const folder = await temporaryFolder(t);
    const tokenizer = await tokenizerWith(path.join(folder, 'tokenizer'), (json) => {
      const { vocab } = json.model as { vocab: Record<string, number> };
      json.model = { type: 'WordPiece', vocab, unk_token: '!', continuing_subword_prefix: '##' };
    });
    const call = exportGguf('gpt2-mini', path.join(folder, 'x.gguf'), { tokenizer });
    await assert.rejects(call, isError('byte-level BPE', 'got WordPiece', 'export to ONNX'));
    assert.deepEqual(await fs.readdir(folder), ['tokenizer']);
  });

  it('a damaged folder', async (t) => {
    const folder = await temporaryFolder(t);
    const model = path.join(folder, 'model');
    const whole = await AutoModelForCausalLM.fromConfig(SMALL);
    await whole.savePretrained(model);
    await whole.dispose();
    await fs.truncate(path.join(model, 'model.safetensors'), 10_000);
    const call = exportGguf(model, path.join(folder, 'x.gguf'), { tokenizer: 'gpt2' });
    await assert.rejects(call, isError('model.safetensors', 'got 10000: the file is truncated'));
    assert.deepEqual(await fs.readdir(folder), ['model']);
  });

  it('what no export wrote is not written over', async (t) => {
    const folder = await temporaryFolder(t);
    const saved = path.join(folder, 'saved');
    const model = await AutoModelForCausalLM.fromConfig(SMALL);
    t.after(() => model.dispose());
    await model.savePretrained(saved);
    const weights = path.join(saved, 'model.safetensors');
    const before = await fs.readFile(weights);
    const options = { tokenizer: 'gpt2', check: false } as const;
    await assert.rejects(
      exportGguf('gpt2-mini', weights, options),
      isError('model.safetensors: expected a new file or a GGUF file to replace', 'another name'),
    );
    assert.deepEqual(await fs.readFile(weights), before);
    const file = path.join(folder, 'model.gguf');
    await fs.writeFile(file, ''); // as mktemp leaves it
    for (let twice = 0; twice < 2; twice++) await exportGguf('gpt2-mini', file, options);
    const site = path.join(folder, 'site');
    await fs.mkdir(site);
    await fs.writeFile(path.join(site, 'index.html'), 'Mine.');
    await assert.rejects(
      exportWeb('gpt2-mini', site, { check: false }),
      isError('expected a folder without a page of its own', 'index.html, which no export wrote'),
    );
    assert.deepEqual(await fs.readdir(site), ['index.html']);
    assert.equal(await fs.readFile(path.join(site, 'index.html'), 'utf8'), 'Mine.');
  });

  it('weights that an ONNX type would round to ordinary numbers', async (t) => {
    const folder = await temporaryFolder(t);
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    t.after(() => model.dispose());
    const { data } = model.weights.parameter('h.5.mlp.c_fc.weight');
    const options = { tokenizer: 'gpt2', check: false } as const;
    for (const value of [Number.NaN, Number.NEGATIVE_INFINITY]) {
      data[7] = value;
      for (const dtypes of [['q8'], ['q4'], ['fp32'], ['fp16']] as const)
        await assert.rejects(
          exportOnnx(model, folder, { ...options, dtypes }),
          isError('h.5.mlp.c_fc.weight: expected finite values', 'earlier checkpoint'),
        );
    }
    data[7] = 1e5;
    await assert.rejects(
      exportOnnx(model, folder, { ...options, dtypes: ['fp16'] }),
      isError('65504', 'got 100000', 'fp32 or q8'),
    );
    assert.deepEqual(await fs.readdir(path.join(folder, 'onnx')), []);
  });

  it('a damaged prompt, before the weights are written', async (t) => {
    const folder = await temporaryFolder(t);
    const saved = path.join(folder, 'saved');
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    const tokenizer = await AutoTokenizer.fromPretrained('gpt2-mini');
    await savePretrained(model, saved, { prompt: { tokenizer, template: instructionTemplate() } });
    await model.dispose();
    await fs.writeFile(path.join(saved, 'tunebook_prompt.json'), '{"form":"instruction"}');
    const out = path.join(folder, 'out');
    for (const run of [exportOnnx, exportWeb])
      await assert.rejects(
        run(saved, out, { check: false }),
        isError('tunebook_prompt.json', 'expected version 1'),
      );
    assert.deepEqual(await fs.readdir(folder), ['saved']);
  });

  it('unknown types, models and options', async (t) => {
    const file = path.join(await temporaryFolder(t), 'x.gguf');
    const call = exportGguf as (...args: unknown[]) => Promise<unknown>;
    await assert.rejects(call('gpt2-mini', file, { type: 'q3' }), isError('f16, f32, bf16, q8_0', '"q3"'));
    await assert.rejects(call('gpt2-mini', file, { typ: 'f16' }), isError('Did you mean type?'));
    await assert.rejects(call({}, file), isError('exportGguf: expected a model'));
    await assert.rejects(call('gpt2-mini', ''), isError('exportGguf: expected the path of a file'));
    await assert.rejects(call(undefined, file), isError('expected --model or --adapter, got neither'));
    const model = await AutoModelForCausalLM.fromPretrained('gpt2-mini');
    await assert.rejects(call(model, file), isError('expected a tokenizer'));
    await model.dispose();
  });

  it('a GPT-2 that llama.cpp would compute otherwise', async (t) => {
    const file = path.join(await temporaryFolder(t), 'x.gguf');
    const sizes = { n_embd: 32, n_layer: 1, n_head: 2, n_positions: 16 };
    const config = { model_type: 'gpt2', ...sizes, scale_attn_by_inverse_layer_idx: true };
    const model = await AutoModelForCausalLM.fromConfig(config);
    const call = exportGguf(model, file, { tokenizer: 'gpt2' });
    await assert.rejects(call, isError('scale_attn_by_inverse_layer_idx', 'export to ONNX'));
    await model.dispose();
  });

  it('damaged files, naming the place', async (t) => {
    const folder = await temporaryFolder(t);
    const file = path.join(folder, 'x.gguf');
    const sizes = { n_embd: 32, n_layer: 1, n_head: 2, n_positions: 16 };
    const model = await AutoModelForCausalLM.fromConfig({ model_type: 'gpt2', ...sizes });
    await exportGguf(model, file, { tokenizer: 'gpt2', check: false });
    await model.dispose();
    const whole = await fs.readFile(file);
    const damage = async (bytes: Uint8Array): Promise<void> => {
      await fs.writeFile(file, bytes);
      await (await openGguf(file)).close();
    };
    await damage(whole);
    await assert.rejects(damage(whole.subarray(0, 100)), isError(file, 'cut short'));
    await assert.rejects(
      damage(whole.subarray(0, whole.length - 32)),
      isError('bytes by its table of tensors'),
    );
    const changed = (at: number, byte: number): Buffer => {
      const copy = Buffer.from(whole);
      copy[at] = byte;
      return copy;
    };
    await assert.rejects(damage(changed(0, 88)), isError('the bytes GGUF'));
    await assert.rejects(damage(changed(4, 9)), isError('version 3'));
    await assert.rejects(openGguf(path.join(folder, 'none.gguf')), isError('cannot be opened'));
  });
});
