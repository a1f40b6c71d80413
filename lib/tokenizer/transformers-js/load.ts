/**
 * The only file that touches @xenova/transformers. It is imported on first use (0.2 s, it brings ONNX Runtime) and
 * narrowed to the members that are called here.
 */
import type { JsonObject } from '../../files';
import { messageOf, TunebookError } from '../../types';

/** The members of the library's tokenizer that are called here. */
export interface LibraryTokenizer {
  encode(text: string, options: { add_special_tokens: boolean }): number[];
  decode(
    ids: number[],
    options: { skip_special_tokens: boolean; clean_up_tokenization_spaces: boolean },
  ): string;
  tokenize(text: string, options: { add_special_tokens: boolean }): string[];
}

/** The members of the library that are called here. */
export interface TransformersLibrary {
  PreTrainedTokenizer: new (tokenizerJson: JsonObject, tokenizerConfig: JsonObject) => LibraryTokenizer;
}

const LIBRARY: string = '@xenova/transformers';

let loading: Promise<TransformersLibrary> | undefined;

/**
 * The library, imported once.
 *
 * @throws {TunebookError} If it is not installed or lacks these members.
 */
export function transformersLibrary(): Promise<TransformersLibrary> {
  loading ??= importLibrary();
  return loading;
}

async function importLibrary(): Promise<TransformersLibrary> {
  let module: unknown;
  try {
    module = await import(LIBRARY);
  } catch (error) {
    throw new TunebookError(`tokenizer: ${LIBRARY} cannot be loaded (${messageOf(error)}). Run npm ci.`);
  }
  if (!isLibrary(module)) {
    throw new TunebookError(
      `tokenizer: expected ${LIBRARY} 4.x, got a version without its parts. Run npm ci.`,
    );
  }
  return module;
}

function isLibrary(module: unknown): module is TransformersLibrary {
  return (
    typeof module === 'object' &&
    module !== null &&
    'PreTrainedTokenizer' in module &&
    typeof module.PreTrainedTokenizer === 'function'
  );
}
