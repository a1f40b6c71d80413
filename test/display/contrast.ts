/** Contrast as WCAG 2.2 computes it: of two colours, and of every text of an SVG with what is drawn behind it. */
import { Resvg } from '@resvg/resvg-js';
import { JSDOM } from 'jsdom';
import { FONT_FAMILY, FONT_FILE } from '../../lib/display/figures/font';

export type Color = readonly [red: number, green: number, blue: number];

/** '#abc' or '#aabbcc'; of eight digits the last two are left out. */
export function hex(text: string): Color {
  const digits =
    text.length === 4 ? [...text.slice(1)].map((digit) => digit + digit).join('') : text.slice(1);
  const [red, green, blue] = [0, 2, 4].map((at) => Number.parseInt(digits.slice(at, at + 2), 16));
  return [red, green, blue];
}

function luminance(color: Color): number {
  const [red, green, blue] = color
    .map((part) => part / 255)
    .map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

export function contrast(a: Color, b: Color): number {
  const [light, dark] = [luminance(a), luminance(b)].sort((x, y) => y - x);
  return (light + 0.05) / (dark + 0.05);
}

export function over(top: Color, alpha: number, below: Color): Color {
  const mix = (i: 0 | 1 | 2): number => alpha * top[i] + (1 - alpha) * below[i];
  return [mix(0), mix(1), mix(2)];
}

/** Colours of a text and of what is behind it, and on how many pixels they meet. */
export interface TextPair {
  readonly text: Color;
  readonly behind: Color;
  readonly contrast: number;
  readonly pixels: number;
}

const SHAPES = 'path, rect, circle, ellipse, line, polyline, polygon, image, use';
/** Edges between two grounds are mixed colours, on a pixel or two. */
const FEWEST_PIXELS = 12;

/** Each pair of colours of a text and its ground, least contrast first: compared pixel by pixel on a page of this colour. */
export function textPairs(svg: string, page: string): TextPair[] {
  const whole = pixelsOf(svg, page);
  const ground = pixelsOf(
    changed(svg, (document) => remove(document, 'text')),
    page,
  );
  const words = pixelsOf(
    changed(svg, (document) => {
      remove(document, SHAPES);
      document.querySelectorAll('text, text *').forEach((element) => {
        element.setAttribute(
          'style',
          `${element.getAttribute('style') ?? ''};fill:#000;fill-opacity:1;opacity:1`,
        );
      });
    }),
    'rgba(0,0,0,0)',
  );
  const pairs = new Map<string, { text: Color; behind: Color; pixels: number }>();
  for (let at = 0; at < words.length; at += 4) {
    if (words[at + 3] < 255) continue;
    const colorAt = (pixels: Uint8Array): Color => [pixels[at], pixels[at + 1], pixels[at + 2]];
    const [text, behind] = [colorAt(whole), colorAt(ground)];
    const key = `${text.join()} on ${behind.join()}`;
    const known = pairs.get(key) ?? { text, behind, pixels: 0 };
    known.pixels++;
    pairs.set(key, known);
  }
  return [...pairs.values()]
    .filter(({ pixels }) => pixels >= FEWEST_PIXELS)
    .map((pair) => ({ ...pair, contrast: contrast(pair.text, pair.behind) }))
    .sort((a, b) => a.contrast - b.contrast);
}

function pixelsOf(svg: string, background: string): Uint8Array {
  const font = { loadSystemFonts: false, fontFiles: [FONT_FILE], defaultFontFamily: FONT_FAMILY };
  const families = { sansSerifFamily: FONT_FAMILY, serifFamily: FONT_FAMILY, monospaceFamily: FONT_FAMILY };
  const renderer = new Resvg(svg, {
    background,
    fitTo: { mode: 'zoom', value: 2 },
    font: { ...font, ...families },
  });
  return renderer.render().pixels;
}

function changed(svg: string, change: (document: Document) => void): string {
  const { window } = new JSDOM(svg, { contentType: 'image/svg+xml' });
  change(window.document);
  return new window.XMLSerializer().serializeToString(window.document);
}

function remove(document: Document, selector: string): void {
  document.querySelectorAll(selector).forEach((element) => {
    if (element.closest('defs, clipPath') === null) element.remove();
  });
}
