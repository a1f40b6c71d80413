/**
 * Rich output from library code: what Jupyter shows inside a kernel, plain text in a terminal. Progress bars,
 * tables and figures stand on this; it works in this package's kernel and in stock tslab.
 */
import { randomBytes } from 'node:crypto';
import { createRequire } from 'node:module';

/** Mime type to value: text, base64 or JSON. */
export type MimeBundle = Record<string, unknown>;

/** One output: its forms, and metadata by mime type. */
export interface ShownOutput {
  readonly data: MimeBundle;
  readonly metadata?: Record<string, unknown>;
}

interface DisplayData {
  readonly data: MimeBundle;
  readonly metadata: Record<string, unknown>;
  readonly transient: { display_id?: string };
}

interface KernelBridge {
  display(data: DisplayData, update: boolean): void;
  clearOutput?(wait: boolean): void;
}

const bridgeKey = Symbol.for('tunebook.kernel');

/** The kernel that this code runs in: ours is on globalThis; stock tslab is found among the loaded modules. */
function findKernel(): KernelBridge | undefined {
  const own = (globalThis as { [bridgeKey]?: KernelBridge })[bridgeKey];
  if (own) return own;
  const { cache } = createRequire(__filename);
  const loaded = Object.keys(cache).find((file) => /[\\/]tslab[\\/]dist[\\/]jupyter\.js$/.test(file));
  const tslab =
    loaded === undefined ? undefined : (cache[loaded]?.exports as Record<string, unknown> | undefined);
  const write = tslab?.lastWriteDisplayData;
  return typeof write === 'function' ? { display: write as KernelBridge['display'] } : undefined;
}

/** Whether this code runs in a notebook's kernel. */
export function isInNotebook(): boolean {
  return findKernel() !== undefined;
}

/** Shows one output in all of the given forms; in a terminal its `text/plain`. `metadata`: by mime type. */
export function show(data: MimeBundle, metadata: Record<string, unknown> = {}): void {
  const kernel = findKernel();
  if (kernel) kernel.display({ data, metadata, transient: {} }, false);
  else if (typeof data['text/plain'] === 'string') process.stdout.write(`${data['text/plain']}\n`);
}

/** Metadata of an output about speed, time or memory: `tunebook publish` leaves it out, since each run has its own. */
export const VOLATILE: Readonly<Record<string, unknown>> = { tunebook: { volatile: true } };

/** Shows HTML; `plain` is what a terminal prints. The HTML is not escaped: it must come from trusted code. */
export function showHtml(html: string, plain: string): void {
  show({ 'text/html': html, 'text/plain': plain });
}

/** Shows Markdown, rendered in Jupyter and as it is in a terminal. */
export function showMarkdown(text: string): void {
  show({ 'text/markdown': text, 'text/plain': text });
}

/** Empties the output of the running cell, with `wait` only when the next output comes. */
export function clearOutput(wait = false): void {
  findKernel()?.clearOutput?.(wait);
}

/** An output that can be changed where it stands. */
export interface DisplayHandle {
  update(data: MimeBundle, metadata?: Record<string, unknown>): void;
}

/** How often a terminal that cannot rewrite a line gets one, in ms. */
const PLAIN_EVERY_MS = 10_000;

/** Makes an output that each `update` replaces; a terminal rewrites its line, a log file gets a line now and then. */
export function displayHandle(): DisplayHandle {
  const id = randomBytes(8).toString('hex');
  let shown = false;
  let lastPlainMs = 0;
  let lastText = '';
  return {
    update(data, metadata = {}) {
      const kernel = findKernel();
      if (kernel) {
        kernel.display({ data, metadata, transient: { display_id: id } }, shown);
        shown = true;
        return;
      }
      const text = data['text/plain'];
      if (typeof text !== 'string' || text === lastText) return;
      if (process.stdout.isTTY) {
        const lines = lastText === '' ? 0 : lastText.split('\n').length;
        process.stdout.write(`${lines > 0 ? `\u001b[${lines}A\u001b[0J` : ''}${text}\n`);
        lastText = text;
      } else if (Date.now() - lastPlainMs > PLAIN_EVERY_MS) {
        lastPlainMs = Date.now();
        process.stdout.write(`${text}\n`);
      }
    },
  };
}
