/** Loads embeddings by the name of a model. */
import path from 'node:path';
import { dataFolder } from '../../environment';
import { isFolder, readJsonObject, requireLocalPath } from '../../files';
import { isHubId } from '../../hub';
import type { HubOptions } from '../../hub';
import { requireOptions } from '../../options';
import { requireText, TunebookError } from '../../types';
import { CachedEmbeddings } from './cached-embeddings';
import type { Embeddings } from './embeddings';
import { HubEmbeddings, hubEncoderFolder, isEncoder } from './hub-embeddings';
import type { EncoderOptions } from './hub-embeddings';
import { UseLiteEmbeddings } from './use-lite-embeddings';

/** Settings of `AutoEmbeddings.fromPretrained`: hub access, encoder settings, and a cache. */
export interface AutoEmbeddingsOptions extends HubOptions, EncoderOptions {
  /** Folder to cache the vectors of documents in, by model and content; none by default. */
  readonly vectorCache?: string;
}

const BUILT_IN = 'use-lite';

/** Loads embeddings by the name of a model. */
export const AutoEmbeddings = {
  /**
   * Loads an embedding model.
   *
   * @param nameOrFolder 'use-lite', which comes with tunebook and needs no network; the hub id of an encoder with ONNX
   *   files ('Xenova/all-MiniLM-L6-v2', 'Xenova/bge-small-en-v1.5', 'Xenova/e5-small-v2'); or a folder of either.
   * @throws {TunebookError} If there is no such model, or it cannot be downloaded (see HF_HUB_OFFLINE).
   * @example
   * ```ts
   * import { AutoEmbeddings } from 'tunebook/retrieval';
   *
   * const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
   * console.log((await embeddings.embedQuery('How do I get faster on the rower?')).length); // 512
   * ```
   */
  async fromPretrained(nameOrFolder: string, options: AutoEmbeddingsOptions = {}): Promise<Embeddings> {
    requireText(nameOrFolder, { where: 'AutoEmbeddings', what: 'a model: use-lite, a hub id or a folder' });
    requireOptions<AutoEmbeddingsOptions>(options, {
      where: 'AutoEmbeddings',
      names: {
        ...{ vectorCache: true, pooling: true, queryPrefix: true, documentPrefix: true, dtype: true },
        ...{ cacheDir: true, revision: true, token: true, endpoint: true, localFilesOnly: true },
        ...{ onProgress: true, maxRetries: true, retryDelayMs: true, stallTimeoutMs: true },
      },
    });
    const { vectorCache, ...rest } = options;
    const embeddings = await load(nameOrFolder, rest);
    return vectorCache === undefined ? embeddings : new CachedEmbeddings(embeddings, vectorCache);
  },
};

async function load(nameOrFolder: string, options: HubOptions & EncoderOptions): Promise<Embeddings> {
  const { pooling, queryPrefix, documentPrefix, dtype, ...hub } = options;
  const encoder = { pooling, queryPrefix, documentPrefix, dtype };
  if (await isFolder(nameOrFolder)) {
    const { model_type: type } = await readJsonObject(path.join(nameOrFolder, 'config.json'));
    if (type === BUILT_IN) return UseLiteEmbeddings.load(nameOrFolder);
    if (await isEncoder(nameOrFolder, dtype))
      return HubEmbeddings.load(nameOrFolder, path.basename(path.resolve(nameOrFolder)), encoder);
    throw new TunebookError(
      `AutoEmbeddings: expected tokenizer.json and ONNX weights (onnx/model.onnx) in ${nameOrFolder}, got none${dtype === undefined ? '' : ` of ${dtype}`}. Give the folder of an encoder, or use-lite.`,
    );
  }
  if (nameOrFolder === BUILT_IN) return UseLiteEmbeddings.load(path.join(dataFolder('models'), BUILT_IN));
  requireLocalPath(nameOrFolder, 'AutoEmbeddings');
  if (!isHubId(nameOrFolder))
    throw new TunebookError(
      `AutoEmbeddings: expected use-lite, a hub id (OWNER/NAME) or a folder that exists, got ${JSON.stringify(nameOrFolder)}.`,
    );
  return HubEmbeddings.load(
    await hubEncoderFolder(nameOrFolder, { options: hub, dtype }),
    nameOrFolder,
    encoder,
  );
}
