/**
 * What a cell returns, in the richest form that it has. Known by shape alone, so that no library is loaded for it:
 * objects that say themselves how they look, images, Plotly figures, data frames, tensors.
 */
import { inspect, types } from 'node:util';
import type { Figure } from './figure';
import { plotForms } from './plot';
import type { MimeBundle, ShownOutput } from '../output/display';
import { renderTable } from '../output/table';
import type { FrameLike } from '../output/table';
import { formatSize } from '../output/text';

const JUPYTER_DISPLAY = Symbol.for('Jupyter.display');

const isObject = (value: unknown): value is Record<PropertyKey, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** A value as text, whatever it does when it is looked at. */
function plainOf(value: unknown): string {
  for (const customInspect of [true, false]) {
    try {
      return inspect(value, { depth: 3, maxArrayLength: 100, customInspect });
    } catch {
      // its own inspect, or a getter that node reads
    }
  }
  return `[${typeof value} that cannot be shown]`;
}

function wordOf(error: unknown): string {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  } catch {
    return 'an error that cannot be shown';
  }
}

/**
 * The outputs that show a value; the last one is the cell's result. A value that fails when it is asked how it looks
 * (`toHTML`, `Symbol.for('Jupyter.display')`, a getter) is shown as text, with a word on the failure.
 * @throws KeyboardInterrupt where the cell is interrupted meanwhile
 */
export async function richResult(value: unknown): Promise<ShownOutput[]> {
  if (types.isProxy(value)) return [textOutput(`${plainOf(value)}\n(a Proxy: shown as text)`)]; // it may answer anything
  try {
    const form = (await ownForm(value)) ?? imageForm(value) ?? frameForm(value) ?? tensorForm(value);
    if (form) return [{ data: form }];
    if (isPlotlyFigure(value)) return await plotForms(value);
  } catch (error) {
    if (error instanceof Error && error.name === 'KeyboardInterrupt') throw error;
    return [textOutput(`${plainOf(value)}\n(shown as text: ${wordOf(error)})`)];
  }
  return [textOutput(plainOf(value))];
}

const textOutput = (text: string): ShownOutput => ({ data: { 'text/plain': text } });

/** The form that the value makes itself. */
async function ownForm(value: unknown): Promise<MimeBundle | undefined> {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return undefined;
  const methods = value as Record<PropertyKey, unknown>;
  const bundleMethod = methods[JUPYTER_DISPLAY];
  if (typeof bundleMethod === 'function') {
    const bundle: unknown = await bundleMethod.call(value);
    if (isObject(bundle) && Object.keys(bundle).length > 0)
      return { 'text/plain': plainOf(value), ...plainJson(bundle) };
  }
  if (typeof value === 'function') return undefined; // a class: its methods are not its own
  for (const name of ['toNotebookHtml', 'toHTML']) {
    const method = methods[name];
    const html: unknown = typeof method === 'function' ? await method.call(value) : undefined;
    if (typeof html === 'string') return { 'text/plain': plainOf(value), 'text/html': html };
  }
  return undefined;
}

/** What can be sent of a bundle. @throws TypeError for a circle, a bigint, what is no text and keys that are no mime types */
function plainJson(bundle: Record<PropertyKey, unknown>): MimeBundle {
  const sent = JSON.parse(JSON.stringify(bundle)) as MimeBundle;
  for (const [mime, form] of Object.entries(sent)) {
    if (!mime.includes('/')) throw new TypeError(`expected mime types such as text/html, got ${mime}`);
    if (typeof form !== 'string' && !/json$/.test(mime))
      throw new TypeError(`expected text for ${mime}, got ${typeof form}`);
  }
  return sent;
}

const SIGNATURES: readonly (readonly [mime: string, start: readonly number[]])[] = [
  ['image/png', [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]],
  ['image/jpeg', [0xff, 0xd8, 0xff]],
  ['image/gif', [0x47, 0x49, 0x46, 0x38]],
];

const DATA_URL = /^data:(image\/(?:png|jpeg|gif|svg\+xml))(?:;[\w-]+=[\w-]+)*(;base64)?,/i;

function imageForm(value: unknown): MimeBundle | undefined {
  if (value instanceof Uint8Array) {
    const mime = SIGNATURES.find(([, start]) => start.every((byte, i) => value[i] === byte))?.[0];
    if (mime === undefined) return undefined;
    return imageBundle(mime, Buffer.from(value.buffer, value.byteOffset, value.byteLength));
  }
  if (typeof value !== 'string') return undefined;
  const match = DATA_URL.exec(value);
  if (match === null) return undefined;
  const rest = decodeURIComponent(value.slice(match[0].length));
  return imageBundle(match[1].toLowerCase(), Buffer.from(rest, match[2] === undefined ? 'utf8' : 'base64'));
}

function imageBundle(mime: string, bytes: Buffer): MimeBundle {
  const text = mime === 'image/svg+xml' ? bytes.toString('utf8') : bytes.toString('base64');
  return { [mime]: text, 'text/plain': `[${mime}, ${formatSize(bytes.length)}]` };
}

/** plotly.js's and plotly.py's form: traces, each an object, and nothing that a figure does not have. */
function isPlotlyFigure(value: unknown): value is Figure {
  if (!isObject(value) || !Array.isArray(value.data) || value.data.length === 0) return false;
  const { data, layout } = value;
  const known = Object.keys(value).every((key) => ['data', 'layout', 'config', 'frames'].includes(key));
  const isTrace = (trace: unknown): boolean =>
    isObject(trace) && ['x', 'y', 'z', 'values', 'r', 'lat', 'type'].some((key) => key in trace);
  // Without a layout many a record has a member `data`: then the traces must say what they are.
  const named = isObject(layout) || (layout === undefined && data.every((t) => isObject(t) && 'type' in t));
  return known && named && data.every(isTrace);
}

/** A danfojs frame or series, with its index where that says more than the row's number. */
function frameForm(value: unknown): MimeBundle | undefined {
  if (!isObject(value) || !Array.isArray(value.columns) || !Array.isArray(value.values)) return undefined;
  if (!Array.isArray(value.index) || value.index.length !== value.values.length) return undefined;
  const index = value.index as unknown[];
  const columns = value.columns.map(String);
  const rows = value.values.map((row: unknown) => (Array.isArray(row) ? (row as unknown[]) : [row]));
  const counted = index.every((name, i) => name === i);
  const frame: FrameLike = counted
    ? { columns, values: rows }
    : { columns: ['', ...columns], values: rows.map((row, i) => [index[i], ...row]) };
  const caption = `${rows.length} row${rows.length === 1 ? '' : 's'} × ${columns.length} column${columns.length === 1 ? '' : 's'}`;
  const { html, text } = renderTable(frame, { caption });
  return { 'text/html': html, 'text/plain': text };
}

/** A TensorFlow.js tensor: dtype, shape, values as TensorFlow.js prints them. */
function tensorForm(value: unknown): MimeBundle | undefined {
  if (!isObject(value) || !Array.isArray(value.shape) || typeof value.dtype !== 'string') return undefined;
  if (typeof value.dataSync !== 'function' || typeof value.toString !== 'function') return undefined;
  const head = `Tensor ${value.dtype} [${value.shape.join(', ')}]`;
  if (value.isDisposed === true) return { 'text/plain': `${head} (disposed)` };
  const values = (value.toString as () => string).call(value).replace(/^Tensor\n/, '');
  return { 'text/plain': `${head}\n${values}` };
}
