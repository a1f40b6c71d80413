/** Variables of earlier cells as `{ name }`: stock tslab leaves them undefined. */
import assert from 'node:assert/strict';
import { after, test } from 'node:test';
import { runNotebook } from '../../../lib/notebook/run/runner';
import { readNotebook } from '../../../lib/notebook/format/nbformat';
import { Workplace } from '../../support/make-notebook';

const place = new Workplace();
after(() => place.remove());

test('a shorthand property takes the variable of an earlier cell, and one of its own cell as before', async () => {
  const notebook = place.write('shorthand.ipynb', [
    'const a: number = 1;\nlet b: number = 2;',
    'const c = 3;\nawait 1;\nconsole.log(JSON.stringify({ a, c, nested: [{ b }] }));',
    'let q = 0;\n({ a: q } = { a });\nconsole.log(q, JSON.stringify(((x: number) => ({ x, c }))(5)));',
  ]);
  const result = await runNotebook({ notebook, output: place.file('out.ipynb') });
  assert.equal(result.status, 'ok');
  const printed = readNotebook(place.file('out.ipynb'))
    .cells.flatMap((cell) => cell.outputs ?? [])
    .map((output) => [(output as { text?: string | string[] }).text ?? ''].flat().join(''));
  assert.equal(printed.join(''), '{"a":1,"c":3,"nested":[{"b":2}]}\n1 {"x":5,"c":3}\n');
});
