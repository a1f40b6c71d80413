/** Typed parameters: read from TypeScript, checked, injected as data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cellSource, cellTags, validateNotebook } from '../../../lib/notebook/format/nbformat';
import {
  checkParameters,
  describeParameters,
  injectParameters,
  notebookParameters,
} from '../../../lib/notebook/parameters/parameters';
import { readParameterCell } from '../../../lib/notebook/parameters/read-parameters';
import { parseValue, typeText } from '../../../lib/notebook/parameters/parameter-types';
import type { ParameterType } from '../../../lib/notebook/parameters/parameter-types';
import { makeNotebook } from '../../support/make-notebook';

const SOURCE = `type Size = 'small' | 'big';
const epochs: number = 3; // passes over the data
const rate = 1e-4;
/** Name of the model. */
const model: string = 'gpt2-mini';
const size: Size = 'small';
const ranks: readonly number[] = [4, 8];
const limit: number | null = null;
const verbose = false;
const offset: -1 | 0 | 1 = -1;
let mixed: (string | number)[] = ['a', 1];
const steps = epochs * 100;
const half = steps / 2;
const other = Math.max(1, 2);`;

describe('parameters', () => {
  const { parameters, derived } = readParameterCell(SOURCE);

  it('reads names, types, defaults and comments', () => {
    assert.deepEqual(
      parameters.map(({ name, type, defaultText, comment }) => [name, typeText(type), defaultText, comment]),
      [
        ['epochs', 'number', '3', 'passes over the data'],
        ['rate', 'number', '1e-4', ''],
        ['model', 'string', "'gpt2-mini'", 'Name of the model.'],
        ['size', "'small' | 'big'", "'small'", ''],
        ['ranks', 'number[]', '[4, 8]', ''],
        ['limit', 'number | null', 'null', ''],
        ['verbose', 'boolean', 'false', ''],
        ['offset', '-1 | 0 | 1', '-1', ''],
        ['mixed', '(string | number)[]', "['a', 1]", ''],
      ],
    );
    assert.deepEqual(
      derived.map(({ name }) => name),
      ['steps', 'half', 'other'],
    );
  });

  const number: ParameterType = { kind: 'number' };
  const cases: [ParameterType, string, unknown][] = [
    [number, '1e-3', 0.001],
    [number, '1_000', 1000],
    [number, '-2.5', -2.5],
    [number, '0x10', 16],
    [number, 'Infinity', undefined],
    [number, 'NaN', undefined],
    [number, '', undefined],
    [number, '3 apples', undefined],
    [{ kind: 'boolean' }, 'true', true],
    [{ kind: 'boolean' }, '1', undefined],
    [{ kind: 'string' }, '5', '5'],
    [{ kind: 'array', element: number }, '1,2, 3', [1, 2, 3]],
    [{ kind: 'array', element: number }, '[1, 2]', [1, 2]],
    [{ kind: 'array', element: number }, '[1, "2"]', undefined],
    [{ kind: 'array', element: number }, '', []],
    [{ kind: 'array', element: { kind: 'string' } }, 'a,b', ['a', 'b']],
    [{ kind: 'union', members: [{ kind: 'string' }, { kind: 'null' }] }, 'null', null],
    [{ kind: 'union', members: [{ kind: 'string' }, number] }, '5', 5],
    [{ kind: 'union', members: [{ kind: 'literal', value: 'a' }] }, 'b', undefined],
  ];
  for (const [type, text, expected] of cases) {
    it(`reads ${JSON.stringify(text)} as ${typeText(type)}: ${JSON.stringify(expected) ?? 'refused'}`, () => {
      assert.deepEqual(parseValue(type, text), expected);
    });
  }

  it('refuses unknown and ill-typed parameters, all at once, and says what there is', () => {
    assert.throws(
      () => checkParameters(parameters, { epoch: '3', size: 'huge', rate: 'fast' }, true),
      (error: Error) => {
        assert.match(error.message, /there is no parameter "epoch"/);
        assert.match(error.message, /size: expected 'small' \| 'big', got huge/);
        assert.match(error.message, /rate: expected number, got fast/);
        assert.ok(error.message.includes(describeParameters(parameters)));
        return true;
      },
    );
    assert.throws(
      () => checkParameters(parameters, { epochs: '3' }, false),
      /epochs: expected number, got 3/,
    );
    // JSON and YAML can say 1e999.
    for (const value of [Infinity, -Infinity, NaN])
      assert.throws(
        () => checkParameters(parameters, { epochs: value }, false),
        /epochs: expected number, got/,
      );
    assert.deepEqual(checkParameters(parameters, { epochs: 4, ranks: [1] }, false), {
      epochs: 4,
      ranks: [1],
    });
  });

  const computed = `interface Options { a: number; deep?: { list: string[] } }
