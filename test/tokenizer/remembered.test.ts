/** Words that are kept by a tokenizer: the same ids before and after, whatever came between. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { remembered } from '../../lib/tokenizer/transformers-js/remembered';
import { AutoTokenizer } from '../../lib/tokenizer';

test('a result is computed once, long texts each time, and after many others again', () => {
  const computed: string[] = [];
  const length = remembered((text) => {
    computed.push(text);
    return text.length;
  });
  const long = 'x'.repeat(65);
  for (const text of ['one', long, 'one', long]) assert.equal(length(text), text.length);
  assert.deepEqual(computed, ['one', long, long]);
  for (let i = 0; i < 20_000; i++) length(String(i));
  assert.equal(length('one'), 3);
  assert.equal(computed.filter((text) => text === 'one').length, 2);
});

for (const name of ['gpt2', 'mistral'])
  test(`${name}: ids of texts do not depend on the texts before them`, async () => {
    const texts = ['1:02 h,  1:02 h', ' Sled\n\n Pull', 'naïve \u{1F3C3}\u200D♂️ <|endoftext|>Row </s>'];
    const used = await AutoTokenizer.fromPretrained(name);
    const [first, ...again] = [...texts, ...texts].map((text) => used.encode(text));
    const others = await Promise.all(
      texts.map(async (text) => (await AutoTokenizer.fromPretrained(name)).encode(text)),
    );
    assert.deepEqual([first, ...again], [...others, ...others]);
  });
