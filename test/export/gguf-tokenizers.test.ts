/**
 * The kinds of tokenizers that GGUF is written for, in llama.cpp itself (TUNEBOOK_LLAMA_CPP): 400 strings as the ids that
 * `tokenizers` gives (test/golden/tokenizer). The kind that llama.cpp splits otherwise is refused.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import type { TestContext } from 'node:test';
import { describe, it } from 'node:test';
import { exportGguf } from '../../lib/export';
import { tokenizerEntries } from '../../lib/export/gguf/tokenizer-entries';
import { findLlamaCpp, openLlamaCpp } from '../../lib/export/proof/llama-cpp';
import { createRandom } from '../../lib/random';
import { addTokens, AutoTokenizer, promptIds } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { familyModel } from '../models/families/family-model';
import { IS_ALL } from '../models/families/forms-suite';
import { readGolden } from '../models/families/golden-run';
import { LONG } from '../support/long';
import { isError } from '../support/refusals';
import { temporaryFolder } from '../support/temporary-folder';
import { tokenizerWithTokens } from '../support/tokenizer-with-tokens';

const { strings, kinds } = readGolden('tokenizer/golden-families.json') as {
  strings: string[];
  kinds: Record<string, { tokenizer: object; rows: [ids: number[], text?: string][] }>;
};
/** llama.cpp does not normalize texts: strings that are not composed are left out. */
const NORMALIZED = ['qwen3', 'pythia'];
const READ = ['phi4-mini', 'llama3', 'glm4', 'qwen3', 'smollm', 'pythia'];
const CONFIG = {
  ...{ model_type: 'llama', vocab_size: 512, hidden_size: 32, intermediate_size: 32, num_hidden_layers: 1 },
  ...{ num_attention_heads: 2, num_key_value_heads: 2, max_position_embeddings: 256 },
};

/** A tiny model with a tokenizer, as a file. */
interface Exported {
  readonly file: string;
  /** What the export said. */
  readonly words: readonly string[];
  readonly tokenizer: PretrainedTokenizer;
  readonly vocabSize: number;
}

/** Exports a tiny model with a tokenizer of this kind, or with a folder's. */
async function exported(t: TestContext, kind: string, given?: string): Promise<Exported> {
  const folder = await temporaryFolder(t);
  if (given === undefined) {
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(kinds[kind].tokenizer));
    const config = { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>' };
    fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify(config));
  }
  const tokenizer = await AutoTokenizer.fromPretrained(given ?? folder);
  const vocabSize = Math.max(CONFIG.vocab_size, tokenizer.vocabSize);
  const model = await familyModel({ ...CONFIG, vocab_size: vocabSize });
  t.after(() => model.dispose());
  const file = path.join(folder, 'x.gguf');
  const { words } = await exportGguf(model, file, { tokenizer, check: false });
  return { file, words, tokenizer, vocabSize };
}

