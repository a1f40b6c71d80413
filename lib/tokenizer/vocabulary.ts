/**
 * All tokens of a tokenizer: those of its model, from its tables or from the file as it was parsed, and the added ones.
 * Where it stands: under a loaded tokenizer.
 */
import { isJsonObject } from '../files';
import type { JsonObject } from '../files';
import type { TokenTable, Vocabulary } from './tables/token-table';
import { addedTokens } from './tokenizer-files';
import type { TokenizerFiles } from './tokenizer-files';

export function vocabularyOf({ tokenizerJson, tables }: TokenizerFiles): Vocabulary {
  const added = addedTokens(tokenizerJson);
  const addedIds = new Map(added.map(({ content, id }) => [content, id]));
  if (tables !== undefined) return withAdded(tables.tokens, addedIds);
  const ids = new Map([...modelTokens(tokenizerJson), ...addedIds]);
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of ids) tokens[id] = token;
  return { size: tokens.length, idOf: (token) => ids.get(token), tokenOf: (id) => tokens[id] };
}

function withAdded(table: TokenTable, added: ReadonlyMap<string, number>): Vocabulary {
  const tokens = new Map([...added].map(([token, id]) => [id, token]));
  const ids = new Map(added);
  const size = [...added.values()].reduce((a, b) => Math.max(a, b + 1), table.size);
  return {
    size,
    idOf: kept(ids, (token) => table.get(token)),
    tokenOf: kept(tokens, (id) => table.tokenOf(id)),
  };
}

/** What is known, else what is found, which is then known. */
function kept<Key, Value>(
  known: Map<Key, Value>,
  find: (key: Key) => Value | undefined,
): (key: Key) => Value | undefined {
  return (key) => {
    const value = known.get(key);
    if (value !== undefined) return value;
    const found = find(key);
    if (found !== undefined) known.set(key, found);
    return found;
  };
}

/** The tokens of the model, as its file lists them. */
function* modelTokens({ model }: JsonObject): Generator<[token: string, id: number]> {
  const vocab = isJsonObject(model) ? model.vocab : undefined;
  if (isJsonObject(vocab)) {
    for (const [token, id] of Object.entries(vocab)) if (typeof id === 'number') yield [token, id];
  } else if (Array.isArray(vocab)) {
    // Unigram: a list of [token, score].
    for (const [id, entry] of vocab.entries())
      if (Array.isArray(entry) && typeof entry[0] === 'string') yield [entry[0], id];
  }
}
