/**
 * TensorBoard's event files, byte by byte: TFRecords (length, masked CRC-32C of the length, data, masked CRC-32C of
 * the data) that hold Event messages in protocol buffers' wire format. Field numbers are those of TensorFlow's
 * event.proto and summary.proto.
 */

/** Content of an event, besides its time and step. */
export type EventContent =
  | { readonly kind: 'version' }
  /** The run begins (again) at this step: whatever a reader has of it and later steps is void. */
  | { readonly kind: 'start' }
  | { readonly kind: 'scalars'; readonly values: Readonly<Record<string, number>> };

/** One event as a TFRecord. @param time seconds since 1970 */
export function eventRecord(time: number, step: number, content: EventContent): Buffer {
  const clock = Buffer.alloc(9);
  clock[0] = tag(1, 1);
  clock.writeDoubleLE(time, 1);
  return framed(Buffer.concat([clock, Buffer.from([tag(2, 0)]), varint(step), body(content)]));
}

/** Length in bytes of a file's events up to the first one after `step`, or the first incomplete one. */
export function lengthUpTo(file: Buffer, step: number): number {
  let at = 0;
  while (at + 12 <= file.length) {
    const size = Number(file.readBigUInt64LE(at));
    const end = at + 12 + size + 4;
    if (end > file.length || file.readUInt32LE(end - 4) !== maskedCrc(file.subarray(at + 12, end - 4))) break;
    if (stepOf(file.subarray(at + 12, end - 4)) > step) break;
    at = end;
  }
  return at;
}

/** The step of an event that `eventRecord` made: a varint after the time and its own tag. */
function stepOf(event: Buffer): number {
  let step = 0;
  for (let at = 10, scale = 1; at < event.length; at++, scale *= 128) {
    step += (event[at] & 127) * scale;
    if (event[at] < 128) break;
  }
  return step;
}

function body(content: EventContent): Buffer {
  switch (content.kind) {
    case 'version':
      return field(3, Buffer.from('brain.Event:2'));
    case 'start':
      return field(7, Buffer.from([tag(1, 0), 1]));
    case 'scalars':
      return field(
        5,
        Buffer.concat(
          Object.entries(content.values).map(([name, value]) => {
            const number = Buffer.alloc(5);
            number[0] = tag(2, 5);
            number.writeFloatLE(value, 1);
            return field(1, Buffer.concat([field(1, Buffer.from(name, 'utf8')), number]));
          }),
        ),
      );
  }
}

/** Wire types: 0 varint, 1 eight bytes, 2 length-delimited, 5 four bytes. */
function tag(fieldNumber: number, wireType: number): number {
  return fieldNumber * 8 + wireType;
}

/** A length-delimited field. */
function field(number: number, content: Buffer): Buffer {
  return Buffer.concat([Buffer.from([tag(number, 2)]), varint(content.length), content]);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return Buffer.from([...bytes, rest]);
    bytes.push((rest % 128) + 128);
  }
}

function framed(data: Buffer): Buffer {
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(data.length));
  const checks = [length, data].map((part) => {
    const check = Buffer.alloc(4);
    check.writeUInt32LE(maskedCrc(part));
    return check;
  });
  return Buffer.concat([length, checks[0], data, checks[1]]);
}

/** CRC-32C (Castagnoli, reflected polynomial 0x82f63b78). */
const TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  let crc = byte;
  for (let bit = 0; bit < 8; bit++) crc = (crc >>> 1) ^ (crc & 1 ? 0x82f63b78 : 0);
  return crc >>> 0;
});

/** TFRecords' masked CRC, for data that contains CRCs itself: rotated by 15 bits, plus a constant. */
function maskedCrc(data: Buffer): number {
  let crc = 0xffffffff;
  for (const byte of data) crc = TABLE[(crc ^ byte) & 255] ^ (crc >>> 8);
  crc = ~crc >>> 0;
  return (((crc >>> 15) | (crc << 17)) + 0xa282ead8) >>> 0;
}
