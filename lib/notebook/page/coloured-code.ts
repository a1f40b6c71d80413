/** TypeScript as HTML with its comments, strings, keywords and numbers coloured, for pages without a script. */
import { escapeHtml } from '../../display';

const KEYWORDS =
  'abstract|as|async|await|break|case|catch|class|const|continue|declare|default|delete|do|else|enum|export|extends|' +
  'false|finally|for|from|function|get|if|implements|import|in|instanceof|interface|keyof|let|new|null|of|private|' +
  'protected|public|readonly|return|satisfies|set|static|super|switch|this|throw|true|try|type|typeof|undefined|var|' +
  'void|while|yield';

/** One alternative a class, in this order: a comment, a string, a keyword, a number. */
const TOKENS = new RegExp(
  String.raw`(?<c>\/\/[^\n]*|\/\*[^]*?(?:\*\/|$))` +
    String.raw`|(?<s>'(?:[^'\\\n]|\\[^])*'?|"(?:[^"\\\n]|\\[^])*"?|` +
    '`(?:[^`\\\\]|\\\\[^])*`?)' +
    String.raw`|(?<k>(?<![\w$.])(?:${KEYWORDS})(?![\w$]|\s*:))` +
    String.raw`|(?<n>(?<![\w$])\d[\w.]*)`,
  'g',
);

/** The code as it is, escaped, in spans of the classes `c`, `s`, `k`, `n`. */
export function colouredCode(source: string): string {
  let html = '';
  let done = 0;
  for (const { 0: text, index, groups = {} } of source.matchAll(TOKENS)) {
    const kind = Object.keys(groups).find((name) => groups[name] !== undefined) ?? '';
    html += `${escapeHtml(source.slice(done, index))}<span class="${kind}">${escapeHtml(text)}</span>`;
    done = index + text.length;
  }
  return html + escapeHtml(source.slice(done));
}
