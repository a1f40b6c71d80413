/**
 * A reader of TensorBoard's event files that shares nothing with the writer: TFRecords with their checksums (bit by
 * bit instead of by table), and protocol buffers by wire type.
 */
import assert from 'node:assert/strict';
import fs from 'node:fs';

export interface ReadEvent {
  readonly time: number;
  readonly step: number;
  readonly fileVersion?: string;
  readonly sessionStatus?: number;
  readonly scalars: Readonly<Record<string, number>>;
}

/** All events of a file. Fails for a checksum that is wrong and for bytes that are left over. */
export function readEvents(file: string): ReadEvent[] {
  const bytes = fs.readFileSync(file);
  const events: ReadEvent[] = [];
  let at = 0;
  while (at < bytes.length) {
    const length = bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
    assert.equal(bytes.readUInt32LE(at + 8), masked(bytes.subarray(at, at + 8)), 'checksum of a length');
    const data = bytes.subarray(at + 12, at + 12 + length);
    assert.equal(data.length, length, 'a record that is cut');
    assert.equal(bytes.readUInt32LE(at + 12 + length), masked(data), 'checksum of data');
    events.push(event(data));
    at += 16 + length;
  }
  return events;
}

function event(data: Buffer): ReadEvent {
  const fields = message(data);
  const scalars: Record<string, number> = {};
  for (const summary of fields.get(5) ?? []) {
    for (const value of message(summary).get(1) ?? []) {
      const parts = message(value);
      scalars[String(parts.get(1)?.[0])] = parts.get(2)?.[0].readFloatLE() ?? NaN;
    }
  }
  const session = fields.get(7)?.[0];
  return {
    time: fields.get(1)?.[0].readDoubleLE() ?? NaN,
    step: Number(fields.get(2)?.[0] ?? '0'),
    fileVersion: fields.get(3)?.[0].toString('utf8'),
    sessionStatus: session === undefined ? undefined : Number(message(session).get(1)?.[0]),
    scalars,
  };
}

/** Fields by number; a varint as the text of its value. */
function message(data: Buffer): Map<number, Buffer[]> {
  const fields = new Map<number, Buffer[]>();
  let at = 0;
  const varint = (): bigint => {
    let value = 0n;
    for (let shift = 0n; ; shift += 7n) {
      const byte = BigInt(data[at++]);
      value |= (byte & 127n) << shift;
      if (byte < 128n) return value;
    }
  };
  while (at < data.length) {
    const key = Number(varint());
    const sizes: Record<number, () => Buffer> = {
      0: () => Buffer.from(String(varint())),
      1: () => data.subarray(at, (at += 8)),
      2: () => {
        const length = Number(varint());
        return data.subarray(at, (at += length));
      },
      5: () => data.subarray(at, (at += 4)),
    };
    const content = sizes[key & 7]();
    fields.set(key >> 3, [...(fields.get(key >> 3) ?? []), content]);
  }
  assert.equal(at, data.length);
  return fields;
}

/** CRC-32C one bit at a time, on the unreflected polynomial 0x1edc6f41. */
function masked(data: Uint8Array): number {
  let crc = 0xffffffffn;
  for (const byte of data) {
    for (let bit = 0; bit < 8; bit++) {
      const top = (crc >> 31n) ^ BigInt((byte >> bit) & 1);
      crc = (crc << 1n) & 0xffffffffn;
      if (top === 1n) crc ^= 0x1edc6f41n;
    }
  }
  let reflected = 0n;
  for (let bit = 0n; bit < 32n; bit++) if ((crc >> bit) & 1n) reflected |= 1n << (31n - bit);
  const value = reflected ^ 0xffffffffn;
  return Number((((value >> 15n) | (value << 17n)) + 0xa282ead8n) & 0xffffffffn);
}
