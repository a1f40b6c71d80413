/** Preference pairs: every form of record, what is refused or left out and where it stands, what is cut and how. */
import assert from 'node:assert/strict';
import fs from 'node:fs/promises';
import path from 'node:path';
import { before, describe, it } from 'node:test';
import { chatTemplate, encodePairs, instructionTemplate, loadRecords } from '../../lib/dataset';
import type { DataRecord, EncodedPair, EncodePairsOptions } from '../../lib/dataset';
import { AutoTokenizer } from '../../lib/tokenizer';
import type { PretrainedTokenizer } from '../../lib/tokenizer';
import { temporaryFolder } from '../support/temporary-folder';

let gpt2: PretrainedTokenizer;
let mistral: PretrainedTokenizer;
before(async () => {
  gpt2 = await AutoTokenizer.fromPretrained('gpt2');
  mistral = await AutoTokenizer.fromPretrained('mistral');
});

/** A pair as texts. */
function texts(pair: EncodedPair | undefined, tokenizer: PretrainedTokenizer): string[] {
  const { promptIds = [], chosenIds = [], rejectedIds = [] } = pair ?? {};
  return [promptIds, chosenIds, rejectedIds].map((ids) => tokenizer.decode([...ids]));
}

const user = (content: string): DataRecord => ({ role: 'user', content });
const assistant = (content: string): DataRecord => ({ role: 'assistant', content });

/** The console's warnings of a call. */
async function warnings(t: { mock: typeof import('node:test').mock }, act: () => void): Promise<string> {
  const warn = t.mock.method(console, 'warn', () => undefined);
  act();
  const said = warn.mock.calls.map(({ arguments: args }) => args.join(' ')).join('\n');
  warn.mock.restore();
  return Promise.resolve(said);
}

