/**
 * Executed notebooks for a repository: run at their defaults and written back with their outputs, without what differs
 * from run to run or from machine to machine.
 */
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { svgToPng } from '../../display';
import type { MimeBundle } from '../../display';
import { TunebookError } from '../../types';
import { cellTags, joinText, readNotebook, splitText, writeNotebook } from '../format/nbformat';
import type { CellOutput, Notebook, NotebookCell } from '../format/nbformat';
import { codeDigests } from '../format/outputs-of';
import type { RunEvent } from '../run/run-types';
import { runNotebook } from '../run/runner';

/** Settings of `publishNotebooks`. */
export interface PublishOptions {
  /** Where results go, one folder for each notebook. Default: `outputs` beside the nearest package.json. */
  readonly outputFolder?: string;
  readonly interrupt?: AbortSignal;
  readonly kill?: AbortSignal;
  readonly onEvent?: (notebook: string, event: RunEvent) => void;
}

/** An SVG of more bytes than this is published as pixels, which take less. */
const MAX_SVG_BYTES = 100_000;

const LEFT_OUT =
  '*Left out of the published notebook: what this cell measures differs from run to run and from machine to machine.*';

/**
 * Runs notebooks at their defaults, then writes all of them in place, or none.
 * @returns bytes of each written file
 * @throws TunebookError where a run fails or an output names this machine
 */
export async function publishNotebooks(
  notebooks: readonly string[],
  options: PublishOptions = {},
): Promise<number[]> {
  const published: Notebook[] = [];
  for (const notebook of notebooks) {
    const name = path.basename(notebook, '.ipynb');
    const root = projectRoot(notebook);
    const folder = path.join(options.outputFolder ?? path.join(root, 'outputs'), name);
    const output = path.join(folder, `${name}.ipynb`);
    const source = readNotebook(notebook);
    fs.rmSync(folder, { recursive: true, force: true }); // nothing of an earlier run is listed or gone on from
    const { interrupt, kill } = options;
    const onEvent = (event: RunEvent): void => options.onEvent?.(notebook, event);
    const { status, message } = await runNotebook({ notebook, output, interrupt, kill, onEvent });
    if (status !== 'ok')
      throw new TunebookError(`${notebook}: expected a run without failure, got ${status}: ${message}`);
    published.push(publishedNotebook(source, readNotebook(output), [[path.resolve(root), '']]));
    refuseMachine(published[published.length - 1], notebook);
  }
  notebooks.forEach((file, i) => writeNotebook(file, published[i]));
  return notebooks.map((file) => fs.statSync(file).size);
}

/**
 * The source with the outputs of a run: figures static, without scripts, volatile outputs and paths of the machine.
 * @param paths folders, and what stands for them
 */
export function publishedNotebook(
  source: Notebook,
  executed: Notebook,
  paths: readonly (readonly [folder: string, name: string])[],
): Notebook {
  const byId = new Map(executed.cells.map((cell) => [cell.id, cell]));
  const cells = source.cells.map((cell): NotebookCell => {
    const run = byId.get(cell.id);
    if (cell.cell_type !== 'code' || run === undefined) return cell;
    const outputs = cellTags(cell).includes('volatile')
      ? [leftOut()]
      : (run.outputs ?? []).flatMap((output) => publishedOutput(output, paths));
    return { ...cell, outputs, execution_count: run.execution_count ?? null };
  });
  const metadata = { ...source.metadata, tunebook: { outputsOf: codeDigests(source) } };
  return { ...source, metadata, cells };
}

function leftOut(): CellOutput {
  const data = { 'text/markdown': [LEFT_OUT], 'text/plain': [LEFT_OUT] };
  return { output_type: 'display_data', data, metadata: {} };
}

function publishedOutput(output: CellOutput, paths: readonly (readonly [string, string])[]): CellOutput[] {
  const plain = (text: string): string =>
    paths.reduce((rest, [folder, name]) => rest.replaceAll(`${folder}${path.sep}`, name), text);
  if (output.output_type === 'stream') return [{ ...output, text: splitText(plain(joinText(output.text))) }];
  if (output.output_type === 'error') return [output];
  if ((output.metadata.tunebook as { volatile?: boolean } | undefined)?.volatile) return [];
  const data: MimeBundle = {};
  for (const [mime, value] of Object.entries(output.data)) {
    const isText = typeof value === 'string' || Array.isArray(value);
    const text = isText ? joinText(value as string[]) : '';
    // The interactive twin of a figure: its static image is an output of its own.
    if (mime === 'text/html' && /<script/i.test(text)) return [];
    if (mime === 'image/svg+xml' && text.length > MAX_SVG_BYTES)
      data['image/png'] = svgToPng(text, { scale: 1.5 }).toString('base64');
    else data[mime] = isText && mime.startsWith('text/') ? splitText(plain(text)) : value;
  }
  return [{ ...output, data }];
}

/** The folder of the package.json above a notebook, else the notebook's own. */
function projectRoot(notebook: string): string {
  const own = path.dirname(path.resolve(notebook));
  for (let at = own; at !== path.dirname(at); at = path.dirname(at))
    if (fs.existsSync(path.join(at, 'package.json'))) return at;
  return own;
}

/** @throws TunebookError for an output that shows where it was made */
function refuseMachine(notebook: Notebook, file: string): void {
  const marks = [os.homedir(), os.tmpdir(), process.version]
    .concat(os.hostname().length > 3 ? [os.hostname()] : [])
    .filter((mark) => mark.length > 1);
  notebook.cells.forEach(({ outputs }, i) => {
    const text = JSON.stringify(
      (outputs ?? []).map((output) =>
        'data' in output ? { ...output.data, 'image/png': undefined } : output,
      ),
    );
    const mark = marks.find((one) => text.includes(one));
    if (mark !== undefined)
      throw new TunebookError(
        `${file}: cell ${i + 1}: expected outputs that do not name this machine, got ${mark}. ` +
          'Print a path relative to the project, or tag the cell volatile.',
      );
  });
}
