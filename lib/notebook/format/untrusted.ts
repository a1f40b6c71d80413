/** Scripts in a notebook from elsewhere: in outputs, texts and the state of widgets, whatever shape the file has. */

import { htmlTags } from './html-tags';

/** Elements that run something, or take the reader elsewhere. */
const SCRIPTED_ELEMENTS = new Set('script iframe frame object embed applet base form'.split(' '));

/** An address that runs a script, where addresses stand in Markdown and LaTeX. */
const SCRIPTED_LINKS = /(?:[=("'<{]|\]:) ?["']? ?(?:javascript:|vbscript:|data:text\/html)/i;
const SCRIPTED_ADDRESS = /^(?:javascript:|vbscript:|data:text\/html)/i;

/** Outputs whose text readers take as markup, and those that are programs. */
const MARKUP = /html|svg|markdown|latex/;
const PROGRAM = /javascript|ecmascript|es6-rich|bokehjs_(?:exec|load)/;

const named: Record<string, string> = { colon: ':', tab: '', newline: '', lpar: '(', quot: '"', apos: "'" };

/** The text as a browser reads an address: entities resolved, control characters left out, blanks as one. */
function resolved(text: string): string {
  return text
    .replace(
      /&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|([a-z]{1,8}));?/gi,
      (whole, hex?: string, decimal?: string, name?: string) => {
        if (name !== undefined) return named[name.toLowerCase()] ?? whole;
        const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
        return code <= 0x10ffff ? String.fromCodePoint(code) : whole;
      },
    )
    .replace(/[\0-\x1f]/g, '')
    .replace(/\s+/g, ' ');
}

/** Whether HTML holds a script: quotes, entities and odd tags are no cover. Read both as HTML and as SVG. */
function isScriptedHtml(text: string): boolean {
  return [...htmlTags(text, true), ...htmlTags(text, false)].some(
    ({ name, attributes }) =>
      SCRIPTED_ELEMENTS.has(name) ||
      attributes.some(
        ([key, value]) =>
          /^on[a-z]/.test(key) ||
          (name === 'meta' && key === 'http-equiv') ||
          SCRIPTED_ADDRESS.test(resolved(value).replace(/\s/g, '')),
      ),
  );
}

/** Whether markup holds a script. */
export function isScripted(text: string): boolean {
  return /<script\b/i.test(text) || SCRIPTED_LINKS.test(resolved(text)) || isScriptedHtml(text);
}

type Part = Readonly<Record<string, unknown>>;
const partOf = (value: unknown): Part => (typeof value === 'object' && value !== null ? (value as Part) : {});
const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? (value as unknown[]) : []);
const textOf = (value: unknown): string =>
  typeof value === 'string'
    ? value
    : listOf(value)
        .filter((line) => typeof line === 'string')
        .join('');

function anyText(value: unknown, test: (text: string) => boolean): boolean {
  if (typeof value === 'string') return test(value);
  return (
    typeof value === 'object' && value !== null && Object.values(value).some((child) => anyText(child, test))
  );
}

/** Where a notebook holds scripts. @returns a place and what is there, for each */
export function scriptsIn(notebook: unknown): { where: string; message: string }[] {
  const found: { where: string; message: string }[] = [];
  for (const [i, cell] of listOf(partOf(notebook).cells).map(partOf).entries()) {
    const where = `cell ${i + 1}`;
    if (cell.cell_type !== 'code' && isScripted(textOf(cell.source)))
      found.push({ where, message: 'has a script in its text' });
    for (const output of listOf(cell.outputs).map(partOf))
      for (const [mime, value] of Object.entries(partOf(output.data)))
        if (PROGRAM.test(mime) || (MARKUP.test(mime) && isScripted(textOf(value))))
          found.push({ where, message: `has an output of ${mime} with a script` });
  }
  if (anyText(partOf(partOf(notebook).metadata).widgets, isScripted))
    found.push({ where: 'metadata.widgets', message: 'has a script in the state of a widget' });
  return found;
}
