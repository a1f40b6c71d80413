/**
 * A folder with one page that runs the model in the browser: the main path from a model to a site that any static server
 * gives away.
 */
import path from 'node:path';
import { isFile } from '../../files';
import { requireOptions } from '../../options';
import { requireText, TunebookError } from '../../types';
import type { HasRuntime } from '../../models';
import { loadPrompt } from '../../prompts';
import type { ModelPrompt } from '../../prompts';
import { exportOnnxBeside, ONNX_OPTION_NAMES } from '../onnx/export-onnx';
import type { ExportOnnxOptions, OnnxOutcome } from '../onnx/export-onnx';
import type { OnnxDtypeName } from '../onnx/onnx-types';
import { pageProbe } from './page-probe';
import type { PageFile, PagePrompt, PageSettings } from './page-types';
import { runtimeBytes, runtimeFiles } from './runtime-files';
import { writePage } from './write-page';

/** How a page is made. */
export interface ExportWebOptions extends Omit<ExportOnnxOptions, 'target'> {
  /** Types of the model, the one that the page loads first; default: q8. `?dtype=` in the page's address takes another. */
  readonly dtypes?: readonly OnnxDtypeName[];
  /** Heading of the page; default: 'Ask the model'. */
  readonly title?: string;
  /** Longest answer, in tokens; default 200. */
  readonly maxNewTokens?: number;
}

const MODEL = 'model';
const MAX_NEW_TOKENS = 200;

/**
 * Writes a page that loads the model with transformers.js, on WebGPU where there is one and else in WebAssembly, and asks
 * it records in the form that it was tuned with. A GPU has to compute what the file does here before it answers, and the
 * processor takes over where it fails. Nothing is fetched from elsewhere, nothing is sent anywhere.
 *
 * @param model a model at work, a folder, a built-in name or a hub id; undefined: the adapter's base
 * @throws TunebookError as `exportOnnx`, and where the browser's ONNX Runtime is not installed
 * From the command line: `tunebook export MODEL --to web -o site`.
 */
export async function exportWeb(
  model: HasRuntime | string | undefined,
  folder: string,
  options: ExportWebOptions = {},
): Promise<OnnxOutcome> {
  const where = 'exportWeb';
  requireText(folder, { where: `${where}, folder`, what: 'the path of a folder' });
  requireOptions<ExportWebOptions>(options, {
    where,
    names: { ...ONNX_OPTION_NAMES, title: true, maxNewTokens: true },
  });
  const { dtypes = ['q8'], title = 'Ask the model', maxNewTokens = MAX_NEW_TOKENS, ...rest } = options;
  if (!Number.isInteger(maxNewTokens) || maxNewTokens < 1) {
    throw new TunebookError(
      `${where}: expected maxNewTokens to be a whole number above 0, got ${maxNewTokens}.`,
    );
  }
  await requireOwnPage(folder, where);
  const runtime = await runtimeFiles(); // before hours of writing
  const place = path.join(folder, MODEL);
  const besideBytes = await runtimeBytes(runtime);
  const outcome = await exportOnnxBeside(model, place, { options: { ...rest, dtypes }, besideBytes });
  const written = new Map(outcome.models.map((one) => [one.dtype, one]));
  const files: PageFile[] = [];
  for (const name of dtypes) {
    const one = written.get(name);
    if (one === undefined) throw new Error(`internal: no file of ${name}`);
    files.push({ name, sizeBytes: one.sizeBytes, probe: await pageProbe(one.path, place) });
  }
  const settings: PageSettings = {
    ...{ title, model: MODEL, maxNewTokens },
    dtypes: files,
    ...pagePrompt(await loadPrompt(place)),
  };
  const page = await writePage(folder, settings, runtime);
  return { ...outcome, files: [...outcome.files, ...page] };
}

/** A page of someone else is not written over; one of an earlier export is. */
async function requireOwnPage(folder: string, where: string): Promise<void> {
  const page = path.join(folder, 'index.html');
  if ((await isFile(page)) && !(await isFile(path.join(folder, 'page.json'))))
    throw new TunebookError(
      `${where}: expected a folder without a page of its own, got ${page}, which no export wrote. Choose another folder.`,
    );
}

/** How the page asks: as the model was tuned, else in the chat template, else by a whole prompt. */
function pagePrompt(found: ModelPrompt | undefined): Pick<PageSettings, 'prompt' | 'stopStrings'> {
  if (found?.isSaved !== true) {
    const prompt: PagePrompt =
      found === undefined
        ? { kind: 'text', text: '{prompt}', defaults: {} }
        : { kind: 'chat', text: '{input}', defaults: {} };
    return { prompt, stopStrings: [] };
  }
  const { form, system, defaults, prompt = '{prompt}', user = '{input}' } = found.description;
  const { stopStrings } = found;
  if (form === 'chat') return { prompt: { kind: 'chat', text: user, system, defaults }, stopStrings };
  const all = system === undefined ? defaults : { ...defaults, system };
  return { prompt: { kind: 'text', text: prompt, defaults: all }, stopStrings };
}
