/**
 * Which code the outputs of a committed notebook belong to: a digest of each code cell, stored when the notebook was
 * executed, so that a cell that was changed later is found without running it.
 */
import { createHash } from 'node:crypto';
import { cellSource } from './nbformat';
import type { Notebook } from './nbformat';

/** Cell id to the digest of its code. */
export type CodeDigests = Readonly<Record<string, string>>;

const DIGEST_LENGTH = 12;

/** The digests of a notebook's code cells; empty cells have none. */
export function codeDigests({ cells }: Notebook): CodeDigests {
  return Object.fromEntries(
    cells
      .filter((cell) => cell.cell_type === 'code' && cellSource(cell).trim() !== '')
      .map((cell) => [
        cell.id ?? '',
        createHash('sha256').update(cellSource(cell)).digest('hex').slice(0, DIGEST_LENGTH),
      ]),
  );
}

/** The digests that the notebook was published with. */
export function storedDigests({ metadata }: Notebook): CodeDigests | undefined {
  const stored = (metadata.tunebook as { outputsOf?: unknown } | undefined)?.outputsOf;
  return typeof stored === 'object' && stored !== null ? (stored as CodeDigests) : undefined;
}
