/**
 * Conversations: ids and learned tokens are those of TRL's SFT path (golden/conversations, generator beside it), whatever
 * the format of the record; what is too long loses whole turns.
 */
import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import {
  chatTemplate,
  createDataCollator,
  encodeAnswer,
  encodePrompt,
  encodeRecords,
  formatPrompt,
  instructionTemplate,
  packExamples,
} from '../../lib/dataset';
import type { DataRecord } from '../../lib/dataset';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import {
  answer as a,
  encode,
  golden,
  learned,
  maskOf,
  recordOf,
  tokenizerOf,
  user as u,
} from '../support/golden-conversations';

const marked = Object.entries(golden.kinds).filter(([, { rows }]) => rows.one.mask !== undefined);
const LONG = 'The row was long and the lunges were longer still.';

describe('conversations in training', () => {
  for (const [kind, { rows }] of marked)
    it(`${kind}: ids and learned tokens are TRL's`, async () => {
      const tokenizer = await tokenizerOf(kind);
      for (const [chat, row] of Object.entries(rows)) {
        if (row.refused !== undefined) continue;
        const { examples } = encode([recordOf(chat)], { tokenizer });
        assert.equal(examples.length, 1, chat);
        assert.deepEqual(examples[0].inputIds, row.ids, chat);
        assert.equal(maskOf(examples[0]), row.mask, chat);
      }
    });

  it('the prompt of a conversation is what the model is asked with', async () => {
    for (const [kind, { rows }] of Object.entries(golden.kinds)) {
      const tokenizer = await tokenizerOf(kind);
      const template = chatTemplate({ tokenizer });
      for (const [chat, { prompt }] of Object.entries(rows))
        if (prompt !== undefined)
          assert.deepEqual(encodePrompt(recordOf(chat), { tokenizer, template }), prompt, `${kind}, ${chat}`);
    }
  });

  it('without {% generation %}, the same turns are found by rendering prefixes', async () => {
    for (const kind of ['qwen3', 'gemma3', 'llama3']) {
      const tokenizer = await tokenizerOf(kind);
      const { template, rows } = golden.kinds[kind];
      const source = template.replace(/\{%(-?)\s*(end)?generation\s*(-?)%\}/g, (_, l, end, r) =>
        end === undefined ? `{%${l} if true ${r}%}` : `{%${l} endif ${r}%}`,
      );
      const chats = Object.keys(rows).filter((chat) => rows[chat].refused === undefined);
      for (const chat of chats) {
        const { examples, report } = encode([recordOf(chat)], {
          ...{ tokenizer, template: chatTemplate({ tokenizer, chatTemplate: source }) },
        });
        const [example] = examples;
        const { ids, mask = '' } = rows[chat];
        const what = `${kind}, ${chat}`;
        assert.equal(tokenizer.decode(example.inputIds), tokenizer.decode(ids), what);
        // TRL's template for Gemma leaves the line break after the turn's end out, its others learn it.
        const expected = kind === 'gemma3' ? mask.replaceAll('10', '11') : mask;
        const theirs = tokenizer.decode(ids.filter((_, at) => expected[at] === '1'));
        assert.equal(learned(example, tokenizer), theirs, what);
        // GPT-2's tokenizer writes the line breaks before an answer otherwise once the answer is there: Llama's prompt wins.
        if (kind === 'llama3') continue;
        assert.deepEqual(example.inputIds, ids, what);
        assert.equal(maskOf(example), expected, what);
        assert.equal(report.conversations?.splitRecords, 0);
      }
    }
  });

  it('a template that leaves earlier thoughts out gives an example for each turn, as inference sees it', async () => {
    const kind = 'qwen3 as published';
    const tokenizer = await tokenizerOf(kind);
    const { examples, report } = encode([recordOf('think'), recordOf('one')], { tokenizer });
    assert.deepEqual(report.sourceIndex, [0, 0, 1]);
    assert.equal(report.conversations?.splitRecords, 1);
    assert.deepEqual(
      examples.map((example) => learned(example, tokenizer)),
      [
        '<think>\nhm\n</think>\n\nb<|im_end|>\n',
        '<think>\nso\n</think>\n\nd<|im_end|>\n',
        '<think>\n\n</think>\n\nGood.<|im_end|>\n',
      ],
    );
    const { ids, prompt = [] } = golden.kinds[kind].rows.think;
    assert.deepEqual(examples[1].inputIds, ids);
    assert.equal(maskOf(examples[1]).indexOf('1'), prompt.length);
    assert.doesNotMatch(tokenizer.decode(examples[1].inputIds), /hm/);
  });

  it('trainOn, train: false and weight: 0 say which turns are learned', async () => {
    const tokenizer = await tokenizerOf('llama3');
    const messages = [u('a'), a('b', { train: false }), u('c'), a('d'), u('e'), a('f', { weight: 1 })];
    const all = encode([{ messages }], { tokenizer });
    assert.equal(learned(all.examples[0], tokenizer), 'd<|eot_id|>f<|eot_id|>');
    assert.equal(all.report.conversations?.untrainedTurns, 1);
    const last = encode([{ messages }], { tokenizer, trainOn: 'last' });
    assert.equal(learned(last.examples[0], tokenizer), 'f<|eot_id|>');
    const none = encode([{ messages: [u('a'), a('b', { weight: 0 })] }], { tokenizer });
    assert.deepEqual(
      none.report.dropped.map(({ reason }) => reason),
      ['none of its turns is to be learned (train: false)'],
    );
    const whole = encode([{ messages }], { tokenizer, labels: 'all' });
    assert.deepEqual(whole.examples[0].labels, whole.examples[0].inputIds);
  });

  it('a template that ends no turn: the end-of-text token follows the last one', async () => {
    const tokenizer = await tokenizerOf('phi3');
    const open =
      "{% for m in messages %}{{ m.role + ': ' + m.content + '\\n' }}{% endfor %}{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}";
    const { examples } = encode([{ messages: [u('a'), a('b'), u('c'), a('d')] }], {
      ...{ tokenizer, template: chatTemplate({ tokenizer, chatTemplate: open }) },
    });
    assert.equal(learned(examples[0], tokenizer), 'b\nd\n<|endoftext|>');
  });
});

