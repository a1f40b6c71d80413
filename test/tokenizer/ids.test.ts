/**
 * Token ids against sources outside our code: Hugging Face tokenizers (golden.json, generator beside it),
 * gpt-3-encoder (OpenAI's published encoder in JavaScript) and js-tiktoken.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { encode as encodeOpenAi } from 'gpt-3-encoder';
import { Tiktoken } from 'js-tiktoken/lite';
import gpt2Ranks from 'js-tiktoken/ranks/gpt2';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { ChatMessage, PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';

interface TokenizerGolden {
  ids: number[][];
  idsWithSpecial: number[][];
  decoded: string[];
  decodedSkipped: string[];
}

interface Golden {
  texts: string[];
  gpt2: TokenizerGolden;
  mistral: TokenizerGolden;
  chat: { messages: ChatMessage[]; text: string; ids: number[] }[];
}

let golden: Golden;
let gpt2: PretrainedTokenizer;
let mistral: PretrainedTokenizer;

before(async () => {
  golden = JSON.parse(await readFile(path.join(ROOT, 'test/golden/tokenizer/golden.json'), 'utf8')) as Golden;
  gpt2 = await AutoTokenizer.fromPretrained('gpt2');
  mistral = await AutoTokenizer.fromPretrained('mistral');
});

describe('the same ids as Hugging Face tokenizers', () => {
  for (const name of ['gpt2', 'mistral'] as const) {
    it(`${name}: ids and decoded text of every golden string`, () => {
      const tokenizer = name === 'gpt2' ? gpt2 : mistral;
      const expected = golden[name];
      assert.ok(golden.texts.length > 100);
      for (const [i, text] of golden.texts.entries()) {
        const what = JSON.stringify(text);
        const ids = expected.ids[i] ?? [];
        assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), ids, what);
        assert.deepEqual(tokenizer.encode(text), expected.idsWithSpecial[i], what);
        assert.equal(tokenizer.decode(ids), expected.decoded[i], what);
        assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), expected.decodedSkipped[i], what);
      }
    });
  }

  it('mistral: chats as the Jinja of Python renders and encodes them', () => {
    assert.equal(golden.chat.length, 3);
    for (const { messages, text, ids } of golden.chat) {
      assert.equal(mistral.applyChatTemplate(messages, { tokenize: false }), text);
      assert.deepEqual(mistral.applyChatTemplate(messages), ids);
    }
  });
});

/** Texts without special tokens: these two libraries do not know them. */
const PLAIN = [
  'You performed close to expected levels. Compared to your cluster (#4.0), you may want to improve: 1000m Row.',
  'El corredor mejoró su tiempo: ¡veintitrés minutos! ¿Y mañana?',
  '🏃‍♀️💨 👩🏽‍🚀 🇪🇸 ❤️',
  'for (let i = 0; i < n; i++) {\n\treturn x[i] !== null && `${y}`;\n}\r\n',
  '  leading, double  spaces and trailing  \n\n',
  "I'll say they've done what's needed; we'd agree.",
];

describe('the same ids as the other implementations of GPT-2', () => {
  const tiktoken = new Tiktoken(gpt2Ranks);

  it('js-tiktoken, whose ranks are an independent copy of the vocabulary', () => {
    for (const text of PLAIN) assert.deepEqual(gpt2.encode(text), tiktoken.encode(text), text);
  });

  it('gpt-3-encoder', () => {
    for (const text of PLAIN) assert.deepEqual(gpt2.encode(text), encodeOpenAi(text), text);
  });

  it('every one of the 50,256 ordinary tokens decodes to the same bytes as in js-tiktoken', () => {
    const decoder = new TextDecoder();
    let checked = 0;
    for (const line of gpt2Ranks.bpe_ranks.split('\n')) {
      const [, first, ...tokens] = line.split(' ');
      for (const [i, token] of tokens.entries()) {
        const bytes = Buffer.from(token, 'base64');
        assert.equal(gpt2.decode([Number(first) + i]), decoder.decode(bytes), token);
        checked++;
      }
    }
    assert.equal(checked, 50256);
  });
});

describe('the same ids as the other implementation of Mistral', () => {
  it('mistral-tokenizer-js', async () => {
    const name: string = 'mistral-tokenizer-js'; // not a literal: the package has no type declarations
    const module = (await import(name)) as { default: { encode(text: string): number[] } };
    for (const text of PLAIN) assert.deepEqual(mistral.encode(text), module.default.encode(text), text);
  });
});

describe('round trips', () => {
  it('GPT-2 gives back every valid text, byte for byte', () => {
    for (const text of [...golden.texts, ...PLAIN]) assert.equal(gpt2.decode(gpt2.encode(text)), text);
  });

  it('Mistral gives back every text that does not hold its own marks', () => {
    for (const text of PLAIN) {
      assert.equal(mistral.decode(mistral.encode(text), { skipSpecialTokens: true }), text);
    }
  });

  // What is not valid UTF-8 becomes U+FFFD, as in every other implementation, and is stable from there on.
  for (const [what, text] of [
    ['a lone high surrogate', 'a\ud83db'],
    ['a lone low surrogate at the end', 'b\ude00'],
    ['raw bytes', Buffer.from([0x66, 0xff, 0xfe, 0x80, 0xc3, 0x28, 0x67]).toString('utf8')],
    ['a truncated emoji', Buffer.from('🏃').subarray(0, 3).toString('utf8')],
  ] as const) {
    it(`invalid UTF-8: ${what}`, () => {
      const repaired = Buffer.from(text, 'utf8').toString('utf8');
      for (const tokenizer of [gpt2, mistral]) {
        const ids = tokenizer.encode(text, { addSpecialTokens: false });
        assert.equal(tokenizer.decode(ids), repaired);
        assert.deepEqual(ids, tokenizer.encode(repaired, { addSpecialTokens: false }));
        assert.ok(repaired.includes('\ufffd'));
      }
    });
  }

  it('part of a character decodes to U+FFFD, the whole of it to the character', () => {
    const ids = gpt2.encode('🏃');
    assert.ok(ids.length > 1);
    assert.equal(gpt2.decode(ids.slice(0, 1)), '\ufffd');
    assert.equal(gpt2.decode(ids), '🏃');
  });
});

describe('special tokens in text', () => {
  it('are one id, and are left out on request', () => {
    const ids = gpt2.encode('one<|endoftext|>two');
    assert.deepEqual(ids, [505, 50256, 11545]);
    assert.equal(gpt2.decode(ids), 'one<|endoftext|>two');
    assert.equal(gpt2.decode(ids, { skipSpecialTokens: true }), 'onetwo');
  });

  it("the original's <|startoftext|> is no token of GPT-2: it falls to pieces", () => {
    assert.equal(gpt2.tokenToId('<|startoftext|>'), undefined);
    assert.ok(gpt2.encode('<|startoftext|>').length > 1);
  });

  it('Mistral begins with <s> unless told otherwise', () => {
    assert.equal(mistral.encode('x')[0], 1);
    assert.notEqual(mistral.encode('x', { addSpecialTokens: false })[0], 1);
  });
});
