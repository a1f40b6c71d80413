/** Writes the page beside a model: HTML, style, script, settings, and the runtime that it loads. */
import { promises as fs } from 'node:fs';
import path from 'node:path';
import { makeFolder, requireFreeSpace, writeFileAtomic } from '../../files';
import { PAGE_CSS, PAGE_HTML, PAGE_ICON } from './page-files';
import { pageScript } from './page-script';
import type { PageSettings } from './page-types';
import { runtimeBytes } from './runtime-files';
import type { RuntimeFile } from './runtime-files';

/**
 * Writes the page's files into a folder.
 * @param runtime what `runtimeFiles` found
 * @returns their paths
 */
export async function writePage(
  folder: string,
  settings: PageSettings,
  runtime: readonly RuntimeFile[],
): Promise<string[]> {
  await makeFolder(folder);
  await requireFreeSpace(folder, await runtimeBytes(runtime));
  const texts: Record<string, string> = {
    'page.css': PAGE_CSS,
    'page.js': pageScript(),
    'icon.svg': PAGE_ICON,
    'page.json': `${JSON.stringify(settings, null, 2)}\n`,
    'index.html': PAGE_HTML, // last: where it is, the others are
  };
  const written: string[] = [];
  const write = async (name: string, content: string | Uint8Array): Promise<void> => {
    const file = path.join(folder, name);
    await writeFileAtomic(file, content);
    written.push(file);
  };
  for (const { name, from } of runtime) await write(name, await fs.readFile(from));
  for (const [name, text] of Object.entries(texts)) await write(name, text);
  return written;
}
