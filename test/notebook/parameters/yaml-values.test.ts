/** Settings in YAML: what is read (as PyYAML 6.0.3 reads it, where YAML 1.1 and 1.2 agree), and what is refused. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { readYaml } from '../../../lib/notebook/parameters/yaml-values';

describe('YAML', () => {
  const read: [string, Record<string, unknown>][] = [
    ['', {}],
    ['\uFEFF# a comment\n---\na: 1\n...\n', { a: 1 }],
    ['a: 1\r\nb: two\r\n', { a: 1, b: 'two' }],
    ['a:\nb: ~\nc: null\nd: # nothing', { a: null, b: null, c: null, d: null }],
    ['a: true\nb: False\nc: yes', { a: true, b: false, c: 'yes' }],
    ['a: 1e-3\nb: .5\nc: -7\nd: 0x10\ne: 0o17\nf: 1.', { a: 0.001, b: 0.5, c: -7, d: 16, e: 15, f: 1 }],
    ['a: 1_000\nb: 1.2.3\nc: 12:30', { a: '1_000', b: '1.2.3', c: '12:30' }],
    ['a: two words  # not this\nb: a#b\nc: it\'s "so"', { a: 'two words', b: 'a#b', c: 'it\'s "so"' }],
    ["a: \"x # y\"  # comment\nb: 'it''s: # here'", { a: 'x # y', b: "it's: # here" }],
    ['a: http://x.org/y?z=1', { a: 'http://x.org/y?z=1' }],
    ['a: []\nb: [1, two , "a, b", [2, [3]], null]', { a: [], b: [1, 'two', 'a, b', [2, [3]], null] }],
    ['a:\n  - 1\n  # between\n\n  - "b: c"\n  -\n  - [2, 3]\nd: 5', { a: [1, 'b: c', null, [2, 3]], d: 5 }],
    ['a: |\n  one\n    two\n\n  three\nb: 1', { a: 'one\n  two\n\nthree\n', b: 1 }],
    ['a: >-\n  one\n  two\nb: {c: 1}', { a: 'one two', b: { c: 1 } }],
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

  const bomb = [
    'a: &a [x, x]',
    ...'bcdefghij'.split('').map((name, i) => {
      const before = String.fromCharCode(97 + i);
      return `${name}: &${name} [*${before}, *${before}, *${before}, *${before}]`;
    }),
  ].join('\n');
  const refused: [string, string, RegExp][] = [
    ['nesting by accident', 'a: 1\n  nested: 2', /^p\.yaml:[12]: expected YAML/],
    ['a text alone', 'just text', /^p\.yaml:1: expected names with values, got "just text"/],
    ['a list alone', '- 1', /^p\.yaml:1: expected names with values/],
    ['two members in a line', 'a: b: c', /^p\.yaml:1: expected YAML/],
    ['a name twice', 'a: 1\nb: 2\na: 3', /^p\.yaml:3: expected YAML: .*unique/],
    ['an open quote', 'a: "open', /^p\.yaml:1: expected YAML/],
    ['something after a quote', 'a: "x" y', /^p\.yaml:1: expected YAML/],
    ['an open list', 'a: [1, 2', /^p\.yaml:1: expected YAML/],
    ['an unknown tag', 'a: !js/function x', /^p\.yaml:1: expected YAML/],
    ['an unknown anchor', 'a: *x', /^p\.yaml:?1?: expected YAML/],
    ['several documents', 'a: 1\n---\nb: 2', /^p\.yaml:\d: expected YAML/],
    ['aliases without end', bomb, /^p\.yaml: expected YAML: .*alias/],
  ];
  for (const [what, text, message] of refused)
    it(`refuses ${what}`, () =>
      assert.throws(() => readYaml(text, 'p.yaml'), { name: 'TunebookError', message }));
});
