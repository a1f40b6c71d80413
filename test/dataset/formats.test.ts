/**
 * Files as pandas, Excel, browsers and hand edits leave them, held against what Hugging Face datasets reads
 * (generator: test/golden/dataset/make.py); what no other reader keeps is held against the value that was written.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, it } from 'node:test';
import type { TestContext } from 'node:test';
import { loadRecords } from '../../lib/dataset';
import type { DataRecord, LoadedRecords, LoadOptions } from '../../lib/dataset';
import { openDataFile } from '../../lib/dataset/files/data-file';
import { pageLocations } from '../../lib/dataset/files/parquet-pages';
import { readParquet } from '../../lib/dataset/files/read-parquet';
import type { ReadParquetOptions } from '../../lib/dataset/files/read-parquet';
import { CsvRows, byteLines, textLines } from '../../lib/files';
import { readRaces } from '../../lib/hyrox';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

const golden = path.join(ROOT, 'test', 'golden', 'dataset');

interface Expected {
  readonly base64: string;
  readonly records: readonly Readonly<Record<string, unknown>>[];
}

const FILES = JSON.parse(fs.readFileSync(path.join(golden, 'files.json'), 'utf8')) as Record<
  string,
  Expected
>;

interface Content {
  readonly name: string;
  readonly content: string | Uint8Array;
  readonly options?: LoadOptions;
}

/** Reads a file of this content, and gives what the console was told as well. */
async function load(
  t: TestContext,
  { name, content, options }: Content,
): Promise<LoadedRecords & { told: string[] }> {
  const file = path.join(await temporaryFolder(t), name);
  fs.writeFileSync(file, content);
  const told: string[] = [];
  t.mock.method(console, 'warn', (line: string) => told.push(line.replace(file, name)));
  return { ...(await loadRecords(file, options)), told };
}

describe('as Hugging Face datasets reads them', () => {
  for (const [name, { base64, records }] of Object.entries(FILES)) {
    it(name, async (t) => {
      const options = name === 'field.json' ? { field: 'data' } : {};
      const found = await load(t, { name, content: Buffer.from(base64, 'base64'), options });
      // datasets guesses that a column of digits is numbers; here CSV's values are text.
      const asText = name.includes('.csv');
      const expected = records.map((record) =>
        asText
          ? Object.fromEntries(Object.entries(record).map(([key, value]) => [key, String(value)]))
          : record,
      );
      assert.deepEqual(plain(found.records), plain(expected));
      assert.deepEqual([found.report.skipped, found.told], [0, []]);
    });
  }
});

/** With an own `__proto__` on both sides, which assert would take for the prototype. */
function plain(records: readonly DataRecord[] | Expected['records']): string[] {
  return records.map((record) => JSON.stringify(record));
}

