/**
 * Where the JavaScript libraries do otherwise than Hugging Face's own: spaces before punctuation, added tokens that
 * are whole words, byte fallback, and Python's strip in chat templates.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { describe, it } from 'node:test';
import { AutoTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';

const FOLDER = path.join(ROOT, 'test', 'golden', 'tokenizer');

interface Cases {
  rows: { text: string; ids: number[]; decoded: string }[];
  decoded: { ids: number[]; text: string }[];
}

const golden = JSON.parse(fs.readFileSync(path.join(FOLDER, 'golden-library-fixes.json'), 'utf8')) as {
  'byte-level': Cases;
  'byte-fallback': Cases;
  messages: { role: string; content: string }[];
  strips: { template: string; text: string }[];
};

for (const name of ['byte-level', 'byte-fallback'] as const) {
  describe(`a tokenizer with ${name}`, () => {
    const { rows, decoded } = golden[name];

    it('gives the ids of Hugging Face: tokens that are whole words, and those that take spaces with them', async () => {
      const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, name));
      for (const { text, ids } of rows)
        assert.deepEqual(tokenizer.encode(text, { addSpecialTokens: false }), ids, JSON.stringify(text));
    });

    it('gives the texts of Hugging Face: spaces before punctuation stay, bytes become what they stand for', async () => {
      const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, name));
      for (const { ids, decoded: text } of rows) assert.equal(tokenizer.decode(ids), text);
      for (const { ids, text } of decoded) assert.equal(tokenizer.decode(ids), text, ids.join());
    });
  });
}

describe('chat templates', () => {
  for (const [i, { template, text }] of golden.strips.entries())
    it(`strips as Python does, ${i + 1}`, async () => {
      const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, 'byte-level'));
      const options = { tokenize: false, chatTemplate: template } as const;
      assert.equal(tokenizer.applyChatTemplate(golden.messages, options), text);
    });

  it('refuses an option that it does not know', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, 'byte-level'));
    const continued = { continueFinalMessage: true, chatTemplate: '{{ messages[0].content }}' };
    assert.throws(
      () => tokenizer.applyChatTemplate(golden.messages, continued),
      /expected the options tokenize, .*got continueFinalMessage/,
    );
  });

  it('names what a template calls on a value that is no text', async () => {
    const tokenizer = await AutoTokenizer.fromPretrained(path.join(FOLDER, 'byte-level'));
    const chatTemplate = "{{ messages.strip('x') }}";
    assert.throws(
      () => tokenizer.applyChatTemplate(golden.messages, { tokenize: false, chatTemplate }),
      /'list object' has no attribute 'strip'/,
    );
  });
});

describe('the token that ends a turn', () => {
  it('is the first special one after an answer', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-turn-'));
    try {
      fs.cpSync(path.join(FOLDER, 'byte-level'), folder, { recursive: true });
      const config = path.join(folder, 'tokenizer_config.json');
      const settings = JSON.parse(fs.readFileSync(config, 'utf8')) as Record<string, unknown>;
      const endOf = async (template: string): Promise<number | undefined> => {
        fs.writeFileSync(config, JSON.stringify({ ...settings, chat_template: template }));
        return (await AutoTokenizer.fromPretrained(folder)).endOfTurnTokenId;
      };
      const each = (inner: string): string => `{% for m in messages %}${inner}{% endfor %}`;
      const tokenizer = await AutoTokenizer.fromPretrained(folder);
      assert.equal(tokenizer.endOfTurnTokenId, undefined);
      assert.equal(await endOf(each('{{ m.content }}</s>\n')), tokenizer.tokenToId('</s>'));
      assert.equal(await endOf(each('<s>{{ m.content }}\n')), undefined);
      assert.equal(await endOf("{{ raise_exception('no') }}"), undefined);
    } finally {
      fs.rmSync(folder, { recursive: true, force: true });
    }
  });
});
