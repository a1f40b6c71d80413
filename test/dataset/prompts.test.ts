/**
 * Prompts and their encoding: the training form begins with the inference form, token for token; labels;
 * truncation that spares the response.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  chatTemplate,
  encodePrompt,
  encodeRecords,
  formatPrompt,
  instructionTemplate,
} from '../../lib/dataset';
import type { DataRecord } from '../../lib/dataset';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import type { Tokenizer } from '../../lib/types';

let gpt2: PretrainedTokenizer;
let mistral: PretrainedTokenizer;

before(async () => {
  gpt2 = await AutoTokenizer.fromPretrained('gpt2');
  mistral = await AutoTokenizer.fromPretrained('mistral');
});

const RECORD: DataRecord = { input: 'How was it?', context: 'time: 61', response: 'You were fast.' };

/** One token a character; 1 begins, 2 ends a text. */
const letters: Tokenizer = {
  vocabSize: 200,
  bosTokenId: 1,
  eosTokenId: 2,
  padTokenId: 2,
  modelMaxLength: 100,
  encode: (text, { addSpecialTokens = true } = {}) => [
    ...(addSpecialTokens ? [1] : []),
    ...[...text].map((letter) => letter.charCodeAt(0)),
  ],
  decode: (ids) => String.fromCharCode(...ids),
};

const plain = instructionTemplate({ prompt: '{input}' });

function idsOf(text: string): number[] {
  return letters.encode(text, { addSpecialTokens: false });
}

describe('templates', () => {
  it('the instruction prompt of the original experiments', () => {
    const template = instructionTemplate({ system: 'Be a coach.' });
    const { prompt, response, text } = formatPrompt(RECORD, template);
    assert.equal(
      prompt,
      '### Instruction:\nBe a coach.\n\n### Input:\nHow was it?\n\n### Context:\ntime: 61\n\n### Response:\n',
    );
    assert.equal(response, 'You were fast.');
    assert.equal(text, prompt + response);
  });

  it("a record's own system text wins; numbers and lists become text; a missing context is empty", () => {
    const template = instructionTemplate({ system: 'Default.' });
    const prompt = template.formatPrompt({ system: 'Own.', input: 5, context: null, response: '' });
    assert.match(prompt, /^### Instruction:\nOwn\.\n\n### Input:\n5\n\n### Context:\n\n\n### Response:\n$/);
    assert.equal(plain.formatPrompt({ input: ['a', 1] }), '["a",1]');
  });

  it('braces in a value stay as they are', () => {
    assert.equal(plain.formatPrompt({ input: '{response} $& {x}', response: 'secret' }), '{response} $& {x}');
  });

  it('a missing field throws an error that names it', () => {
    assert.throws(
      () => formatPrompt({ question: 'x', response: 'y' }),
      /expected the field "input".*question, response/,
    );
    const custom = instructionTemplate({ prompt: 'Q: {question} ({lang})\nA: ', defaults: { lang: 'en' } });
    assert.equal(custom.formatPrompt({ question: 'x' }), 'Q: x (en)\nA: ');
    assert.throws(() => custom.formatResponse({ question: 'x' }), /expected the field "response"/);
    assert.throws(
      () => instructionTemplate({ prompt: '{constructor}' }).formatPrompt({}),
      /expected the field "constructor"/,
    );
  });

  it('a prompt that shows the response is refused', () => {
    assert.throws(
      () => instructionTemplate({ prompt: '{input} {response}' }),
      /would see what it shall learn/,
    );
    assert.throws(
      () => chatTemplate({ tokenizer: mistral, user: '{response}' }),
      /would see what it shall learn/,
    );
  });

  it("Mistral's chat: one beginning, then the question", () => {
    const template = chatTemplate({ tokenizer: mistral, system: 'Be brief.' });
    assert.equal(template.formatPrompt(RECORD), '[INST] Be brief.\n\nHow was it?\n\ntime: 61 [/INST]');
    const ids = encodePrompt(RECORD, { tokenizer: mistral, template });
    assert.deepEqual(
      ids,
      mistral.applyChatTemplate([
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'How was it?\n\ntime: 61' },
      ]),
    );
    assert.equal(ids.filter((id) => id === mistral.bosTokenId).length, 1);
    assert.throws(
      () => chatTemplate({ tokenizer: gpt2 }),
      /gpt2 has no chat template. Use instructionTemplate/,
    );
  });
});

describe('training and inference agree', () => {
  // Responses that a joint encoding would merge with the prompt's last line break are among them.
  const responses = [
    'You were fast.',
    ' leading space',
    '\n\nbreaks first',
    '😀 emoji',
    'ñ',
    '1',
    "'s",
    '\tx = 1;',
  ];

  it('token for token up to the response, for both tokenizers and both templates', () => {
    for (const tokenizer of [gpt2, mistral]) {
      const templates = [
        instructionTemplate(),
        ...(tokenizer === mistral ? [chatTemplate({ tokenizer })] : []),
      ];
      for (const template of templates) {
        const records = responses.map((response) => ({ ...RECORD, response }));
        const { examples } = encodeRecords(records, { tokenizer, template });
        for (const [i, example] of examples.entries()) {
          const prompt = encodePrompt(records[i] ?? RECORD, { tokenizer, template });
          assert.deepEqual(example.inputIds.slice(0, prompt.length), prompt);
          assert.deepEqual(
            example.labels,
            example.inputIds.map((id, at) => (at < prompt.length ? -100 : id)),
          );
          assert.equal(example.inputIds.at(-1), tokenizer.eosTokenId);
          // In a conversation the response's ids are those of the whole; alone, a first space would be taken off.
          const isChat = template.formatTurn !== undefined;
          const [ids, before] = isChat
            ? [example.inputIds, tokenizer.decode(prompt, { skipSpecialTokens: true })]
            : [example.inputIds.slice(prompt.length), ''];
          assert.equal(tokenizer.decode(ids, { skipSpecialTokens: true }), before + responses[i]);
        }
      }
    }
  });

  it('encoding the joined text would not agree: it merges across the border', () => {
    const { prompt, text } = formatPrompt({ ...RECORD, response: '\n\nbreaks first' });
    const joint = gpt2.encode(text);
    const promptIds = gpt2.encode(prompt);
    assert.notDeepEqual(joint.slice(0, promptIds.length), promptIds);
    const ordinary = formatPrompt(RECORD);
    assert.deepEqual(gpt2.encode(ordinary.text), [
      ...gpt2.encode(ordinary.prompt),
      ...gpt2.encode(ordinary.response),
    ]);
  });
});

