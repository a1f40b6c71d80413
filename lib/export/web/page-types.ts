/** What the page of `exportWeb` has in hand: its settings, and the parts of transformers.js that it uses. */

/** page.json: what the page has to know. */
export interface PageSettings {
  readonly title: string;
  /** Folder of the model, beside the page. */
  readonly model: string;
  /** Files that there are, the best for any device first. */
  readonly dtypes: readonly PageFile[];
  readonly maxNewTokens: number;
  readonly stopStrings: readonly string[];
  readonly prompt: PagePrompt;
}

/** A file of the model. */
export interface PageFile {
  readonly name: string;
  readonly sizeBytes: number;
  readonly probe: PageProbe;
}

/** What a file computes on the machine that wrote it: a GPU that computes otherwise gets no records. */
export interface PageProbe {
  /** Tokens of a sentence, [T]. */
  readonly ids: readonly number[];
  /** The likeliest token after each of them, [T], and the natural logarithm of its probability, [T]. */
  readonly next: readonly number[];
  readonly logProbabilities: readonly number[];
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
export interface Transformers {
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
  readonly Tensor: new (type: 'int64', data: BigInt64Array, dims: readonly number[]) => TokenTensor;
}

export interface TokenTensor {
  readonly dims: readonly number[];
  readonly data: ArrayLike<bigint>;
  slice(...ranges: unknown[]): TokenTensor;
}

export interface PageTokenizer {
  (text: string, options?: Record<string, unknown>): { input_ids: TokenTensor; attention_mask: TokenTensor };
  readonly bos_token?: string;
  readonly eos_token_id?: number;
  apply_chat_template(turns: readonly object[], options: Record<string, unknown>): string;
  decode(ids: readonly number[], options: Record<string, unknown>): string;
}

export interface PageModel {
  /** One forward pass: logits of every token, [1, T, V]. */
  (inputs: Record<string, TokenTensor>): Promise<{ logits: { dims: readonly number[]; data: Float32Array } }>;
  generate(options: Record<string, unknown>): Promise<TokenTensor>;
  dispose(): Promise<unknown>;
}

/** A model that is loaded, and how. */
export interface Loaded {
  readonly transformers: Transformers;
  readonly tokenizer: PageTokenizer;
  readonly model: PageModel;
  readonly device: Device;
  readonly dtype: string;
  readonly stop: { interrupt(): void; reset(): void };
}

export type Device = 'webgpu' | 'wasm';

/** What a loader reports while it loads. */
export interface LoadEvent {
  readonly status: string;
  readonly file?: string;
  readonly loaded?: number;
  readonly total?: number;
}

/** What a loader says to the page. */
export interface Loading {
  readonly loaded: Loaded;
  /** Why it is not the GPU that answers. */
  readonly note: string;
}