describe('are kept exactly, or reported with line and reason', () => {
  const cases: readonly [
    string,
    string | Uint8Array,
    unknown,
    (readonly [number, RegExp])[],
    LoadOptions?,
  ][] = [
    [
      'bigint.jsonl',
      '{"a":9007199254740993,"b":"id 9007199254740993"}\n{"a":3.10,"b":[-12345678901234567890]}\n{"a":9007199254740991}\n',
      [
        { a: '9007199254740993', b: 'id 9007199254740993' },
        { a: 3.1, b: ['-12345678901234567890'] },
        { a: 9007199254740991 },
      ],
      [],
    ],
    [
      'nan.jsonl',
      '{"a":1,"s":1.5}\n{"a":2,"s":NaN}\n{"a":3,"s":[{"x":-Infinity}]}\n{"a":4,"s":1e999}\n{"a":"NaN: \\"NaN\\""}\n',
      [{ a: 1, s: 1.5 }, { a: 'NaN: "NaN"' }],
      [
        [2, /^the field "s" has NaN, which JSON cannot hold$/],
        [3, /^the field "s" has -Infinity/],
        [4, /^the field "s" has Infinity/],
      ],
    ],
    [
      'nan-not-used.jsonl',
      '{"a":1,"s":NaN}\n{"a":2}\n',
      [{ q: 1 }, { q: 2 }],
      [],
      { fieldMapping: { q: 'a' } },
    ],
    [
      'twice.jsonl',
      '{"a":1,"b":2,"a":3}\n{"a":{"x":1,"\\u0078":2}}\n{"a":": b","b":"\\":"}\n[{"a":1,"a":1}]\n',
      [{ a: ': b', b: '":' }],
      [
        [1, /^the field "a" stands twice$/],
        [2, /^the field "x" stands twice$/],
        [4, /^expected an object, got a list$/],
      ],
    ],
    [
      'twice.json',
      '[{"a":1},\n{"a":1,"a":2},{"a":[9007199254740993,{"b":1,"b":2}]}, {"a":9007199254740993}]',
      [{ a: 1 }, { a: '9007199254740993' }],
      [
        [2, /^the field "a" stands twice$/],
        [3, /^the field "b" stands twice$/],
      ],
    ],
    [
      'twice-in-field.json',
      '{"v":{"x":1,"x":2},"data":[{"a":1},{"a":1,"a":2}]}',
      [{ a: 1 }],
      [[2, /^the field "a" stands twice$/]],
      { field: 'data' },
    ],
    [
      'surrogate.jsonl',
      '{"a":"half \\ud83d here"}\n{"a":"whole \\ud83d\\ude00"}\n',
      [{ a: 'whole 😀' }],
      [[1, /^the field "a" has half a surrogate pair/]],
    ],
    ['comma.jsonl', '{"a":1},\n{"a":2}\n', [{ a: 2 }], [[1, /^a comma follows the record/]]],
    [
      'columns.json',
      '{"a": {"0": "q0", "1": "q1"}, "b": {"0": 1, "1": null}}',
      [
        { a: 'q0', b: 1 },
        { a: 'q1', b: null },
      ],
      [],
    ],
    [
      'lists.json',
      '{"a": ["q0", "q1"], "b": [1, 2]}',
      [
        { a: 'q0', b: 1 },
        { a: 'q1', b: 2 },
      ],
      [],
    ],
    ['one.json', '{"a":{"b":1}}\n', [{ a: { b: 1 } }], []],
    ['nul.csv', 'a,b\nq0,c\x000\nq1,c1\n', [{ a: 'q1', b: 'c1' }], [[2, /^has a zero character/]]],
    [
      'ragged.csv',
      'a,b,c\nq0,c0,a0,\nq1,c1\nq2,c2,a2\n',
      [{ a: 'q2', b: 'c2', c: 'a2' }],
      [
        [2, /^expected 3 values, got 4$/],
        [3, /^expected 3 values, got 2$/],
      ],
    ],
    ['sep.csv', 'sep=;\r\na;b\r\n1;2,5\r\n', [{ a: '1', b: '2,5' }], []],
    [
      'space-quote.csv',
      'a, b, c\nq0, "c, 0", a0\nq1, c1, a1\n',
      [{ a: 'q1', b: ' c1', c: ' a1' }],
      [[2, /^expected 3 values, got 4$/]],
    ],
  ];
  for (const [name, content, records, problems, options] of cases) {
    it(name, async (t) => {
      const found = await load(t, { name, content, options });
      assert.deepEqual(found.records, records);
      assert.deepEqual(
        found.report.problems.map(({ line }) => line),
        problems.map(([line]) => line),
      );
      for (const [i, [, reason]] of problems.entries()) assert.match(found.report.problems[i].reason, reason);
      assert.equal(found.report.skipped, problems.length);
    });
  }

  for (const kind of ['flat', 'version-2', 'index', 'lists'])
    it(`Parquet, some pages of a row group at a time: ${kind}`, async (t) => {
      const place = path.join(await temporaryFolder(t), 'rows.parquet');
      fs.copyFileSync(path.join(golden, `records-pages-${kind}.parquet`), place);
      const rows = JSON.parse(fs.readFileSync(path.join(golden, 'pages.json'), 'utf8')) as DataRecord[];
      if (kind === 'flat') for (const row of rows) delete (row as Record<string, unknown>).turns;
      const file = await openDataFile(place, { format: 'parquet', encoding: undefined, unpacks: false });
      const read = async (options: ReadParquetOptions): Promise<unknown[]> => {
        const found: unknown[] = [];
        for await (const row of readParquet(file, options)) found.push('record' in row ? row.record : row);
        return found;
      };
      for (const sliceBytes of [1, 60, 300, 1e6])
        for (const from of [0, 13, 39, 41, 60])
          assert.deepEqual(await read({ from, sliceBytes }), rows.slice(from), `${sliceBytes} from ${from}`);
      // A page that is damaged does not hinder those who read others.
      const { asyncBufferFromFile, parquetMetadataAsync } = await import('hyparquet');
      const buffer = await asyncBufferFromFile(place);
      const { row_groups: groups, schema } = await parquetMetadataAsync(buffer);
      const { text } = (await pageLocations(buffer, groups[0], { schema, columns: ['text'] })) ?? {};
      assert.deepEqual(
        text.map(({ first_row_index: row }) => Number(row)),
        Array.from({ length: 8 }, (_, page) => 5 * page),
      );
      const bytes = fs.readFileSync(place);
      const end = Number(text[0].offset) + text[0].compressed_page_size;
      fs.writeFileSync(place, bytes.fill(0xff, end - 4, end));
      const later = { columns: ['text', 'n'], from: 5, sliceBytes: 60 };
      assert.deepEqual(
        await read(later),
        rows.slice(5).map((row) => ({ text: row.text, n: row.n })),
      );
      await assert.rejects(read({ ...later, from: 4 }), /rows\.parquet: is damaged Parquet/);
    });

  it("Parquet's decimals, times, dates, bytes and big numbers", async (t) => {
    t.mock.method(console, 'warn', () => undefined);
    const { records, report } = await loadRecords(path.join(golden, 'records-types.parquet'));
    assert.deepEqual(records, [
      {
        big: '9007199254740993',
        unsigned: '9223372036854775813',
        price: '1.10',
        wide: '12345678901234567890.12',
        naive: '2024-01-02T03:04:05.678901',
        utc: '1970-01-01T00:00:00.000000001Z',
        day: '2024-02-29',
        clock: '01:02:03.000004',
        raw: 'AP8=',
        map: { k: '2.50' },
        nested: [['2024-01-01'], [null]],
        turns: [{ role: 'user', at: '1970-01-01T00:00:00.001' }],
      },
      {
        big: 1,
        unsigned: 1,
        price: '-0.05',
        wide: null,
        naive: '1969-12-31T23:59:59.999999',
        utc: null,
        day: '1969-12-31',
        clock: null,
        raw: 'b2s=',
        map: {},
        nested: null,
        turns: [],
      },
    ]);
    assert.deepEqual(report.notes, ['the column "raw" holds bytes; they are given as base64']);
  });
});

