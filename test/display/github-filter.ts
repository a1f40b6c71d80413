/**
 * HTML as GitHub shows it in a notebook: elements outside of its list go (scripts and styles with what is in them), and
 * of attributes a few stay.
 * Source: github/markup, README "HTML sanitization"; gjtorikian/html-pipeline, `sanitization_filter.rb`.
 */
import { JSDOM } from 'jsdom';

const ELEMENTS = new Set(
  (
    'h1 h2 h3 h4 h5 h6 br b i strong em a pre code img tt div ins del sup sub p picture ol ul table thead tbody tfoot ' +
    'blockquote dl dt dd kbd q samp var hr ruby rt rp li tr td th s strike summary details caption figure figcaption ' +
    'abbr bdo cite dfn mark small source span time wbr'
  ).split(' '),
);
const ATTRIBUTES = new Set('align alt colspan height href rowspan src start title valign width'.split(' '));

/** A piece of HTML behind GitHub's filter. */
export function asGithub(html: string): { document: Document; text: string } {
  const { document } = new JSDOM(`<body>${html}</body>`).window;
  for (const element of [...document.body.querySelectorAll('*')]) {
    const name = element.localName;
    if (name === 'script' || name === 'style') element.remove();
    else if (!ELEMENTS.has(name)) element.replaceWith(...element.childNodes);
    for (const attribute of element.getAttributeNames())
      if (!ATTRIBUTES.has(attribute)) element.removeAttribute(attribute);
  }
  return { document, text: document.body.textContent ?? '' };
}
