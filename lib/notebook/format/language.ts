/** The language of a notebook: what the kernel can run, and what can be type-checked. */
import { cellSource } from './nbformat';
import type { Notebook } from './nbformat';

/** The language that a notebook's metadata name; TypeScript where they name none. */
export function notebookLanguage(notebook: Notebook): string {
  return namedLanguage(notebook) ?? 'typescript';
}

/** The language that a notebook's metadata name; undefined where they name none. */
export function namedLanguage(notebook: Notebook): string | undefined {
  const kernel = notebook.metadata.kernelspec as { language?: unknown; name?: unknown } | null | undefined;
  const info = notebook.metadata.language_info as { name?: unknown } | null | undefined;
  const named = info?.name ?? kernel?.language;
  if (named !== undefined) return String(named);
  // Colab names a kernel and no language.
  const known = /^(python|ir|julia|bash|xcpp|csharp|javascript|jslab)/i.exec(String(kernel?.name ?? ''));
  if (known) return known[1].toLowerCase();
  return kernel?.name === undefined ? undefined : 'typescript';
}

/** Whether the kernel runs that language. */
export function isTypescript(language: string): boolean {
  return /^(?:typescript|tslab)$/i.test(language);
}

/** What a notebook has of Deno: its kernel, its imports, its names. Empty for one that runs on Node. */
function denoParts(notebook: Notebook): string[] {
  const { name } = (notebook.metadata.kernelspec ?? {}) as { name?: unknown };
  const source = notebook.cells
    .filter(({ cell_type: type }) => type === 'code')
    .map(cellSource)
    .join('\n');
  const words = [
    ...source.matchAll(
      /\bfrom\s*["'](npm:|jsr:|https?:)|\bimport\s*\(?\s*["'](npm:|jsr:|https?:)|\b(Deno)\.\w/g,
    ),
  ];
  const found = words.map(([, from, called, global]) => from ?? called ?? `${global}.`);
  return [...new Set([...(name === 'deno' ? ["the kernel 'deno'"] : []), ...found])];
}

/** A line on a notebook that is made for Deno; undefined for others. */
export function denoNote(notebook: Notebook): string | undefined {
  const parts = denoParts(notebook);
  if (parts.length === 0) return undefined;
  return `this is a Deno notebook (${parts.join(', ')}), and its cells run on Node here: packages are installed with npm and imported by their names, and there is no Deno.`;
}
