/** `tunebook dataset check`: the format, the turns, the tokens, and each fault by its line, whatever kind of record it is. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { checkRecords } from '../../../lib/dataset';
import type { DataRecord } from '../../../lib/dataset';
import { AutoTokenizer } from '../../../lib/tokenizer';
import { answer as a, user as u } from '../../support/golden-conversations';
import { CLI } from '../../support/paths';
import { temporaryFolder } from '../../support/temporary-folder';

it('reports a file of conversations: format, turns, tokens, and the faults by line', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'chats.jsonl');
  const lines: (string | DataRecord)[] = [
    { messages: [u('a'), a('b')] },
    { messages: [u('a'), u('b'), a('c')] },
    '',
    { messages: [u('a'), a('b', { train: false }), u('c'), a('d')] },
    '{"messages": [',
    { text: 'x' },
  ];
  fs.writeFileSync(
    file,
    lines.map((line) => (typeof line === 'string' ? line : JSON.stringify(line))).join('\n'),
  );
  const run = spawnSync(
    process.execPath,
    [CLI, 'dataset', 'check', 'chats.jsonl', '-t', 'mistral-mini', '--max-length', '12'],
    { cwd: folder, encoding: 'utf8' },
  );
  assert.equal(run.status, 1, run.stderr);
  assert.match(run.stdout, /^chats\.jsonl: 4 records, taken as messages; 3 with faults\.$/m);
  assert.match(run.stdout, /^Turns of the assistant: 2 learned of 3\.$/m);
  assert.match(run.stdout, /^Tokens of a record: 11 to 21, /m);
  assert.match(run.stdout, /^Longer than 12 tokens: 1\./m);
  assert.match(run.stdout, /^chats\.jsonl:5: invalid JSON/m);
  assert.match(
    run.stdout,
    /^chats\.jsonl:2: messages\[1\]: roles out of order: .*Join the two, or answer the first$/m,
  );
  assert.match(
    run.stdout,
    /^chats\.jsonl:6: expected a record like the others \(messages: .*got text, with text$/m,
  );
  fs.writeFileSync(path.join(folder, 'good.jsonl'), JSON.stringify(lines[0]));
  const good = spawnSync(process.execPath, [CLI, 'dataset', 'check', 'good.jsonl'], {
    cwd: folder,
    encoding: 'utf8',
  });
  assert.deepEqual(
    [good.status, good.stdout],
    [0, 'good.jsonl: 1 record, taken as messages; no fault.\nTurns of the assistant: 1 learned of 1.\n'],
  );
});

it('finds what each kind of record has wrong, with and without a tokenizer', async () => {
  const tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
  const call = { tool_calls: [{ function: { name: 'f', arguments: {} } }] };
  const cases: [format: string, good: DataRecord, bad: DataRecord, reason: RegExp][] = [
    [
      'preference',
      { prompt: 'a', chosen: 'b', rejected: 'c' },
      { prompt: 'a', chosen: 'b', rejected: 'b' },
      /equal/,
    ],
    ['text', { text: 'a' }, { text: ' ' }, /^text: it is empty$/],
    [
      'prompt-completion',
      { prompt: 'a', completion: 'b' },
      { prompt: 'a', completion: '' },
      /completion: it is empty/,
    ],
    [
      'alpaca',
      { instruction: 'a', output: 'b' },
      { instruction: 'a', output: '' },
      /the turn of the assistant is empty/,
    ],
    ['fields', { input: 'a', response: 'b' }, { input: 'a', response: '' }, /response: it is empty/],
    [
      'sharegpt',
      {
        conversations: [
          { from: 'human', value: 'a' },
          { from: 'gpt', value: 'b' },
        ],
      },
      { conversations: [{ from: 'gpt', value: 'b' }] },
      /conversations\[0\]: roles out of order/,
    ],
    [
      'messages',
      { messages: [u('a'), a('b')] },
      { messages: [u('a'), a('', call), u('b'), a('c')] },
      /has no answer/,
    ],
  ];
  for (const [format, good, bad, reason] of cases)
    for (const options of [{}, { tokenizer }]) {
      // The first record does not decide what the others are.
      const check = checkRecords([{ other: 1 }, bad, good, good], options);
      assert.equal(check.format, format);
      assert.deepEqual(
        check.faults.map(({ place }) => place),
        ['record 0', 'record 1'],
        format,
      );
      assert.match(check.faults[1].reason, reason);
      if ('tokenizer' in options) assert.ok((check.tokens?.min ?? 0) > 1, format);
    }
});

it('finds what a chat template refuses, and a tokenizer without one', async () => {
  const tokenizer = await AutoTokenizer.fromPretrained('mistral-mini');
  const developer = { messages: [{ role: 'developer', content: 's' }, u('a'), a('b')] };
  const good = { messages: [u('a'), a('b')] };
  const { faults } = checkRecords([good, good, developer], { tokenizer });
  assert.match(faults[0].reason, /roles must alternate/);
  assert.deepEqual(checkRecords([good, developer]).faults, []);
  const gpt2 = await AutoTokenizer.fromPretrained('gpt2-mini');
  assert.throws(() => checkRecords([good], { tokenizer: gpt2 }), /no chat template/);
  assert.throws(() => checkRecords([{ other: 1 }]), /expected one of preference \(chosen \+ rejected\)/);
});
