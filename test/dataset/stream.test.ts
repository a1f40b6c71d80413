/** Streams of records and examples: the order is that of seed and pass alone, and a position takes it up again exactly. */
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { it } from 'node:test';
import { gzipSync } from 'node:zlib';
import { encodeRecords, loadRecords, streamExamples, streamRecords } from '../../lib/dataset';
import type { DataRecord, RecordStream, StreamOptions, StreamPosition } from '../../lib/dataset';
import type { EncodedExample, Tokenizer } from '../../lib/types';
import { ROOT } from '../support/paths';
import { temporaryFolder } from '../support/temporary-folder';

/** A token for each letter. */
const LETTERS: Tokenizer = {
  ...{ vocabSize: 256, bosTokenId: undefined, eosTokenId: 0, padTokenId: 0, modelMaxLength: 64 },
  encode: (text) => [...text].map((letter) => letter.charCodeAt(0)),
  decode: (ids) => String.fromCharCode(...ids),
};

const numbersOf = async (stream: RecordStream, from?: Partial<StreamPosition>): Promise<unknown[]> => {
  const numbers: unknown[] = [];
  for await (const { n } of stream.records(from)) numbers.push(n);
  return numbers;
};

const upTo = (count: number, from = 0): number[] => Array.from({ length: count }, (_, i) => from + i);

/** Three shards of ten records, one of them in lines that are partly broken. */
function shards(folder: string): void {
  const line = (n: number): string => JSON.stringify({ n, text: `t${n}` });
  fs.writeFileSync(path.join(folder, 'a.jsonl'), upTo(10).map(line).join('\n'));
  fs.writeFileSync(path.join(folder, 'b.jsonl'), `{"n": \n${upTo(10, 10).map(line).join('\n\n')}\n`);
  fs.writeFileSync(path.join(folder, 'c.json'), `[${upTo(10, 20).map(line).join(',')}]`);
  fs.writeFileSync(path.join(folder, 'README.md'), 'no data');
}

it('a folder is read shard by shard, in order; malformed lines are named and counted', async (t) => {
  const warned = t.mock.method(console, 'warn', () => undefined);
  const folder = await temporaryFolder(t);
  shards(folder);
  const stream = streamRecords(folder);
  assert.deepEqual(
    stream.files.map((file) => path.basename(file)),
    ['a.jsonl', 'b.jsonl', 'c.json'],
  );
  assert.deepEqual(await numbersOf(stream), upTo(30));
  assert.deepEqual(stream.counts, { records: 30, malformed: 1 });
  assert.match(String(warned.mock.calls[0].arguments[0]), /b\.jsonl:1: left out/);
  assert.deepEqual(await numbersOf(stream, { record: 17 }), upTo(13, 17));
});

for (const shuffleBuffer of [1, 4, 7, 30, 1000])
  it(`a buffer of ${shuffleBuffer}: all records once, another order each pass, the same from any position`, async (t) => {
    t.mock.method(console, 'warn', () => undefined);
    const folder = await temporaryFolder(t);
    shards(folder);
    const make = (options: StreamOptions = {}): RecordStream =>
      streamRecords(folder, { shuffleBuffer, ...options });
    const [first, second] = [await numbersOf(make()), await numbersOf(make(), { epoch: 1 })];
    assert.deepEqual(
      [...first].sort((x, y) => Number(x) - Number(y)),
      upTo(30),
    );
    if (shuffleBuffer > 1) {
      assert.notDeepEqual(first, second);
      assert.notDeepEqual(first, await numbersOf(make({ seed: 1 })));
    }
    for (const record of [0, 1, 6, 7, 8, 29, 30]) {
      assert.deepEqual(await numbersOf(make(), { record }), first.slice(record));
      assert.deepEqual(await numbersOf(make(), { epoch: 1, record }), second.slice(record));
    }
  });

const GOLDEN = path.join(ROOT, 'test', 'golden', 'dataset');

it('Parquet streams as it loads', async () => {
  const file = path.join(GOLDEN, 'records-snappy.parquet');
  const { records } = await loadRecords(file);
  const streamed: DataRecord[] = [];
  for await (const record of streamRecords(file)) streamed.push(record);
  assert.deepEqual(streamed, records);
});

