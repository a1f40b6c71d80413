/**
 * What runs in the page of `exportWeb`: functions that the page's script is made of, in a browser and nowhere else. They
 * may use each other and the DOM, and nothing of this library.
 */

import type {
  Device,
  Loaded,
  LoadEvent,
  Loading,
  PageFile,
  PageModel,
  PageProbe,
  PageSettings,
  PageTokenizer,
  TokenTensor,
  Transformers,
} from './page-types';

/** Names of the fields in a prompt, each once, in order. */
function fieldsOf(text: string): string[] {
  return [...new Set([...text.matchAll(/\{([A-Za-z_]\w*)\}/g)].map((found) => found[1]))];
}

/** Puts values into their places, in one pass: braces inside a value stay as they are. */
function fillPlaces(text: string, values: Readonly<Record<string, string>>): string {
  return text.replace(/\{([A-Za-z_]\w*)\}/g, (_, field: string) => values[field] ?? '');
}

/** The element of an id. */
function element<Kind extends HTMLElement>(id: string): Kind {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`internal: no element ${id}`);
  return found as Kind;
}

/** Says what goes on. */
function say(text: string, kind: 'state' | 'error' = 'state'): void {
  const status = element('status');
  status.textContent = text;
  status.className = kind;
}

function megabytes(bytes: number): string {
  return `${Math.max(1, Math.round(bytes / 1e6))} MB`;
}

/** An error as a person reads it. */
function inWords(error: unknown, what: string): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/allocat|out of memory|memory access|bad_alloc|OOM/i.test(text))
    return `${what}: this device has too little memory for the model. Close other pages, or export a smaller type (q4). (${text})`;
  if (/fetch|network|load failed/i.test(text))
    return `${what}: the server cannot be reached, or a file is missing on it. Reload the page. (${text})`;
  if (/locate file|404|not found/i.test(text))
    return `${what}: a file of the model is missing on the server. Copy the whole folder there. (${text})`;
  return `${what}: ${text}`;
}

/** What stands in the way of WebGPU; undefined where it may be tried. A software driver is slower than wasm. */
async function gpuTrouble(dtype: string, takesSoftware: boolean): Promise<string | undefined> {
  interface Adapter {
    readonly isFallbackAdapter?: boolean;
    readonly info?: { readonly isFallbackAdapter?: boolean };
    readonly features: { has(name: string): boolean };
  }
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<Adapter | null> } };
  if (gpu === undefined) return isSecureContext ? 'this browser has no WebGPU' : 'WebGPU needs https';
  const adapter = await gpu.requestAdapter().catch(() => null);
  if (adapter === null) return 'WebGPU finds none';
  const isSoftware = adapter.info?.isFallbackAdapter ?? adapter.isFallbackAdapter ?? false;
  if (isSoftware && !takesSoftware) return 'its driver computes on the processor';
  if (dtype === 'fp16' && !adapter.features.has('shader-f16')) return 'it has no 16-bit floats (fp16)';
  return undefined;
}

/** An error of a GPU, short enough for the line under the title. */
function gpuFailed(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (/^\d+$/.test(text)) return 'ONNX Runtime cannot start on it'; // the address of its error
  const [, told] = /message: (.*)/s.exec(text) ?? [text, text];
  return `it failed (${told
    .replace(/\s+/g, ' ')
    .replace(/[. ]+$/, '')
    .slice(0, 160)})`;
}

/** Asks the model what its file is known to compute. @throws where it computes otherwise */
async function requireProbe(
  { Tensor }: Transformers,
  model: PageModel,
  { ids, next, logProbabilities }: PageProbe,
): Promise<void> {
  const tensor = (values: readonly number[]): TokenTensor =>
    new Tensor('int64', BigInt64Array.from(values, BigInt), [1, values.length]);
  const { logits } = await model({ input_ids: tensor(ids), attention_mask: tensor(ids.map(() => 1)) });
  const V = logits.dims[2];
  let distance = 0;
  for (const [at, token] of next.entries()) {
    const row = logits.data.subarray(at * V, (at + 1) * V);
    const largest = row.reduce((a, b) => Math.max(a, b));
    const sum = row.reduce((all, logit) => all + Math.exp(logit - largest), 0);
    distance += Math.abs(row[token] - largest - Math.log(sum) - logProbabilities[at]) / next.length;
  }
  // Rounding of 4 bits moves it by hundredths of a nat, a wrong kernel by whole ones; NaN is not below anything.
  if (!(distance < 0.25)) throw new Error('it computes otherwise than the processor');
}

/** The file of a type, else the first. */
function fileOf({ dtypes }: PageSettings, wanted: string | null): PageFile {
  return dtypes.find(({ name }) => name === wanted) ?? dtypes[0];
}

