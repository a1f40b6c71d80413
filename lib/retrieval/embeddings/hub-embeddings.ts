/**
 * Sentence encoders of the Hugging Face hub in ONNX, run by @xenova/transformers, such as 'Xenova/all-MiniLM-L6-v2'.
 * Pooling and query prefixes depend on the model.
 */
import path from 'node:path';
import { isFile, readJsonObjectIfPresent } from '../../files';
import { hubSnapshot, MAX_SMALL_FILE_BYTES } from '../../hub';
import type { HubOptions, HubRepository } from '../../hub';
import { messageOf, TunebookError } from '../../types';
import type { Embeddings } from './embeddings';

/** How token vectors are pooled: their mean, or the first token's. */
export type Pooling = 'mean' | 'cls';

/** Settings that differ between models; each defaults to what the model's files or authors say. */
export interface EncoderOptions {
  /** How token vectors are pooled. */
  readonly pooling?: Pooling;
  /** Prefix of queries. */
  readonly queryPrefix?: string;
  /** Prefix of documents. */
  readonly documentPrefix?: string;
  /** Type of the weights: float32 (default), float16 or 8 bits. */
  readonly dtype?: 'fp32' | 'fp16' | 'q8';
}

/** Texts per run. */
const BATCH = 16;
const WEIGHTS = { fp32: 'onnx/model.onnx', fp16: 'onnx/model_fp16.onnx', q8: 'onnx/model_quantized.onnx' };
const POOLING_CONFIG = '1_Pooling/config.json';
const BGE_PREFIX = 'Represent this sentence for searching relevant passages: ';

/** Settings of model families by name, as their authors recommend. */
const FAMILIES: readonly [name: RegExp, settings: Omit<EncoderOptions, 'dtype'>][] = [
  [/multilingual-e5.*instruct/i, {}],
  [/(^|[-_/])e5[-_]/i, { pooling: 'mean', queryPrefix: 'query: ', documentPrefix: 'passage: ' }],
  [/bge-m3/i, { pooling: 'cls' }],
  [/bge-.*-en|bge-(small|base|large)|mxbai-embed|arctic-embed/i, { pooling: 'cls', queryPrefix: BGE_PREFIX }],
  [/nomic-embed/i, { pooling: 'mean', queryPrefix: 'search_query: ', documentPrefix: 'search_document: ' }],
];

/** The part of the library's pipeline that is used here. */
type Extractor = (
  texts: string[],
  options: { pooling: Pooling; normalize: boolean },
) => Promise<{ readonly data: Float32Array; readonly dims: readonly number[] }>;

/** The folder of a hub model's encoder. @throws {TunebookError} If there is none, or it cannot be downloaded */
export function hubEncoderFolder(
  id: string,
  { options, dtype = 'fp32' }: { options: HubOptions; dtype?: EncoderOptions['dtype'] },
): Promise<string> {
  const isComplete = (folder: string): Promise<boolean> => isEncoder(folder, dtype);
  const request = { id, what: 'model', options, folders: ['onnx', '1_Pooling'], isComplete } as const;
  return hubSnapshot(request, async ({ names, download }: HubRepository) => {
    const weights = WEIGHTS[dtype];
    if (!names.includes(weights) || !names.includes('tokenizer.json')) {
      const found = names.filter((name) => /\.onnx$|tokenizer\.json/.test(name));
      throw new TunebookError(
        `model "${id}": expected ${weights} and tokenizer.json, got ${found.join(', ') || 'neither'}. Choose a repository with ONNX files, such as Xenova/all-MiniLM-L6-v2${found.length > 1 ? ', or another dtype' : ''}.`,
      );
    }
    const small = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'special_tokens_map.json'];
    const wanted = [...small, 'config_sentence_transformers.json', POOLING_CONFIG];
    await download(
      wanted.filter((name) => names.includes(name)),
      { maxFileBytes: MAX_SMALL_FILE_BYTES },
    );
    await download([weights, `${weights}_data`].filter((name) => names.includes(name)));
  });
}

