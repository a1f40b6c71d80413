/**
 * Vocabulary and merges read from a file's bytes: what JSON.parse makes of the same bytes, token by token, and what is
 * left to it. The ids of texts are compared in families.test.ts.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import { readBpeTables, wholeJson } from '../../lib/tokenizer/tables/read-tables';
import { ROOT } from '../support/paths';

interface Model {
  type: string;
  vocab: Record<string, number>;
  merges: (string | [string, string])[];
}

const bytes = (value: unknown): Buffer =>
  Buffer.from(typeof value === 'string' ? value : JSON.stringify(value));

describe('the tables of a tokenizer.json', () => {
  const golden = JSON.parse(
    fs.readFileSync(path.join(ROOT, 'test/golden/tokenizer/golden-families.json'), 'utf8'),
  ) as { kinds: Record<string, { tokenizer: { model: Model } }> };
  const files: [string, Buffer][] = Object.entries(golden.kinds)
    .filter(([, { tokenizer }]) => tokenizer.model.type === 'BPE')
    .map(([kind, { tokenizer }]) => [kind, bytes(tokenizer)]);
  files.push(['mistral', fs.readFileSync(path.join(ROOT, 'data/tokenizers/mistral/tokenizer.json'))]);
  for (const [name, file] of files)
    it(`${name}: each token and each merge`, () => {
      const json = JSON.parse(file.toString()) as { model: Model };
      const read = readBpeTables(file);
      assert.ok(read !== undefined);
      const { rest, tables } = read;
      assert.deepEqual(rest, { ...json, model: { ...json.model, vocab: {}, merges: [] } });
      assert.equal(JSON.stringify(wholeJson(rest, tables)), JSON.stringify(json));
      const { vocab, merges } = json.model;
      assert.equal(tables.tokens.size, Math.max(...Object.values(vocab)) + 1);
      const { tokens } = tables;
      const wrong = Object.entries(vocab).filter(
        ([token, id]) =>
          tokens.get(token) !== id ||
          tokens.tokenOf(id) !== token ||
          (tokens.get(`${token}?`) !== undefined) !== Object.hasOwn(vocab, `${token}?`),
      );
      assert.deepEqual(wrong, []);
      const idsOf = (merge: Model['merges'][number]): number[] =>
        (typeof merge === 'string' ? merge.split(' ') : merge).map((token) => vocab[token]);
      const misplaced = merges.filter((merge, rank) => {
        const [left, right] = idsOf(merge);
        return tables.merges.rankOf(left, right) !== rank;
      });
      assert.deepEqual(misplaced, []);
      assert.equal(tables.merges.rankOf(0, 0), undefined);
    });

  const MODEL = {
    type: 'BPE',
    vocab: { a: 0, '"\n\\': 1, é: 2, '🏃': 3, 'a"\n\\': 4 },
    merges: [['a', '"\n\\']],
  };
  it('with escapes and white space in all places', () => {
    const text = JSON.stringify({ x: [1, { model: '}]' }], model: MODEL, y: null }, null, '\t\r\n ');
    for (const one of [text, text.replace('é', '\\u00e9').replace('🏃', '\\ud83c\\udfc3')]) {
      const read = readBpeTables(bytes(one));
      assert.ok(read !== undefined);
      assert.deepEqual(wholeJson(read.rest, read.tables), JSON.parse(text));
      assert.equal(read.tables.tokens.get('🏃'), 3);
      assert.equal(read.tables.tokens.get('\ud83c'), undefined);
      assert.equal(read.tables.merges.rankOf(0, 1), 0);
    }
  });

  const LEFT: readonly [string, unknown][] = [
    ['another model', { model: { ...MODEL, type: 'Unigram' } }],
    ['a list of tokens', { model: { ...MODEL, vocab: [['a', 0]] } }],
    ['no merges', { model: { type: 'BPE', vocab: { a: 0 } } }],
    ['merges before the vocabulary', { model: { type: 'BPE', merges: [], vocab: { a: 0 } } }],
    ['a merge of what is no token', { model: { ...MODEL, merges: ['a b'] } }],
    ['a merge of three', { model: { ...MODEL, merges: [['a', 'a', 'a']] } }],
    ['an id that is no whole number', { model: { ...MODEL, vocab: { a: 0.5 } } }],
    ['an id far from all others', { model: { ...MODEL, vocab: { a: 123456789 }, merges: [] } }],
    ['an id twice', { model: { ...MODEL, vocab: { a: 0, b: 0 }, merges: [] } }],
    ['a token twice', '{"model":{"type":"BPE","vocab":{"a":0,"a":1},"merges":[]}}'],
    ['half a surrogate pair', '{"model":{"type":"BPE","vocab":{"\\ud83c":0},"merges":[]}}'],
    ['a file cut short', JSON.stringify({ model: MODEL }).slice(0, -4)],
    ['a comma too many', JSON.stringify({ model: MODEL }).replace('},"merges', ',},"merges')],
    ['text after its end', `${JSON.stringify({ model: MODEL })}]`],
    ['no JSON', 'vocab'],
    ['nothing', ''],
  ];
  for (const [what, value] of LEFT)
    it(`${what}: left to JSON.parse`, () => assert.equal(readBpeTables(bytes(value)), undefined));

  it('bytes that are no UTF-8: left to JSON.parse', () => {
    const file = bytes({ model: MODEL });
    file[file.indexOf('é')] = 0xff;
    assert.equal(readBpeTables(file), undefined);
  });
});
