/** Small notebooks for tests, in a folder of their own that is removed at the end. */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { makeCell, writeNotebook } from '../../lib/notebook/format/nbformat';
import type { Notebook } from '../../lib/notebook/format/nbformat';

export const KERNELSPEC = { name: 'tunebook', display_name: 'TypeScript', language: 'typescript' };

/** A notebook of code cells; a cell that starts with `#` is Markdown, one that starts with `@parameters` is tagged. */
export function makeNotebook(sources: readonly string[]): Notebook {
  const cells = sources.map((source, i) => {
    const tagged = /^@(\S+)\n/.exec(source);
    const cell = source.startsWith('#')
      ? makeCell('markdown', source)
      : makeCell('code', tagged ? source.slice(tagged[0].length) : source, tagged ? [tagged[1]] : []);
    return { ...cell, id: `cell-${i}` };
  });
  return { cells, metadata: { kernelspec: KERNELSPEC }, nbformat: 4, nbformat_minor: 5 };
}

export class Workplace {
  readonly folder = fs.mkdtempSync(path.join(os.tmpdir(), 'tunebook-test-'));

  file(name: string): string {
    return path.join(this.folder, name);
  }

  /** Writes a notebook and gives its path. */
  write(name: string, sources: readonly string[]): string {
    writeNotebook(this.file(name), makeNotebook(sources));
    return this.file(name);
  }

  remove(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}
