/** Typed parameters: read from TypeScript, checked, injected as data. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cellSource, cellTags, validateNotebook } from '../../../lib/notebook/format/nbformat';
import {
  checkParameters,
  describeParameters,
  injectParameters,
  readParameterCell,
} from '../../../lib/notebook/parameters/parameters';
import { parseValue, typeText } from '../../../lib/notebook/parameters/parameter-types';
import type { ParameterType } from '../../../lib/notebook/parameters/parameter-types';
import { makeNotebook } from '../../support/make-notebook';

const source = `type Size = 'small' | 'big';
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
  const { parameters, derived } = readParameterCell(source);

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

  it('injects data, not code, after the cell, and computes again what follows from it', () => {
    const notebook = makeNotebook(['# Title', `@parameters\n${source}`, 'steps']);
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
