/** The frame of all feedback pages: head, inline style, and no external resources. */
import { escapeHtml } from '../../display';
import type { RaceEvidence } from '../evidence/types';
import type { Feedback } from '../feedback/types';
import { PAGE_STYLE } from './page-style';
import type { PageWords } from './page-words';

/** Inputs of every part of a page. */
export interface Page {
  readonly evidence: RaceEvidence;
  readonly feedback: Feedback;
  readonly words: PageWords;
}

/** A whole HTML file. */
export function pageHtml({ lang, title, body }: { lang: string; title: string; body: string }): string {
  return `<!DOCTYPE html>
<html lang="${escapeHtml(lang)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${escapeHtml(title)}</title>
<style>${PAGE_STYLE}</style>
</head>
<body>
<main>
${body}
</main>
</body>
</html>
`;
}
