/** The page at `/`: chat, and the form for a race where the server has races to compare with. Read once, at the start. */
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { dataFolder } from '../../environment';

/** A file as it is sent. */
export interface PageFile {
  readonly body: string;
  readonly headers: Readonly<Record<string, string>>;
}

/** Nothing from elsewhere, no script or style within the page; frames are this server's own. */
const POLICY = [
  "default-src 'none'",
  ...[
    "script-src 'self'",
    "style-src 'self'",
    "connect-src 'self'",
    "frame-src 'self'",
    "img-src 'self' data:",
  ],
  ...["base-uri 'none'", "form-action 'none'", "frame-ancestors 'none'"],
].join('; ');

const FILES: Readonly<Record<string, readonly [file: string, type: string]>> = {
  '/': ['index.html', 'text/html'],
  '/page.js': ['page.js', 'text/javascript'],
  '/page.css': ['page.css', 'text/css'],
};

/** The files of the page, by the paths that they are asked for. */
export async function pageFiles(): Promise<ReadonlyMap<string, PageFile>> {
  const files = new Map<string, PageFile>();
  for (const [place, [file, type]] of Object.entries(FILES))
    files.set(place, {
      body: await readFile(path.join(dataFolder('serve'), file), 'utf8'),
      headers: {
        'content-type': `${type}; charset=utf-8`,
        'content-security-policy': POLICY,
        'referrer-policy': 'no-referrer',
        'cache-control': 'no-cache',
      },
    });
  return files;
}
