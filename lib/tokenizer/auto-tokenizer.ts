/**
 * AutoTokenizer: loads a tokenizer by name. Where it stands: the first call of every job.
 */
import path from 'node:path';
import { lazySchema, prettifyError } from '../schema';
import { dataFolder } from '../environment';
import { isFolder } from '../files';
import { hubOptions, isHubId } from '../hub';
import { requireText, TunebookError } from '../types';
import { hubTokenizerFolder } from './hub-tokenizer';
import { createPretrainedTokenizer } from './pretrained-tokenizer';
import { hasTokenizer, readTokenizerFiles } from './tokenizer-files';
import type { PretrainedTokenizer, TokenizerOptions } from './types';

/** Folders in data/tokenizers by the names of the tokenizers and models that come with the project. */
const BUILT_IN = new Map([
  ['gpt2', 'gpt2'],
  ['gpt2-mini', 'gpt2'],
  ['mistral', 'mistral'],
  ['mistral-mini', 'mistral'],
]);

const optionsSchema = lazySchema((z) =>
  z.strictObject({
    ...hubOptions(),
    padToken: z.string().optional(),
    paddingSide: z.enum(['left', 'right']).optional(),
  }),
);

/** Loads tokenizers by folder, built-in name or hub id. */
export const AutoTokenizer: {
  /**
   * Loads a tokenizer: from a local folder of that name, else a built-in tokenizer (`gpt2`, `mistral`), else a hub
   * repository, cached or downloaded.
   *
   * @param nameOrFolder A folder, a built-in name or a hub id.
   * @throws {TunebookError} If it cannot be found, downloaded or parsed.
   * @example
   * ```ts
   * import { AutoTokenizer } from 'tunebook';
   *
   * const tokenizer = await AutoTokenizer.fromPretrained('gpt2');
   * console.log(tokenizer.encode('Hello world')); // [ 15496, 995 ]
   * console.log(tokenizer.decode([15496, 995])); // Hello world
   * ```
   */
  fromPretrained(nameOrFolder: string, options?: TokenizerOptions): Promise<PretrainedTokenizer>;
} = { fromPretrained };

async function fromPretrained(
  nameOrFolder: string,
  options: TokenizerOptions = {},
): Promise<PretrainedTokenizer> {
  requireText(nameOrFolder, {
    where: 'AutoTokenizer.fromPretrained',
    what: "a folder, a built-in name such as 'gpt2', or a hub id",
  });
  const checked = optionsSchema().safeParse(options);
  if (!checked.success) {
    throw new TunebookError(`AutoTokenizer.fromPretrained: ${prettifyError(checked.error)}`);
  }
  const folder = await findFolder(nameOrFolder, checked.data);
  return createPretrainedTokenizer({
    name: nameOrFolder,
    files: await readTokenizerFiles(folder),
    padToken: checked.data.padToken,
    paddingSide: checked.data.paddingSide,
  });
}

async function findFolder(name: string, options: TokenizerOptions): Promise<string> {
  if (await hasTokenizer(name)) return name;
  const builtIn = BUILT_IN.get(name);
  if (builtIn !== undefined) return path.join(dataFolder('tokenizers'), builtIn);
  // A folder without a tokenizer is the caller's mistake, not a name to look for on the hub.
  if ((await isFolder(name)) || !isHubId(name)) return name;
  return hubTokenizerFolder(name, options);
}
