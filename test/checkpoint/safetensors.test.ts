import assert from 'node:assert/strict';
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { test } from 'node:test';
import type { TestContext } from 'node:test';
import {
  float32ToBfloat16,
  float32ToFloat16,
  openSafetensors,
  readSafetensorsHeader,
  writeSafetensors,
} from '../../lib/checkpoint';
import { temporaryFolder } from '../support/temporary-folder';
import { ROOT } from '../support/paths';

const GOLDEN = path.join(ROOT, 'test', 'golden');

/** A file with this JSON as its header and so many bytes of data. */
async function fileWith(
  t: TestContext,
  json: string,
  dataBytes: number,
  headerLength?: bigint,
): Promise<string> {
  const header = Buffer.from(json, 'utf8');
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(headerLength ?? BigInt(header.length));
  const file = path.join(await temporaryFolder(t), 'x.safetensors');
  await fs.writeFile(file, Buffer.concat([length, header, Buffer.alloc(dataBytes)]));
  return file;
}

test('reads every dtype that the reference library wrote', async (t) => {
  const file = await openSafetensors(path.join(GOLDEN, 'safetensors/dtypes.safetensors'));
  t.after(() => file.close());
  assert.equal(file.header.metadata.get('note'), 'two "words" ü');
  assert.deepEqual([...(await file.read('f64'))], [1.5, -2.25, Math.fround(1e-3), 1e10]);
  assert.deepEqual(file.info('f64').shape, [2, 2]);
  assert.deepEqual([...(await file.read('scalar'))], [3.5]);
  assert.deepEqual(file.info('scalar').shape, []);
  assert.equal((await file.read('empty')).length, 0);
  assert.deepEqual([...(await file.readBytes('u8'))], [0, 1, 2, 3, 4, 5, 6]);
  assert.deepEqual([...(await file.readBytes('u8', { start: 2, count: 3 }))], [2, 3, 4]);
  const integers = await file.readBytes('i64');
  assert.deepEqual([...new BigInt64Array(integers.buffer)], [1n, -2n, 2n ** 40n]);
  await assert.rejects(file.read('u8'), /"u8": expected dtype F32, F16, BF16 or F64 for weights, got U8/);
  await assert.rejects(file.read('f65'), /expected a tensor "f65"/);
  await assert.rejects(file.read('f64', { start: 2, count: 3 }), /within 0 to 4, got start 2 and count 3/);
});

test('rounds to 16 bits as PyTorch does, and back', async (t) => {
  const file = await openSafetensors(path.join(GOLDEN, 'safetensors/dtypes.safetensors'));
  t.after(() => file.close());
  const source = await file.read('source');
  const cases = [
    { name: 'as_f16', convert: float32ToFloat16, nan: 0x7e00 },
    { name: 'as_bf16', convert: float32ToBfloat16, nan: 0x7fc0 },
  ];
  for (const { name, convert, nan } of cases) {
    const bytes = await file.readBytes(name);
    const theirs = new Uint16Array(bytes.buffer);
    const ours = new Uint16Array(source.length);
    convert(source, ours);
    let compared = 0;
    for (const [i, value] of source.entries()) {
      assert.equal(ours[i], Number.isNaN(value) ? nan : theirs[i], `${name} of ${value}`);
      compared++;
    }
    assert.ok(compared > 5000);
    const again = new Uint16Array(source.length);
    convert(await file.read(name), again);
    assert.deepEqual(
      again.filter((_, i) => !Number.isNaN(source[i])),
      theirs.filter((_, i) => !Number.isNaN(source[i])), // theirs makes other NaNs of a NaN
    );
  }
});

test('every 16-bit pattern survives the round trip through float32', () => {
  const bits = Uint16Array.from({ length: 65536 }, (_, i) => i);
  const scale = new Float32Array(65536);
  const out = new Uint16Array(65536);
  for (const i of bits) {
    const [sign, exponent, fraction] = [i >> 15 ? -1 : 1, (i >> 10) & 31, i & 1023];
    if (exponent === 31) scale[i] = fraction ? NaN : sign * Infinity;
    else scale[i] = sign * (exponent ? (1024 + fraction) * 2 ** (exponent - 25) : fraction * 2 ** -24);
  }
  float32ToFloat16(scale, out);
  for (const i of bits) if (!Number.isNaN(scale[i])) assert.equal(out[i], i);
});

