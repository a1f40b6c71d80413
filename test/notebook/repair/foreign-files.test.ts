/**
 * Files that stand where a notebook should are called what they are; newer minor versions, half surrogate pairs,
 * notebooks without a language, cells that are cut off, and pipes.
 */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { readNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { checkNotebook, repairFile, repairText } from '../../../lib/notebook/repair';
import { TunebookError } from '../../../lib/types';
import { CLI } from '../../support/paths';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-foreign-'));
after(() => fs.rmSync(folder, { recursive: true, force: true }));

function file(name: string, content: string | Uint8Array): string {
  fs.writeFileSync(path.join(folder, name), content);
  return path.join(folder, name);
}

const cell = (source: unknown, more: object = {}): object => ({
  ...{ cell_type: 'code', id: 'a', metadata: {}, source, outputs: [], execution_count: null },
  ...more,
});
const notebook = (cells: object[], more: object = {}): string =>
  JSON.stringify({ cells, metadata: {}, nbformat: 4, nbformat_minor: 5, ...more }, null, 1);

const good = notebook([cell('1 + 1')]);
const foreign: readonly (readonly [string, string | Uint8Array, RegExp])[] = [
  [
    'a pointer of Git LFS',
    'version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 12345\n',
    /pointer of Git LFS.*git lfs pull/,
  ],
  ['a page', '\n<!DOCTYPE html>\n<html lang="en"><body>Sign in</body></html>', /page of HTML.*raw file/],
  ['a packed notebook', gzipSync(good), /packed with gzip/],
  ['an archive', Buffer.from([0x50, 0x4b, 3, 4, 20, 0]), /ZIP archive/],
  ['a notebook encoded twice', JSON.stringify(good), /encoded twice; `tunebook repair`/],
];

describe('a file that is no notebook', () => {
  for (const [what, content, words] of foreign)
    it(`is called what it is: ${what}`, () => {
      const name = file('foreign.ipynb', content);
      const findings = checkNotebook(name);
      assert.equal(findings.length, 1);
      assert.match(findings[0].message, words);
      if (typeof content === 'string') assert.throws(() => readNotebook(name), words);
      if (what === 'a notebook encoded twice') {
        assert.match(repairFile(name).repaired.join(), /taken out of the JSON text/);
        assert.equal(fs.readFileSync(name, 'utf8'), good);
      } else {
        const before = fs.readFileSync(name);
        assert.throws(() => repairFile(name), words);
        assert.deepEqual(fs.readFileSync(name), before);
      }
    });

  it('is not reported for a notebook that merely mentions them', () => {
    const text = notebook([cell('"version https://git-lfs.github.com/ <html>"')]);
    assert.deepEqual(checkNotebook(file('speaks.ipynb', text)), []);
    assert.deepEqual(repairText(text).repaired, []);
  });
});

describe('a newer minor version', () => {
  const newer = notebook([cell('1', { future: { kept: true } })], { nbformat_minor: 9, extra: { x: 1 } });

  it('is tolerated, and its members are never stripped', () => {
    assert.deepEqual(checkNotebook(file('newer.ipynb', newer)), []);
    assert.deepEqual(repairText(newer), { text: newer, repaired: [], left: [] });
  });

  it('is still checked for what it has in common', () => {
    const wrong = notebook([cell('1', { id: 'no id!' }), cell(3, { id: 'b' })], { nbformat_minor: 6 });
    const words = checkNotebook(file('newer.ipynb', wrong)).map(({ message }) => message);
    assert.equal(words.length >= 2, true, words.join());
    assert.match(words.join(), /pattern/);
  });

  it('in 4.5 such members are wrong, as before', () => {
    const old = notebook([cell('1', { future: 1 })]);
    assert.match(checkNotebook(file('old.ipynb', old))[0].message, /additional properties \("future"\)/);
    assert.match(repairText(old).repaired.join(), /future removed/);
  });
});

describe('half a surrogate pair', () => {
  const raw = (source: string): string => good.replace('"1 + 1"', `"${source}"`);

  for (const [source, repaired, count] of [
    [String.raw`\ud800 x`, String.raw`\ufffd x`, 1],
    [String.raw`x \uDC00`, String.raw`x \ufffd`, 1],
    [String.raw`\ud83d\ud83d\ude42`, String.raw`\ufffd\ud83d\ude42`, 1],
    [String.raw`\ud83d\u0041\ude42`, String.raw`\ufffd\u0041\ufffd`, 2],
    [String.raw`\\\ud800`, String.raw`\\\ufffd`, 1],
  ] as const)
    it(`is found and repaired: ${source}`, () => {
      const name = file('half.ipynb', raw(source));
      assert.match(checkNotebook(name)[0].message, /half a surrogate pair/);
      const result = repairFile(name);
      assert.match(result.repaired.join(), new RegExp(`^${count} half`));
      assert.equal(fs.readFileSync(name, 'utf8'), raw(repaired));
      assert.deepEqual(checkNotebook(name), []);
    });

  it('is not reported for whole pairs and escaped backslashes', () => {
    for (const source of [String.raw`\ud83d\ude42`, String.raw`\\ud800`, '🙂'])
      assert.deepEqual(repairText(raw(source)).repaired, []);
  });
});

it('a notebook that names no language is not type-checked; one in TypeScript is', () => {
  const python = notebook([cell('import pandas as pd\nx: int = 3')]);
  assert.deepEqual(checkNotebook(file('none.ipynb', python)), []);
  const named = notebook([cell('const x: number = "a";')], {
    metadata: { kernelspec: { name: 'tslab', display_name: 'tslab', language: 'typescript' } },
  });
  assert.match(checkNotebook(file('named.ipynb', named))[0].message, /not assignable/);
});

describe('a file that is cut inside its last cell', () => {
  const lines = ['const a = 1;\n', 'const b = "\\" 2";\n', 'console.log(a, b);'];
  const cutAfter = (text: string, mark: string): string => text.slice(0, text.indexOf(mark) + mark.length);
  const source = (text: string): unknown =>
    (JSON.parse(repairText(text).text) as Notebook).cells.at(-1)?.source;

  it('keeps the whole lines of a list', () => {
    const text = notebook([cell('0'), cell(lines, { id: 'b' })]);
    const cut = cutAfter(text, 'console.l');
    const { repaired, left } = repairText(cut);
    assert.match(repaired.join(), /cell 2: cut off; the lines before the cut are kept/);
    assert.deepEqual(left, []);
    assert.deepEqual(source(cut), lines.slice(0, 2));
    assert.deepEqual(source(cutAfter(text, 'const b')), lines.slice(0, 1));
  });

  it('keeps the whole lines of one text', () => {
    const text = notebook([cell(lines.join(''))]);
    assert.equal(source(cutAfter(text, 'console.l')), lines.slice(0, 2).join(''));
    assert.equal(source(cutAfter(text, 'const b = ')), lines[0]);
  });

  it('loses a cell of which no line is whole', () => {
    const cut = cutAfter(notebook([cell('0'), cell(lines, { id: 'b' })]), 'const a');
    assert.match(repairText(cut).repaired.join(), /cell 2: cut off and lost/);
    assert.equal(source(cut), '0');
  });

  it('is cut anywhere: what comes out is a notebook, or the file is refused', () => {
    const text = notebook([cell('0'), cell(lines, { id: 'b' })]);
    for (let end = 1; end < text.length; end++) {
      try {
        const { cells } = JSON.parse(repairText(text.slice(0, end)).text) as Notebook;
        assert.ok(cells.length <= 2);
      } catch (error) {
        assert.ok(error instanceof TunebookError, `cut at ${end}`);
      }
    }
  });
});

describe('pipes', () => {
  const run = (words: string[], input: string): ReturnType<typeof spawnSync> =>
    spawnSync(process.execPath, [CLI, ...words], { input, encoding: 'utf8', cwd: folder });
  const half = good.replace('1 + 1', String.raw`\ud800`);

  it('check and repair read standard input, and repair writes standard output', () => {
    const checked = run(['check', '-'], half);
    assert.equal(checked.status, 1);
    assert.match(String(checked.stdout), /^-: line \d+: holds half a surrogate pair/);
    assert.equal(run(['check', '-'], good).status, 0);
    const repaired = run(['repair', '-'], half);
    assert.equal(repaired.status, 0);
    assert.equal(repaired.stdout, half.replace('\\ud800', '\\ufffd'));
    assert.match(String(repaired.stderr), /^-: 1 half/);
  });

  it('-o writes elsewhere and leaves the file', () => {
    const name = file('in.ipynb', half);
    assert.equal(run(['repair', name, '-o', 'out.ipynb'], '').status, 0);
    assert.equal(fs.readFileSync(name, 'utf8'), half);
    assert.deepEqual(checkNotebook(path.join(folder, 'out.ipynb')), []);
    assert.equal(run(['repair', name, '-o', '-'], '').stdout, half.replace('\\ud800', '\\ufffd'));
    const several = run(['repair', name, name, '-o', 'out.ipynb'], '');
    assert.equal(several.status, 2);
    assert.match(String(several.stderr), /expected one notebook with --output/);
  });
});