/** Loads the model for the GPU where that computes it rightly, else for the processor. */
async function load(settings: PageSettings, query: URLSearchParams): Promise<Loading> {
  const file = fileOf(settings, query.get('dtype'));
  const wanted = query.get('device');
  if (wanted === 'wasm') return { loaded: await loadFor('wasm', settings, file), note: '' };
  let trouble = await gpuTrouble(file.name, wanted === 'webgpu');
  if (trouble === undefined) {
    try {
      return { loaded: await loadFor('webgpu', settings, file), note: '' };
    } catch (error) {
      trouble = gpuFailed(error);
      say('The GPU cannot run this model; loading it for the processor ...');
    }
  }
  return { loaded: await loadFor('wasm', settings, file), note: ` The GPU is not used: ${trouble}.` };
}

/** Loads everything for a device, from this folder alone. */
async function loadFor(device: Device, settings: PageSettings, file: PageFile): Promise<Loaded> {
  // A runtime of its own for each device: one whose GPU has failed loads nothing any more.
  const address = `./transformers.min.js?${device}`;
  const transformers = (await import(address)) as Transformers;
  const { env } = transformers;
  const here = new URL('./', location.href).href;
  env.allowRemoteModels = false;
  env.allowLocalModels = true;
  env.localModelPath = './';
  // The browser's HTTP cache knows when a file has changed; these two do not.
  env.useBrowserCache = false;
  env.useWasmCache = false;
  const wasm = 'ort-wasm-simd-threaded.asyncify';
  env.backends.onnx.wasm.wasmPaths = { mjs: `${here}${wasm}.mjs`, wasm: `${here}${wasm}.wasm` };
  const { name: dtype, sizeBytes: total, probe } = file;
  const progress = element<HTMLProgressElement>('progress');
  const done = new Map<string, number>();
  const onProgress = ({ status, file, loaded }: LoadEvent): void => {
    if (status !== 'progress' || file === undefined || loaded === undefined || !file.includes('.onnx'))
      return;
    done.set(file, loaded);
    const sum = [...done.values()].reduce((a, b) => a + b, 0);
    progress.value = total === 0 ? 0 : Math.min(1, sum / total);
    say(`Loading the model: ${megabytes(Math.min(sum, total))} of ${megabytes(total)}`);
  };
  say(`Loading the model (${megabytes(total)}) ...`);
  const tokenizer = await transformers.AutoTokenizer.from_pretrained(settings.model);
  const model = await transformers.AutoModelForCausalLM.from_pretrained(settings.model, {
    ...{ dtype, device, progress_callback: onProgress },
  });
  if (device === 'webgpu') {
    say('Trying the GPU ...');
    try {
      await requireProbe(transformers, model, probe);
    } catch (error) {
      void model.dispose().catch(() => undefined); // a lost device may keep it waiting
      throw error;
    }
  }
  const stop = new transformers.InterruptableStoppingCriteria();
  return { transformers, tokenizer, model, device, dtype, stop };
}

/** The prompt's text for the values of the form. */
function promptOf(
  { prompt }: PageSettings,
  tokenizer: PageTokenizer,
  values: Readonly<Record<string, string>>,
): string {
  const all = { ...prompt.defaults, ...values };
  const text = fillPlaces(prompt.text, all);
  if (prompt.kind === 'text') return text;
  const turns = [{ role: 'user', content: text.trim() }];
  if (prompt.system !== undefined) turns.unshift({ role: 'system', content: fillPlaces(prompt.system, all) });
  const rendered = tokenizer.apply_chat_template(turns, { tokenize: false, add_generation_prompt: true });
  // Encoding adds the first token; one that the template writes as well would stand twice.
  const bos = tokenizer.bos_token ?? '';
  const isAdded = bos !== '' && tokenizer('').input_ids.dims[1] > 0;
  return isAdded && rendered.startsWith(bos) ? rendered.slice(bos.length) : rendered;
}

/** The prompt's tokens; a token that ends every text would end the prompt before the answer. */
function tokensOf(tokenizer: PageTokenizer, text: string): Record<string, TokenTensor> {
  const { input_ids, attention_mask } = tokenizer(text);
  const last = (options: object): number => {
    const { data } = tokenizer('a', { ...options }).input_ids;
    return Number(data[data.length - 1]);
  };
  const end = tokenizer.eos_token_id;
  const isEnded = end !== undefined && last({}) === end && last({ add_special_tokens: false }) !== end;
  if (!isEnded) return { input_ids, attention_mask };
  return { input_ids: input_ids.slice(null, [0, -1]), attention_mask: attention_mask.slice(null, [0, -1]) };
}

/** The text before the first stop string. */
function beforeStop(text: string, stopStrings: readonly string[]): string {
  const places = stopStrings.map((stop) => text.indexOf(stop)).filter((at) => at >= 0);
  return places.length === 0 ? text : text.slice(0, Math.min(...places));
}

