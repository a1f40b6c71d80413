/** The language of a notebook: what the kernel can run, and what can be type-checked. */
import type { Notebook } from './nbformat';

/** The language that a notebook's metadata name; TypeScript where they name none. */
export function notebookLanguage(notebook: Notebook): string {
  const kernel = notebook.metadata.kernelspec as { language?: unknown; name?: unknown } | null | undefined;
  const info = notebook.metadata.language_info as { name?: unknown } | null | undefined;
  const named = info?.name ?? kernel?.language;
  if (named !== undefined) return String(named);
  // Colab names a kernel and no language.
  const known = /^(python|ir|julia|bash|xcpp|csharp|javascript|jslab)/i.exec(String(kernel?.name ?? ''));
  return known ? known[1].toLowerCase() : 'typescript';
}

/** Whether the kernel runs that language. */
export function isTypescript(language: string): boolean {
  return /^(?:typescript|tslab)$/i.test(language);
}
