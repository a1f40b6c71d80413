/**
 * The kinds of tokenizers that families have against `tokenizers`: ids and texts of 400 strings (golden-families.json,
 * generator beside it). TUNEBOOK_TOKENIZERS names another file of that form, which the generator makes of real ones;
 * what these take to load is said.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { addTokens, AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { precompiledNormalizer } from '../../lib/tokenizer/transformers-js/precompiled-normalizer';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

interface Golden {
  strings: string[];
  added: { tokens: string[]; special: string[] };
  kinds: Record<
    string,
    { tokenizer?: unknown; folder?: string; rows: [ids: number[], text?: string][]; added?: Added }
  >;
}

interface Added {
  size: number;
  rows: [given: string, ids: number[], text: string][];
}

/** Writes a golden tokenizer and opens it. */
async function opened(data: unknown, folder: string): Promise<PretrainedTokenizer> {
  fs.writeFileSync(path.join(folder, 'tokenizer.json'), JSON.stringify(data));
  const config = JSON.stringify({ tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>' });
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), config);
  return AutoTokenizer.fromPretrained(folder);
}

const OWN = path.join(ROOT, 'test', 'golden', 'tokenizer', 'golden-families.json');

for (const file of [OWN, process.env.TUNEBOOK_TOKENIZERS]) {
  if (file === undefined) continue;
  const { strings, kinds } = JSON.parse(fs.readFileSync(file, 'utf8')) as Golden;
  describe(`${path.basename(file)}: ${strings.length} strings`, () => {
    for (const [name, { tokenizer: data, folder: given, rows }] of Object.entries(kinds))
      it(name, async (t) => {
        const folder = given ?? (await temporaryFolder(t));
        const start = process.cpuUsage();
        const tokenizer = await (given === undefined
          ? opened(data, folder)
          : AutoTokenizer.fromPretrained(folder));
        const { user, system } = process.cpuUsage(start);
        if (given !== undefined) t.diagnostic(`${folder}: loaded in ${(user + system) / 1e6} s of CPU time`);
        const wrong: unknown[] = [];
        for (const [i, [ids, text = strings[i]]] of rows.entries()) {
          const own = tokenizer.encode(strings[i], { addSpecialTokens: false });
          const again = tokenizer.decode(ids, { skipSpecialTokens: false });
          if (own.join() !== ids.join() || again !== text)
            wrong.push({ given: strings[i], own, ids, again, text });
        }
        assert.deepEqual(wrong.slice(0, 3), [], `${wrong.length} of ${rows.length} differ`);
      });
  });
}

it("SentencePiece's letters: a long text becomes what its parts become, in time by its length", () => {
  interface Data {
    normalizer: { normalizers: { precompiled_charsmap?: string }[] };
  }
  const { strings, kinds } = JSON.parse(fs.readFileSync(OWN, 'utf8')) as Golden;
  const { normalizer } = kinds['xlm-r'].tokenizer as Data;
  const normalize = precompiledNormalizer(normalizer.normalizers[0].precompiled_charsmap);
  assert.equal(normalize(strings.join(' ')), strings.map(normalize).join(' '));
  // Longer than what is cut at a time: letter by letter, none of which has a row of its own.
  const marks = `a${'\u0302'.repeat(2500)}`;
  assert.equal(normalize(`${marks} e\u0301`), `${marks} é`);
});

describe('added tokens are those of tokenizers', () => {
  const { kinds, added: given } = JSON.parse(fs.readFileSync(OWN, 'utf8')) as Golden;
  for (const [name, { tokenizer: data, added }] of Object.entries(kinds))
    if (added !== undefined)
      it(name, async (t) => {
        const plain = await opened(data, await temporaryFolder(t));
        const size = plain.vocabSize;
        const more = await addTokens(await addTokens(plain, given.tokens), given.special, { special: true });
        assert.equal(plain.vocabSize, size);
        const saved = await temporaryFolder(t);
        await more.savePretrained(saved);
        for (const tokenizer of [more, await AutoTokenizer.fromPretrained(saved)]) {
          assert.equal(tokenizer.vocabSize, added.size);
          for (const [text, ids, again] of added.rows) {
            assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), ids, text);
            assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), again);
          }
        }
      });

  it('what is no token is refused', async (t) => {
    const tokenizer = await opened(kinds.qwen3.tokenizer, await temporaryFolder(t));
    await assert.rejects(addTokens(tokenizer, ['']), /addTokens: expected .*tokens of one character or more/);
    await assert.rejects(addTokens(tokenizer, 'a' as never), /a list of tokens/);
    await assert.rejects(addTokens({} as never, ['a']), /a tokenizer of AutoTokenizer/);
  });
});
