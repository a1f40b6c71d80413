/** Answers from a file: what cells ask in a run without a person. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { joinText } from '../../../lib/notebook/format/nbformat';
import type { NotebookCell } from '../../../lib/notebook/format/nbformat';
import { runNotebook } from '../../../lib/notebook/run/runner';
import { runCells } from './run-cells';
import { Workplace } from '../../support/make-notebook';

const textOf = (cells: readonly NotebookCell[], i: number): string =>
  (cells.find(({ id }) => id === `cell-${i}`)?.outputs ?? [])
    .map((out) => (out.output_type === 'stream' ? joinText(out.text) : ''))
    .join('')
    .trim();

describe('answers from a file', { timeout: 120_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());

  it('answer prompt() and readline line by line, and their end is refused by name', async () => {
    const stdin = place.file('answers.txt');
    fs.writeFileSync(stdin, 'Ana\r\n\n42\nlast');
    const { result, cells } = await runCells(
      place,
      [
        'console.log(JSON.stringify([prompt("name?"), prompt("empty?")]));',
        'import readline from "readline/promises";',
        'const rl = readline.createInterface({ input: process.stdin }); console.log(await rl.question("age?")); rl.close();',
        'console.log(prompt("more?"));',
        'prompt("too many?")',
      ],
      { stdin, timeoutMs: 60_000 },
    );
    assert.deepEqual(
      [0, 1, 2, 3, 4].map((i) => textOf(cells, i)),
      ['["Ana",""]', '', '42', 'last', ''],
    );
    assert.equal(result.status, 'error');
    assert.match(
      String(result.message),
      /^code cell 5 .*: TunebookError: prompt\(\): the file .*answers\.txt has no further line to answer "too many\?"; write/,
    );
  });

  it('that end while process.stdin is read fail the cell; a missing file is reported first', async () => {
    const stdin = place.file('two.txt');
    fs.writeFileSync(stdin, 'one\ntwo\n');
    const read = 'for await (const data of process.stdin) console.log(String(data).trim());';
    const { result, cells } = await runCells(place, [read], { stdin, timeoutMs: 60_000 });
    assert.equal(textOf(cells, 0), 'one\ntwo');
    assert.match(
      String(result.message),
      /process\.stdin: the file .*two\.txt has no further line to read from; write/,
    );
    await assert.rejects(
      runNotebook({
        notebook: place.write('n.ipynb', ['1']),
        output: place.file('o.ipynb'),
        stdin: '/no/file',
      }),
      /run: the file \/no\/file of answers does not exist/,
    );
  });
});
