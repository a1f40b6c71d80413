/**
 * Vocabulary and merges put into the library's tokenizer as tables: it is built with none, since its own maps of a large
 * vocabulary take seconds.
 * Where it stands: once, after a tokenizer is built and before it is fixed.
 */
import { isJsonObject } from '../../files';
import type { JsonObject } from '../../files';
import type { BpeTables } from '../tables/read-tables';
import type { Vocabulary } from '../tables/token-table';

/** The parts of the library's tokenizer that are replaced. */
interface Internals {
  readonly _tokenizer?: { readonly model?: BpeModel };
}

interface BpeModel {
  tokens_to_ids?: TokenIds;
  vocab?: unknown;
  unk_token_id?: number;
  readonly config?: JsonObject;
  add_node?: (queue: { push(node: Node): void }, node: Node) => void;
}

interface TokenIds {
  get(token: string): number | undefined;
  has(token: string): boolean;
}

interface Node {
  readonly token: string;
  /** The place in the word, below 1: of pairs with one rank the first is merged. */
  readonly bias: number;
  readonly next: Node;
  score: number;
}

const INDEX = /^\d+$/;

/** @throws {Error} If the library is another version, without these parts. */
export function installTables(library: object, { merges }: BpeTables, vocabulary: Vocabulary): void {
  const model = (library as Internals)._tokenizer?.model;
  if (model?.tokens_to_ids === undefined || model.vocab === undefined || model.add_node === undefined)
    throw new Error('internal: a BPE model without tokens_to_ids, vocab and add_node');
  const { config } = model;
  const unknown = isJsonObject(config) ? config.unk_token : undefined;
  model.tokens_to_ids = {
    get: (token) => vocabulary.idOf(token),
    has: (token) => vocabulary.idOf(token) !== undefined,
  };
  model.unk_token_id = typeof unknown === 'string' ? vocabulary.idOf(unknown) : undefined;
  // Asked for tokens by their ids alone; what is set counts first.
  const set = new Map<string | symbol, unknown>();
  model.vocab = new Proxy([], {
    get: (_, key) =>
      set.get(key) ??
      (typeof key === 'string' && INDEX.test(key) ? vocabulary.tokenOf(Number(key)) : undefined),
    set: (_, key, value) => set.set(key, value).size > 0,
  });
  model.add_node = (queue, node) => {
    const left = vocabulary.idOf(node.token);
    const right = left === undefined ? undefined : vocabulary.idOf(node.next.token);
    const rank = left === undefined || right === undefined ? undefined : merges.rankOf(left, right);
    if (rank === undefined) return;
    node.score = rank + node.bias;
    queue.push(node);
  };
}