test('writes what it reads, in each dtype, and the header is padded to 8 bytes', async (t) => {
  const folder = await temporaryFolder(t);
  const values = Float32Array.from({ length: 3_000_000 }, (_, i) => Math.sin(i) * 3);
  for (const [dtype, itemBytes, relativeError] of [
    ['F32', 4, 0],
    ['F16', 2, 2 ** -11],
    ['BF16', 2, 2 ** -8],
  ] as const) {
    const filePath = path.join(folder, `${dtype}.safetensors`);
    let asked = 0;
    const sizeBytes = await writeSafetensors(
      filePath,
      [
        { name: 'bytes', shape: [3], dtype: 'U8', values: Uint8Array.of(1, 2, 3) },
        { name: 'ä "b"', shape: [2, 1_500_000], values: async () => (asked++, values) },
      ],
      { dtype },
    );
    assert.equal(asked, 1);
    assert.equal((await fs.stat(filePath)).size, sizeBytes);
    const header = await readSafetensorsHeader(filePath);
    assert.equal(header.dataOffset % 8, 0);
    assert.equal(header.metadata.get('format'), 'pt');
    const file = await openSafetensors(filePath);
    assert.deepEqual(file.names, ['ä "b"', 'bytes']); // wide elements first, so that all are aligned
    assert.equal(file.info('ä "b"').byteLength, values.length * itemBytes);
    assert.deepEqual([...(await file.readBytes('bytes'))], [1, 2, 3]);
    const back = await file.read('ä "b"');
    let worst = 0;
    for (let i = 1; i < values.length; i++) {
      worst = Math.max(worst, Math.abs(back[i] - values[i]) / Math.max(Math.abs(values[i]), 2 ** -14));
    }
    assert.ok(worst <= relativeError, `${dtype}: relative error ${worst}`);
    const part = await file.read('ä "b"', { start: 2_500_001, count: 5 });
    assert.deepEqual(part, back.slice(2_500_001, 2_500_006));
    await file.close();
  }
  assert.deepEqual((await fs.readdir(folder)).sort(), [
    'BF16.safetensors',
    'F16.safetensors',
    'F32.safetensors',
  ]);
});

test('a copy of the golden model has the same data, byte for byte', async (t) => {
  const original = path.join(GOLDEN, 'gpt2/model/model.safetensors');
  const file = await openSafetensors(original);
  t.after(() => file.close());
  const copy = path.join(await temporaryFolder(t), 'copy.safetensors');
  await writeSafetensors(
    copy,
    file.names.map((name) => ({ name, shape: file.info(name).shape, values: () => file.read(name) })),
  );
  assert.deepEqual(await fs.readFile(copy), await fs.readFile(original));
});

