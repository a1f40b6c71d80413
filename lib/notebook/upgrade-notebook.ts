/** Notebooks of nbformat 3 (worksheets) as nbformat 4.5. */
import { createHash } from 'node:crypto';
import { splitText, type CellOutput, type Notebook, type NotebookCell } from './nbformat';

/** An id that depends on the place and the content only: the same file gives the same repair. */
export function idFor(seed: string, taken: Set<string>): string {
  for (let i = 0; ; i++) {
    const id = createHash('sha256').update(`${seed}#${i}`).digest('hex').slice(0, 8);
    if (taken.has(id)) continue;
    taken.add(id);
    return id;
  }
}

interface OldCell extends Record<string, unknown> {
  readonly cell_type?: unknown;
}

const oldMimes: Record<string, string> = {
  text: 'text/plain',
  html: 'text/html',
  svg: 'image/svg+xml',
  png: 'image/png',
  jpeg: 'image/jpeg',
  latex: 'text/latex',
  json: 'application/json',
  javascript: 'application/javascript',
};

function upgradeOutput(output: Record<string, unknown>): CellOutput {
  const lines = (value: unknown): string[] =>
    splitText(Array.isArray(value) ? value.join('') : String(value ?? ''));
  switch (output.output_type) {
    case 'stream':
      return {
        output_type: 'stream',
        name: output.stream === 'stderr' ? 'stderr' : 'stdout',
        text: lines(output.text),
      };
    case 'pyerr':
      return {
        output_type: 'error',
        ename: String(output.ename),
        evalue: String(output.evalue),
        traceback: (output.traceback as string[] | undefined) ?? [],
      };
    default: {
      const data: Record<string, unknown> = {};
      for (const [key, mime] of Object.entries(oldMimes))
        if (key in output)
          data[mime] = mime.startsWith('image/p') || mime === 'image/jpeg' ? output[key] : lines(output[key]);
      return output.output_type === 'pyout'
        ? {
            output_type: 'execute_result',
            execution_count: Number(output.prompt_number ?? 0),
            data,
            metadata: {},
          }
        : { output_type: 'display_data', data, metadata: {} };
    }
  }
}

/** Converts a notebook of nbformat 3 (worksheets) to 4.5. */
export function upgradeNotebook(old: Record<string, unknown>): Notebook {
  const worksheets = (old.worksheets ?? []) as { cells?: OldCell[] }[];
  const taken = new Set<string>();
  const cells = worksheets
    .flatMap(({ cells: list = [] }) => list)
    .map((cell, i): NotebookCell => {
      const raw = cell.cell_type === 'code' ? cell.input : cell.source;
      const text = Array.isArray(raw) ? raw.join('') : String(raw ?? '');
      const id = idFor(`${i}:${text}`, taken);
      const metadata = (cell.metadata ?? {}) as Record<string, unknown>;
      if (cell.cell_type === 'heading')
        return {
          cell_type: 'markdown',
          id,
          metadata,
          source: splitText(`${'#'.repeat(Math.min(6, Number(cell.level ?? 1)))} ${text}`),
        };
      if (cell.cell_type !== 'code')
        return {
          cell_type: cell.cell_type === 'raw' ? 'raw' : 'markdown',
          id,
          metadata,
          source: splitText(text),
        };
      const outputs = ((cell.outputs ?? []) as Record<string, unknown>[]).map(upgradeOutput);
      const count = cell.prompt_number;
      return {
        cell_type: 'code',
        id,
        metadata,
        source: splitText(text),
        outputs,
        execution_count: typeof count === 'number' ? count : null,
      };
    });
  // `name` and `signature` belong to nbformat 3.
  const kept = Object.entries((old.metadata ?? {}) as Record<string, unknown>);
  const metadata = Object.fromEntries(kept.filter(([key]) => key !== 'name' && key !== 'signature'));
  return { cells, metadata, nbformat: 4, nbformat_minor: 5 };
}