describe('what is reported', () => {
  it('how many records were left out, with line and reason', async (t) => {
    const content = '{"a":1}\nx\n{"a":NaN}\n[]\n7\n';
    const { told } = await load(t, { name: 'bad.jsonl', content });
    assert.deepEqual(told, [
      'bad.jsonl: 4 of 5 records were left out (line 2: invalid JSON (Unexpected token \'x\', "x" is not valid JSON); ' +
        'line 3: the field "a" has NaN, which JSON cannot hold; line 4: expected an object, got a list; ' +
        'and 1 more, in report.problems).',
    ]);
  });

  it('that a file is read as Windows-1252, where it can be nothing else', async (t) => {
    const content = Buffer.from(
      '{"a":"Müller “é”"}\n{"a":"b"}\n'.replace(/[“”]/g, (q) => (q === '“' ? '\x93' : '\x94')),
      'latin1',
    );
    const { records, report, told } = await load(t, { name: 'latin1.jsonl', content });
    assert.deepEqual(records, [{ a: 'Müller “é”' }, { a: 'b' }]);
    assert.match(report.notes[0], /is not UTF-8; read as Windows-1252/);
    assert.deepEqual(told, [`latin1.jsonl: ${report.notes[0]}`]);
    const named = await load(t, { name: 'named.jsonl', content, options: { encoding: 'latin1' } });
    assert.deepEqual([named.records, named.told], [records, []]);
  });

  it('and that lines are damaged, where some are UTF-8, or the letters are of another alphabet', async (t) => {
    const line = Buffer.from('{"a":"é"}\n', 'latin1');
    const mixed = await load(t, {
      name: 'mixed.jsonl',
      content: Buffer.concat([line, Buffer.from('{"a":"ñ"}\n')]),
    });
    assert.deepEqual(mixed.records, [{ a: 'ñ' }]);
    assert.equal(mixed.report.problems[0].reason, 'is not valid UTF-8');
    const cyrillic = Buffer.from([0x22, 0xcf, 0xf0, 0xe8, 0xe2, 0xe5, 0xf2, 0x22]); // "Привет" in Windows-1251
    const content = Buffer.concat([Buffer.from('{"a":'), cyrillic, Buffer.from('}\n{"a":"b"}\n')]);
    const other = await load(t, { name: 'cyrillic.jsonl', content });
    assert.equal(other.report.problems[0].reason, 'is not valid UTF-8');
  });

  it('which field of an object holds the records', async (t) => {
    const content = '{"version": 1, "data": [{"a":1},{"a":2}], "more": [{"b":1}]}';
    await assert.rejects(
      load(t, { name: 'field.json', content }),
      /got an object with version, data, more\. Set field: 'data' \(2 records\) or field: 'more' \(1 records\)/,
    );
    await assert.rejects(
      load(t, { name: 'field.json', content, options: { field: 'rows' } }),
      /expected a list of records in the field "rows".*Set field: 'data'/,
    );
    await assert.rejects(
      load(t, { name: 'f.jsonl', content, options: { field: 'data' } }),
      /Set format: 'json'/,
    );
  });
});