describe('formats of records', () => {
  let tokenizer: PretrainedTokenizer;
  before(async () => (tokenizer = await tokenizerOf('qwen2.5')));

  const SAME: readonly [string, string, DataRecord][] = [
    ['messages', 'messages', { messages: [{ role: 'system', content: 'S' }, u('a'), a('b')] }],
    ['a system field', 'messages', { system: 'S', messages: [u('a'), a('b')] }],
    [
      'parts of text',
      'messages',
      { system: 'S', messages: [u('a'), { role: 'assistant', content: [{ type: 'text', text: 'b' }] }] },
    ],
    [
      'sharegpt',
      'sharegpt',
      {
        conversations: [
          { from: 'system', value: 'S' },
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      },
    ],
    ['roles under conversations', 'messages', { system: 'S', conversations: [u('a'), a('b')] }],
    ['alpaca', 'alpaca', { system: 'S', instruction: 'a', input: '', output: 'b' }],
  ];
  for (const [what, format, record] of SAME)
    it(`${what}: the same conversation`, (t) => {
      const said = t.mock.method(console, 'log', () => undefined);
      const { examples, report } = encodeRecords([record], { tokenizer });
      assert.equal(
        tokenizer.decode(examples[0].inputIds),
        '<|im_start|>system\nS<|im_end|>\n<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nb<|im_end|>\n',
      );
      assert.equal(report.format, format);
      assert.equal(said.mock.callCount(), 1);
      assert.match(
        String(said.mock.calls[0].arguments[0]),
        new RegExp(
          `1 records taken as conversations \\(${format}\\): 1 turns of the assistant are learned; \\d+ of \\d+ tokens`,
        ),
      );
    });

  it('prompt and completion as messages: everything after the prompt is learned, as in TRL', () => {
    const { rows } = golden.kinds['qwen2.5'];
    const messages = golden.chats.three;
    const record = { prompt: messages.slice(0, -1), completion: messages.slice(-1) };
    const { examples } = encodeRecords([record], { tokenizer, format: 'prompt-completion' });
    const { ids, prompt = [] } = rows.three;
    assert.deepEqual(examples[0].inputIds, ids);
    assert.equal(maskOf(examples[0]), '0'.repeat(prompt.length) + '1'.repeat(ids.length - prompt.length));
    const pair = encodeAnswer(
      { prompt: record.prompt as never, answer: record.completion as never },
      { tokenizer },
    );
    assert.deepEqual(pair, { promptIds: prompt, answerIds: ids.slice(prompt.length) });
  });

  it('prompt and completion as texts, alpaca without a chat template, plain text', async () => {
    const phi = await tokenizerOf('phi3');
    const plain = Object.create(phi, { chatTemplate: { value: undefined } }) as PretrainedTokenizer;
    const of = (record: DataRecord): string[] => {
      const { examples } = encodeRecords([record], { tokenizer: plain });
      return [plain.decode(examples[0].inputIds), learned(examples[0], plain)];
    };
    assert.deepEqual(of({ prompt: '2 + 2 =', completion: ' 4' }), [
      '2 + 2 = 4<|endoftext|>',
      ' 4<|endoftext|>',
    ]);
    assert.deepEqual(of({ instruction: 'Add.', input: '2 2', output: '4' }), [
      '### Instruction:\nAdd.\n\n### Input:\n2 2\n\n### Response:\n4<|endoftext|>',
      '4<|endoftext|>',
    ]);
    assert.deepEqual(of({ text: 'It was fast.' }), [
      'It was fast.<|endoftext|>',
      'It was fast.<|endoftext|>',
    ]);
    const cut = encodeRecords([{ text: LONG }], { tokenizer: plain, maxLength: 4 });
    assert.deepEqual([cut.examples[0].inputIds.length, cut.report.truncated.length], [4, 1]);
  });

  it('ShareGPT calls of tools, and calls with arguments as text, are the same as objects', async () => {
    const qwen = await tokenizerOf('qwen3');
    const tools = golden.tools;
    const [ask, , result, answer] = golden.chats.tools;
    const asText = { type: 'function', function: { name: 'split_time', arguments: '{"station": "row"}' } };
    const forms: DataRecord[] = [
      { messages: [ask, { role: 'assistant', content: null, tool_calls: [asText] }, result, answer], tools },
      {
        tools: JSON.stringify(tools),
        conversations: [
          { from: 'human', value: ask.content },
          { from: 'function_call', value: '{"name": "split_time", "arguments": {"station": "row"}}' },
          { from: 'observation', value: result.content },
          { from: 'gpt', value: answer.content },
        ],
      },
    ];
    for (const record of forms) {
      const { examples } = encode([record], { tokenizer: qwen });
      assert.deepEqual(examples[0].inputIds, golden.kinds.qwen3.rows.tools.ids);
      assert.equal(maskOf(examples[0]), golden.kinds.qwen3.rows.tools.mask);
    }
  });

  it('a template for fields takes fields; a conversation needs a chat template', () => {
    const record = { instruction: 'a', output: 'b' };
    const template = instructionTemplate({ prompt: 'Q {instruction} A ', response: '{output}' });
    assert.equal(encodeRecords([record], { tokenizer, template }).report.format, 'fields');
    assert.throws(
      () => encodeRecords([{ messages: [u('a'), a('b')] }], { tokenizer, template }),
      /expected a chat template for conversations \(messages\).*Pass chatTemplate/s,
    );
    assert.throws(() => encodeRecords([{ chosen: 'a', rejected: 'b' }], { tokenizer }), /DPOTrainer/);
    assert.throws(
      () => encodeRecords([{ question: 'a' }], { tokenizer }),
      /expected one of .*messages.*got question/,
    );
  });

  it('the template that is given back asks as the training did, and travels', () => {
    const record = { messages: [u('a'), a('b'), u('c'), a('d')] };
    const { template } = encode([record], { tokenizer });
    assert.ok(template !== undefined);
    const { prompt, response } = formatPrompt(record, template);
    assert.match(prompt, /user\nc<\|im_end\|>\n<\|im_start\|>assistant\n$/);
    assert.equal(response, 'd');
    assert.equal(template.travel?.description.form, 'chat');
    assert.doesNotMatch(template.travel?.chatTemplate(undefined) ?? '', /generation\s*-?%\}/);
  });
});

