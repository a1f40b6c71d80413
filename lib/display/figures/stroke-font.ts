/**
 * A small font of single strokes, drawn for this project, so that PNG figures carry their text on any machine,
 * with or without fonts. Glyphs are strokes on a grid: each point is two digits (x, y), the base line is y = 2,
 * small letters end at y = 6, capitals at y = 8.
 */

const UNIT = 0.115; // of the font size: capitals are 0.69 high
const GAP = 1.5;

const glyphs: Record<string, string> = {
  '!': '0804 0202',
  '"': '0806 1816',
  '#': '1218 3238 0444 0646',
  $: '473818070615354443321203 2921',
  '%': '0248 0818170708 3343423233',
  '&': '4216172837360403122244',
  "'": '0806',
  '(': '18070312',
  ')': '08171302',
  '*': '2723 0644 0446',
  '+': '2723 0545',
  ',': '0201',
  '-': '0525',
  '.': '0202',
  '/': '0238',
  '0': '183847433212030718',
  '1': '072822',
  '2': '07183847460242',
  '3': '07183847463515 354443321203',
  '4': '32380444',
  '5': '480805354443321203',
  '6': '4738180703123243443505',
  '7': '084812',
  '8': '183847463515060718 1504031232434435',
  '9': '0312324347381807061545',
  ':': '0303 0606',
  ';': '0606 0301',
  '<': '370533',
  '=': '0444 0646',
  '>': '073503',
  '?': '07183847462524 2222',
  '@': '34361614344447381807031242',
  A: '022842 1434',
  B: '02083847463505 3544433202',
  C: '4738180703123243',
  D: '02083847433202',
  E: '48080242 0535',
  F: '480802 0535',
  G: '47381807031232434525',
  H: '0208 4248 0545',
  I: '0208',
  J: '4843321203',
  K: '0208 4804 1542',
  L: '080242',
  M: '0208254842',
  N: '02084248',
  O: '183847433212030718',
  P: '02083847463505',
  Q: '183847433212030718 2442',
  R: '02083847463505 2542',
  S: '473818070615354443321203',
  T: '0848 2822',
  U: '080312324348',
  V: '082248',
  W: '0812375268',
  X: '0248 0842',
  Y: '082548 2522',
  Z: '08480242',
  '[': '18080212',
  '\\': '0832',
  ']': '08181202',
  '^': '062846',
  _: '0141',
  '`': '0817',
  a: '06263532 341403122233',
  b: '0802 0516263533221203',
  c: '3526160503122233',
  d: '3832 3526160503122233',
  e: '043435261605031232',
  f: '281712 0626',
  g: '36312000 3526160503122233',
  h: '0802 0516263532',
  i: '0602 0808',
  j: '161100 1818',
  k: '0802 3604 1532',
  l: '0802',
  m: '0602 05162522 25364542',
  n: '0602 0516263532',
  o: '162635332212030516',
  p: '0600 0516263533221203',
  q: '3630 3526160503122233',
  r: '0602 051626',
  s: '3616051424332202',
  t: '181322 0626',
  u: '0603122233 3632',
  v: '06122236',
  w: '0612253246',
  x: '0236 0632',
  y: '0613 3600',
  z: '06360232',
  '{': '28171605141322',
  '|': '0901',
  '}': '08171625141302',
  '~': '04152536',
  '−': '0545',
  '–': '0545',
  '—': '0565',
  '×': '0347 0743',
  '·': '0505',
  '…': '0202 2222 4242',
  '°': '0818170708',
  '±': '2824 0646 0242',
  µ: '0600 0312223336 3632',
  '²': '0818272606 0626',
  '’': '0806',
  '‘': '0806',
  '“': '0806 1816',
  '”': '0806 1816',
  '→': '0545 374533',
  '≤': '370533 0232',
};
/* Unknown characters are drawn as a box. */
const BOX = '0208484202';

function glyphOf(character: string): string {
  return glyphs[character] ?? glyphs[character.normalize('NFD')[0]] ?? BOX;
}