describe('encodePairs', () => {
  const FORMS: [name: string, record: DataRecord, options: Partial<EncodePairsOptions>, wanted: string[]][] =
    [
      [
        'texts',
        { prompt: 'How was it?\n', chosen: 'Fast.', rejected: 'Slow.' },
        {},
        ['How was it?\n', 'Fast.<|endoftext|>', 'Slow.<|endoftext|>'],
      ],
      [
        'an answer that ends in the end-of-text token gets no second one',
        { prompt: 'How?', chosen: 'Fast.<|endoftext|>', rejected: 'Slow.' },
        {},
        ['How?', 'Fast.<|endoftext|>', 'Slow.<|endoftext|>'],
      ],
      [
        'without appendEos',
        { prompt: 'How?', chosen: 'Fast.', rejected: 'Slow.' },
        { appendEos: false },
        ['How?', 'Fast.', 'Slow.'],
      ],
      [
        'what both begin with is the prompt; the space before the difference is not, as in TRL',
        { chosen: 'The sky is blue.', rejected: 'The sky is green.' },
        {},
        ['The sky is', ' blue.<|endoftext|>', ' green.<|endoftext|>'],
      ],
      [
        'no character is cut in two',
        { chosen: 'It is 😀', rejected: 'It is 😁' },
        { appendEos: false },
        ['It is', ' 😀', ' 😁'],
      ],
      [
        'a template makes the prompt of fields',
        { input: 'Feedback?', context: 'z: 1', chosen: 'Fast.', rejected: 'Slow.' },
        { template: instructionTemplate({ prompt: '{input} {context}\n' }) },
        ['Feedback? z: 1\n', 'Fast.<|endoftext|>', 'Slow.<|endoftext|>'],
      ],
    ];
  for (const [name, record, options, wanted] of FORMS) {
    it(name, () => {
      const { pairs, report } = encodePairs([record], { tokenizer: gpt2, ...options });
      assert.deepEqual(texts(pairs[0], gpt2), wanted);
      assert.deepEqual([report.kept, report.promptTokens.max], [1, pairs[0]?.promptIds.length]);
    });
  }

  const CHAT = ['<s>[INST] How? [/INST]', 'Fast.</s>', 'Slow.</s>'];
  const MESSAGES: [name: string, record: DataRecord][] = [
    ['messages', { prompt: [user('How?')], chosen: [assistant('Fast.')], rejected: [assistant('Slow.')] }],
    [
      'messages whose prompt is what both begin with',
      { chosen: [user('How?'), assistant('Fast.')], rejected: [user('How?'), assistant('Slow.')] },
    ],
    [
      'messages that repeat the prompt',
      {
        prompt: [user('How?')],
        chosen: [user('How?'), assistant('Fast.')],
        rejected: [user('How?'), assistant('Slow.')],
      },
    ],
    [
      'messages beside a prompt of text',
      {
        prompt: 'How?',
        chosen: [user('How?'), assistant('Fast.')],
        rejected: [user('How?'), assistant('Slow.')],
      },
    ],
  ];
  for (const [name, record] of MESSAGES) {
    it(name, () => {
      const { pairs } = encodePairs([record], { tokenizer: mistral });
      const plain = texts(pairs[0], mistral).map((text) => text.replaceAll(' ', ''));
      assert.deepEqual(
        plain,
        CHAT.map((text) => text.replaceAll(' ', '')),
      );
    });
  }

  it('a chat template makes the prompt of fields, and ends turns itself', () => {
    const record = { input: 'How?', chosen: 'Fast.', rejected: 'Slow.' };
    const template = chatTemplate({ tokenizer: mistral, user: '{input}' });
    const own = encodePairs([record], { tokenizer: mistral, template }).pairs[0];
    const messages = { prompt: [user('How?')], chosen: [assistant('Fast.')], rejected: [assistant('Slow.')] };
    assert.deepEqual(own, encodePairs([messages], { tokenizer: mistral }).pairs[0]);
  });

  const LEFT_OUT: [record: DataRecord, reason: string][] = [
    [{ prompt: 'A', chosen: 'B', rejected: 'B' }, 'chosen and rejected are equal'],
    [{ prompt: 'A', chosen: ' ', rejected: 'B' }, 'chosen is empty'],
    [{ prompt: 'A', chosen: 'B', rejected: '' }, 'rejected is empty'],
    [{ prompt: '', chosen: 'B', rejected: 'C' }, 'the prompt is empty'],
    [{ chosen: 'B', rejected: 'C' }, 'there is no prompt, and the answers have no beginning in common'],
    [{ chosen: 'Yes', rejected: 'Yes or no' }, 'chosen, after what both begin with, is empty'],
  ];
  it('a pair that teaches nothing is left out, named with its line', async (t) => {
    const file = path.join(await temporaryFolder(t), 'pairs.jsonl');
    const good = { prompt: 'A', chosen: 'B', rejected: 'C' };
    const lines = [good, ...LEFT_OUT.map(([record]) => record)].map((record) => JSON.stringify(record));
    await fs.writeFile(file, `${lines.join('\n')}\n`);
    const { records } = await loadRecords(file);
    let result: ReturnType<typeof encodePairs> | undefined;
    const said = await warnings(t, () => (result = encodePairs(records, { tokenizer: gpt2 })));
    assert.deepEqual(
      result?.report.dropped,
      LEFT_OUT.map(([, reason], i) => ({ index: i + 1, where: `${file}:${i + 2}`, reason })),
    );
    assert.deepEqual([result?.pairs.length, result?.report.sourceIndex], [1, [0]]);
    assert.ok(said.includes(`6 of 7 pairs were left out (${file}:2: chosen and rejected are equal; `), said);
  });

  const REFUSED: [record: DataRecord, error: RegExp][] = [
    [
      { prompt: 'A', chosen: 'B' },
      /record 0: expected the field "rejected", got a record with prompt, chosen\./,
    ],
    [{ prompt: 'A', chosen: 'B', rejected: null }, /expected the field "rejected"/],
    [{ prompt: 'A', chosen: 'B', rejected: 3 }, /expected two texts or two lists of messages/],
    [{ prompt: 5, chosen: 'B', rejected: 'C' }, /expected a text in "prompt".*got/],
    [{ prompt: [user('A')], chosen: 'B', rejected: 'C' }, /expected a text in "prompt"/],
    [
      { prompt: [user('A')], chosen: [user('B')], rejected: [assistant('C')] },
      /chosen: expected the assistant's answer after the prompt, got user/,
    ],
    [{ prompt: [user('A')], chosen: [{ who: 'B' }], rejected: [assistant('C')] }, /record 0: .*chosen\[0\]/],
  ];
  for (const [record, error] of REFUSED)
    it(`refuses ${JSON.stringify(record)}`, () => {
      assert.throws(() => encodePairs([record], { tokenizer: mistral }), error);
    });

  it('options: unknown, wrong', () => {
    const options = { tokenizer: gpt2, maxLenght: 4 } as unknown as EncodePairsOptions;
    assert.throws(() => encodePairs([], options), /"maxLenght"\. Did you mean maxLength\?/);
    assert.throws(
      () => encodePairs([], { tokenizer: gpt2, maxLength: 1 }),
      /encodePairs: .*integer of at least 2/s,
    );
    assert.throws(() => encodePairs([], {} as EncodePairsOptions), /expected a tokenizer/);
  });

  it('truncates the prompt of both sides alike, or the answers as TRL does, or drops the pair; and says so', async (t) => {
    const record = { prompt: ' a b c d e f', chosen: ' g h i', rejected: ' j' };
    const cut = (truncation: EncodePairsOptions['truncation'], maxLength = 8): string[] | string => {
      const { pairs, report } = encodePairs([record], { tokenizer: gpt2, truncation, maxLength });
      return report.dropped[0]?.reason ?? [...texts(pairs[0], gpt2), `${report.truncated[0]?.removedTokens}`];
    };
    const end = '<|endoftext|>';
    const said = await warnings(t, () => {
      assert.deepEqual(cut('middle'), [' a b e f', ` g h i${end}`, ` j${end}`, '2']);
      assert.deepEqual(cut('left'), [' c d e f', ` g h i${end}`, ` j${end}`, '2']);
      assert.deepEqual(cut('keep_start'), [' a b c d e f', ' g h', ` j${end}`, '2']);
      assert.equal(cut('drop'), '10 tokens, 8 allowed');
      assert.equal(cut('middle', 4), 'an answer alone has 4 tokens of 4');
      assert.equal(cut('keep_start', 6), 'the prompt alone has 6 tokens of 6');
    });
    assert.match(said, /1 of 1 pairs were cut to 8 tokens \(prompts; report\.truncated\)/);
    assert.match(said, /1 of 1 pairs were cut to 8 tokens \(answers, at their end; report\.truncated\)/);
  });
});