describe('conversations that are too long', () => {
  it('lose whole turns at their end, or are dropped; on request they are truncated as TRL does', async () => {
    const tokenizer = await tokenizerOf('llama3');
    const messages = [u('a'), a('b'), u('c'), a(LONG), u('e'), a('f')];
    const whole = encode([{ messages }], { tokenizer }).examples[0];
    const first = encode([{ messages: messages.slice(0, 2) }], { tokenizer }).examples[0];
    for (const maxLength of [first.inputIds.length, first.inputIds.length + 12]) {
      const { examples, report } = encode([{ messages }], { tokenizer, maxLength });
      assert.deepEqual(examples, [first]);
      assert.deepEqual(report.truncated, [
        { index: 0, removedTokens: whole.inputIds.length - first.inputIds.length },
      ]);
      assert.equal(report.conversations?.droppedTurns, 2);
    }
    const none = encode([{ messages }], { tokenizer, maxLength: first.inputIds.length - 1 });
    assert.equal(none.examples.length, 0);
    assert.match(none.report.dropped[0].reason, /its first answer does not fit/);
    const maxLength = first.inputIds.length + 14;
    const dropped = encode([{ messages }], { tokenizer, maxLength, truncation: 'drop' });
    assert.equal(dropped.examples.length, 0);
    const [cut] = encode([{ messages }], { tokenizer, maxLength, truncation: 'right' }).examples;
    assert.deepEqual(cut, {
      inputIds: whole.inputIds.slice(0, maxLength),
      labels: whole.labels.slice(0, maxLength),
    });
    assert.throws(
      () => encode([{ messages }], { tokenizer, truncation: 'middle' }),
      /expected truncation 'turns', 'right', 'drop' for conversations, got 'middle'/,
    );
  });

  it('packed conversations stay apart: own segments, and no label across the border', async () => {
    const tokenizer = await tokenizerOf('llama3');
    const { examples } = encode([recordOf('one'), recordOf('three')], { tokenizer });
    const [packed] = packExamples(examples, { maxLength: 256 });
    const lengths = examples.map(({ inputIds }) => inputIds.length);
    assert.deepEqual(packed.segmentIds, [
      ...Array<number>(lengths[0]).fill(0),
      ...Array<number>(lengths[1]).fill(1),
    ]);
    assert.deepEqual(
      packed.labels,
      examples.flatMap(({ labels }) => labels),
    );
    const batch = createDataCollator({ padTokenId: 0, maxLength: 256 })([packed]);
    assert.equal(batch.segmentIds?.at(-1), -1);
  });
});