/** Writes the text of records, in several forms and encodings, some of it broken. */
const FORMS: Readonly<Record<string, (folder: string) => void>> = {
  shards,
  'Windows-1252': (folder) => {
    const line = (n: number): string => JSON.stringify({ n, text: `caf\u00e9 ${n}` });
    fs.writeFileSync(path.join(folder, 'a.jsonl'), Buffer.from(upTo(30).map(line).join('\r\n'), 'latin1'));
  },
  'UTF-8 with a mark, CR and CRLF': (folder) => {
    const line = (n: number): string =>
      `${JSON.stringify({ n, text: `\u00e9 ${n}` })}${n % 2 ? '\r' : '\r\n'}`;
    fs.writeFileSync(path.join(folder, 'a.jsonl'), `\ufeff${upTo(30).map(line).join('')}`);
  },
  gzip: (folder) => {
    const line = (n: number): string => JSON.stringify({ n, text: `t${n}` });
    fs.writeFileSync(path.join(folder, 'a.jsonl.gz'), gzipSync(upTo(30).map(line).join('\n')));
  },
  'Parquet of several row groups': (folder) =>
    fs.copyFileSync(path.join(GOLDEN, 'records-snappy.parquet'), path.join(folder, 'a.parquet')),
};
for (const [form, write] of Object.entries(FORMS))
  for (const shuffleBuffer of [0, 7])
    it(`${form}, a buffer of ${shuffleBuffer}: from the place of each position on, the same records`, async (t) => {
      t.mock.method(console, 'warn', () => undefined);
      const folder = await temporaryFolder(t);
      write(folder);
      const fieldMapping = form.startsWith('Parquet') ? { text: 'answer' } : undefined;
      const make = (): ReturnType<typeof streamExamples> =>
        streamExamples(streamRecords(folder, { shuffleBuffer, fieldMapping }), {
          ...{ tokenizer: LETTERS, format: 'text' },
        });
      const taken: { example: EncodedExample; next: StreamPosition }[] = [];
      for await (const one of make().examples()) if (taken.push(one) === 45) break;
      for (const [at, { next }] of taken.slice(0, -1).entries()) {
        const following = (await make().examples(next).next()).value;
        assert.deepEqual(following, taken[at + 1], `after ${at}: ${JSON.stringify(next)}`);
      }
    });

it('a place lets what is before it unread', async (t) => {
  const folder = await temporaryFolder(t);
  const file = path.join(folder, 'a.jsonl');
  fs.writeFileSync(
    file,
    upTo(1000)
      .map((n) => JSON.stringify({ n, text: `${n}` }))
      .join('\n'),
  );
  const examples = streamExamples(streamRecords(file, { shuffleBuffer: 10 }), {
    ...{ tokenizer: LETTERS, format: 'text' },
  });
  let position: StreamPosition | undefined;
  for await (const { next } of examples.examples()) {
    position = next;
    if (next.record === 905) break;
  }
  assert.equal(position?.place?.record, 900);
  const bytes = fs.readFileSync(file);
  const wanted = (await examples.examples(position).next()).value?.example;
  bytes.fill('x', 0, bytes.indexOf('{"n":900,') - 1); // no line of it can be read any more
  fs.writeFileSync(file, bytes);
  assert.deepEqual((await examples.examples(position).next()).value?.example, wanted);
});

it('examples equal those of encodeRecords, pass after pass; a position resumes them', async (t) => {
  t.mock.method(console, 'warn', () => undefined);
  const folder = await temporaryFolder(t);
  const records = upTo(9).map((n) => ({ text: n === 4 ? ' ' : `text ${n}` }));
  fs.writeFileSync(path.join(folder, 'a.jsonl'), records.map((record) => JSON.stringify(record)).join('\n'));
  const make = (): ReturnType<typeof streamExamples> =>
    streamExamples(streamRecords(path.join(folder, 'a.jsonl')), { tokenizer: LETTERS });
  const taken: { example: EncodedExample; next: StreamPosition }[] = [];
  const stream = make();
  for await (const one of stream.examples()) if (taken.push(one) === 20) break;
  const { examples } = encodeRecords(records, { tokenizer: LETTERS, format: 'text' });
  assert.deepEqual(
    taken.map(({ example }) => example),
    [...examples, ...examples, ...examples.slice(0, 4)],
  );
  assert.deepEqual(stream.counts, { examples: 20, dropped: 2 });
  for (const at of [0, 3, 7, 12, 18]) {
    const resumed = make().examples(taken[at].next);
    assert.deepEqual((await resumed.next()).value?.example, taken[at + 1].example, String(at));
    await resumed.return(undefined);
  }
});

it('refuses missing files, no data, only empty texts, and a buffer that is not a number', async (t) => {
  t.mock.method(console, 'warn', () => undefined);
  const folder = await temporaryFolder(t);
  assert.throws(() => streamRecords(path.join(folder, 'none.jsonl')), /none\.jsonl: cannot be read/);
  assert.throws(() => streamRecords(folder), /expected data files/);
  fs.writeFileSync(path.join(folder, 'a.jsonl'), '{"text": ""}\n');
  assert.throws(
    () => streamRecords(folder, { shuffleBuffer: -1 }),
    /expected a number of records in shuffleBuffer/,
  );
  const examples = streamExamples(streamRecords(folder), { tokenizer: LETTERS }).examples();
  await assert.rejects(examples.next(), /expected examples in .*a\.jsonl, got none/);
});
