/** The built-in models: their size, their tokenizers, and that they know the text that they were pre-trained on. */
import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { raceCorpus } from '../../data/corpus/generate';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import { BitsAndBytesConfig } from '../../lib/quantization';
import { AutoTokenizer, checkTokenizerFits } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';

const MODELS = path.join(ROOT, 'data', 'models');

/** Mean loss in nats per token on documents of another seed than the training's. */
async function corpusLoss(model: CausalLM, name: string): Promise<number> {
  const tokenizer = await AutoTokenizer.fromPretrained(name);
  const end = tokenizer.eosTokenId ?? 0;
  const rows = [...raceCorpus({ seed: 99, documents: 40 })]
    .map((text) => [tokenizer.bosTokenId ?? end, ...tokenizer.encode(text, { addSpecialTokens: false }), end])
    .filter((row) => row.length >= 128)
    .slice(0, 8)
    .map((row) => row.slice(0, 128));
  const { loss } = await model.forward({ inputIds: rows, labels: rows });
  return loss ?? NaN;
}

for (const [name, vocabSize, limit] of [
  ['gpt2-mini', 50257, 4],
  ['mistral-mini', 32000, 1.8],
] as const) {
  describe(name, () => {
    it('has at most 12 MB, and the real tokenizer', async () => {
      const files = await fs.readdir(path.join(MODELS, name));
      const sizes = await Promise.all(
        files.map(async (file) => (await fs.stat(path.join(MODELS, name, file))).size),
      );
      const total = sizes.reduce((sum, size) => sum + size, 0);
      assert.ok(total <= 12e6 && total > 1e6, `${total} bytes`);
      const tokenizer = await AutoTokenizer.fromPretrained(name);
      assert.equal(tokenizer.vocabSize, vocabSize);
    });

    it('knows text of its kind, in 4 bits as well', async (t) => {
      const model = await AutoModelForCausalLM.fromPretrained(name);
      const quantizationConfig = new BitsAndBytesConfig({ loadIn4bit: true, bnb4bitQuantType: 'nf4' });
      const packed = await AutoModelForCausalLM.fromPretrained(name, { quantizationConfig });
      t.after(() => Promise.all([model.dispose(), packed.dispose()]));
      const tokenizer = await AutoTokenizer.fromPretrained(name);
      checkTokenizerFits(tokenizer, { vocabSize: model.architecture.vocabSize });
      const [loss, packedLoss] = [await corpusLoss(model, name), await corpusLoss(packed, name)];
      // An even guess among the few hundred tokens that occur costs 6.5 nats; gpt2-mini knows a part of the kinds.
      assert.ok(loss > 0.3 && loss < limit, `${loss} nats per token`);
      assert.ok(packedLoss < 1.15 * loss, `${packedLoss} nats in 4 bits, ${loss} in 16`);
    });
  });
}

it('mistral-mini is built as Mistral is', async (t) => {
  const model = await AutoModelForCausalLM.fromPretrained('mistral-mini');
  t.after(() => model.dispose());
  const { architecture } = model;
  assert.equal(architecture.modelType, 'mistral');
  assert.ok(architecture.keyValueHeads < architecture.heads, 'grouped queries');
  assert.equal(architecture.layerKinds[0].slidingWindow, 512);
  for (const { inSize, name } of architecture.modules) assert.equal(inSize % 64, 0, name);
});
