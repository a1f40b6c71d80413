/**
 * Finds the folder of a hub tokenizer: in the cache, where a model's download or Python may have left it, else by
 * download. Where it stands: between a hub id and `tokenizer-files`.
 */
import path from 'node:path';
import { hubEnvironment } from '../environment';
import { cachedSnapshot, hubSnapshot, MAX_SMALL_FILE_BYTES, TOKENIZER_FILES } from '../hub';
import type { HubOptions } from '../hub';
import { TunebookError } from '../types';
import { hasTokenizer } from './tokenizer-files';

/** Some models name special tokens only in their own configuration. */
const MODEL_CONFIG = 'config.json';

/** Large, and redundant beside a tokenizer.json. */
const OLDER_FORMS = ['vocab.json', 'merges.txt', 'tokenizer.model'];

/**
 * The local folder of a hub tokenizer's files; downloads them where needed. Cached files are used without asking the
 * hub for newer ones.
 *
 * @throws {TunebookError} If they are not cached and cannot be downloaded.
 */
export async function hubTokenizerFolder(id: string, options: HubOptions): Promise<string> {
  const request = { id, what: 'tokenizer', options, isComplete: hasTokenizer } as const;
  const cached = await cachedSnapshot(request);
  if (cached !== undefined) return cached;
  const earlier = earlierFolder(id, options);
  if (await hasTokenizer(earlier)) return earlier;
  return hubSnapshot(request, async ({ names, download }) => {
    const unneeded = names.includes('tokenizer.json') ? OLDER_FORMS : [];
    const wanted = [MODEL_CONFIG, ...TOKENIZER_FILES].filter(
      (name) => names.includes(name) && !unneeded.includes(name),
    );
    if (
      !names.includes('tokenizer.json') &&
      !(names.includes('vocab.json') && names.includes('merges.txt'))
    ) {
      throw new TunebookError(
        `tokenizer "${id}": expected tokenizer.json (or vocab.json and merges.txt), but the repository has no tokenizer ` +
          `that can be read here, only ${names.slice(0, 12).join(', ')}. Name the repository of the base model.`,
      );
    }
    await download(wanted, { maxFileBytes: MAX_SMALL_FILE_BYTES });
  });
}

/** Where tunebook cached tokenizers before models and tokenizers shared one cache. */
function earlierFolder(id: string, { cacheDir, revision = 'main' }: HubOptions): string {
  const cache = cacheDir ?? path.join(hubEnvironment().homeFolder, 'tunebook');
  return revision === 'main' ? path.join(cache, id) : path.join(cache, id, revision);
}
