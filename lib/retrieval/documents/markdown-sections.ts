/** Splits a text at its Markdown headings; a text without headings is one section. */

/** The text between two headings. */
export interface MarkdownSection {
  /** The headings above it, outermost first, with their marks: ['# Sled pull', '## Pacing']. */
  readonly headings: readonly string[];
  /** Its range in the text: [start, end). */
  readonly body: { readonly start: number; readonly end: number };
}

/** The sections with text, in order; headings in fenced code blocks do not count. */
export function markdownSections(text: string): MarkdownSection[] {
  const sections: MarkdownSection[] = [];
  let headings: { level: number; line: string }[] = [];
  let start = 0;
  let fence: string | undefined;
  const close = (end: number): void => {
    if (text.slice(start, end).trim() === '') return;
    sections.push({ headings: headings.map(({ line }) => line), body: { start, end } });
  };
  for (const { 0: line, index } of text.matchAll(/[^\n]*(?:\n|$)/g)) {
    const mark = /^ {0,3}(```|~~~)/.exec(line)?.[1];
    if (mark !== undefined && (fence === undefined || fence === mark))
      fence = fence === undefined ? mark : undefined;
    const level = fence === undefined ? /^(#{1,6})[ \t]+\S/.exec(line)?.[1].length : undefined;
    if (level === undefined) continue;
    close(index);
    headings = [...headings.filter((above) => above.level < level), { level, line: line.trim() }];
    start = index + line.length;
  }
  close(text.length);
  if (sections.length > 0 || text.trim() === '') return sections;
  return [{ headings: [], body: { start: 0, end: text.length } }]; // headings only
}
