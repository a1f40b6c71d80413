/** Conversations that are wrong are refused by the record's place, or left out on request; nothing else is lost. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { chatTemplate, encodeRecords, loadRecords } from '../../lib/dataset';
import type { DataRecord } from '../../lib/dataset';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import {
  answer as a,
  encode,
  recordOf,
  scratch,
  tokenizerOf,
  user as u,
} from '../support/golden-conversations';

describe('faulty conversations', () => {
  let tokenizer: PretrainedTokenizer;
  before(async () => (tokenizer = await tokenizerOf('llama3')));
  const call = { function: { name: 'f', arguments: {} } };

  const WRONG: readonly [string, readonly DataRecord[], RegExp][] = [
    ['no messages', [], /expected messages in "messages", got an empty list/],
    [
      'an unknown role',
      [{ role: 'coach', content: 'a' }],
      /messages\[0\]\.role: expected system.*got "coach"/,
    ],
    [
      'the assistant first',
      [a('b')],
      /messages\[0\]: roles out of order: expected the assistant after a user, got it first/,
    ],
    [
      'two answers',
      [u('a'), a('b'), a('c')],
      /messages\[2\]: roles out of order.*after assistant\. Join the two/,
    ],
    ['two questions', [u('a'), u('b'), a('c')], /messages\[1\]: roles out of order/],
    [
      'a late system text',
      [u('a'), { role: 'system', content: 's' }],
      /messages\[1\]: a system message stands first/,
    ],
    ['an empty question', [u(' '), a('b')], /messages\[0\]: the turn of the user is empty/],
    ['an empty answer', [u('a'), a('')], /messages\[1\]: the turn of the assistant is empty/],
    [
      'a call without an answer',
      [u('a'), a('', { tool_calls: [call] }), u('b'), a('c')],
      /messages\[2\]: the tool that assistant called has no answer/,
    ],
    [
      'an answer without a call',
      [u('a'), { role: 'tool', content: '1' }, a('c')],
      /messages\[1\]: an answer of a tool that nobody called/,
    ],
    ['no answer at all', [u('a')], /expected a turn of the assistant, got none/],
    [
      'an image',
      [{ role: 'user', content: [{ type: 'image' }] }, a('b')],
      /messages\[0\]\.content: expected text, got a part of type "image"/,
    ],
    ['a number', [{ role: 'user', content: 3 }, a('b')], /messages\[0\]\.content: expected text, got 3/],
    ['a weight', [u('a'), a('b', { weight: 2 })], /messages\[1\]\.weight: expected 0 or 1, got 2/],
    [
      'broken arguments',
      [u('a'), a('', { tool_calls: [{ function: { name: 'f', arguments: '{' } }] })],
      /arguments: expected JSON, got "\{"/,
    ],
  ];
  for (const [what, messages, message] of WRONG)
    it(`${what}: refused by the record's place, or left out on request`, () => {
      const good = recordOf('one');
      assert.throws(
        () => encode([good, { messages }], { tokenizer }),
        (error: Error) => {
          assert.match(error.message, message);
          assert.match(error.message, /^encodeRecords, record 1: .*invalidRecords: 'drop'/s);
          return true;
        },
      );
      const { examples, report } = encode([good, { messages }], { tokenizer, invalidRecords: 'drop' });
      assert.equal(examples.length, 1);
      assert.match(report.dropped[0].reason, message);
    });

  it('names file and line, and how many others there are', async () => {
    const file = path.join(scratch, 'chats.jsonl');
    const good = JSON.stringify(recordOf('one'));
    const bad = JSON.stringify({ messages: [u('a'), u('b')] });
    fs.writeFileSync(file, [good, '', bad, good, bad, ''].join('\n'));
    const { records } = await loadRecords(file);
    assert.throws(
      () => encode(records, { tokenizer }),
      /chats\.jsonl:3: messages\[1\]: roles out of order.*2 of 4 records are wrong; the others: .*chats\.jsonl:5: /s,
    );
    fs.writeFileSync(file, `${good}\n{"text":"a"}\n`);
    const mixed = await loadRecords(file);
    assert.throws(
      () => encodeRecords(mixed.records, { tokenizer }),
      /chats\.jsonl:2: expected a record like the others \(messages: .*\), got text/,
    );
  });

  it('a field of the right name that holds something else says what it holds', () => {
    for (const [messages, what] of [
      ['hello', '"hello"'],
      [null, 'null'],
      [{ role: 'user' }, 'an object'],
    ] as const)
      assert.throws(
        () => encode([recordOf('one'), { messages }], { tokenizer }),
        new RegExp(`record 1: expected a record like the others .*got messages: ${what}`),
      );
  });

  it('what a template refuses is told in its own words', () => {
    const template = chatTemplate({ tokenizer, chatTemplate: "{{ raise_exception('no system here') }}" });
    assert.throws(() => encode([recordOf('one')], { tokenizer, template }), /record 0: .*no system here/);
  });

  it('an empty mask, and turns that do not learn to stop, are reported', (t) => {
    const warned = t.mock.method(console, 'warn', () => undefined);
    const of = (inner: string): ReturnType<typeof encodeRecords> => {
      const chatTemplateSource = `{% for m in messages %}${inner}{% endfor %}`;
      const template = chatTemplate({ tokenizer, chatTemplate: chatTemplateSource });
      return encode([recordOf('one')], { tokenizer, template });
    };
    const nothing = of(
      '{{ m.content }}{% if false %}{% generation %}{% endgeneration %}{% endif %}<|eot_id|>',
    );
    assert.equal(nothing.report.conversations?.emptyMasks, 1);
    assert.match(nothing.report.dropped[0].reason, /marks nothing as written by the assistant/);
    const open = of(
      "{% if m.role == 'assistant' %}{% generation %}{{ m.content }}{% endgeneration %}{% else %}{{ m.content }}{% endif %}{{ eos_token }}",
    );
    assert.equal(open.report.conversations?.openTurns, 1);
    assert.match(String(warned.mock.calls.at(-1)?.arguments[0]), /does not learn to stop/);
  });
});