type Mode = 'fast' | 'slow';
const epochs: number = 2 * 3; // passes
const folder: string = process.env.DATA_DIR ?? "data";
let rate: number | undefined = 0.1;
const options: Options = { a: 1 };
const plain = { a: 1, b: ['x'], "c d": { e: true } };
const byName: Record<string, number> = {};
const byMode: Record<Mode, number | null> = { fast: 1, slow: null };
const pair: [number, ...string[]] = [1];
const point: readonly [x: number, y: number] = [1, 2];
const mixed = ['a', 1];
const any: unknown = {};
const size = 4 * (2 + 1);
const where = process.env.WHERE || 'here';
const tag = \`run-\${epochs}\`;
let unset: string;
let big: bigint = 5n;
const when: Date = new Date();
const total = epochs * 10;
const list = [];
const { x, y: z } = { x: 1, y: 2 };
let untyped;
function helper(): void {}
enum Level { Low }
import fs from 'node:fs';
type Loop = { next?: Loop };
const loop: Loop = {};`;
  const cell = readParameterCell(computed);
  const typeOf = (name: string): string =>
    typeText(cell.parameters.find((one) => one.name === name)?.type ?? { kind: 'null' });

  it('reads objects, records, tuples, what may be undefined, and computed defaults', () => {
    assert.deepEqual(
      cell.parameters.map(({ name, type, defaultValue }) => [name, typeText(type), defaultValue]),
      [
        ['epochs', 'number', undefined],
        ['folder', 'string', undefined],
        ['rate', 'number', 0.1],
        ['options', '{ a: number; deep?: { list: string[] } }', { a: 1 }],
        [
          'plain',
          '{ a: number; b: string[]; "c d": { e: boolean } }',
          { a: 1, b: ['x'], 'c d': { e: true } },
        ],
        ['byName', 'Record<string, number>', {}],
        ['byMode', '{ fast: number | null; slow: number | null }', { fast: 1, slow: null }],
        ['point', '[number, number]', [1, 2]],
        ['mixed', '(string | number)[]', ['a', 1]],
        ['any', 'unknown', {}],
        ['size', 'number', undefined],
        ['where', 'string', undefined],
        ['tag', 'string', undefined],
        ['unset', 'string', undefined],
      ],
    );
    assert.equal(typeOf('rate'), 'number');
  });

  it('names what cannot be set, with the reason', () => {
    const reasons: [name: string, reason: RegExp][] = [
      ['pair', /^no value can be given for its type \[number, \.\.\.string\[\]\]: expected numbers, strings/],
      ['big', /for its type bigint/],
      ['when', /for its type Date/],
      ['total', /^it is computed from epochs; set that, or declare it in the cell: `const total: TYPE = …`$/],
      ['list', /^its type does not follow from \[\]; declare it in the cell: `const list: TYPE = …`$/],
      ['x', /^it is taken out of \{ x: 1, y: 2 \}/],
      ['z', /^it is taken out of/],
      ['untyped', /^it has no type; declare it in the cell: `let untyped: TYPE`$/],
      ['helper', /^it is a function$/],
      ['Level', /^it is an enum$/],
      ['fs', /^it is imported$/],
      ['loop', /for its type Loop/],
    ];
    const all = notebookParameters(makeNotebook([`@parameters\n${computed}`]));
    for (const [name, reason] of reasons) {
      assert.match(cell.fixed.find((one) => one.name === name)?.reason ?? '', reason, name);
      assert.throws(
        () => checkParameters(all, { [name]: '1' }, true),
        ({ message }: Error) =>
          message.startsWith(`parameters: ${name} cannot be set: `) && !message.includes('there is no'),
      );
    }
    assert.match(describeParameters(all), /\n {2}epochs: number = 2 \* 3 {3}\/\/ passes\n/);
    assert.match(describeParameters(all), /\n {2}unset: string {3}\(no default\)\n/);
    assert.match(describeParameters(all), /\n {2}big cannot be set: no value/);
  });

  it('takes JSON of exactly their type', () => {
    const good: [name: string, text: string, value: unknown][] = [
      ['options', '{"a": 2, "deep": {"list": ["b"]}}', { a: 2, deep: { list: ['b'] } }],
      ['byName', '{"r": 1, "__proto__": 2}', JSON.parse('{"r": 1, "__proto__": 2}')],
      ['byMode', '{"fast": null, "slow": 2}', { fast: null, slow: 2 }],
      ['point', '3, 4', [3, 4]],
      ['point', '[3, 4]', [3, 4]],
      ['any', '[{"a": null}]', [{ a: null }]],
      ['rate', '1e-3', 0.001],
      ['epochs', '7', 7],
      ['unset', '{"a"', '{"a"'],
    ];
    for (const [name, text, value] of good)
      assert.deepEqual(checkParameters(cell.parameters, { [name]: text }, true), { [name]: value });
    const bad: [name: string, text: string][] = [
      ['options', '{"a": "2"}'],
      ['options', '{"a": 2, "b": 3}'],
      ['options', '{}'],
      ['options', '{a: 2}'],
      ['byName', '[1]'],
      ['byMode', '{"fast": 1}'],
      ['point', '1'],
      ['point', '[1, 2, 3]'],
      ['rate', 'undefined'],
    ];
    for (const [name, text] of bad)
      assert.throws(
        () => checkParameters(cell.parameters, { [name]: text }, true),
        ({ message }: Error) =>
          message.startsWith(`parameters: ${name}: expected ${typeOf(name)}, got ${text}`),
      );
  });

  it('injects objects as data, and recomputes only what was not given', () => {
    const notebook = makeNotebook([`@parameters\n${computed}`]);
    const values = {
      epochs: 2,
      rate: 1,
      byName: JSON.parse('{"__proto__": 1, "a\u2028": 2}') as Record<string, number>,
      plain: { a: 3, b: [], 'c d': { e: false } },
    };
    const source = cellSource(injectParameters(notebook, values).cells[1]);
    assert.equal(
      source,
      [
        '// Injected by tunebook',
        'const epochs: number = 2;',
        'let rate: number | undefined = 1;',
        'const plain: { a: number; b: string[]; "c d": { e: boolean } } = {"a":3,"b":[],"c d":{"e":false}};',
        'const byName: Record<string, number> = {["__proto__"]:1,"a\\u2028":2};',
        'const tag = `run-${epochs}`;',
        'const total = epochs * 10;',
      ].join('\n'),
    );
    assert.doesNotMatch(cellSource(injectParameters(notebook, { epochs: 2, tag: 'own' }).cells[1]), /run-/);
  });

  it('injects data, not code, after the cell, and recomputes what depends on it', () => {
    const notebook = makeNotebook(['# Title', `@parameters\n${SOURCE}`, 'steps']);
    const nasty = '${process.exit(1)}`"\'\n*/';
    const once = injectParameters(notebook, { epochs: 1 });
    const twice = injectParameters(once, { epochs: 5, model: nasty });
    assert.equal(twice.cells.length, 4);
    assert.deepEqual(cellTags(twice.cells[2]), ['injected-parameters']);
    assert.equal(
      cellSource(twice.cells[2]),
      [
        '// Injected by tunebook',
        'const epochs: number = 5;',
        `const model: string = ${JSON.stringify(nasty)};`,
        'const steps = epochs * 100;',
        'const half = steps / 2;',
      ].join('\n'),
    );
    assert.deepEqual(validateNotebook(twice), []);
    // TypeScript ends a line, and so a string, at these two; JSON does not.
    const lines = injectParameters(notebook, { model: 'a\u2028b\u2029c' });
    assert.match(cellSource(lines.cells[2]), /const model: string = "a\\u2028b\\u2029c";$/m);
    assert.throws(() => injectParameters(makeNotebook(['1']), { a: 1 }), /no cell of the notebook is tagged/);
  });
});
