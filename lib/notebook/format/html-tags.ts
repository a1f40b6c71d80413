/**
 * The tags of a piece of HTML, read as browsers read them, in time that grows with its length: quotes may hold `>`, and
 * what stands in comments is no tag. For looking for scripts, not for showing anything.
 * Source: HTML standard, 13.2.5 "Tokenization".
 */

/** A tag that opens an element. */
export interface HtmlTag {
  /** Lower case. */
  readonly name: string;
  /** Names (lower case) and values as they are written. */
  readonly attributes: readonly (readonly [name: string, value: string])[];
}

/** Elements whose content is text up to their end tag. */
const RAW_ELEMENTS = new Set('style textarea title xmp noembed noframes noscript'.split(' '));

const OPENING = /<(\/?)([a-z][^\s/>]*)/iy;
const ATTRIBUTE = /[\s/]*([^\s/>=][^\s/>=]*|=[^\s/>=]*)(?:\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]*)))?/y;
const CLOSING = /[\s/]*>/y;

/** The text behind a raw element's end, or behind all where it has none. */
function rawEnd(text: string, name: string, from: number): number {
  const end = new RegExp(`</${name}[\\s/>]`, 'gi');
  end.lastIndex = from;
  return end.exec(text)?.index ?? text.length;
}

function commentEnd(text: string, from: number): number {
  const end = /--!?>/g;
  end.lastIndex = from + 2; // `<!-->` is a whole comment
  return end.exec(text) ? end.lastIndex : text.length;
}

/**
 * The opening tags of HTML, in order.
 * @param raw whether the content of styles and text fields is text, as in HTML; in SVG it is markup
 */
export function htmlTags(text: string, raw: boolean): HtmlTag[] {
  const tags: HtmlTag[] = [];
  for (let at = text.indexOf('<'); at >= 0; at = text.indexOf('<', at)) {
    if (text.startsWith('<!--', at)) {
      at = commentEnd(text, at);
      continue;
    }
    OPENING.lastIndex = at;
    const found = OPENING.exec(text);
    if (!found) {
      // `<!`, `<?` and `</` before anything else begin a comment that the next `>` ends.
      const end = /[!?/]/.test(text.charAt(at + 1)) ? text.indexOf('>', at) : at;
      at = end < 0 ? text.length : end + 1;
      continue;
    }
    const name = found[2].toLowerCase();
    const attributes: [string, string][] = [];
    at = OPENING.lastIndex;
    for (;;) {
      ATTRIBUTE.lastIndex = at;
      const pair = ATTRIBUTE.exec(text);
      if (!pair) break;
      at = ATTRIBUTE.lastIndex;
      attributes.push([pair[1].toLowerCase(), pair[2] ?? pair[3] ?? pair[4] ?? '']);
    }
    CLOSING.lastIndex = at;
    if (CLOSING.test(text)) at = CLOSING.lastIndex;
    if (found[1] === '/') continue; // what an end tag has of attributes counts for nothing
    tags.push({ name, attributes });
    if (raw && RAW_ELEMENTS.has(name)) at = rawEnd(text, name, at);
  }
  return tags;
}
