/**
 * Windows-1252, which also goes by the names latin1 and iso-8859-1. Node's own decoder reads 0x80 to 0x9f as
 * control characters in several versions (20 among them), where the encoding has quotes, dashes and the euro.
 */

/** 0x80 to 0x9f, as the Encoding standard has them; five are not assigned. */
const UPPER =
  '\u20ac\u0081\u201a\u0192\u201e\u2026\u2020\u2021\u02c6\u2030\u0160\u2039\u0152\u008d\u017d\u008f' +
  '\u0090\u2018\u2019\u201c\u201d\u2022\u2013\u2014\u02dc\u2122\u0161\u203a\u0153\u009d\u017e\u0178';

/** The text of bytes in Windows-1252. */
export function decodeWindows1252(bytes: Uint8Array): string {
  const text = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString('latin1');
  return text.replace(/[\x80-\x9f]/g, (letter) => UPPER.charAt(letter.charCodeAt(0) - 0x80));
}