describe('400 strings in llama.cpp', () => {
  for (const kind of READ.filter((name) => IS_ALL || name === READ[0]))
    it(kind, async (t) => {
      if ((await findLlamaCpp()) === undefined) return t.skip('node-llama-cpp is not installed: see .ci/run');
      const { file, words } = await exported(t, kind);
      assert.equal(
        words.some((one) => one.includes('does not know it yet')),
        kind === 'phi4-mini',
      );
      const there = await openLlamaCpp(file, { contextSize: 64, vocabSize: CONFIG.vocab_size });
      assert.ok(there);
      const wrong: unknown[] = [];
      let count = 0;
      for (const [i, [wanted]] of kinds[kind].rows.entries()) {
        if (NORMALIZED.includes(kind) && strings[i].normalize('NFC') !== strings[i]) continue;
        count++;
        const ids = await there.promptIds(strings[i]);
        if (ids.join() !== wanted.join()) wrong.push({ given: strings[i], ids, wanted });
      }
      await there.close();
      assert.ok(count > 250, `${count}`);
      assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${count} differ`);
    });
});

/** Folders of real tokenizers, of the file that TUNEBOOK_TOKENIZERS names (see test/golden/tokenizer/make_families.py). */
function realFolders(): [name: string, folder: string][] {
  const file = process.env.TUNEBOOK_TOKENIZERS;
  if (file === undefined) return [];
  const real = JSON.parse(fs.readFileSync(file, 'utf8')) as { kinds: Record<string, { folder?: string }> };
  return Object.entries(real.kinds).flatMap(([name, { folder }]) =>
    folder === undefined ? [] : [[name, folder]],
  );
}

/** Joined of one to three of the 400. */
function manyStrings(count: number): string[] {
  const random = createRandom(17);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + random.nextInt(3) }, () => strings[random.nextInt(strings.length)]).join(''),
  );
}

describe('2,000 strings in llama.cpp as tunebook reads them', { ...LONG, timeout: 600_000 }, () => {
  const real = realFolders();
  for (const name of [...READ, ...real.map(([each]) => each)])
    it(name, async (t) => {
      if ((await findLlamaCpp()) === undefined) return t.skip('node-llama-cpp is not installed: see .ci/run');
      const given = real.find(([each]) => each === name)?.[1];
      const { file, words, tokenizer, vocabSize } = await exported(t, name, given);
      const there = await openLlamaCpp(file, { contextSize: 64, vocabSize });
      assert.ok(there);
      const says = (part: string): boolean => words.some((one) => one.includes(part));
      const all = manyStrings(2000)
        .map((text) => (says('does not normalize texts') ? text.normalize('NFC') : text))
        .map((text) => (says('</s> in a text') ? text.replaceAll('</s>', '') : text))
        // Of GPT-4o's words llama.cpp cuts those apart that go on from accented capitals to plain ones.
        .map((text) => (says('written as') ? text.replace(/(?<=[À-Þ])(?=[A-Z])/g, ' ') : text));
      const wrong: unknown[] = [];
      for (const text of all) {
        const [here, ids] = [promptIds(tokenizer, text), await there.promptIds(text)];
        if (here.join() !== ids.join()) wrong.push({ text, here, ids });
      }
      await there.close();
      assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${all.length} differ`);
    });
});

it('Mistral Nemo’s kind is refused', async (t) => {
  await assert.rejects(
    exported(t, 'mistral-nemo'),
    isError('splits texts by rules of its own', 'export to ONNX'),
  );
});

it('an end of a text that is an ordinary token here, which llama.cpp takes for one: it is said', async (t) => {
  const { model, ...rest } = kinds.llama3.tokenizer as { model: { vocab: Record<string, number> } };
  const added = (rest as { added_tokens: { content: string }[] }).added_tokens;
  const others = { ...rest, added_tokens: added.filter(({ content }) => content !== '</s>') };
  for (const [name, tokenizer] of Object.entries({
    added: { ...rest, model },
    plain: { ...others, model },
  })) {
    const folder = await temporaryFolder(t);
    fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(tokenizer));
    fs.writeFileSync(
      path.join(folder, 'tokenizer_config.json'),
      '{"tokenizer_class":"PreTrainedTokenizerFast"}',
    );
    const { notes } = await tokenizerEntries(await AutoTokenizer.fromPretrained(folder), 512);
    assert.equal(notes.filter((one) => one.includes('</s> in a text')).length, name === 'plain' ? 1 : 0);
  }
});

it('kinds and scores of tokens, and the one that ends a turn', async (t) => {
  const template =
    '{% for m in messages %}{{ m.content }}{% if m.role == "assistant" %}<turn>{% endif %}{% endfor %}';
  const folder = await temporaryFolder(t);
  const turns = await tokenizerWithTokens('mistral', { tokens: ['<turn>'], template, folder });
  const tokenizer = await addTokens(turns, ['<km>'], { special: false });
  const { entries } = await tokenizerEntries(tokenizer, 32_004);
  const metadata = new Map(entries.map(([key, { value }]) => [key.replace('tokenizer.ggml.', ''), value]));
  const at = (key: string, ids: readonly number[]): unknown[] =>
    ids.map((id) => (metadata.get(key) as unknown[])[id]);
  // <unk>, <s>, a byte, a word, a special token, one that was added, a row without a token.
  const ids = [0, 1, 3 + 0x41, 272, 32_000, 32_001, 32_003];
  assert.deepEqual(at('tokens', ids), ['<unk>', '<s>', '<0x41>', '▁the', '<turn>', '<km>', '[PAD32003]']);
  assert.deepEqual(at('token_type', ids), [2, 3, 6, 1, 3, 4, 5]);
  // Three merges make it: the first counts.
  assert.deepEqual(at('scores', ids.slice(2, 4)), [0, -11]);
  assert.deepEqual([metadata.get('eos_token_id'), metadata.get('eot_token_id')], [2, 32_000]);
});