const one = (entry: string): string => `{"a":${entry}}`;
const HOSTILE: [title: string, json: string, dataBytes: number, message: RegExp][] = [
  ['no JSON', 'hello', 0, /expected a header of JSON/],
  ['an array', '[]', 0, /expected a JSON object as the header/],
  ['an entry that is no object', one('3'), 0, /"a": expected an object/],
  [
    'an unknown dtype',
    one('{"dtype":"F31","shape":[1],"data_offsets":[0,4]}'),
    4,
    /expected a dtype out of .*"F31"/,
  ],
  ['an inherited dtype', one('{"dtype":"toString","shape":[1],"data_offsets":[0,4]}'), 4, /expected a dtype/],
  [
    'a negative dimension',
    one('{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}'),
    4,
    /whole numbers from 0/,
  ],
  [
    'a fractional dimension',
    one('{"dtype":"F32","shape":[0.5],"data_offsets":[0,2]}'),
    2,
    /whole numbers from 0/,
  ],
  [
    'a shape that overflows',
    one('{"dtype":"F32","shape":[1e9,1e9],"data_offsets":[0,4]}'),
    4,
    /too many elements/,
  ],
  ['a shape of text', one('{"dtype":"F32","shape":["1"],"data_offsets":[0,4]}'), 4, /expected a shape of/],
  [
    'too many dimensions',
    one(`{"dtype":"U8","shape":[${Array(17).fill(1)}],"data_offsets":[0,1]}`),
    1,
    /MAX_RANK/,
  ],
  ['no offsets', one('{"dtype":"F32","shape":[1]}'), 4, /expected data_offsets of two whole numbers/],
  [
    'offsets out of order',
    one('{"dtype":"F32","shape":[1],"data_offsets":[4,0]}'),
    4,
    /out of range or out of order/,
  ],
  [
    'negative offsets',
    one('{"dtype":"F32","shape":[1],"data_offsets":[-4,0]}'),
    4,
    /out of range or out of order/,
  ],
  [
    'bytes that do not fit',
    one('{"dtype":"F32","shape":[2],"data_offsets":[0,4]}'),
    4,
    /expected 8 bytes for F32 \[2\]/,
  ],
  [
    'a tensor past the end',
    one('{"dtype":"F32","shape":[2],"data_offsets":[0,8]}'),
    4,
    /the file is truncated/,
  ],
  ['bytes of no tensor', one('{"dtype":"F32","shape":[1],"data_offsets":[0,4]}'), 9, /5 bytes at the end/],
  [
    'a hole at the start',
    one('{"dtype":"U8","shape":[1],"data_offsets":[1,2]}'),
    2,
    /leaves a hole after the header/,
  ],
  [
    'an overlap',
    '{"a":{"dtype":"U8","shape":[2],"data_offsets":[0,2]},"b":{"dtype":"U8","shape":[2],"data_offsets":[1,3]}}',
    3,
    /"b" overlaps "a"/,
  ],
  [
    'a hole between',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"b":{"dtype":"U8","shape":[1],"data_offsets":[2,3]}}',
    3,
    /"b" leaves a hole after "a"/,
  ],
  [
    'a name given twice',
    '{"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},"\\u0061":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    1,
    /got "a" twice/,
  ],
  [
    'a field given twice',
    one('{"dtype":"U8","dtype":"I8","shape":[1],"data_offsets":[0,1]}'),
    1,
    /got "dtype" twice/,
  ],
  ['__proto__ as a name', '{"__proto__":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}', 1, /not allowed/],
  [
    'constructor as a name',
    '{"constructor":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}',
    1,
    /not allowed/,
  ],
  [
    'a very long name',
    `{"${'n'.repeat(1025)}":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}}`,
    1,
    /MAX_NAME_LENGTH/,
  ],
  ['metadata that is no text', '{"__metadata__":{"a":1}}', 0, /expected __metadata__ to map names to text/],
  ['metadata that is no object', '{"__metadata__":"x"}', 0, /expected __metadata__ to map names to text/],
];

for (const [title, json, dataBytes, message] of HOSTILE) {
  test(`refuses ${title}`, async (t) => {
    const file = await fileWith(t, json, dataBytes);
    await assert.rejects(openSafetensors(file), { name: 'TunebookError', message });
    await assert.rejects(readSafetensorsHeader(file), { name: 'TunebookError', message });
  });
}

const NO_SAFETENSORS: [title: string, bytes: Buffer, message: RegExp][] = [
  ['an empty file', Buffer.alloc(0), /the file is empty/],
  ['three bytes', Buffer.from('abc'), /at least 8 bytes, got 3/],
  ['a header longer than the limit', Buffer.from('ffffffffffffffff00', 'hex'), /MAX_HEADER_BYTES/],
  [
    'a header longer than the file',
    Buffer.from('ff00000000000000aa', 'hex'),
    /255 bytes of header, got 1.*truncated/,
  ],
  ['a git-lfs pointer', Buffer.from('version https://git-lfs.github.com/spec/v1\noid'), /git lfs pull/],
  ['a web page', Buffer.from('<!DOCTYPE html><html></html>'), /got a web page/],
  ['a pickle in a zip', Buffer.from('PK\x03\x04aaaaaaaaaaaa'), /pickle or zip archive/],
  ['invalid UTF-8', Buffer.from('0400000000000000' + '7b22ff22', 'hex'), /expected a header of JSON/],
  ['a bare pickle', Buffer.from([0x80, 2, 0x7d, 1, 1, 1, 1, 1, 1]), /pickle or zip archive/],
];

