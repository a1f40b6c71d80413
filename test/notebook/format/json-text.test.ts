/** JSON as it is found: what is meant is read where it is plain, and refused, with its line, where it is not. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { applyEdits, memberEdits, memberOf, repeatedMembers } from '../../../lib/notebook/format/json-edits';
import { parseJsonText } from '../../../lib/notebook/format/json-text';
import type { JsonRepair } from '../../../lib/notebook/format/json-text';
import { conflictLines } from '../../../lib/notebook/repair/truncated';

const repair = (text: string): string => {
  const repairs: JsonRepair[] = [];
  parseJsonText(text, repairs);
  return applyEdits(text, repairs);
};

const MEANT: [name: string, text: string, expected: string][] = [
  ['good JSON', ' {"a" : [1, -2.5e3, "x\\u00e9", null] }\r\n', ' {"a" : [1, -2.5e3, "x\\u00e9", null] }\r\n'],
  ['a comma before a bracket', '{"a": [1, 2 ,], }', '{"a": [1, 2 ] }'],
  ['commas in a row, and in front', '[,1,, ,2,,]', '[1, 2]'],
  ['a comma that is missing at a line end', '{"a": 1\n "b": [2\r\n{}]}', '{"a": 1,\n "b": [2,\r\n{}]}'],
  ['raw line ends and tabs in a string', '["a\n\tb\r\n"]', '["a\\n\\tb\\r\\n"]'],
  ['a zero byte in a string', '["a\0b"]', '["a\\u0000b"]'],
  ['a path of Windows', '["C:\\data\\users\\x41 \\u12"]', '["C:\\\\data\\\\users\\\\x41 \\\\u12"]'],
  [
    'words of Python and JavaScript',
    '[NaN, -Infinity, None, True, False, undefined]',
    '[null, null, null, true, false, null]',
  ],
  ['blanks of other scripts', '{\u00a0"a":\u3000 1}\uFEFF', '{ "a":  1} '],
  ['zero bytes at the end', '{}\n\0\0 \0', '{}\n'],
];

const refused: [name: string, text: string, message: RegExp][] = [
  ['nothing', '', /^line 1: expected a value, got the end of the file$/],
  ['a comment', '{\n// x\n}', /^line 2: expected a value, got "\/\/ x/],
  ['other quotes', "{'a': 1}", /^line 1: expected a value, got "'a'/],
  ['a number with a zero in front', '[01]', /^line 1: expected "," or "]", got "1]"/],
  ['a number with a plus', '[+1]', /expected a value, got "\+1/],
  ['a key that is a number', '{1: 2}', /expected a key, got "1: 2/],
  ['a missing colon', '{"a" 1}', /expected ":", got "1}"/],
  ['a comma missing inside of a line', '[1 2]', /expected "," or "]", got "2]"/],
  ['quotes inside of a string', '["say "hi" now"]', /expected "," or "]", got "hi/],
  [
    'a quote that is missing, though another follows',
    '["a,\n"b"]',
    /^line 1: expected a string without line ends/,
  ],
  ['a string without its end', '["a', /^line 1: expected a string that ends, got "\\"a"/],
  ['a second value', '{}\n{}', /^line 2: expected the end of the file, got "{}"/],
  ['a bracket too many', '{}}', /expected the end of the file, got "}"/],
  ['the wrong bracket', '[1}', /expected "," or "]", got "}"/],
  ['901 brackets', '['.repeat(901), /expected at most 900 brackets within each other/],
];

describe('JSON text', () => {
  for (const [name, text, expected] of MEANT)
    it(`reads ${name}`, () => {
      assert.equal(repair(text), expected);
      assert.deepEqual(JSON.parse(repair(text)), JSON.parse(expected));
      if (text !== expected) assert.throws(() => parseJsonText(text), /^JsonTextError: line \d/);
      assert.equal(repair(repair(text)), expected);
    });

  for (const [name, text, message] of refused)
    it(`refuses ${name}`, () => {
      assert.throws(() => repair(text), { name: 'JsonTextError', message });
      assert.throws(() => parseJsonText(text), { name: 'JsonTextError' });
    });

  it('reads 900 brackets, one after the other any number', () => {
    const deep = `${'['.repeat(900)}${']'.repeat(900)}`;
    assert.equal(parseJsonText(deep).end, 1800);
    assert.equal(parseJsonText(`[${'[],'.repeat(5000)}{}]`).elements?.length, 5001);
  });

  it('knows the positions of values', () => {
    const text = '{"a": [1, "é\\n"], "b": {}}';
    const { start, end } = memberOf(parseJsonText(text), 'a')?.node ?? { start: 0, end: 0 };
    assert.equal(text.slice(start, end), '[1, "é\\n"]');
    assert.equal(memberOf(parseJsonText(text), 'a')?.node.elements?.[1].value, 'é\n');
  });

  it('finds duplicate members at any depth; the last one counts', () => {
    const root = parseJsonText('{"a": {"x": 1, "x": 2, "x": 3}, "b": [{"y": 1, "y": 1}], "a": {"x": 4}}');
    assert.deepEqual(
      repeatedMembers(root).map(({ key, node }) => [key, node.value]),
      [
        ['a', undefined],
        ['y', 1],
      ],
    );
    assert.equal(memberOf(memberOf(root, 'a')?.node, 'x')?.node.value, 4);
  });

  const layouts: [text: string, expected: string][] = [
    ['{}', '{"n": 0}'],
    ['{"a":1}', '{"n":0,"a":1}'],
    ['{"a": 1}', '{"n": 0, "a": 1}'],
    ['{\r\n\t"a": 1\r\n}', '{\r\n\t"n": 0,\r\n\t"a": 1\r\n}'],
    ['{ "old": 1 }', '{ "n": 0 }'],
    ['{"old": 1, "a": 2, "old": 3}', '{"n": 0, "a": 2}'],
  ];
  for (const [text, expected] of layouts)
    it(`edits members in the existing layout: ${JSON.stringify(text)}`, () => {
      const edits = memberEdits(text, parseJsonText(text), { add: [['n', '0']], remove: ['old'] });
      assert.equal(applyEdits(text, edits), expected);
    });

  it('refuses edits that overlap', () => {
    const edit = (start: number, end: number): { start: number; end: number; text: string } => ({
      start,
      end,
      text: '',
    });
    assert.throws(() => applyEdits('abcdef', [edit(0, 3), edit(2, 4)]), /internal: edits overlap at 2/);
    assert.equal(applyEdits('abcdef', [edit(3, 4), edit(0, 3)]), 'ef');
  });
});

describe('conflict markers', () => {
  const places: [name: string, text: string, lines: number[]][] = [
    ['of a merge', '{\n<<<<<<< HEAD\n1\n=======\n2\n>>>>>>> branch\n}', [2, 4, 6]],
    ['with the common ancestor', '<<<<<<< ours\n||||||| base\n=======\n>>>>>>> theirs', [1, 2, 3, 4]],
    ['with line ends of Windows', '<<<<<<< HEAD\r\n=======\r\n>>>>>>> b\r\n', [1, 2, 3]],
    ['of which one is left over', '{\n>>>>>>> branch\n}', [2]],
    ['that underline a title', '["a\n=======\nb"]', []],
    ['inside of lines', ' "<<<<<<< HEAD\\n", "======= x"', []],
    ['that are longer', '<<<<<<<<< x\n>>>>>>>>', []],
  ];
  for (const [name, text, lines] of places) it(name, () => assert.deepEqual(conflictLines(text), lines));
});
