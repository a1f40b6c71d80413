/**
 * Reading records: each format, field mapping, malformed lines by number and reason, and files that are not
 * what their names say. The Parquet files are pyarrow's (generator in test/golden/dataset).
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, it } from 'node:test';
import zlib from 'node:zlib';
import { loadRecords } from '../../lib/dataset';
import type { LoadOptions } from '../../lib/dataset';
import { ROOT } from '../support/paths';

const golden = path.join(ROOT, 'test', 'golden', 'dataset');
const scratch = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-records-'));
after(() => fs.rmSync(scratch, { recursive: true, force: true }));

function write(name: string, content: string | Uint8Array): string {
  const file = path.join(scratch, name);
  fs.writeFileSync(file, content);
  return file;
}

describe('JSONL', () => {
  it('reads records, blank lines and a byte order mark aside', async () => {
    const file = write('good.jsonl', '\ufeff{"a":"x","n":1}\r\n\n{"a":"¿y? 😀","n":null}');
    const { records, report } = await loadRecords(file);
    assert.deepEqual(records, [
      { a: 'x', n: 1 },
      { a: '¿y? 😀', n: null },
    ]);
    assert.deepEqual(report, {
      file,
      format: 'jsonl',
      sizeBytes: fs.statSync(file).size,
      loaded: 2,
      skipped: 0,
      problems: [],
      notes: [],
    });
  });

  it('names malformed lines by file, number and reason, and goes on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('{"q":"1","a":"one"}\n{"q":"2","a":\n[1]\n{"q":"4"}\n'),
      Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d, 0x0a]),
      Buffer.from('{"q":"6","a":" "}\nnull\n{"q":"8","a":"\ufffd"}\n{"q":"9","a":"cut sho'),
    ]);
    const file = write('bad.jsonl', bytes);
    const { records, report } = await loadRecords(file, { requiredFields: ['q', 'a'] });
    assert.deepEqual(records, [
      { q: '1', a: 'one' },
      { q: '8', a: '\ufffd' },
    ]);
    assert.equal(report.loaded, 2);
    assert.equal(report.skipped, 7);
    const expected: [number, RegExp][] = [
      [2, /^invalid JSON \(/],
      [3, /^expected an object, got a list$/],
      [4, /^expected the field "a", got q$/],
      [5, /^is not valid UTF-8$/],
      [6, /^the field "a" is empty$/],
      [7, /^expected an object, got null$/],
      [9, /^invalid JSON \(/],
    ];
    assert.equal(report.problems.length, expected.length);
    for (const [i, [line, reason]] of expected.entries()) {
      assert.equal(report.problems[i]?.file, file);
      assert.equal(report.problems[i]?.line, line);
      assert.match(report.problems[i]?.reason ?? '', reason);
    }
  });

  it('strict mode stops at the first', async () => {
    const file = write('strict.jsonl', '{"a":1}\n\n{"a":\n{oops\n');
    await assert.rejects(loadRecords(file, { strict: true }), {
      name: 'TunebookError',
      message: new RegExp(`^${file}:3: invalid JSON`),
    });
  });

  it('keeps the first 100 problems, and counts all', async () => {
    const file = write('many.jsonl', 'x\n'.repeat(150) + '{"a":1}\n');
    const { report } = await loadRecords(file);
    assert.equal(report.skipped, 150);
    assert.equal(report.problems.length, 100);
  });

  it('lines longer than a read, and a limit', async () => {
    const long = 'é'.repeat(400_000);
    const file = write('long.jsonl', `{"a":"${long}"}\n{"a":"2"}\n{"a":"3"}\n`);
    const { records } = await loadRecords(file, { limit: 2 });
    assert.equal(records.length, 2);
    assert.equal(records[0]?.a, long);
  });

  it('other encodings, when named', async () => {
    const text = '{"a":"mañana"}\n{"a":"sí"}\n';
    const wide = write('wide.jsonl', Buffer.from(`\ufeff${text}`, 'utf16le'));
    assert.deepEqual((await loadRecords(wide, { encoding: 'utf-16le' })).records, [
      { a: 'mañana' },
      { a: 'sí' },
    ]);
    const narrow = write('latin1.jsonl', Buffer.from(text, 'latin1'));
    assert.deepEqual((await loadRecords(narrow, { encoding: 'latin1' })).records, [
      { a: 'mañana' },
      { a: 'sí' },
    ]);
    await assert.rejects(
      loadRecords(narrow, { encoding: 'utf-8' }),
      /none that can be used; 2 were refused, the first in line 1: is not valid UTF-8/,
    );
  });

  it('maps fields, which may be missing in some records; one that is in no record is refused', async () => {
    const file = write('map.jsonl', '{"q":"1","a":"one","x":0}\n{"q":"2"}\n');
    const { records, report } = await loadRecords(file, {
      fieldMapping: { input: 'q', response: 'a' },
      requiredFields: ['input', 'response'],
    });
    assert.deepEqual(records, [{ input: '1', response: 'one' }]);
    assert.equal(report.problems[0]?.reason, 'expected the field "a", got q');
    const loose = await loadRecords(file, {
      fieldMapping: { input: 'q', response: 'a' },
    });
    assert.deepEqual(loose.records[1], { input: '2' });
    await assert.rejects(
      loadRecords(file, { fieldMapping: { input: 'q', response: 'b' } }),
      /expected the field "b" in some record, got q, a, x\. Fix fieldMapping/,
    );
  });
});

describe('JSON', () => {
  it('reads a list, and JSONL under the name .json', async () => {
    const list = write('list.json', '[{"a":1},\n 5,\n {"a":[2,{"b":null}]}]');
    const { records, report } = await loadRecords(list);
    assert.deepEqual(records, [{ a: 1 }, { a: [2, { b: null }] }]);
    assert.deepEqual(report.problems, [{ file: list, line: 2, reason: 'expected an object, got number' }]);
    const lines = write('lines.json', '{"a":1}\n{"a":2}\n');
    assert.deepEqual((await loadRecords(lines)).records, [{ a: 1 }, { a: 2 }]);
  });

  for (const [name, text, message] of [
    [
      'one object over lines',
      '{\n "data": [], "version": 1\n}',
      /expected a JSON list of records, got an object with data, version/,
    ],
    ['cut short', '[{"a":1},', /expected a JSON list of records, got invalid JSON .*cut short/],
    ['an empty list', '[]', /got none. The file has no data rows/],
  ] as const) {
    it(`${name} is a clear error`, async () => {
      await assert.rejects(loadRecords(write(`${name}.json`, text)), { name: 'TunebookError', message });
    });
  }
});

describe('CSV', () => {
  it('reads quotes, line breaks inside quotes, and a byte order mark', async () => {
    const file = write(
      'good.csv',
      '\ufeffname, time\r\n"Ann, ""A""",1:02\r\n"two\nlines",2:03\r\n\r\nñ,\r\n',
    );
    const { records, report } = await loadRecords(file);
    assert.deepEqual(records, [
      { name: 'Ann, "A"', time: '1:02' },
      { name: 'two\nlines', time: '2:03' },
      { name: 'ñ', time: '' },
    ]);
    assert.equal(report.skipped, 0);
  });

  it('names malformed rows and goes on', async () => {
    const bytes = Buffer.concat([
      Buffer.from('a,b\n1,2\n3\n4,5,6\n7,"x"y\n8,9\n'),
      Buffer.from([0x31, 0x30, 0x2c, 0xff, 0x0a]),
      Buffer.from('11,12\n13,\n'),
    ]);
    const file = write('bad.csv', bytes);
    const { records, report } = await loadRecords(file, { requiredFields: ['a', 'b'] });
    assert.deepEqual(
      records.map(({ a }) => a),
      ['1', '8', '11'],
    );
    assert.deepEqual(
      report.problems.map(({ line }) => line),
      [3, 4, 5, 7, 9],
    );
    assert.equal(report.problems[0]?.reason, 'expected 2 values, got 1');
    assert.equal(report.problems[2]?.reason, 'a closing quote is followed by more text');
    assert.equal(report.problems[3]?.reason, 'is not valid UTF-8');
    assert.equal(report.problems[4]?.reason, 'the field "b" is empty');
    await assert.rejects(loadRecords(file, { strict: true }), new RegExp(`^TunebookError: ${file}:3: `));
  });

  it('an unclosed quote costs its own row, not the rest of the file', async () => {
    const file = write('open.csv', 'a,b\n1,2\n3,"4\n5,6\n7,"x ""y"""\n8,9"\n10,11\n12,"13\n14,15\n');
    const { records, report } = await loadRecords(file);
    assert.deepEqual(
      records.map(({ a, b }) => `${String(a)}-${String(b)}`),
      ['1-2', '5-6', '7-x "y"', '8-9"', '10-11', '14-15'],
    );
    assert.deepEqual(
      report.problems.map(({ line, reason }) => [line, reason]),
      [
        [3, 'a closing quote is followed by more text'],
        [8, 'a quote is opened and never closed'],
      ],
    );
  });

  it('a tab in .tsv, another delimiter by option', async () => {
    assert.deepEqual((await loadRecords(write('t.tsv', 'a\tb\n1\t2\n'))).records, [{ a: '1', b: '2' }]);
    const file = write('semi.csv', 'a;b\n1;2\n');
    assert.deepEqual((await loadRecords(file, { delimiter: ';' })).records, [{ a: '1', b: '2' }]);
    await assert.rejects(loadRecords(file), /got the one name "a;b".*Set delimiter: ";"/);
  });

  for (const [name, text, message] of [
    ['a broken header', '"a,b\n1,2\n3,4\n', /:1: expected a header line, got broken quotes/],
    ['quotes broken all over', `a,b\n${'1,"2"3\n'.repeat(200)}`, /more than 100 rows have broken quotes/],
    ['a name twice', 'a,b,a\n1,2,3\n', /got "a" twice/],
    ['a column without a name', 'a,,c\n1,2,3\n', /an empty name in column 2/],
    ['a header alone', 'a,b\n', /got none. The file has no data rows/],
  ] as const) {
    it(`${name} is a clear error`, async () => {
      await assert.rejects(loadRecords(write(`${name}.csv`, text)), { name: 'TunebookError', message });
    });
  }

  it('a limit stops reading many rows', async () => {
    const file = write('many.csv', `a,b\n${'1234567890,abcdefghij\n'.repeat(60_000)}`);
    assert.equal((await loadRecords(file, { limit: 10 })).records.length, 10);
    assert.equal((await loadRecords(file)).records.length, 60_000);
  });
});

describe('Parquet', () => {
  for (const codec of ['snappy', 'gzip', 'none', 'zstd', 'lz4', 'brotli']) {
    it(`reads ${codec}, over several row groups`, async () => {
      const { records, report } = await loadRecords(path.join(golden, `records-${codec}.parquet`));
      assert.equal(report.loaded, 5);
      assert.deepEqual(records[0], {
        question: 'How fast?',
        answer: 'Fast.',
        seconds: 3407,
        share: 0.5,
        ok: true,
        day: '2024-05-17T12:30:00.000', // no zone in the file
        tags: ['a', 'b'],
      });
      assert.equal(
        records[1]?.seconds,
        '1152921504606846976',
        'too big for a number: text, not a wrong number',
      );
      assert.equal(records[2]?.seconds, null);
      assert.equal(records[4]?.question, 'five');
    });
  }

  it('maps columns, and reports empty values by row', async () => {
    const file = path.join(golden, 'records-snappy.parquet');
    const { records, report } = await loadRecords(file, {
      fieldMapping: { input: 'question', response: 'answer' },
      requiredFields: ['input', 'response'],
    });
    assert.deepEqual(records[1], { input: '¿Qué tal? 😀', response: 'Bien.' });
    assert.deepEqual(
      report.problems.map(({ line, reason }) => [line, reason]),
      [
        [3, 'the field "question" is empty'],
        [4, 'the field "answer" is empty'],
      ],
    );
    await assert.rejects(
      loadRecords(file, { fieldMapping: { input: 'nope' } }),
      /expected the column "nope", got question, answer/,
    );
  });

  it('a file cut short is a clear error', async () => {
    const bytes = fs.readFileSync(path.join(golden, 'records-snappy.parquet'));
    const cases = [bytes.subarray(0, 200), Buffer.concat([bytes.subarray(0, 300), bytes.subarray(-2500)])];
    for (const cut of cases) {
      await assert.rejects(loadRecords(write('cut.parquet', cut)), {
        name: 'TunebookError',
        message: /damaged Parquet/,
      });
    }
  });
});

describe('a file whose content does not match its name', () => {
  const parquet = fs.readFileSync(path.join(golden, 'records-none.parquet'));
  const cases: [string, string | Uint8Array, RegExp, LoadOptions?][] = [
    ['empty.jsonl', '', /expected jsonl records, got an empty file/],
    ['empty.parquet', '', /expected parquet records, got an empty file/],
    ['blank.jsonl', '\n \n', /no data rows/],
    ['parquet.jsonl', parquet, /expected jsonl text, got Parquet. Set format: 'parquet'/],
    ['cut.csv.gz', zlib.gzipSync('a,b\n1,2\n').subarray(0, -6), /gzip is damaged or cut short/],
    ['nothing.csv.gz', zlib.gzipSync(''), /expected csv records, got nothing, packed/],
    ['gzip.parquet', zlib.gzipSync('PAR1'), /expected Parquet, got gzip/],
    ['excel.csv', Buffer.from('PK\x03\x04rest'), /a zip archive \(or an Excel sheet\)/],
    ['wide-unmarked.csv', Buffer.from('a,b\n1,2\n', 'utf16le'), /bytes with zeros among them/],
    ['text.parquet', 'a,b\n1,2\n', /expected Parquet, got text/],
    ['page.jsonl', '<!DOCTYPE html><html></html>', /got a web page/],
    ['lfs.jsonl', 'version https://git-lfs.github.com/spec/v1\noid sha256:0\n', /got a Git LFS pointer/],
    ['csv.jsonl', 'a,b\n1,2\n', /none that can be used; 2 were refused, the first in line 1: invalid JSON/],
    ['notes.txt', 'x', /expected a name that ends in .*got ".txt". Say which it is with format/],
    [
      'encoding.csv',
      'a\n1\n',
      /expected the name of a text encoding, got "klingon"/,
      { encoding: 'klingon' },
    ],
  ];
  for (const [name, content, message, options] of cases) {
    it(name, async () => {
      await assert.rejects(loadRecords(write(name, content), options), { name: 'TunebookError', message });
    });
  }

  it('another format under the name is known by its first bytes where it can be read', async () => {
    const wide = Buffer.from('\ufeffa,b\n1,2\n', 'utf16le');
    assert.deepEqual((await loadRecords(write('wide.csv', wide))).records, [{ a: '1', b: '2' }]);
    assert.deepEqual((await loadRecords(write('wide-be.csv', wide.swap16()))).records, [{ a: '1', b: '2' }]);
    const packed = zlib.gzipSync('a,b\n1,2\n');
    assert.deepEqual((await loadRecords(write('packed.csv', packed))).records, [{ a: '1', b: '2' }]);
  });

  it('format overrides the name', async () => {
    assert.deepEqual((await loadRecords(write('x.txt', '{"a":1}\n'), { format: 'jsonl' })).records, [
      { a: 1 },
    ]);
    assert.equal((await loadRecords(write('p.jsonl', parquet), { format: 'parquet' })).records.length, 5);
  });

  it('no file, a folder, a wrong option', async () => {
    await assert.rejects(
      loadRecords(path.join(scratch, 'none.jsonl')),
      /none\.jsonl: cannot be read \(ENOENT/,
    );
    const folder = path.join(scratch, 'folder.jsonl');
    fs.mkdirSync(folder);
    await assert.rejects(loadRecords(folder), /expected a file, got a folder/);
    const wrong: unknown = { delimeter: ';' };
    await assert.rejects(loadRecords(folder, wrong as LoadOptions), /delimeter/);
  });
});
