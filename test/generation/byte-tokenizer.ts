import type { Tokenizer } from '../../lib/types';

/** A token per byte, 0 to end: enough of a tokenizer to test text with. */
export const byteTokenizer: Tokenizer = {
  vocabSize: 256,
  bosTokenId: undefined,
  eosTokenId: 0,
  padTokenId: undefined,
  modelMaxLength: 1024,
  encode: (text) => [...Buffer.from(text)],
  decode: (ids, options) =>
    Buffer.from(ids.filter((id) => id !== 0 || options?.skipSpecialTokens !== true)).toString(),
};
