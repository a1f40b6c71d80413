/** Published notebooks: same bytes each time, static, silent about time and machine; `check` sees what changed since. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import type { CheckOptions } from '../../../lib/notebook/repair/check';
import {
  makeCell,
  readNotebook,
  validateNotebook,
  writeNotebook,
} from '../../../lib/notebook/format/nbformat';
import { publishNotebooks } from '../../../lib/notebook/publish/publish';
import { Workplace } from '../../support/make-notebook';
import { CLI, ROOT } from '../../support/paths';

const LIBRARY = JSON.stringify(`${ROOT}/.build/lib`);
const SOURCES = [
  '# Title',
  `const tb = require(${LIBRARY});\nconst folder = tb.runFolder('a');\nconsole.log('results go to', folder);`,
  `const bar = tb.progressBar({ total: 2 });\nbar.update(2);\nbar.finish();
await tb.plot(tb.barFigure({ a: 1, b: 2 }, { title: 'Bars', y: 'n' }));
await tb.plot({ data: [{ type: 'scatter', mode: 'markers', x: Array.from({ length: 3000 }, (_, i) => i), y: Array.from({ length: 3000 }, (_, i) => i % 7) }], layout: {} });`,
  '@volatile\nconsole.log(performance.now());',
];

describe('tunebook publish', { timeout: 300_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  fs.writeFileSync(place.file('package.json'), '{}');
  const findings = (file: string, options: CheckOptions): string[] =>
    checkNotebook(file, { types: false, untrusted: true, ...options }).map(
      ({ where, message }) => `${where}: ${message}`,
    );

  it('writes outputs that are static, name no time and no machine, and are the same each time', async () => {
    const file = place.write('a.ipynb', SOURCES);
    const [size] = await publishNotebooks([file]);
    const bytes = fs.readFileSync(file);
    assert.equal(size, bytes.length);
    await publishNotebooks([file]);
    assert.ok(fs.readFileSync(file).equals(bytes), 'expected the same bytes from a second run');

    const notebook = readNotebook(file);
    assert.deepEqual(validateNotebook(notebook), []);
    assert.deepEqual(findings(file, { outputs: 'required' }), []);
    const text = bytes.toString();
    assert.match(text, /results go to outputs\/a\\n/);
    assert.doesNotMatch(text, /durationMs|took|<script|tunebook-test-/);
    const mimes = notebook.cells.map(({ outputs = [] }) =>
      outputs.map((output) => ('data' in output ? Object.keys(output.data)[0] : output.output_type)),
    );
    assert.deepEqual(mimes, [[], ['stream'], ['image/svg+xml', 'image/png'], ['text/markdown']]);
    assert.match(JSON.stringify(notebook.cells[3].outputs), /Left out/);
  });

  it('shows what was changed, added or removed since', () => {
    const file = place.file('a.ipynb');
    const notebook = readNotebook(file);
    const changed = place.file('changed.ipynb');
    const reading = (options: CheckOptions): string[] => findings(changed, options);
    notebook.cells[0].source = '# Another title';
    writeNotebook(changed, notebook);
    assert.deepEqual(reading({ outputs: 'required' }), [], 'words may change');
    notebook.cells[1].source = `${String(notebook.cells[1].source)}\n// more`;
    notebook.cells.splice(3, 1, { ...makeCell('code', '1'), id: 'new' });
    writeNotebook(changed, notebook);
    const stale = [
      'cell 2: was changed after the outputs were made; run `tunebook publish`',
      'cell 4: was added after the outputs were made; run `tunebook publish`',
      'metadata: outputs were made with cells that are gone: cell-3',
    ];
    assert.deepEqual(reading({ executed: true }), stale);
    assert.deepEqual(reading({ outputs: 'required' }), [
      'cell 4: has not been run; `tunebook publish` runs it and keeps the outputs',
      ...stale,
    ]);
    assert.ok(reading({ outputs: 'forbidden' }).every((found) => found.includes('are forbidden here')));
    delete notebook.metadata.tunebook;
    writeNotebook(changed, notebook);
    assert.match(reading({ outputs: 'required' }).join('\n'), /does not say which code/);
    assert.deepEqual(reading({ executed: true }), []);
  });

  it('writes none when one fails or names the machine', async () => {
    const good = place.write('good.ipynb', ['1']);
    const before = fs.readFileSync(good);
    for (const [source, message] of [
      ["throw new Error('no')", /bad\.ipynb: expected a run without failure, got error: .*no/],
      ["console.log(require('os').tmpdir())", /bad\.ipynb: cell 1: expected outputs that do not name/],
    ] as const) {
      const bad = place.write('bad.ipynb', [source]);
      await assert.rejects(publishNotebooks([good, bad]), { name: 'TunebookError', message });
      assert.ok(fs.readFileSync(good).equals(before));
    }
  });

  it('works as a command, and so does the rule for outputs', () => {
    const file = place.write('command.ipynb', ['1 + 1']);
    const run = (...words: string[]): { status: number | null; out: string } => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [CLI, ...words], {
        cwd: place.folder,
        encoding: 'utf8',
      });
      return { status, out: stdout + stderr };
    };
    const check = (...words: string[]): number | null => run('check', '--no-types', file, ...words).status;
    assert.deepEqual([check(), check('--outputs', 'forbidden'), check('--outputs', 'required')], [0, 0, 1]);
    const published = run('publish', 'command.ipynb');
    assert.equal(published.status, 0, published.out);
    assert.match(published.out, /command\.ipynb: /);
    assert.deepEqual([check(), check('--outputs', 'required'), check('--executed')], [1, 0, 0]);
    assert.notEqual(check('--outputs', 'perhaps'), 0);
  });
});