const strokesOf = (glyph: string): [number, number][][] =>
  glyph
    .split(' ')
    .map((stroke) =>
      (stroke.match(/\d\d/g) ?? []).map((pair): [number, number] => [Number(pair[0]), Number(pair[1])]),
    );

/** Width of a text in this font, for a font size. */
export function strokeTextWidth(text: string, fontSize: number): number {
  let width = 0;
  for (const character of text)
    width +=
      character === ' '
        ? 3
        : Math.max(
            ...strokesOf(glyphOf(character))
              .flat()
              .map(([x]) => x),
          ) + GAP;
  return Math.max(0, width - GAP) * UNIT * fontSize;
}

/** The SVG path of a text that starts at (x, y), y being the base line. */
function textPath(text: string, x: number, y: number, fontSize: number): string {
  const scale = UNIT * fontSize;
  let at = x;
  let path = '';
  for (const character of text) {
    if (character === ' ') {
      at += 3 * scale;
      continue;
    }
    const strokes = strokesOf(glyphOf(character));
    for (const stroke of strokes) {
      const points = stroke.map(
        ([px, py]) => `${(at + px * scale).toFixed(2)} ${(y - (py - 2) * scale).toFixed(2)}`,
      );
      path += `M${points.join('L')}${points.length === 1 || points.every((p) => p === points[0]) ? `L${points[0]}` : ''}`;
    }
    at += (Math.max(...strokes.flat().map(([px]) => px)) + GAP) * scale;
  }
  return path;
}

function styleOf(element: Element, name: string): string {
  for (let at: Element | null = element; at; at = at.parentElement) {
    const inline = new RegExp(`(?:^|;)\\s*${name}:\\s*([^;]+)`).exec(at.getAttribute('style') ?? '')?.[1];
    const value = inline ?? at.getAttribute(name);
    if (value) return value.trim();
  }
  return '';
}

/** Lengths of SVG text: pixels, or `em` of the font size. */
function length(text: string | null, fontSize: number): number {
  if (!text) return 0;
  const value = Number.parseFloat(text);
  return Number.isNaN(value) ? 0 : text.endsWith('em') ? value * fontSize : value;
}

/** The SVG with every text replaced by strokes. */
export function drawTextAsStrokes(svg: string, document: Document): string {
  const holder = document.createElement('div');
  holder.innerHTML = svg;
  for (const text of [...holder.querySelectorAll('text')]) {
    const fontSize = Number.parseFloat(styleOf(text, 'font-size')) || 12;
    const anchor = styleOf(text, 'text-anchor');
    const lines = [...text.querySelectorAll('tspan.line')];
    const parts = lines.length > 0 ? lines : [text];
    let path = '';
    for (const part of parts) {
      const content = (part.textContent ?? '').replace(/[\u200b\u200e]/g, '');
      const x = length(part.getAttribute('x') ?? text.getAttribute('x'), fontSize);
      const y =
        length(text.getAttribute('y'), fontSize) +
        (part === text ? 0 : length(part.getAttribute('dy'), fontSize));
      const width = strokeTextWidth(content, fontSize);
      const shift = anchor === 'middle' ? width / 2 : anchor === 'end' ? width : 0;
      path += textPath(content, x - shift, y, fontSize);
    }
    const drawn = document.createElementNS('http://www.w3.org/2000/svg', 'path');
    drawn.setAttribute('d', path);
    drawn.setAttribute('fill', 'none');
    drawn.setAttribute('stroke', styleOf(text, 'fill') || 'black');
    drawn.setAttribute('stroke-width', (0.085 * fontSize).toFixed(2));
    drawn.setAttribute('stroke-linecap', 'round');
    drawn.setAttribute('stroke-linejoin', 'round');
    const opacity = styleOf(text, 'fill-opacity');
    if (opacity !== '') drawn.setAttribute('stroke-opacity', opacity);
    const transform = text.getAttribute('transform');
    if (transform) drawn.setAttribute('transform', transform);
    if (path === '') text.remove();
    else text.replaceWith(drawn);
  }
  return holder.innerHTML;
}
