/**
 * The little of a canvas that Plotly's heatmaps need in jsdom: rectangles and pixels in, a PNG data URL out.
 * Source of the file format: PNG specification (ISO/IEC 15948), colour type 6, filter 0.
 */
import { crc32, deflateSync } from 'node:zlib';

function chunk(type: string, data: Uint8Array): Buffer {
  const body = Buffer.concat([Buffer.from(type, 'latin1'), data]);
  const out = Buffer.alloc(body.length + 8);
  out.writeUInt32BE(data.length, 0);
  body.copy(out, 4);
  out.writeUInt32BE(crc32(body), body.length + 4);
  return out;
}

/** A PNG file of 8-bit RGBA pixels, row by row. */
export function encodePng(width: number, height: number, rgba: Uint8ClampedArray): Buffer {
  const header = Buffer.alloc(13);
  header.writeUInt32BE(width, 0);
  header.writeUInt32BE(height, 4);
  header.set([8, 6, 0, 0, 0], 8);
  const rows = Buffer.alloc((width * 4 + 1) * height);
  for (let y = 0; y < height; y++)
    rows.set(rgba.subarray(y * width * 4, (y + 1) * width * 4), y * (width * 4 + 1) + 1);
  return Buffer.concat([
    Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]),
    chunk('IHDR', header),
    chunk('IDAT', deflateSync(rows)),
    chunk('IEND', Buffer.alloc(0)),
  ]);
}

interface Pixels {
  readonly width: number;
  readonly height: number;
  readonly data: Uint8ClampedArray;
}

/** Red, green, blue, alpha (0-255) of `rgb()`, `rgba()` or `#rrggbb`; transparent for anything else. */
function readColor(text: string): [number, number, number, number] {
  const numbers = /^rgba?\(([^)]*)\)/.exec(text)?.[1].split(',').map(Number);
  if (numbers) return [numbers[0], numbers[1], numbers[2], 255 * (numbers[3] ?? 1)];
  const hex = /^#([0-9a-f]{6})$/i.exec(text)?.[1];
  return hex
    ? ([0, 2, 4].map((i) => Number.parseInt(hex.slice(i, i + 2), 16)).concat(255) as [
        number,
        number,
        number,
        number,
      ])
    : [0, 0, 0, 0];
}

/** A drawing surface of a fixed size. */
export class RasterCanvas {
  fillStyle = '#000000';
  private readonly data: Uint8ClampedArray;

  constructor(
    readonly width: number,
    readonly height: number,
  ) {
    this.data = new Uint8ClampedArray(width * height * 4);
  }

  createImageData(width: number, height: number): Pixels {
    return { width, height, data: new Uint8ClampedArray(width * height * 4) };
  }

  putImageData(pixels: Pixels, left: number, top: number): void {
    for (let y = 0; y < pixels.height && y + top < this.height; y++)
      for (let x = 0; x < pixels.width && x + left < this.width; x++)
        this.set(
          x + left,
          y + top,
          pixels.data.subarray((y * pixels.width + x) * 4, (y * pixels.width + x) * 4 + 4),
        );
  }

  fillRect(left: number, top: number, width: number, height: number): void {
    const color = readColor(this.fillStyle);
    const [x0, x1] = [left, left + width].map(Math.round).sort((a, b) => a - b);
    const [y0, y1] = [top, top + height].map(Math.round).sort((a, b) => a - b);
    for (let y = Math.max(0, y0); y < Math.min(this.height, y1); y++)
      for (let x = Math.max(0, x0); x < Math.min(this.width, x1); x++) this.set(x, y, color);
  }

  toDataUrl(): string {
    return `data:image/png;base64,${encodePng(this.width, this.height, this.data).toString('base64')}`;
  }

  private set(x: number, y: number, color: ArrayLike<number>): void {
    if (x >= 0 && y >= 0) this.data.set(color, (y * this.width + x) * 4);
  }
}
