/** Text as tokens come: whole characters, and nothing of a stop string. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { completionShape } from '../../lib/serve/answers/answer-bodies';
import { TextPieces } from '../../lib/serve/answers/text-pieces';

const bytes = { decode: (ids: readonly number[]) => Buffer.from(ids).toString('utf8') };

const CASES: [name: string, text: string, stop: string[], pieces: string[]][] = [
  ['each token at once', 'abc', [], ['a', 'b', 'c']],
  ['a character once it is whole', 'aé€', [], ['a', '', 'é', '', '', '€']],
  ['a stop string is held and cut', 'a\n\nb', ['\n\n'], ['a', '', '', '']],
  ['what turns out to be none is sent', 'a\nb\n\n', ['\n\n'], ['a', '', '\nb', '', '']],
  ['one that begins again within itself', 'aaab', ['aab'], ['', '', 'a', '']],
  ['the first of several', 'xyz!', ['z!', 'y'], ['x', '', '', '']],
  ['a character in a stop string', 'a→b', ['→b'], ['a', '', '', '', '']],
];

for (const [name, text, stop, pieces] of CASES)
  test(name, () => {
    const own = new TextPieces(bytes, stop);
    assert.deepEqual(
      [...Buffer.from(text)].map((byte) => own.push(byte)),
      pieces,
    );
  });

test('text that was held back is sent at the end', () => {
  const own = new TextPieces(bytes, ['\n\n']);
  for (const byte of Buffer.from('a\n')) own.push(byte);
  assert.equal(own.end(), '\n');
  const broken = new TextPieces(bytes, []);
  assert.equal(broken.push(0xe2), '');
  assert.equal(broken.end(), '\uFFFD');
});

test('a completion says where each token begins in its text, over all pieces of a stream', () => {
  const tokenizer = { decode: ([id]: readonly number[]) => 'x'.repeat(id) };
  const shape = completionShape({ model: 'm', tokenizer, withLogprobs: true, withUsage: false });
  const offsets = (index: number, ...ids: number[]): unknown => {
    const tokens = ids.map((token) => ({ token, logprob: -1, top: [] }));
    return (shape.chunk({ index, text: '', tokens }) as Chunk).choices[0].logprobs.text_offset;
  };
  assert.deepEqual(offsets(0, 3, 1), [0, 3]);
  assert.deepEqual(offsets(1, 2), [0]);
  assert.deepEqual(offsets(0, 5, 2), [4, 9]);
});

interface Chunk {
  readonly choices: readonly [{ readonly logprobs: { readonly text_offset: readonly number[] } }];
}
