/** Embeddings by the name of a model. */
import path from 'node:path';
import { readJsonObject } from '../../files';
import { resolveModelFolder } from '../../hub';
import type { HubOptions } from '../../hub';
import { TunebookError } from '../../types';
import type { Embeddings } from './embeddings';
import { UseLiteEmbeddings } from './use-lite-embeddings';

/** Loads embeddings by the name of a model. */
export const AutoEmbeddings = {
  /**
   * Loads a model that turns texts into vectors.
   *
   * @param nameOrFolder 'use-lite', which comes with tunebook, or a folder.
   * @throws {TunebookError} If there is no such model.
   * @example
   * ```ts
   * import { AutoEmbeddings } from 'tunebook/retrieval';
   *
   * const embeddings = await AutoEmbeddings.fromPretrained('use-lite');
   * console.log((await embeddings.embedQuery('How do I get faster on the rower?')).length); // 512
   * ```
   */
  async fromPretrained(nameOrFolder: string, options: HubOptions = {}): Promise<Embeddings> {
    const folder = await resolveModelFolder(nameOrFolder, options);
    const { model_type: type } = await readJsonObject(path.join(folder, 'config.json'));
    if (type === 'use-lite') return UseLiteEmbeddings.load(folder);
    throw new TunebookError(
      `AutoEmbeddings: expected a model of type use-lite in ${folder}, got ${JSON.stringify(type)}.`,
    );
  },
};
