/** What cannot be exported is refused in words, before anything is written. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { exportGguf } from '../../lib/export';
import { openGguf } from '../../lib/export/gguf/read';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import { AutoTokenizer } from '../../lib/tokenizer';
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

  it('a tokenizer with more tokens than the model has rows', async (t) => {
    const file = path.join(await temporaryFolder(t), 'x.gguf');
    const call = exportGguf('mistral-mini', file, { tokenizer: 'gpt2' });
    await assert.rejects(call, isError('at most 32000 tokens', 'got 50257'));
  });

  it('a type, a model and options that there are not', async (t) => {
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

  it('damaged files, with the place', async (t) => {
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
