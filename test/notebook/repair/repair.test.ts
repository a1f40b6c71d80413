/** Repair as a promise about every file: nothing but the fault changes, twice is once, and what is left is said. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import { after, describe, it } from 'node:test';
import { checkNotebook } from '../../../lib/notebook/repair/check';
import { parseJsonText } from '../../../lib/notebook/format/json-text';
import { validateNotebook } from '../../../lib/notebook/format/nbformat';
import type { Notebook } from '../../../lib/notebook/format/nbformat';
import { repairFile, repairText } from '../../../lib/notebook/repair/repair';
import { TunebookError } from '../../../lib/types';
import { makeNotebook, Workplace } from '../../support/make-notebook';
import { cellFaults, fileFaults, makeBroken, makeGood, seeded, withoutIds } from './notebook-corpus';
import { CLI } from '../../support/paths';

describe('repair of generated notebooks', { timeout: 120_000 }, () => {
  const place = new Workplace();
  after(() => place.remove());
  const check = (text: string): string[] => {
    fs.writeFileSync(place.file('made.ipynb'), text);
    return checkNotebook(place.file('made.ipynb'), { executed: true, types: false }).map(
      ({ where, message }) => `${where}: ${message}`,
    );
  };

  it('touches no good file', () => {
    for (let seed = 0; seed < 200; seed++) {
      const text = makeGood(seeded(seed));
      assert.deepEqual(repairText(text), { text, repaired: [], left: [] }, `seed ${seed}`);
      assert.deepEqual(check(text), [], `seed ${seed}`);
    }
  });

  it('gives the good file back, byte for byte; check finds what it repairs, and nothing afterwards', () => {
    const met = new Set<string>();
    for (let seed = 0; seed < 1500; seed++) {
      const { good, broken, faults } = makeBroken(seeded(seed));
      if (faults.length === 0) continue;
      const about = `seed ${seed}: ${faults.join(', ')}`;
      faults.forEach((fault) => met.add(fault));
      const { text, repaired, left } = repairText(broken);
      assert.equal(withoutIds(text), withoutIds(good), about);
      const said = repaired.reduce((sum, line) => sum + (parseInt(line, 10) || 1), 0);
      assert.ok(said >= faults.length, `${about}\n${repaired.join('\n')}`);
      assert.deepEqual(left, [], about);
      assert.deepEqual(repairText(text), { text, repaired: [], left: [] }, about);
      assert.notDeepEqual(check(broken), [], about);
      assert.deepEqual(check(text), [], about);
    }
    assert.deepEqual([...met].sort(), [...Object.keys(cellFaults), ...Object.keys(fileFaults)].sort());
  });

  it('normalised, keys are sorted, texts are lines, and what belongs to a session is gone', () => {
    const text =
      '{"nbformat":4,"nbformat_minor":4,"metadata":{"b":1.50,"a":{"d":[],"c":{}},"orig_nbformat":3,"signature":"s"},' +
      '"cells":[{"source":"a\\r\\nb\\u2028c","metadata":{"trusted":true},"cell_type":"raw","attachments":{"x":{"image/png":["A","A"]}}}]}';
    const lines = [
      '{',
      ' "cells": [',
      '  {',
      '   "attachments": {',
      '    "x": {',
      '     "image/png": "AA"',
      '    }',
      '   },',
      '   "cell_type": "raw",',
      '   "metadata": {},',
      '   "source": [',
      '    "a\\r\\n",',
      '    "b\u2028",',
      '    "c"',
      '   ]',
      '  }',
      ' ],',
      ' "metadata": {',
      '  "a": {',
      '   "c": {},',
      '   "d": []',
      '  },',
      '  "b": 1.50',
      ' },',
      ' "nbformat": 4,',
      ' "nbformat_minor": 4',
      '}',
      '',
    ];
    assert.deepEqual(repairText(text, true).text.split('\n'), lines);
  });

  it('normalised, it says the same, whatever the layout was; numbers stay as they are written', () => {
    for (let seed = 0; seed < 100; seed++) {
      const good = makeGood(seeded(seed));
      const { text } = repairText(good, true);
      const joined = (_: string, value: unknown): unknown =>
        Array.isArray(value) && value.every((line) => typeof line === 'string') ? value.join('') : value;
      assert.deepEqual(JSON.parse(text, joined), JSON.parse(good, joined), `seed ${seed}`);
      assert.equal(/"big": ?12345678901234567890\.50/.test(text), good.includes('12345678901234567890.50'));
      assert.deepEqual(repairText(text, true), { text, repaired: [], left: [] }, `seed ${seed}`);
      const other = `${JSON.stringify(JSON.parse(good), null, 3)}\r\n`;
      const big = (from: string): string => from.replace(/"big": ?[\d.e+]+/, '');
      assert.equal(big(repairText(other, true).text), big(text), `seed ${seed}`);
    }
  });

  it('ends in a repaired file or in an error of its own, whatever happened to the bytes', () => {
    let refused = 0;
    for (let seed = 0; seed < 3000; seed++) {
      const random = seeded(seed);
      const place = (length: number): number => Math.floor(random() * length);
      let text = makeGood(random);
      for (let i = place(3); i >= 0; i--) {
        const at = place(text.length);
        const to = at + place(random() < 0.8 ? 4 : 200);
        const piece = ['', '"', '\\', ',', '}', ']', 'null', '\n', '{"a":', text.slice(to, to + 60)][
          place(10)
        ];
        text = random() < 0.05 ? text.slice(0, at) : text.slice(0, at) + piece + text.slice(to);
      }
      let strict: unknown;
      try {
        strict = JSON.parse(text);
      } catch {
        assert.throws(() => parseJsonText(text), TunebookError, `seed ${seed}: no JSON`);
      }
      if (strict !== undefined) parseJsonText(text);
      try {
        const result = repairText(text);
        assert.deepEqual(result.left, validateNotebook(JSON.parse(result.text)), `seed ${seed}`);
        const again = repairText(result.text);
        assert.equal(again.text, result.text, `seed ${seed}: twice is once`);
        assert.deepEqual(again.repaired, [], `seed ${seed}`);
      } catch (error) {
        if (!(error instanceof TunebookError)) throw new Error(`seed ${seed}`, { cause: error });
        refused++;
      }
      check(text);
    }
    assert.ok(refused > 300 && refused < 2700, `${refused} refused`);
  });
});

describe('repair of files', () => {
  const place = new Workplace();
  after(() => place.remove());
  const good = JSON.stringify(makeNotebook(['// größer €', '# 例']), null, 1);
  const utf16 = (bigEnd: boolean): Buffer => {
    const bytes = Buffer.from(`\uFEFF${good}`, 'utf16le');
    return bigEnd ? bytes.swap16() : bytes;
  };
  const latin = (text: string): Buffer =>
    Buffer.concat(
      text.split(/(?<=ö)|(?=ö)/).map((part) => Buffer.from(part, part === 'ö' ? 'latin1' : 'utf8')),
    );
  const files: [name: string, bytes: Buffer, found: RegExp][] = [
    ['UTF-16 of PowerShell', utf16(false), /UTF-16 where UTF-8 is expected/],
    ['UTF-16, the high byte first', utf16(true), /UTF-16 where UTF-8 is expected/],
    [
      'a byte of Windows-1252',
      latin(good),
      new RegExp(
        `1 byte\\(s\\) that are not UTF-8, first in line ${good.split('ö')[0].split('\n').length}; read as Windows-1252`,
      ),
    ],
  ];
  for (const [name, bytes, found] of files)
    it(`in ${name}: written as UTF-8, every other byte stays`, () => {
      const file = place.file('encoded.ipynb');
      fs.writeFileSync(file, bytes);
      assert.match(checkNotebook(file, { types: false })[0].message, found);
      const { repaired, left } = repairFile(file);
      assert.deepEqual(left, []);
      assert.equal(repaired.length, 1);
      assert.match(repaired[0], found);
      assert.equal(fs.readFileSync(file, 'utf8').trimEnd(), good);
      assert.deepEqual(repairFile(file).repaired, []);
    });

  it('a character that the end of the file cuts in two is lost with its cell', () => {
    const file = place.file('cut.ipynb');
    const bytes = Buffer.from(good);
    fs.writeFileSync(file, bytes.subarray(0, bytes.indexOf('例') + 1));
    assert.deepEqual(repairFile(file).left, []);
    assert.deepEqual((JSON.parse(fs.readFileSync(file, 'utf8')) as Notebook).cells[0].source, [
      '// größer €',
    ]);
  });

  it('keeps permissions and links, and leaves nothing beside the file', () => {
    const file = place.file('real.ipynb');
    fs.writeFileSync(file, `\uFEFF${good}`, { mode: 0o600 });
    fs.symlinkSync(file, place.file('link.ipynb'));
    const before = fs.readdirSync(place.folder);
    assert.equal(repairFile(place.file('link.ipynb')).repaired.length, 1);
    assert.ok(fs.lstatSync(place.file('link.ipynb')).isSymbolicLink());
    assert.equal(fs.readFileSync(file, 'utf8'), good);
    assert.equal(fs.statSync(file).mode & 0o777, 0o600);
    assert.deepEqual(fs.readdirSync(place.folder), before);
  });

  it('that cannot be read or repaired are named, and stay unchanged', () => {
    assert.throws(() => repairFile(place.file('none.ipynb')), /none\.ipynb: cannot be read \(ENOENT\)/);
    assert.throws(() => repairFile(place.folder), /cannot be read \(EISDIR\)/);
    const file = place.file('deep.ipynb');
    const deep = `{"cells": [], "metadata": {"a": ${'['.repeat(5000)}`;
    fs.writeFileSync(file, deep);
    assert.throws(
      () => repairFile(file),
      /deep\.ipynb: cannot be repaired: line 1: expected at most 900 brackets/,
    );
    assert.equal(fs.readFileSync(file, 'utf8'), deep);
  });

  it('with outputs of many megabytes are read, whole and cut off', () => {
    const notebook = makeNotebook(['1', '2']);
    const text = 'A"\n'.repeat(4_000_000);
    notebook.cells[1].outputs = [{ output_type: 'display_data', data: { 'text/plain': text }, metadata: {} }];
    notebook.cells[0].id = 'cell-1';
    const large = JSON.stringify(notebook);
    assert.equal(repairText(large).repaired.length, 1);
    assert.match(repairText(large.slice(0, -1_000_000)).repaired.join(), /1 whole cell\(s\) kept/);
  });

  it('with thousands of cells take no longer for each than with a few', () => {
    const many = { ...makeNotebook([]), cells: Array.from({ length: 20_000 }, () => ({ cell_type: 'raw' })) };
    assert.equal(repairText(JSON.stringify(many)).repaired.length, 60_000); // minutes, were it quadratic
  });
});

describe('tunebook check and repair', () => {
  const place = new Workplace();
  after(() => place.remove());
  const tunebook = (...args: string[]): { status: number | null; stdout: string; stderr: string } =>
    spawnSync(process.execPath, [CLI, ...args], { encoding: 'utf8', cwd: place.folder });

  it('go through all files, whatever one of them is, and say by their status that something is left', () => {
    const good = place.write('good.ipynb', ['1']);
    const bytes = fs.readFileSync(good);
    const old = fs.statSync(good).mtimeMs;
    fs.writeFileSync(place.file('bad.ipynb'), '{ oops');
    fs.writeFileSync(place.file('half.ipynb'), bytes.toString().replace('"nbformat": 4,', '"nbformat": 4,,'));
    const names = ['bad.ipynb', 'none.ipynb', 'half.ipynb', 'good.ipynb'];
    const found = tunebook('check', '--no-types', ...names);
    assert.equal(found.status, 1);
    assert.match(
      found.stdout,
      /^bad.ipynb: file: is no JSON: .*\nnone.ipynb: file: cannot be read \(ENOENT\)\nhalf.ipynb: file: is no JSON: line \d+: .*\ngood.ipynb: fine\n$/,
    );
    const repaired = tunebook('repair', ...names);
    assert.equal(repaired.status, 1);
    assert.equal(repaired.stdout, 'half.ipynb: 1 comma(s) too many removed\ngood.ipynb: nothing to repair\n');
    assert.match(
      repaired.stderr,
      /^bad.ipynb: cannot be repaired: line 1: .*\nnone.ipynb: cannot be read \(ENOENT\)\n$/,
    );
    assert.deepEqual(fs.readFileSync(place.file('half.ipynb')), bytes);
    assert.equal(fs.statSync(good).mtimeMs, old);
    assert.equal(tunebook('check', '--no-types', 'half.ipynb', 'good.ipynb').status, 0);
    assert.equal(tunebook('repair', '--normalise', 'good.ipynb').status, 0);
    assert.equal(tunebook('check').status, 2);
  });
});

/** A Python with Jupyter's own nbformat; null where there is none. */
const python = ['python3', '/usr/bin/python3'].find(
  (program) => spawnSync(program, ['-c', 'import nbformat']).status === 0,
);
const without = python === undefined && 'Python has no nbformat here';

