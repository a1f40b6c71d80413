/** Flat YAML: what is read (as PyYAML 6.0.3 reads it, where YAML 1.1 and 1.2 agree), and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readYaml } from '../../lib/notebook/yaml-values';

describe('flat YAML', () => {
  const read: [string, Record<string, unknown>][] = [
    ['', {}],
    ['\uFEFF# a comment\n---\na: 1\n...\nb: not read', { a: 1 }],
    ['a: 1\r\nb: two\r\n', { a: 1, b: 'two' }],
    ['a:\nb: ~\nc: null\nd: # nothing', { a: null, b: null, c: null, d: null }],
    ['a: true\nb: False\nc: yes', { a: true, b: false, c: 'yes' }],
    ['a: 1e-3\nb: .5\nc: -7\nd: 0x10\ne: 0o17\nf: 1.', { a: 0.001, b: 0.5, c: -7, d: 16, e: 15, f: 1 }],
    ['a: 1_000\nb: 1.2.3\nc: 12:30', { a: '1_000', b: '1.2.3', c: '12:30' }],
    ['a: two words  # not this\nb: a#b\nc: it\'s "so"', { a: 'two words', b: 'a#b', c: 'it\'s "so"' }],
    ["a: \"x # y\"  # comment\nb: 'it''s: # here'", { a: 'x # y', b: "it's: # here" }],
    ['a: "tab\\t\\u00e9 \\"q\\""\nb: ""\nc: "5"', { a: 'tab\té "q"', b: '', c: '5' }],
    ['"a b": 1\n\'c\': 2', { 'a b': 1, c: 2 }],
    ['a: http://x.org/y?z=1', { a: 'http://x.org/y?z=1' }],
    [
      'a: []\nb: [1, two , "a, b", \'c]\', [2, [3]], null,]',
      { a: [], b: [1, 'two', 'a, b', 'c]', [2, [3]], null] },
    ],
    ['a: [1, # one\n  2,\n\n  # more\n  3\n] # end\nb: 4', { a: [1, 2, 3], b: 4 }],
    ['a:\n  - 1\n  # between\n\n  - "b: c"\n  -\n  - [2, 3]\nd: 5', { a: [1, 'b: c', null, [2, 3]], d: 5 }],
    ['a:\n- x\n- y\nb: z', { a: ['x', 'y'], b: 'z' }],
    ['a: |\n  one\n    two\n\n  three\nb: 1', { a: 'one\n  two\n\nthree\n', b: 1 }],
    ['a: |-  # comment\n  end\n\nb: 1', { a: 'end', b: 1 }],
    ['a: |\n', { a: '' }],
    [
      '__proto__: 1\nconstructor: 2',
      Object.fromEntries([
        ['__proto__', 1],
        ['constructor', 2],
      ]),
    ],
  ];
  for (const [text, expected] of read)
    it(`reads ${JSON.stringify(text)}`, () => assert.deepEqual(readYaml(text, 'p.yaml'), expected));

  const refused: [string, RegExp][] = [
    ['a: 1\n  nested: 2', /^p\.yaml:2: expected `name: value`, got nested: 2$/],
    ['a:\n  b: 1', /^p\.yaml:2: expected `name: value`, got b: 1$/],
    ['just text', /^p\.yaml:1: expected `name: value`/],
    ['- 1', /^p\.yaml:1: expected `name: value`/],
    ['a: {b: 1}', /^p\.yaml:1: expected a text, number, list, .*nothing nested/],
    ['a: b: c', /^p\.yaml:1: .*nothing nested/],
    ['a:\n  - b: 1', /^p\.yaml:2: .*nothing nested/],
    ['a: &x 1', /^p\.yaml:1: .*nothing nested/],
    ['a: >\n  folded', /^p\.yaml:1: .*nothing nested/],
    ['a: *x', /^p\.yaml:1: .*nothing nested/],
    ['a: !!str 1', /^p\.yaml:1: .*nothing nested/],
    ['a: 1\nb: 2\na: 3', /^p\.yaml:3: expected each name once, got a$/],
    ['a: "open', /^p\.yaml:1: .*nothing nested/],
    ['a: "x" y', /^p\.yaml:1: expected the end of the line, got y$/],
    ['a: [1] 2', /^p\.yaml:1: expected the end of the line, got 2$/],
    ['a: [1, 2', /^p\.yaml:1: expected \] at the end of the list/],
    ['a: ["x" 2]', /^p\.yaml:1: expected , or \] in the list, got 2\]$/],
    ['a: "\\x41"', /^p\.yaml:1: expected a quoted text with the escapes of JSON/],
  ];
  for (const [text, message] of refused)
    it(`refuses ${JSON.stringify(text)}`, () =>
      assert.throws(() => readYaml(text, 'p.yaml'), { name: 'TunebookError', message }));
});
