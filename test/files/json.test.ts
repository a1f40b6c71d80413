import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import { z } from 'zod';
import { parseJson, readJson, readJsonObject, readJsonObjectIfPresent } from '../../lib/files';
import { temporaryFolder } from '../support/temporary-folder';

const FAULTS: [title: string, text: string, line: number, column: number][] = [
  ['an empty text', '', 1, 1],
  ['a value that is missing', '{"a": }', 1, 7],
  ['a word that is none', '{"a": 1,\n "b": x}', 2, 7],
  ['a word that breaks off', '[\n tru]', 2, 5],
  ['an object that ends too early', '{"a":\n', 2, 1],
  ['a list that ends too early', '[1,2', 1, 5],
  ['a comma too many', '[1,\n]', 2, 1],
  ['a brace too many', '{"a":1}}', 1, 8],
  ['a name without quotation marks', '{a:1}', 1, 2],
  ['a web page', '<html>', 1, 1],
  ['the fault after the same words in a text', '["x}", x}]', 1, 8],
  ['a fault late in a long text', `[${'1,\n'.repeat(1000)}x]`, 1001, 1],
];
for (const [title, text, line, column] of FAULTS) {
  test(`${title}: file, line and column are named, and what to do`, () => {
    assert.throws(() => parseJson(text, { where: 'a.json', remedy: 'Save it again.' }), {
      name: 'TunebookError',
      message: new RegExp(
        `^a\\.json: expected JSON, got ${text.length} characters that are none \\(line ${line}, column ${column}: [^]+\\)\\. Save it again\\.$`,
      ),
    });
  });
}

test('what a file holds is checked against its schema', async (t) => {
  const file = path.join(await temporaryFolder(t), 'a.json');
  const schema = z.object({ a: z.number() });
  await assert.rejects(readJson(file, { schema, remedy: 'Make it.' }), {
    name: 'TunebookError',
    message: /a\.json: expected a readable file, but the file cannot be read \(ENOENT.*\)\. Make it\.$/,
  });
  assert.equal(await readJsonObjectIfPresent(file), undefined);
  await assert.rejects(readJsonObject(file), /a\.json: expected a JSON object, but .*ENOENT/);
  await fs.writeFile(file, '\uFEFF{"a": 1}');
  assert.deepEqual(await readJson(file, { schema }), { a: 1 });
  assert.deepEqual(await readJsonObject(file), { a: 1 });
  assert.deepEqual(await readJsonObjectIfPresent(file), { a: 1 });
  await fs.writeFile(file, '{"a": "1"}');
  await assert.rejects(readJson(file, { schema, remedy: 'Fix it.' }), {
    name: 'TunebookError',
    message: /a\.json: [^]*expected number, received string[^]*at a\. Fix it\.$/,
  });
  await assert.rejects(
    readJson(file, { schema, expected: '{ "a": number }' }),
    /a\.json: expected \{ "a": number \} \([^]*received string[^]*\)\.$/,
  );
  for (const text of ['[]', 'null', '1']) {
    await fs.writeFile(file, text);
    await assert.rejects(readJsonObject(file), /a\.json: expected a JSON object, got (a list|null|1)\.$/);
  }
});
