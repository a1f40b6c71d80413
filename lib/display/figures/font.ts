/**
 * The face of all text in figures: DejaVu Sans, which comes with the package, so that a PNG is the same on every
 * machine, with or without fonts. resvg draws with it; widths are read from its metrics.
 * Source of the file format: OpenType specification 1.9 (tables cmap, head, hhea, hmtx).
 */
import fs from 'node:fs';
import path from 'node:path';
import { dataFolder } from '../../environment';

/** The family's name in the file. */
export const FONT_FAMILY = 'DejaVu Sans';
/** The file of the face. */
export const FONT_FILE = path.join(dataFolder('fonts'), 'DejaVuSans.ttf');

/** The numbers of consecutive characters and of the glyph of the first. */
interface GlyphRange {
  readonly first: number;
  readonly last: number;
  readonly glyph: number;
}

interface Metrics {
  readonly ranges: readonly GlyphRange[];
  /** Advance width of a glyph, in units of the font size. */
  advance(glyph: number): number;
}

function tableOffsets(file: Buffer): Map<string, number> {
  return new Map(
    Array.from({ length: file.readUInt16BE(4) }, (_, i) => {
      const record = 12 + 16 * i;
      return [file.toString('latin1', record, record + 4), file.readUInt32BE(record + 8)];
    }),
  );
}

/** The table of all Unicode characters: format 12, of platform 3 and encoding 10. */
function glyphRanges(file: Buffer, cmap: number): GlyphRange[] {
  const records = Array.from({ length: file.readUInt16BE(cmap + 2) }, (_, i) => cmap + 4 + 8 * i);
  const full = records.find((at) => file.readUInt16BE(at) === 3 && file.readUInt16BE(at + 2) === 10);
  if (full === undefined) throw new Error(`internal: ${FONT_FILE} has no table of all characters`);
  const table = cmap + file.readUInt32BE(full + 4);
  return Array.from({ length: file.readUInt32BE(table + 12) }, (_, i) => {
    const group = table + 16 + 12 * i;
    return {
      first: file.readUInt32BE(group),
      last: file.readUInt32BE(group + 4),
      glyph: file.readUInt32BE(group + 8),
    };
  });
}

function readMetrics(): Metrics {
  const file = fs.readFileSync(FONT_FILE);
  const tables = tableOffsets(file);
  const at = (name: string): number => tables.get(name) ?? 0;
  const unitsPerEm = file.readUInt16BE(at('head') + 18);
  const widths = file.readUInt16BE(at('hhea') + 34); // glyphs behind the last have its width
  return {
    ranges: glyphRanges(file, at('cmap')),
    advance: (glyph) => file.readUInt16BE(at('hmtx') + 4 * Math.min(glyph, widths - 1)) / unitsPerEm,
  };
}

let metrics: Metrics | undefined;
/** Advance width of each character so far; 1 where the face has no glyph. */
const advances = new Map<string, number>();

function advanceOf(character: string): number {
  const code = character.codePointAt(0) ?? 0;
  metrics ??= readMetrics();
  const range = metrics.ranges.find(({ first, last }) => first <= code && code <= last);
  return range === undefined ? 1 : metrics.advance(range.glyph + code - range.first);
}

/** Whether the face has a glyph for a character. */
export function hasGlyph(character: string): boolean {
  const code = character.codePointAt(0) ?? 0;
  metrics ??= readMetrics();
  return metrics.ranges.some(({ first, last }) => first <= code && code <= last);
}

/** Width of a text, in the unit of `fontSize`. DejaVu Sans is the widest of the common faces: others fit too. */
export function textWidth(text: string, fontSize: number): number {
  let width = 0;
  for (const character of text) {
    let advance = advances.get(character);
    if (advance === undefined) advances.set(character, (advance = advanceOf(character)));
    width += advance;
  }
  return width * fontSize;
}
