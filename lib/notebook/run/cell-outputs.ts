/** Collects what a kernel publishes into the outputs of cells, in the notebook's form. */
import type { MimeBundle } from '../../display';
import { isJsonMime, joinText, splitText } from '../format/nbformat';
import type { CellOutput, NotebookCell } from '../format/nbformat';
import type { PublishedMessage } from '../client/kernel-client';

function bundle(data: unknown): MimeBundle {
  const out: MimeBundle = {};
  for (const [mime, value] of Object.entries((data ?? {}) as MimeBundle)) {
    out[mime] = typeof value === 'string' && !isJsonMime(mime) ? splitText(value) : value;
    if (mime === 'image/png' || mime === 'image/jpeg') out[mime] = value; // base64 stays in one piece
  }
  return out;
}

/** What a terminal shows of `text`: the rest of a line that a carriage return has overwritten is dropped. */
export function foldCarriageReturns(text: string): string {
  if (!text.includes('\r')) return text;
  // By lines: a pattern over the whole text would take quadratic time on a line without end.
  return text
    .replace(/\r+\n/g, '\n')
    .split('\n')
    .map((line) => {
      const end = line.endsWith('\r') ? line.length - 1 : line.length;
      return end === 0 ? line : line.slice(line.lastIndexOf('\r', end - 1) + 1);
    })
    .join('\n');
}

/** The outputs of all cells of one run, by the request that ran them. */
export class OutputCollector {
  /** Display id to the outputs that show it: an update changes them where they stand. */
  private readonly displays = new Map<string, { data: MimeBundle; metadata: Record<string, unknown> }[]>();
  private readonly cells = new Map<string, NotebookCell>();
  private readonly sizes = new Map<NotebookCell, number>();
  private readonly clearNext = new Set<NotebookCell>();
  /** The cell that printed more than `limitBytes`, undefined for none. */
  flooding: NotebookCell | undefined;

  /** @param limitBytes the most a cell may print; 10 % more is stored, the rest is dropped */
  constructor(readonly limitBytes: number = Infinity) {}

  /** From now on, what belongs to `requestId` goes to `cell`. */
  assign(requestId: string, cell: NotebookCell): void {
    this.cells.set(requestId, cell);
  }

  /** Bytes (of text) that a cell has put out; updates replace and are not counted. */
  size(cell: NotebookCell): number {
    return this.sizes.get(cell) ?? 0;
  }

  /** Takes one message; the cell whose outputs it changed, undefined for none. */
  take({ type, content, parentId }: PublishedMessage): NotebookCell | undefined {
    const cell = this.cells.get(parentId);
    if (!cell) return undefined;
    const outputs = (cell.outputs ??= []);
    if (type === 'clear_output') {
      if (content.wait === true) this.clearNext.add(cell);
      else outputs.length = 0;
      return cell;
    }
    if (type === 'update_display_data') {
      this.update(content);
      return cell;
    }
    if (this.size(cell) > 1.1 * this.limitBytes && type !== 'error') return undefined;
    const output = this.output(type, content);
    if (!output) return undefined;
    if (this.clearNext.delete(cell)) outputs.length = 0;
    const last = outputs.at(-1);
    if (output.output_type === 'stream' && last?.output_type === 'stream' && last.name === output.name) {
      last.text = joinText(last.text) + joinText(output.text);
    } else {
      outputs.push(output);
    }
    this.grow(cell, content);
    return cell;
  }

  /** Adds text that bypassed the kernel (a child process, native code) to a cell; undefined where it is dropped. */
  addText(cell: NotebookCell, name: 'stdout' | 'stderr', text: string): NotebookCell | undefined {
    const id = 'raw';
    this.cells.set(id, cell);
    return this.take({ type: 'stream', content: { name, text }, metadata: {}, parentId: id });
  }

  private grow(cell: NotebookCell, content: Record<string, unknown>): void {
    const text = typeof content.text === 'string' ? content.text.length : JSON.stringify(content).length;
    this.sizes.set(cell, this.size(cell) + text);
    if (this.size(cell) > this.limitBytes) this.flooding ??= cell;
  }

  private update(content: Record<string, unknown>): void {
    const id = (content.transient as { display_id?: unknown } | undefined)?.display_id;
    for (const output of this.displays.get(String(id)) ?? []) {
      output.data = bundle(content.data);
      output.metadata = (content.metadata ?? {}) as Record<string, unknown>;
    }
  }

  private output(type: string, content: Record<string, unknown>): CellOutput | undefined {
    const metadata = (content.metadata ?? {}) as Record<string, unknown>;
    switch (type) {
      case 'stream':
        return {
          output_type: 'stream',
          name: content.name === 'stderr' ? 'stderr' : 'stdout',
          text: String(content.text),
        };
      case 'display_data': {
        const output: CellOutput = { output_type: 'display_data', data: bundle(content.data), metadata };
        const id = (content.transient as { display_id?: unknown } | undefined)?.display_id;
        if (typeof id === 'string') this.displays.set(id, [...(this.displays.get(id) ?? []), output]);
        return output;
      }
      case 'execute_result':
        return {
          output_type: 'execute_result',
          execution_count: Number(content.execution_count),
          data: bundle(content.data),
          metadata,
        };
      case 'error':
        return {
          output_type: 'error',
          ename: String(content.ename),
          evalue: String(content.evalue),
          traceback: (content.traceback as string[]) ?? [],
        };
      default:
        return undefined;
    }
  }
}

/** A copy of outputs as they are saved: streams as lines, with overwritten lines left out. */
export function savedOutputs(outputs: readonly CellOutput[]): CellOutput[] {
  return outputs.map((output) =>
    output.output_type === 'stream'
      ? { ...output, text: splitText(foldCarriageReturns(joinText(output.text))) }
      : output,
  );
}