for (const [title, bytes, message] of NO_SAFETENSORS) {
  test(`refuses ${title}`, async (t) => {
    const file = path.join(await temporaryFolder(t), 'x.safetensors');
    await fs.writeFile(file, bytes);
    await assert.rejects(openSafetensors(file), { name: 'TunebookError', message });
  });
}

test('refuses a header of endless braces within seconds', async (t) => {
  const file = await fileWith(t, '{"a":'.repeat(400_000), 0);
  await assert.rejects(openSafetensors(file), { name: 'TunebookError', message: /header of JSON/ });
});

test('refuses a dtype of endless brackets, naming it', async (t) => {
  const deep = '['.repeat(200_000) + ']'.repeat(200_000);
  const file = await fileWith(t, `{"a":{"dtype":${deep}}}`, 0);
  await assert.rejects(openSafetensors(file), {
    name: 'TunebookError',
    message: /"a": expected a dtype.*object/,
  });
});

test('refuses a good file truncated anywhere', async (t) => {
  const folder = await temporaryFolder(t);
  const whole = path.join(folder, 'whole.safetensors');
  await writeSafetensors(whole, [{ name: 'a', shape: [2, 3], values: new Float32Array(6) }]);
  const bytes = await fs.readFile(whole);
  const cut = path.join(folder, 'cut.safetensors');
  for (let length = 0; length < bytes.length; length++) {
    await fs.writeFile(cut, bytes.subarray(0, length));
    await assert.rejects(readSafetensorsHeader(cut), { name: 'TunebookError' }, `${length} bytes`);
  }
});

test('a file that shrinks while open throws instead of giving zeros', async (t) => {
  const filePath = path.join(await temporaryFolder(t), 'a.safetensors');
  await writeSafetensors(filePath, [{ name: 'a', shape: [1000], values: new Float32Array(1000) }]);
  const file = await openSafetensors(filePath);
  t.after(() => file.close());
  await fs.truncate(filePath, 2000);
  await assert.rejects(file.read('a'), /the file changed while it was open/);
});

test('a missing file and a folder throw errors that name the path', async (t) => {
  const folder = await temporaryFolder(t);
  await assert.rejects(openSafetensors(folder), {
    name: 'TunebookError',
    message: /cannot be opened|is not a file/,
  });
  await assert.rejects(openSafetensors(path.join(folder, 'none')), {
    name: 'TunebookError',
    message: /ENOENT/,
  });
});

const BAD_SOURCES: [title: string, tensors: Parameters<typeof writeSafetensors>[1], message: RegExp][] = [
  ['too few values', [{ name: 'a', shape: [3], values: new Float32Array(2) }], /expected 3 values, got 2/],
  [
    'too many bytes',
    [{ name: 'a', shape: [3], dtype: 'U8', values: new Uint8Array(4) }],
    /expected 3 bytes, got 4/,
  ],
  [
    'floats as integers',
    [{ name: 'a', shape: [1], dtype: 'I32', values: new Float32Array(1) }],
    /expected bytes for dtype I32/,
  ],
  [
    'a name given twice',
    [
      { name: 'a', shape: [1], values: new Float32Array(1) },
      { name: 'a', shape: [1], values: new Float32Array(1) },
    ],
    /got "a" twice/,
  ],
  [
    'a name of the format itself',
    [{ name: '__metadata__', shape: [1], values: new Float32Array(1) }],
    /not allowed/,
  ],
];

for (const [title, tensors, message] of BAD_SOURCES) {
  test(`does not write ${title}, and leaves what was there`, async (t) => {
    const folder = await temporaryFolder(t);
    const filePath = path.join(folder, 'a.safetensors');
    await fs.writeFile(filePath, 'before');
    await assert.rejects(writeSafetensors(filePath, tensors), { name: 'TunebookError', message });
    assert.deepEqual(await fs.readdir(folder), ['a.safetensors']);
    assert.equal(await fs.readFile(filePath, 'utf8'), 'before');
  });
}
