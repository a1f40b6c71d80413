/**
 * Every kind of part that tokenizer.json may have gives the ids and texts of Hugging Face's tokenizers 0.23, letter for
 * letter, or is refused by its name.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';

interface Kind {
  name: string;
  model: string;
  added: unknown[];
  normalizer: Record<string, unknown> | null;
  pre_tokenizer: Record<string, unknown> | null;
  decoder: Record<string, unknown> | null;
  ids: number[][];
  decoded: string[];
}

const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test', 'golden', 'tokenizer', 'golden-kinds.json'), 'utf8'),
) as { texts: string[]; models: Record<string, Record<string, unknown>>; kinds: Kind[] };

/** What the library under us lacks, with the word that names it. */
const REFUSED = new Map([
  ['UnicodeScripts', /Unknown PreTokenizer type: UnicodeScripts/],
  ['Nmt', /Unknown Normalizer type: Nmt/],
  ['ByteLevel as a normalizer', /Unknown Normalizer type: ByteLevel/],
]);

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-kinds-'));

after(() => {
  fs.rmSync(folder, { recursive: true, force: true });
});

function load(parts: Record<string, unknown>): Promise<PretrainedTokenizer> {
  const none = {
    normalizer: null,
    pre_tokenizer: null,
    post_processor: null,
    decoder: null,
    added_tokens: [],
  };
  fs.writeFileSync(path.join(folder, 'tokenizer_config.json'), JSON.stringify({ eos_token: '<x>' }));
  fs.writeFileSync(
    path.join(folder, 'tokenizer.json'),
    JSON.stringify({ version: '1.0', ...none, ...parts }),
  );
  return AutoTokenizer.fromPretrained(folder);
}

const loadKind = ({ model, added, normalizer, pre_tokenizer, decoder }: Kind): Promise<PretrainedTokenizer> =>
  load({ model: golden.models[model], added_tokens: added, normalizer, pre_tokenizer, decoder });

describe('a part of tokenizer.json', () => {
  for (const kind of golden.kinds) {
    const refusal = REFUSED.get(kind.name);
    if (refusal !== undefined) {
      it(`is refused by name: ${kind.name}`, () => assert.rejects(loadKind(kind), refusal));
      continue;
    }
    it(`gives the ids and texts of tokenizers: ${kind.name}`, async () => {
      const tokenizer = await loadKind(kind);
      for (const [i, text] of golden.texts.entries()) {
        assert.deepEqual(tokenizer.encode(text), kind.ids[i], JSON.stringify(text));
        assert.equal(tokenizer.decode(kind.ids[i]), kind.decoded[i], `decoded ${JSON.stringify(text)}`);
      }
    });
  }
});

describe('a setting that would change the ids unread', () => {
  const bpe = golden.models.unknown;
  const settings: [string, Record<string, unknown>, RegExp][] = [
    ['dropout', { model: { ...bpe, dropout: 0.1 } }, /dropout 0\.1 of a BPE model is not supported/],
    [
      'prefix',
      { model: { ...bpe, continuing_subword_prefix: '##' } },
      /continuing_subword_prefix "##" of a BPE/,
    ],
    [
      'bytes',
      { model: { ...golden.models.Unigram, byte_fallback: true } },
      /byte_fallback of a Unigram model/,
    ],
    ...[undefined, '', 'AAEA', Buffer.from([8, 0, 0, 0, 1, 2, 3, 4]).toString('base64')].map(
      (map): [string, Record<string, unknown>, RegExp] => [
        `map ${map}`,
        { model: bpe, normalizer: { type: 'Precompiled', precompiled_charsmap: map } },
        /the normalizer Precompiled without a whole precompiled_charsmap/,
      ],
    ),
    ['behavior', { model: bpe, pre_tokenizer: { type: 'Punctuation', behavior: 'Odd' } }, /of a Split: Odd/],
    [
      'pattern',
      { model: bpe, pre_tokenizer: { type: 'Split', behavior: 'Isolated' } },
      /Split without a pattern/,
    ],
  ];
  for (const [name, parts, message] of settings)
    it(`is refused by name: ${name}`, () =>
      assert.rejects(load({ ...parts, added_tokens: golden.kinds[0].added }), message));

  it('an empty prefix and zero dropout count as absent', async () => {
    const model = { ...bpe, continuing_subword_prefix: '', dropout: 0 };
    const tokenizer = await load({ model, added_tokens: golden.kinds[0].added });
    const [ids] = golden.kinds[0].ids;
    assert.deepEqual(tokenizer.encode(golden.texts[0]), ids);
  });
});
