/** From text to text, and text as it comes. */
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { textGenerator, textStreamer } from '../../lib/generation';
import { AutoModelForCausalLM } from '../../lib/pretrained';
import type { CausalLM } from '../../lib/pretrained';
import type { Tokenizer } from '../../lib/types';
import { byteTokenizer } from './byte-tokenizer';

let model: CausalLM;
before(async () => {
  const config = { model_type: 'gpt2', vocab_size: 256, n_positions: 80, n_embd: 16, n_layer: 1, n_head: 2 };
  model = await AutoModelForCausalLM.fromConfig({ ...config, initializer_range: 0.5 }, { seed: 1 });
});
after(() => model.dispose());

const PROMPTS = ['a', 'longer than that', 'b', 'cc', '¿qué?'];

test('answers are the text of the new tokens, in order, whatever the batches', async () => {
  const answers = await textGenerator({ model, tokenizer: byteTokenizer, maxNewTokens: 20 })(PROMPTS);
  const small = textGenerator({ model, tokenizer: byteTokenizer, maxNewTokens: 20, batchSize: 2 });
  assert.deepEqual(await small(PROMPTS), answers);
  for (const [i, prompt] of PROMPTS.entries()) {
    const inputIds = [byteTokenizer.encode(prompt)];
    const { newTokens } = await model.generate({ inputIds, maxNewTokens: 20, eosTokenId: 0 });
    assert.equal(answers[i], byteTokenizer.decode(newTokens[0], { skipSpecialTokens: true }));
  }
  assert.ok(new Set(answers).size > 1);
  assert.deepEqual(await small([]), []);
});

test('the tokenizer’s end-of-sequence token ends an answer and is not part of it', async () => {
  const inputIds = [byteTokenizer.encode('a')];
  const { newTokens } = await model.generate({ inputIds, maxNewTokens: 20 });
  const eosTokenId = newTokens[0][5];
  const ending: Tokenizer = {
    ...byteTokenizer,
    eosTokenId,
    decode: (ids) => byteTokenizer.decode(ids.filter((id) => id !== eosTokenId)),
  };
  const [answer] = await textGenerator({ model, tokenizer: ending, maxNewTokens: 20 })(['a']);
  const end = newTokens[0].indexOf(eosTokenId);
  assert.equal(answer, byteTokenizer.decode(newTokens[0].slice(0, end)));
});

test('an answer ends before the stop string', async () => {
  const [whole] = await textGenerator({ model, tokenizer: byteTokenizer, maxNewTokens: 30 })(['a']);
  const stop = whole.slice(7, 10);
  const options = { model, tokenizer: byteTokenizer, maxNewTokens: 30, stopStrings: stop };
  assert.deepEqual(await textGenerator(options)(['a']), [whole.slice(0, whole.indexOf(stop))]);
});

test('options are checked', () => {
  assert.throws(
    () => textGenerator({ model, tokenizer: byteTokenizer, batchSize: 0 }),
    /textGenerator: expected batchSize/,
  );
  const unknown = { model, tokenizer: byteTokenizer, temprature: 1 };
  assert.throws(
    () => textGenerator(unknown),
    /^TunebookError: textGenerator: .*"temprature"\. Did you mean temperature\?$/,
  );
});

test('streamed text is whole characters of one row, and the whole text', () => {
  const pieces: string[] = [];
  const onToken = textStreamer(byteTokenizer, (text) => pieces.push(text), { row: 1 });
  const text = 'é€😀!';
  [...Buffer.from(text)].forEach((token, index) => {
    onToken({ row: 0, index, token: 65 });
    onToken({ row: 1, index, token });
  });
  assert.deepEqual(pieces, ['é', '€', '😀', '!']);
});