describe('line ends', () => {
  const text = 'a\r\n\nb\rc\r\r\n\rd';
  const expected = [
    ['a', '\r\n'],
    ['', '\n'],
    ['b', '\r'],
    ['c', '\r'],
    ['', '\r\n'],
    ['', '\r'],
    ['d', ''],
  ];

  it('of a text', () => {
    assert.deepEqual(
      Array.from(textLines(text), ({ text: line, end }) => [line, end]),
      expected,
    );
    assert.deepEqual([...textLines('')], []);
  });

  it('of a file, wherever its pieces end', async () => {
    for (let size = 1; size <= text.length; size++) {
      const bytes = Buffer.from(text);
      const pieces = async function* (): AsyncGenerator<Uint8Array> {
        for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
      };
      const found: string[][] = [];
      for await (const { bytes: line, end } of byteLines(pieces()))
        found.push([Buffer.from(line).toString(), end]);
      assert.deepEqual(found, expected, `pieces of ${size}`);
    }
  });

  it('of rows: a quote that never closes costs its row, however many lines follow', () => {
    const table = new CsvRows(',');
    const rows = ['1,"2', ...Array.from({ length: 200_000 }, () => '3,4')].flatMap((line, i) =>
      table.push({ text: line, end: '\n', number: i + 1 }),
    );
    const all = rows.concat(table.end());
    assert.deepEqual(all[0], { line: 1, reason: 'a quote is opened and never closed' });
    assert.equal(all.length, 200_001);
    assert.deepEqual(all.at(-1), { line: 200_001, lastLine: 200_001, cells: ['3', '4'] });
  });

  it('of a result table: every mixture gives the same athletes', async (t) => {
    const file = path.join(ROOT, 'data', 'hyrox', 'hyrox-sample.csv');
    const lines = fs.readFileSync(file, 'utf8').trim().split(/\r?\n/).slice(0, 13);
    const folder = await temporaryFolder(t);
    const read = (name: string, content: string): ReturnType<typeof readRaces> => {
      fs.writeFileSync(path.join(folder, name), content);
      return readRaces(path.join(folder, name));
    };
    const { table } = read('lf.csv', lines.join('\n'));
    assert.equal(table.size, 12);
    const ends = ['\r\n', '\n', '\r'];
    const mixtures = {
      'crlf.csv': lines.join('\r\n'),
      'cr.csv': `${lines.join('\r')}\r`,
      'header-crlf.csv': `${lines[0]}\r\n${lines.slice(1).join('\n')}\n`,
      'header-lf.csv': `${lines[0]}\n${lines.slice(1).join('\r\n')}\r\n`,
      'any.csv': lines.map((line, i) => line + ends[i % 3]).join(''),
      'quoted.csv': lines.map((line, i) => `"${line.replaceAll(',', '","')}"${ends[i % 3]}`).join(''),
      'indexed.csv': lines.map((line, i) => `${i === 0 ? '' : i},${line}\n`).join(''),
    };
    for (const [name, content] of Object.entries(mixtures))
      assert.deepEqual(read(name, content).table, table, name);
  });
});
