/** Scripts in a notebook from elsewhere: in outputs, texts and the state of widgets, whatever shape the file has. */
import { Tokenizer, TokenizerMode } from 'parse5';
import type { Token } from 'parse5';

/** Elements that run something, or take the reader elsewhere. */
const SCRIPTED_ELEMENTS = new Set('script iframe frame object embed applet base form'.split(' '));

/** An address that runs a script, where addresses stand in Markdown and LaTeX. */
const SCRIPTED_LINKS = /(?:[=("'<{]|\]:) ?["']? ?(?:javascript:|vbscript:|data:text\/html)/i;
const SCRIPTED_ADDRESS = /^(?:javascript:|vbscript:|data:text\/html)/i;

/** Outputs whose text readers take as markup, and those that are programs. */
const MARKUP = /html|svg|markdown|latex/;
const PROGRAM = /javascript|ecmascript|es6-rich|bokehjs_(?:exec|load)/;

/** How the content of an element is read where it is no markup. */
const RAW_CONTENT: Readonly<Record<string, typeof TokenizerMode.RCDATA | typeof TokenizerMode.RAWTEXT>> = {
  title: TokenizerMode.RCDATA,
  textarea: TokenizerMode.RCDATA,
  style: TokenizerMode.RAWTEXT,
  xmp: TokenizerMode.RAWTEXT,
  noembed: TokenizerMode.RAWTEXT,
  noframes: TokenizerMode.RAWTEXT,
  noscript: TokenizerMode.RAWTEXT,
};

/** What is read of a text. */
interface Found {
  tag?(token: Token.TagToken): void;
  text?(text: string): void;
}

/**
 * Reads HTML as browsers do (parse5's tokenizer, which takes linear time; its tree would take quadratic time on
 * deeply nested elements).
 * @param raw whether the content of styles and text fields is text, as in HTML; in SVG it is markup
 * @param mode RCDATA to read everything as text, with its entities resolved
 */
function tokenize(text: string, found: Found, raw: boolean, mode: number = TokenizerMode.DATA): void {
  const ignore = (): void => undefined;
  const onText = ({ chars }: Token.CharacterToken): void => found.text?.(chars);
  const tokenizer = new Tokenizer(
    {},
    {
      onStartTag(token) {
        found.tag?.(token);
        const content =
          raw && Object.hasOwn(RAW_CONTENT, token.tagName) ? RAW_CONTENT[token.tagName] : undefined;
        if (content !== undefined) tokenizer.state = content;
      },
      onCharacter: onText,
      onWhitespaceCharacter: onText,
      onNullCharacter: ignore,
      onEndTag: ignore,
      onComment: ignore,
      onDoctype: ignore,
      onEof: ignore,
    },
  );
  tokenizer.state = mode as typeof tokenizer.state;
  tokenizer.write(text, true);
}

/** The text as a browser reads an address: control characters left out, blanks as one. */
function addressText(text: string): string {
  return text.replace(/[\0-\x1f]/g, '').replace(/\s+/g, ' ');
}

/** The text of Markdown or LaTeX with its entities resolved. */
function withoutEntities(text: string): string {
  if (!text.includes('&')) return text;
  const parts: string[] = [];
  tokenize(text, { text: (part) => parts.push(part) }, false, TokenizerMode.RCDATA);
  return parts.join('');
}

function isScriptedTag({ tagName, attrs }: Token.TagToken): boolean {
  const local = tagName.slice(tagName.indexOf(':') + 1); // XML may have a prefix
  return (
    SCRIPTED_ELEMENTS.has(local) ||
    attrs.some(
      ({ name, value }) =>
        /^on[a-z]/.test(name) ||
        (local === 'meta' && name === 'http-equiv') ||
        SCRIPTED_ADDRESS.test(addressText(value).replace(/\s/g, '')),
    )
  );
}

/** Whether HTML holds a script: quotes, entities and odd tags are no cover. Read both as HTML and as SVG. */
function isScriptedHtml(text: string): boolean {
  let scripted = false;
  const tag = (token: Token.TagToken): void => {
    scripted ||= isScriptedTag(token);
  };
  tokenize(text, { tag }, true);
  if (!scripted) tokenize(text, { tag }, false);
  return scripted;
}

/** Whether markup holds a script. */
export function isScripted(text: string): boolean {
  return (
    /<script\b/i.test(text) || SCRIPTED_LINKS.test(addressText(withoutEntities(text))) || isScriptedHtml(text)
  );
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
