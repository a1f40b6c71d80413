/** Wherever a model meets a tokenizer, another model's is refused or named: the check is one, and each place makes it. */
import assert from 'node:assert/strict';
import path from 'node:path';
import { after, before, describe, it } from 'node:test';
import { chatTemplate } from '../../lib/dataset';
import { exportGguf, exportOnnx, exportWeb, writeModelfile } from '../../lib/export';
import { textGenerator } from '../../lib/generation';
import { AutoModelForCausalLM, usePrompt } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { serve } from '../../lib/serve';
import { AutoTokenizer, checkTokenizerFits } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { Trainer, TrainingArguments } from '../../lib/trainer';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';

/** Llama 3.2's rows and tokens, and nothing else of it. */
const LLAMA = {
  ...{
    model_type: 'llama',
    vocab_size: 128256,
    bos_token_id: 128000,
    eos_token_id: [128001, 128008, 128009],
  },
  ...{ hidden_size: 4, intermediate_size: 4, num_hidden_layers: 1, num_attention_heads: 1 },
};

describe('a tokenizer of another model', () => {
  let model: CausalLM;
  let tokenizer: PretrainedTokenizer;
  before(async () => {
    model = await AutoModelForCausalLM.fromConfig(LLAMA);
    tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
  });
  after(() => model.dispose());

  const places: Readonly<Record<string, (folder: string) => unknown>> = {
    checkTokenizerFits: () => checkTokenizerFits(tokenizer, model),
    textGenerator: () => textGenerator({ model, tokenizer }),
    Trainer: (outputDir) =>
      new Trainer({
        ...{ model, args: new TrainingArguments({ outputDir, maxSteps: 1 }) },
        trainDataset: [{ inputIds: [1, 2], labels: [1, 2] }],
        prompt: { tokenizer, template: chatTemplate({ tokenizer }) },
      }),
    usePrompt: () => usePrompt(model, { tokenizer, template: chatTemplate({ tokenizer }) }),
    exportGguf: (folder) => exportGguf(model, path.join(folder, 'x.gguf'), { tokenizer }),
    exportOnnx: (folder) => exportOnnx(model, folder, { tokenizer }),
    exportWeb: (folder) => exportWeb(model, folder, { tokenizer }),
    writeModelfile: (folder) => writeModelfile(model, path.join(folder, 'Modelfile'), { tokenizer }),
    serve: () => serve(model, { tokenizer, name: 'x', port: 0 }),
  };
  for (const [name, call] of Object.entries(places))
    it(`is refused by ${name}`, async (t) => {
      const folder = await temporaryFolder(t);
      await assert.rejects(
        async () => call(folder),
        isError('config has bos_token_id 128000, but the tokenizer has 32000 tokens: it is another model'),
      );
    });

  it('of which only a warning is to be had: one, however often they meet', async (t) => {
    const other = await AutoModelForCausalLM.fromConfig({
      ...LLAMA,
      ...{ vocab_size: 32064, bos_token_id: 1, eos_token_id: [5000, 5001] },
    });
    t.after(() => other.dispose());
    const warned = t.mock.method(console, 'warn', () => undefined);
    textGenerator({ model: other, tokenizer });
    usePrompt(other, { tokenizer, template: chatTemplate({ tokenizer }) });
    textGenerator({ model: other, tokenizer });
    assert.equal(warned.mock.callCount(), 1);
    assert.match(
      String(warned.mock.calls[0].arguments[0]),
      /eos_token_id 5000, 5001.*own is 2\. Is it another/s,
    );
  });

  it('a sequence longer than the context is refused', () => {
    const { architecture } = model;
    const own = { ...tokenizer, vocabSize: 128256, encode: () => [], decode: () => '', bosTokenId: 128000 };
    assert.throws(
      () => checkTokenizerFits({ ...own, eosTokenId: 128001 }, { architecture, sequenceLength: 1e6 }),
      isError(`at most ${architecture.maxPositions} tokens, the model's context, got 1000000`),
    );
  });
});
