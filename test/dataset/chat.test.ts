/**
 * Training on a chat template: what follows the prompt is what transformers renders and tokenizes, the end of the turn
 * included, whatever token that is.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import {
  chatTemplate,
  encodePrompt,
  encodeRecords,
  formatPrompt,
  instructionTemplate,
} from '../../lib/dataset';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { ROOT } from '../support/paths';
import { tokenizerWithTokens } from '../support/tokenizer-with-tokens';

interface Golden {
  tokenizer: string;
  template: string | null;
  tokens: string[];
  prompt: number[];
  rows: { answer: string; ids: number[] }[];
}

const golden = JSON.parse(
  fs.readFileSync(path.join(ROOT, 'test', 'golden', 'chat', 'golden.json'), 'utf8'),
) as Record<string, Golden>;
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-chat-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

/** The tokenizer of a kind: further special tokens after the last id, as make.py adds them, and its template. */
function tokenizerOf(kind: string): Promise<PretrainedTokenizer> {
  const { tokenizer, template, tokens } = golden[kind];
  return tokenizerWithTokens(tokenizer, { tokens, template, folder: path.join(scratch, kind) });
}

const record = (response: string): Record<string, string> => ({
  input: 'How was it?',
  context: 'time: 61',
  response,
});

describe('chatTemplate in training', () => {
  for (const [kind, { rows, tokens }] of Object.entries(golden)) {
    it(`${kind}: the template's own continuation, token for token`, async () => {
      const tokenizer = await tokenizerOf(kind);
      const template = chatTemplate({ tokenizer });
      // Prompts are encoded with the tokenizer's special tokens: its first token stands even where the template has none.
      const [first] = tokenizer.encode('');
      const begin = first !== undefined && golden[kind].prompt[0] !== first ? [first] : [];
      const prompt = [...begin, ...golden[kind].prompt];
      for (const { answer, ids: rest } of rows) {
        const ids = [...begin, ...rest];
        assert.deepEqual(encodePrompt(record(answer), { tokenizer, template }), prompt);
        const { examples } = encodeRecords([record(answer)], { tokenizer, template });
        const [{ inputIds, labels }] = examples;
        assert.deepEqual(inputIds.slice(0, prompt.length), prompt);
        assert.deepEqual(
          labels.slice(0, prompt.length),
          prompt.map(() => -100),
        );
        const learned = labels.slice(prompt.length);
        assert.deepEqual(learned, inputIds.slice(prompt.length));
        const isPrefix = prompt.every((id, i) => ids[i] === id);
        if (isPrefix) assert.deepEqual(inputIds, ids);
        else {
          // A token spans the border ("\n\n"): the same text, cut where the prompt ends.
          const end = kind === 'open' ? [tokenizer.eosTokenId] : [];
          assert.equal(tokenizer.decode(inputIds), tokenizer.decode([...ids, ...end] as number[]));
        }
        const turnEnd = tokens.length > 0 ? tokens[tokens.length - 1] : tokenizer.eosToken;
        assert.equal(learned.filter((id) => id === tokenizer.tokenToId(turnEnd ?? '')).length, 1, answer);
      }
    });
  }

  it('the response stays the bare answer, and the text is the whole conversation', async () => {
    const tokenizer = await tokenizerOf('chatml');
    const { response, text } = formatPrompt(record('Good.'), chatTemplate({ tokenizer }));
    assert.equal(response, 'Good.');
    assert.equal(
      text,
      '<|im_start|>user\nHow was it?\n\ntime: 61<|im_end|>\n<|im_start|>assistant\nGood.<|im_end|>\n',
    );
  });

  it('an answer that occurs in the end of the turn, where the prompt opens a thought', async () => {
    const tokenizer = await tokenizerOf('chatml');
    const opens =
      "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}" +
      '{% if add_generation_prompt %}<|im_start|>assistant\n<think>\n{% endif %}';
    const thinking = Object.assign(Object.create(tokenizer) as PretrainedTokenizer, {
      applyChatTemplate: (turns: { role: string; content: string }[], options: object) =>
        tokenizer.applyChatTemplate(turns, { ...options, tokenize: false, chatTemplate: opens }),
    });
    const template = chatTemplate({ tokenizer: thinking });
    for (const answer of ['e', 'end', '|', 'im', 'no', '  code\n']) {
      const prompt = encodePrompt(record(answer), { tokenizer, template });
      const { examples } = encodeRecords([record(answer)], { tokenizer, template });
      assert.match(tokenizer.decode(prompt), /<think>\n$/);
      assert.equal(tokenizer.decode(examples[0].inputIds.slice(prompt.length)), `${answer}<|im_end|>\n`);
    }
  });

  it('a tokenizer that ends every text does not end the prompt', async () => {
    const mistral = await AutoTokenizer.fromPretrained('mistral');
    const folder = path.join(scratch, 'adds-eos');
    fs.cpSync(path.join(ROOT, 'data', 'tokenizers', 'mistral'), folder, { recursive: true });
    const file = path.join(folder, 'tokenizer.json');
    const data = JSON.parse(fs.readFileSync(file, 'utf8')) as {
      post_processor: { single: object[]; special_tokens: Record<string, object> };
    };
    data.post_processor.single.push({ SpecialToken: { id: '</s>', type_id: 0 } });
    data.post_processor.special_tokens['</s>'] = { id: '</s>', ids: [2], tokens: ['</s>'] };
    fs.writeFileSync(file, JSON.stringify(data));
    const tokenizer = await AutoTokenizer.fromPretrained(folder);
    assert.deepEqual(tokenizer.encode('a'), [...mistral.encode('a'), 2]);
    for (const make of [() => instructionTemplate(), chatTemplate]) {
      const template = make({ tokenizer });
      const right = make({ tokenizer: mistral });
      assert.deepEqual(
        encodePrompt(record('Good.'), { tokenizer, template }),
        encodePrompt(record('Good.'), { tokenizer: mistral, template: right }),
      );
      assert.deepEqual(
        encodeRecords([record('Good.')], { tokenizer, template }).examples,
        encodeRecords([record('Good.')], { tokenizer: mistral, template: right }).examples,
      );
    }
  });

  it('a tokenizer that names no length needs none', async () => {
    const tokenizer = await tokenizerOf('chatml');
    const endless = Object.create(tokenizer, { modelMaxLength: { value: Infinity } }) as PretrainedTokenizer;
    const { examples } = encodeRecords([record('Good.')], { tokenizer: endless });
    assert.deepEqual(examples, encodeRecords([record('Good.')], { tokenizer, maxLength: 1000 }).examples);
    for (const maxLength of [1, 2.5, Number.NaN])
      assert.throws(
        () => encodeRecords([record('Good.')], { tokenizer, maxLength }),
        /at least 2, or Infinity/,
      );
  });

  it('a template that leaves the answer out is refused', async () => {
    const tokenizer = await tokenizerOf('chatml');
    const silent =
      "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }}{% endif %}{% endfor %}!";
    const deaf = Object.assign(Object.create(tokenizer) as PretrainedTokenizer, {
      applyChatTemplate: (turns: { role: string; content: string }[], options: object) =>
        tokenizer.applyChatTemplate(turns, { ...options, tokenize: false, chatTemplate: silent }),
    });
    const template = chatTemplate({ tokenizer: deaf });
    assert.throws(
      () => encodeRecords([record('Good.')], { tokenizer, template }),
      /write the answer after the prompt/,
    );
  });
});