/** Whether a folder holds an encoder in ONNX. */
export async function isEncoder(folder: string, dtype: keyof typeof WEIGHTS = 'fp32'): Promise<boolean> {
  const needed = ['config.json', 'tokenizer.json', WEIGHTS[dtype]];
  return (await Promise.all(needed.map((name) => isFile(path.join(folder, name))))).every(Boolean);
}

/** An encoder of the hub; `AutoEmbeddings.fromPretrained('Xenova/all-MiniLM-L6-v2')` makes one. */
export class HubEmbeddings implements Embeddings {
  private constructor(
    readonly name: string,
    private readonly extract: Extractor,
    private readonly settings: Required<Omit<EncoderOptions, 'dtype'>>,
  ) {}

  /**
   * Loads an encoder from its folder.
   *
   * @param id the model's name: settings missing in its files follow from its family.
   * @throws {TunebookError} If files are missing, or the library cannot read them.
   */
  static async load(folder: string, id: string, options: EncoderOptions = {}): Promise<HubEmbeddings> {
    const { dtype = 'fp32' } = options;
    const family = FAMILIES.find(([name]) => name.test(id))?.[1] ?? {};
    const own = await ownSettings(folder);
    const pooling = options.pooling ?? own.pooling ?? family.pooling ?? 'mean';
    const queryPrefix = options.queryPrefix ?? own.queryPrefix ?? family.queryPrefix ?? '';
    const documentPrefix = options.documentPrefix ?? own.documentPrefix ?? family.documentPrefix ?? '';
    const name = [id, dtype, pooling, queryPrefix, documentPrefix].join('|');
    const extract = await loadExtractor(path.resolve(folder), dtype);
    return new HubEmbeddings(name, extract, { pooling, queryPrefix, documentPrefix });
  }

  embedDocuments(texts: string[]): Promise<number[][]> {
    return this.embed(texts.map((text) => `${this.settings.documentPrefix}${text}`));
  }

  async embedQuery(text: string): Promise<number[]> {
    return (await this.embed([`${this.settings.queryPrefix}${text}`]))[0];
  }

  private async embed(texts: readonly string[]): Promise<number[][]> {
    const vectors: number[][] = [];
    for (let start = 0; start < texts.length; start += BATCH) {
      const batch = texts.slice(start, start + BATCH);
      const { data, dims } = await this.extract(batch, { pooling: this.settings.pooling, normalize: true });
      const width = dims[dims.length - 1];
      batch.forEach((_, i) => vectors.push(Array.from(data.subarray(i * width, (i + 1) * width))));
    }
    return vectors;
  }
}

/** Settings in the model's files, in sentence-transformers' form. */
async function ownSettings(folder: string): Promise<Omit<EncoderOptions, 'dtype'>> {
  const pooling = await readJsonObjectIfPresent(path.join(folder, POOLING_CONFIG));
  const config = await readJsonObjectIfPresent(path.join(folder, 'config_sentence_transformers.json'));
  const prompts = config?.prompts;
  const prompt = (...names: string[]): string | undefined => {
    if (typeof prompts !== 'object' || prompts === null) return undefined;
    const found = Object.entries(prompts).find(([name]) => names.includes(name))?.[1] as unknown;
    return typeof found === 'string' && found !== '' ? found : undefined;
  };
  const isCls = pooling?.pooling_mode_cls_token === true;
  const isMean = pooling?.pooling_mode_mean_tokens === true;
  return {
    ...(isCls ? { pooling: 'cls' } : isMean ? { pooling: 'mean' } : {}),
    ...{ queryPrefix: prompt('query'), documentPrefix: prompt('document', 'passage') },
  };
}

const LIBRARY: string = '@xenova/transformers';

async function loadExtractor(folder: string, dtype: keyof typeof WEIGHTS): Promise<Extractor> {
  try {
    const { pipeline } = (await import(LIBRARY)) as {
      pipeline: (task: string, model: string, options: object) => Promise<Extractor>;
    };
    return await pipeline('feature-extraction', folder, { local_files_only: true, dtype });
  } catch (error) {
    throw new TunebookError(
      `AutoEmbeddings: ${folder} cannot be loaded by ${LIBRARY} (${messageOf(error)}). Download the model again.`,
      { cause: error },
    );
  }
}
