/**
 * What transformers.js makes of an export's tokenizer and chat template: the ids of `tokenizers` where the file can say it
 * (test/golden/tokenizer), and words where it reads otherwise.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import { exportOnnx } from '../../lib/export';
import type { OnnxOutcome } from '../../lib/export';
import { transformersTokenizer } from '../../lib/export/onnx/onnx-responder';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { familyModel } from '../models/families/family-model';
import { GOLDEN, readGolden } from '../models/families/golden-run';
import { temporaryFolder } from '../support/temporary-folder';

const { strings, kinds } = readGolden('tokenizer/golden-families.json') as {
  strings: string[];
  kinds: Record<string, { tokenizer: object; rows: [ids: number[], text?: string][] }>;
};
const CONFIG = {
  ...{ model_type: 'llama', vocab_size: 512, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 2, max_position_embeddings: 256 },
};

/** A tiny model's export with this tokenizer. */
async function exported(
  t: TestContext,
  tokenizer: PretrainedTokenizer,
): Promise<OnnxOutcome & { readonly folder: string }> {
  const folder = path.join(await temporaryFolder(t), 'out');
  const model = await familyModel(CONFIG);
  t.after(() => model.dispose());
  return { folder, ...(await exportOnnx(model, folder, { tokenizer, dtypes: ['fp32'] })) };
}

async function tokenizerOf(t: TestContext, kind: string): Promise<PretrainedTokenizer> {
  const folder = await temporaryFolder(t);
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(kinds[kind].tokenizer));
  const config = { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>' };
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  return AutoTokenizer.fromPretrained(folder);
}

const readings = (words: readonly string[]): string[] =>
  words.filter((one) => one.startsWith('transformers.js'));

describe('transformers.js reads 400 strings of an export as `tokenizers`', () => {
  // Two of them cut words by rules that transformers.js has only as patterns: GPT-2's, and digits apart.
  for (const kind of ['smollm', 'pythia', 'llama3'])
    it(kind, async (t) => {
      const { folder, words, isProven } = await exported(t, await tokenizerOf(t, kind));
      const there = await transformersTokenizer(folder);
      const again = await AutoTokenizer.fromPretrained(folder);
      for (const [i, [wanted]] of kinds[kind].rows.entries()) {
        assert.deepEqual(there.encode(strings[i]), wanted, strings[i]);
        assert.deepEqual(again.encode(strings[i]), wanted, strings[i]);
      }
      assert.deepEqual(readings(words), []);
      assert.equal(isProven, true);
    });
});

describe('where transformers.js reads otherwise, the export and its card say what', () => {
  it('a table of letters (Precompiled)', async (t) => {
    const { folder, words, isProven } = await exported(t, await tokenizerOf(t, 'xlm-r'));
    const [found] = readings(words);
    assert.match(found, /otherwise than the model was tuned with: .*ligatures.*emoji.*\(Precompiled\)/);
    assert.ok(fs.readFileSync(path.join(folder, 'README.md'), 'utf8').includes(found));
    // Which texts are asked decides whether that matters.
    assert.equal(isProven, true);
  });

  it('U+FEFF in an answer, by bytes that stand for letters', async (t) => {
    const { words } = await exported(t, await tokenizerOf(t, 'phi3'));
    assert.match(readings(words).join(), /tuned with: U\+FEFF\.$/);
  });

  /** A tokenizer with added tokens that take the blanks beside them. */
  const withTemplate = async (t: TestContext, template: string): Promise<PretrainedTokenizer> => {
    const folder = await temporaryFolder(t);
    fs.cpSync(path.join(GOLDEN, 'tokenizer', 'byte-level'), folder, { recursive: true });
    const file = path.join(folder, 'tokenizer_config.json');
    const config = JSON.parse(fs.readFileSync(file, 'utf8')) as object;
    fs.writeFileSync(file, JSON.stringify({ ...config, chat_template: template }));
    return AutoTokenizer.fromPretrained(folder);
  };

  it('added tokens that count as whole words', async (t) => {
    const { words, isProven } = await exported(t, await withTemplate(t, '{{ messages[0].content }}'));
    assert.match(readings(words).join(), /tuned with: added tokens\.$/);
    assert.equal(isProven, true);
  });

  it('a chat template in words that its engine does not have is a failed export', async (t) => {
    const template = "{% for m in messages %}{{ '%s: %s' % (m.role, m.content) }}\n{% endfor %}";
    const { words, isProven } = await exported(t, await withTemplate(t, template));
    assert.match(readings(words)[1], /renders the chat template otherwise than tunebook \(.*%/);
    assert.equal(isProven, false);
  });
});
