/** Rows that a notebook leaves out of a person's own file are counted in its output, with line and reason. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, test } from 'node:test';
import { joinText, readNotebook } from '../../lib/notebook/format/nbformat';
import { runNotebook } from '../../lib/notebook/run/runner';
import { LONG } from '../support/long';
import { ROOT } from '../support/paths';

const temporary = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-left-out-'));
after(() => fs.rmSync(temporary, { recursive: true, force: true }));

const row = (i: number): string =>
  JSON.stringify({ input: `How was run ${i}?`, context: 'run: 5', response: 'Good.' });
const data = path.join(temporary, 'own.jsonl');
fs.writeFileSync(
  data,
  [row(1), '{"input": "cut', ...Array.from({ length: 30 }, (_, i) => row(i)), '{"input": "a"}'].join('\n'),
);

for (const name of ['01-gpt2-finetuning', '02-mistral-lora'])
  test(
    `notebook ${name.slice(0, 2)} shows which rows are left out, and why`,
    { ...(name.startsWith('02') ? LONG : {}), timeout: 120_000 },
    async () => {
      const notebook = path.join(ROOT, 'notebooks', `${name}.ipynb`);
      const output = path.join(temporary, name, 'run.ipynb');
      const isReading = ({ source }: { source: string | string[] }): boolean =>
        joinText(source).includes('loadRecords(');
      const until = readNotebook(notebook).cells.findIndex(isReading) + 1;
      const result = await runNotebook({ notebook, output, until, parameters: { data } });
      assert.equal(result.status, 'ok', result.message);
      const shown = JSON.stringify(readNotebook(output).cells.find(isReading)?.outputs);
      assert.match(shown, /2 of 33 records were left out \(line 2: invalid JSON/);
      assert.ok(shown.includes('line 33: expected the field \\"context\\"'), shown);
    },
  );
