/** Tables: aligned text for a terminal, HTML that GitHub's filter leaves readable. */
import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { cellText, plainText, renderTable } from '../../lib/display/output/table';
import type { TableRows } from '../../lib/display/output/table';
import { asGithub } from './github-filter';

describe('tables', () => {
  const rows = [
    { name: '<b>', value: 0.123456, note: null },
    { name: 'b&c', value: 12, note: 'x' },
  ];

  it('escape what they show and align it as text', () => {
    const { html, text } = renderTable(rows, { caption: 'A "caption"' });
    assert.ok(
      html.includes('&lt;b&gt;') && html.includes('b&amp;c') && html.includes('A &quot;caption&quot;'),
    );
    assert.ok(!html.includes('<b>'));
    assert.equal(
      text,
      ['A "caption"', 'name   value  note', '----  ------  ----', '<b>   0.1235', 'b&c       12  x'].join(
        '\n',
      ),
    );
  });

  it('take data frames, columns and a limit of rows', () => {
    const frame = { columns: ['a', 'b'], values: Array.from({ length: 30 }, (_, i) => [i, `r${i}`]) };
    const { text } = renderTable(frame, { columns: ['b'], maxRows: 2 });
    assert.deepEqual(text.split('\n'), ['b', '--', 'r0', 'r1', '… and 28 more rows']);
    assert.throws(() => renderTable(frame, { columns: ['c'] }), /there is no column c; there is a, b/);
  });

  const numbers: [unknown, string][] = [
    [3, '3'],
    [1234.5678, '1235'],
    [0.00001234, '1.234e-5'],
    [NaN, 'NaN'],
    [undefined, ''],
    [{ a: 1 }, '{"a":1}'],
    [true, 'true'],
    [10n, '10'],
    [-0.5, '-0.5'],
    [12_345_678.9, '1.235e+7'],
    [new Date(0), '1970-01-01T00:00:00.000Z'],
    [Float32Array.of(0.5, 2), '[0.5,2]'],
    [[1, null], '[1,null]'],
    [{ big: 1n }, '[object Object]'],
  ];
  for (const [value, expected] of numbers)
    it(`show ${String(expected) || 'nothing'}`, () => assert.equal(cellText(value), expected));

  it('are aligned in columns of a terminal, whatever the alphabet', () => {
    const { text } = renderTable([
      { name: '例え', n: 1 },
      { name: 'e\u0301é', n: 22 },
      { name: '✅ ok', n: 3 },
    ]);
    assert.deepEqual(text.split('\n'), [
      'name    n',
      '-----  --',
      '例え    1',
      'e\u0301é     22',
      '✅ ok   3',
    ]);
  });

  it('cut long texts between signs, and show line ends and control characters', () => {
    const { text, html } = renderTable([{ a: '😀'.repeat(40), b: 'x\n  y\u001b[31m\u009b1m\r' }]);
    const [, , row] = text.split('\n');
    assert.equal(row, `${'😀'.repeat(29)}…  x ⏎ y␛[31m␡1m␍`);
    assert.ok(html.includes('😀'.repeat(40)), 'the whole text in Jupyter');
    assert.equal(plainText('a\tb\nc\u007f'), 'a\tb\nc␡');
  });

  it('say how many rows are left out, and when there are none', () => {
    const lines = (rows: TableRows): string[] => renderTable(rows, { maxRows: 1 }).text.split('\n');
    assert.equal(lines([{ a: 1 }, { a: 2 }]).at(-1), '… and 1 more row');
    assert.equal(lines([{ a: 1 }, { a: 2 }, { a: 3 }]).at(-1), '… and 2 more rows');
    assert.deepEqual(lines([]), ['(no rows)']);
    assert.equal(renderTable([], { columns: ['a'], caption: 'C' }).text, 'C\na\n-\n(no rows)');
    assert.match(renderTable([]).html, /<p>\(no rows\)<\/p>/);
  });

  it('keep numbers on the right where some are missing', () => {
    const frame = [{ n: 1 }, { n: null }, { n: 22 }, {}];
    assert.deepEqual(renderTable(frame).text.split('\n'), [' n', '--', ' 1', '', '22', '']);
    assert.deepEqual(renderTable([{ n: 1 }, { n: 'x' }]).text.split('\n'), ['n', '-', '1', 'x']);
    assert.equal((renderTable(frame).html.match(/text-align:right/g) ?? []).length, 5);
  });

  it('take columns from any row, and leave missing cells empty', () => {
    const rows = [{ a: 1 }, { b: 'x' }];
    assert.deepEqual(renderTable(rows).text.split('\n'), ['a  b', '-  -', '1', '   x']);
    assert.deepEqual(renderTable(rows, { columns: ['b'], maxRows: 1 }).text.split('\n').length, 4);
  });

  const wrong: [source: unknown, message: RegExp][] = [
    [[1, 2], /showTable: expected records, got 1 in row 1/],
    [[{ a: 1 }, null], /expected records, got null in row 2/],
    [[[1], [2]], /expected records, got \[1\] in row 1/],
    ['text', /expected an array of records or a data frame/],
  ];
  for (const [source, message] of wrong)
    it(`refuse ${JSON.stringify(source)}`, () =>
      assert.throws(() => renderTable(source as TableRows), { name: 'TunebookError', message }));

  it('refuse a column that no row has', () =>
    assert.throws(
      () => renderTable([{ a: 1 }], { columns: ['a', 'z'] }),
      /there is no column z; there is a/,
    ));

  it('keep their columns and sides on GitHub', () => {
    const { html } = renderTable(rows, { caption: 'A caption' });
    const { document, text } = asGithub(html);
    assert.equal(text.replace(/\s+/g, ' '), 'A captionnamevaluenote <b>0.1235 b&c12x');
    assert.equal(document.querySelectorAll('tr').length, 3);
    const sides = [...document.querySelectorAll('tbody tr:first-child td')].map((cell) =>
      cell.getAttribute('align'),
    );
    assert.deepEqual(sides, ['left', 'right', 'left']);
  });
});