/** Answers one record; `show` gets the text so far. */
async function answer(
  settings: PageSettings,
  loaded: Loaded,
  call: { values: Readonly<Record<string, string>>; show: (text: string) => void },
): Promise<string> {
  const { tokenizer, model, transformers, stop } = loaded;
  const text = promptOf(settings, tokenizer, call.values);
  const inputs = tokensOf(tokenizer, text);
  const given = inputs.input_ids.dims[1];
  const ids: number[] = [];
  const textOf = (): string => {
    const shown = tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
    return beforeStop(shown, settings.stopStrings);
  };
  const streamer = new transformers.TextStreamer(tokenizer, {
    skip_prompt: true,
    callback_function: () => undefined,
    token_callback_function: (tokens: readonly bigint[]) => {
      ids.push(...tokens.map(Number));
      const shown = textOf();
      call.show(shown);
      const all = tokenizer.decode(ids, { skip_special_tokens: true, clean_up_tokenization_spaces: false });
      if (shown.length < all.length) stop.interrupt();
    },
  });
  stop.reset();
  const output = await model.generate({
    ...inputs,
    ...{ max_new_tokens: settings.maxNewTokens, do_sample: false, streamer, stopping_criteria: [stop] },
  });
  ids.length = 0;
  for (let at = given; at < output.data.length; at++) ids.push(Number(output.data[at]));
  const whole = textOf();
  call.show(whole);
  return whole;
}

/** The form of a record: one box for each field of the prompt. */
function makeForm({ prompt }: PageSettings): () => Record<string, string> {
  const fields = fieldsOf(prompt.text + (prompt.system ?? ''));
  const boxes = fields.map((field): [string, HTMLTextAreaElement] => {
    const label = document.createElement('label');
    const name = document.createElement('span');
    name.textContent = field[0].toUpperCase() + field.slice(1).replaceAll('_', ' ');
    const box = document.createElement('textarea');
    box.name = field;
    box.rows = field === 'system' ? 2 : 4;
    box.value = prompt.defaults[field] ?? '';
    label.append(name, box);
    element('fields').append(label);
    return [field, box];
  });
  return () => Object.fromEntries(boxes.map(([field, box]) => [field, box.value]));
}

/** Opens the page: the form, the model, and what the buttons do. */
async function openPage(): Promise<void> {
  let what = 'The page cannot be opened';
  try {
    const response = await fetch('./page.json');
    if (!response.ok) throw new Error(`page.json: 404 not found (${response.status})`);
    const settings = (await response.json()) as PageSettings;
    document.title = settings.title;
    element('title').textContent = settings.title;
    const values = makeForm(settings);
    what = 'The model cannot be loaded';
    let { loaded, note } = await load(settings, new URLSearchParams(location.search));
    element('progress').hidden = true;
    const sayReady = (): void => {
      const place = loaded.device === 'webgpu' ? 'GPU' : 'processor';
      say(`Runs on this device (${place}, ${loaded.dtype}); nothing is sent anywhere.${note}`);
      document.body.setAttribute('data-ready', loaded.device);
    };
    const [ask, end] = [element<HTMLButtonElement>('ask'), element<HTMLButtonElement>('stop')];
    const box = element('answer');
    const show = (text: string): void => {
      box.textContent = text;
    };
    /** A GPU may be lost at any time: the processor then answers from the beginning. */
    const answered = async (): Promise<void> => {
      say('Answering ...');
      try {
        await answer(settings, loaded, { values: values(), show });
      } catch (error) {
        if (loaded.device !== 'webgpu') throw error;
        show('');
        say('The GPU has failed; loading the model for the processor ...');
        void loaded.model.dispose().catch(() => undefined);
        note = ` The GPU is not used: ${gpuFailed(error)}.`;
        loaded = await loadFor('wasm', settings, fileOf(settings, loaded.dtype));
        say('Answering ...');
        await answer(settings, loaded, { values: values(), show });
      }
    };
    element<HTMLFormElement>('form').addEventListener('submit', (event) => {
      event.preventDefault();
      void (async () => {
        ask.disabled = true;
        end.hidden = false;
        box.hidden = false;
        box.removeAttribute('data-done');
        show('');
        try {
          await answered();
          sayReady();
        } catch (error) {
          say(inWords(error, 'The answer failed'), 'error');
        }
        box.setAttribute('data-done', '');
        ask.disabled = false;
        end.hidden = true;
      })();
    });
    end.addEventListener('click', () => loaded.stop.interrupt());
    ask.disabled = false;
    sayReady();
  } catch (error) {
    element('progress').hidden = true;
    say(inWords(error, what), 'error');
  }
}

const PARTS = [
  ...[fieldsOf, fillPlaces, element, say, megabytes, inWords, gpuTrouble, gpuFailed, requireProbe],
  ...[fileOf, load, loadFor, promptOf, tokensOf, beforeStop, answer, makeForm, openPage],
];

/** The script of the page, a module. */
export function pageScript(): string {
  return `${PARTS.map(String).join('\n')}\nopenPage();\n`;
}
