/**
 * What runs in the page of `exportWeb`: functions that the page's script is made of, in a browser and nowhere else. They
 * may use each other and the DOM, and nothing of this library.
 */

/** page.json: what the page has to know. */
export interface PageSettings {
  readonly title: string;
  /** Folder of the model, beside the page. */
  readonly model: string;
  /** Files that there are, the best for any device first, with their sizes. */
  readonly dtypes: readonly { readonly name: string; readonly sizeBytes: number }[];
  readonly maxNewTokens: number;
  readonly stopStrings: readonly string[];
  readonly prompt: PagePrompt;
}

/** How a record becomes a prompt: a text with {fields}, or one turn of a conversation. */
export interface PagePrompt {
  readonly kind: 'text' | 'chat';
  /** The whole prompt, or the user's turn. */
  readonly text: string;
  /** The turn before it. */
  readonly system?: string;
  /** What fields hold that nobody fills in. */
  readonly defaults: Readonly<Record<string, string>>;
}

/** The parts of transformers.js that the page uses. */
interface Transformers {
  readonly env: {
    allowRemoteModels: boolean;
    allowLocalModels: boolean;
    localModelPath: string;
    useBrowserCache: boolean;
    useWasmCache: boolean;
    readonly backends: { readonly onnx: { readonly wasm: { wasmPaths: unknown; numThreads?: number } } };
  };
  readonly AutoTokenizer: { from_pretrained(model: string): Promise<PageTokenizer> };
  readonly AutoModelForCausalLM: {
    from_pretrained(model: string, options: Record<string, unknown>): Promise<PageModel>;
  };
  readonly TextStreamer: new (tokenizer: PageTokenizer, options: Record<string, unknown>) => object;
  readonly InterruptableStoppingCriteria: new () => { interrupt(): void; reset(): void };
}

interface TokenTensor {
  readonly dims: readonly number[];
  readonly data: ArrayLike<bigint>;
  slice(...ranges: unknown[]): TokenTensor;
}

interface PageTokenizer {
  (text: string, options?: Record<string, unknown>): { input_ids: TokenTensor; attention_mask: TokenTensor };
  readonly bos_token?: string;
  readonly eos_token_id?: number;
  apply_chat_template(turns: readonly object[], options: Record<string, unknown>): string;
  decode(ids: readonly number[], options: Record<string, unknown>): string;
}

interface PageModel {
  generate(options: Record<string, unknown>): Promise<TokenTensor>;
}

/** A model that is loaded, and how. */
interface Loaded {
  readonly transformers: Transformers;
  readonly tokenizer: PageTokenizer;
  readonly model: PageModel;
  readonly device: string;
  readonly dtype: string;
}

/** What a loader reports while it loads. */
interface LoadEvent {
  readonly status: string;
  readonly file?: string;
  readonly loaded?: number;
  readonly total?: number;
}

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

/** 'webgpu' where the browser has a GPU that is one; 'wasm' works everywhere. */
async function chosenDevice(wanted: string | null): Promise<string> {
  if (wanted === 'wasm' || wanted === 'webgpu') return wanted;
  const { gpu } = navigator as { gpu?: { requestAdapter(): Promise<unknown> } };
  try {
    const adapter = (await gpu?.requestAdapter()) as
      { isFallbackAdapter?: boolean; info?: { isFallbackAdapter?: boolean } } | null | undefined;
    const isSoftware = adapter?.info?.isFallbackAdapter ?? adapter?.isFallbackAdapter ?? false;
    return adapter === null || adapter === undefined || isSoftware ? 'wasm' : 'webgpu';
  } catch {
    return 'wasm';
  }
}

/** Loads everything, from this folder alone. */
async function load(settings: PageSettings, query: URLSearchParams): Promise<Loaded> {
  const address = './transformers.min.js';
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
  const names = settings.dtypes.map(({ name }) => name);
  const dtype = names.find((name) => name === query.get('dtype')) ?? names[0];
  const total = settings.dtypes.find(({ name }) => name === dtype)?.sizeBytes ?? 0;
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
  const open = (device: string): Promise<PageModel> =>
    transformers.AutoModelForCausalLM.from_pretrained(settings.model, {
      ...{ dtype, device, progress_callback: onProgress },
    });
  const device = await chosenDevice(query.get('device'));
  try {
    return { transformers, tokenizer, dtype, device, model: await open(device) };
  } catch (error) {
    if (device !== 'webgpu') throw error;
    say('The GPU cannot run this model; loading it for the processor ...');
    return { transformers, tokenizer, dtype, device: 'wasm', model: await open('wasm') };
  }
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
  call: {
    values: Readonly<Record<string, string>>;
    show: (text: string) => void;
    stop: { interrupt(): void; reset(): void };
  },
): Promise<string> {
  const { tokenizer, model, transformers } = loaded;
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
      if (shown.length < all.length) call.stop.interrupt();
    },
  });
  call.stop.reset();
  const output = await model.generate({
    ...inputs,
    ...{ max_new_tokens: settings.maxNewTokens, do_sample: false, streamer, stopping_criteria: [call.stop] },
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
    const loaded = await load(settings, new URLSearchParams(location.search));
    element('progress').hidden = true;
    const place = loaded.device === 'webgpu' ? 'GPU' : 'processor';
    const ready = `Runs on this device (${place}, ${loaded.dtype}); nothing is sent anywhere.`;
    say(ready);
    const [ask, end] = [element<HTMLButtonElement>('ask'), element<HTMLButtonElement>('stop')];
    const stop = new loaded.transformers.InterruptableStoppingCriteria();
    const box = element('answer');
    const show = (text: string): void => {
      box.textContent = text;
    };
    element<HTMLFormElement>('form').addEventListener('submit', (event) => {
      event.preventDefault();
      void (async () => {
        ask.disabled = true;
        end.hidden = false;
        box.hidden = false;
        box.removeAttribute('data-done');
        show('');
        say('Answering ...');
        try {
          await answer(settings, loaded, { values: values(), show, stop });
          say(ready);
        } catch (error) {
          say(inWords(error, 'The answer failed'), 'error');
        }
        box.setAttribute('data-done', '');
        ask.disabled = false;
        end.hidden = true;
      })();
    });
    end.addEventListener('click', () => stop.interrupt());
    ask.disabled = false;
    document.body.setAttribute('data-ready', loaded.device);
  } catch (error) {
    element('progress').hidden = true;
    say(inWords(error, what), 'error');
  }
}

const PARTS = [
  ...[fieldsOf, fillPlaces, element, say, megabytes, inWords, chosenDevice, load, promptOf, tokensOf],
  ...[beforeStop, answer, makeForm, openPage],
];

/** The script of the page, a module. */
export function pageScript(): string {
  return `${PARTS.map(String).join('\n')}\nopenPage();\n`;
}