describe('repair beside nbformat', { skip: without, timeout: 60_000 }, () => {
  /** Runs a Python expression of `text` on each text. */
  const ask = (expression: string, texts: readonly string[]): unknown[] => {
    const program = `import json, sys, nbformat\nfrom nbformat.v4 import nbjson
json.dump([(lambda text: ${expression})(text) for text in json.load(sys.stdin)], sys.stdout)`;
    const { stdout, stderr } = spawnSync(python ?? '', ['-c', program], {
      input: JSON.stringify(texts),
      encoding: 'utf8',
      maxBuffer: 1e9,
    });
    assert.ok(stdout, stderr);
    return JSON.parse(stdout) as unknown[];
  };
  const seeds = Array.from({ length: 300 }, (_, seed) => seed);

  it('what is repaired is valid for nbformat', () => {
    const texts = seeds.map((seed) => repairText(makeBroken(seeded(seed)).broken).text);
    const found = ask('nbformat.validate(json.loads(text))', texts);
    assert.deepEqual(new Set(found), new Set([null]));
  });

  it('the normal form is what nbformat writes', () => {
    // Python writes 1.50 as 1.5; here numbers stay as they are written.
    const texts = seeds.map((seed) => makeGood(seeded(seed)).replace('12345678901234567890.50', '1.5'));
    const written = ask("nbjson.writes(nbjson.reads(text)) + '\\n'", texts);
    texts.forEach((text, i) => assert.equal(repairText(text, true).text, written[i], `seed ${i}`));
  });

  it('nbformat 3 becomes what nbformat makes of it', () => {
    const output = { output_type: 'pyout', prompt_number: 3, metadata: { png: { width: 3 } }, png: 'AA==' };
    const cells = [
      { cell_type: 'code', input: ['a\n', 'b'], collapsed: true, prompt_number: 3, outputs: [output] },
      {
        cell_type: 'code',
        input: '',
        metadata: { q: 1 },
        outputs: [{ ...output, json: '{"a":1}', text: 't' }],
      },
      { cell_type: 'heading', level: 2, source: ['two\n', 'lines'] },
      { cell_type: 'raw', source: 'r\u2028s' },
      { cell_type: 'html', source: '<b>' },
    ];
    const outputs = [
      { output_type: 'stream', stream: 'stderr', text: 'e\n' },
      { output_type: 'pyerr', ename: 'E', evalue: 'v', traceback: ['a', 'b'] },
      {
        output_type: 'display_data',
        metadata: {},
        svg: ['<svg>\n', '</svg>'],
        latex: '$x$',
        javascript: 'a',
      },
      { output_type: 'pyout', metadata: {}, html: '<b>\r\nq' },
    ];
    const old = {
      nbformat: 3,
      nbformat_minor: 0,
      metadata: { name: 'n', signature: 's', x: { b: 1, a: [1.5] } },
      worksheets: [{ cells }, { cells: [{ cell_type: 'code', input: '1', outputs }] }],
    };
    const text = JSON.stringify(old);
    const [written] = ask("nbformat.writes(nbformat.reads(text, as_version=4)) + '\\n'", [text]);
    const ids = (from: unknown): string => String(from).replace(/"id": "[^"]*"/g, '"id"');
    assert.equal(ids(repairText(text, true).text), ids(written));
  });
});