describe('labels', () => {
  const record = { input: 'abc', response: 'XY' };

  it('on the response and its end only, by default', () => {
    const { examples, report } = encodeRecords([record], { tokenizer: letters, template: plain });
    assert.deepEqual(examples[0], {
      inputIds: [1, ...idsOf('abcXY'), 2],
      labels: [-100, -100, -100, -100, ...idsOf('XY'), 2],
    });
    assert.equal(report.lossTokens, 3);
    assert.equal(report.totalTokens, 7);
  });

  it('on everything, on request; the first token is predicted from nothing and not counted', () => {
    const { examples, report } = encodeRecords([record], {
      tokenizer: letters,
      template: plain,
      labels: 'all',
    });
    assert.deepEqual(examples[0]?.labels, [1, ...idsOf('abcXY'), 2]);
    assert.equal(report.lossTokens, 6);
  });

  it('without an end, on request; a tokenizer without one is refused otherwise', () => {
    const { examples } = encodeRecords([record], { tokenizer: letters, template: plain, appendEos: false });
    assert.deepEqual(examples[0]?.inputIds, [1, ...idsOf('abcXY')]);
    const endless = { ...letters, eosTokenId: undefined };
    assert.throws(
      () => encodeRecords([record], { tokenizer: endless, template: plain }),
      /end-of-text token/,
    );
  });

  it('options are checked', () => {
    assert.throws(() => encodeRecords([], { tokenizer: letters, maxLength: 0 }), /maxLength/);
    const wrong: unknown = { tokenizer: letters, truncation: 'right' };
    assert.throws(() => encodeRecords([], wrong as { tokenizer: Tokenizer }), /truncation/);
  });
});

describe('truncation', () => {
  const record = { input: 'abcdefgh', response: 'XY' };
  const encode = (
    maxLength: number,
    truncation?: 'left' | 'middle' | 'drop',
  ): ReturnType<typeof encodeRecords> =>
    encodeRecords([record], { tokenizer: letters, template: plain, maxLength, truncation });

  it('takes the middle of the prompt by default', () => {
    const { examples, report } = encode(8);
    assert.deepEqual(examples[0]?.inputIds, [1, ...idsOf('abgh'), ...idsOf('XY'), 2]);
    assert.deepEqual(report.truncated, [{ index: 0, removedTokens: 4 }]);
    assert.deepEqual([report.total, report.kept, report.dropped.length], [1, 1, 0]);
  });

  it('or its start, but never the beginning-of-text token', () => {
    assert.deepEqual(encode(8, 'left').examples[0]?.inputIds, [1, ...idsOf('efgh'), ...idsOf('XY'), 2]);
  });

  it('or drops the example, and reports it', () => {
    const { examples, report } = encode(8, 'drop');
    assert.equal(examples.length, 0);
    assert.deepEqual(report.dropped, [{ index: 0, tokens: 12, reason: '12 tokens, 8 allowed' }]);
    assert.deepEqual(report.promptTokens, { min: 0, mean: 0, median: 0, p95: 0, max: 0 });
  });

  it('leaves what fits exactly', () => {
    const { examples, report } = encode(12, 'drop');
    assert.equal(examples[0]?.inputIds.length, 12);
    assert.deepEqual(report.truncated, []);
  });

  it('never cuts a response: too long alone, or empty, it is dropped', () => {
    const records = [{ input: 'a', response: 'much too long' }, record, { input: 'a', response: '' }];
    const options = { tokenizer: letters, template: plain, maxLength: 8, appendEos: false };
    const { examples, report } = encodeRecords(records, options);
    assert.equal(examples.length, 1);
    assert.deepEqual(report.sourceIndex, [1]);
    assert.deepEqual(
      report.dropped.map(({ index, reason }) => [index, reason]),
      [
        [0, 'the response alone has 13 tokens of 8'],
        [2, 'the response is empty'],
      ],
    );
  });

  it('does the same for inference prompts', () => {
    const options = { tokenizer: letters, template: plain, maxLength: 5 };
    assert.deepEqual(encodePrompt(record, options), [1, ...idsOf('abgh')]);
    assert.throws(() => encodePrompt(record, { ...options, truncation: 'drop' }), /at most 5 tokens, got 9/);
  });

  it('lengths are summed up', () => {
    const records = [1, 2, 3, 4, 95].map((length) => ({ input: 'x'.repeat(length), response: 'y' }));
    const { report } = encodeRecords(records, { tokenizer: letters, template: plain });
    assert.deepEqual(report.promptTokens, { min: 2, mean: 22, median: 4, p95: 96, max: 96 });
    assert.deepEqual(report.responseTokens, { min: 2, mean: 2, median: 2, p95: 2, max: 2 });
    assert.equal(report.sequenceTokens.max, 98);
  });
});
