/**
 * SentencePiece's unigram model (Kudo 2018): the most likely segmentation of a text. Equal to the encoder's own
 * tokenizer for JavaScript, which gives unknown characters id 0.
 */

/** A piece and its log probability; its place in the list is its id. */
export type VocabularyEntry = readonly [piece: string, score: number];

/** First ids of the vocabulary, reserved for control tokens. */
const RESERVED = 6;
const UNKNOWN = 0;
const SPACE = '\u2581';

interface TrieNode {
  readonly next: Map<string, TrieNode>;
  id?: number;
}

/** Makes a tokenizer; all kinds of spaces are alike. */
export function unigramTokenizer(vocabulary: readonly VocabularyEntry[]): (text: string) => number[] {
  const root: TrieNode = { next: new Map() };
  vocabulary.forEach(([piece], id) => {
    if (id < RESERVED) return;
    let node = root;
    for (const symbol of piece) {
      const child = node.next.get(symbol) ?? { next: new Map<string, TrieNode>() };
      node.next.set(symbol, child);
      node = child;
    }
    node.id = id;
  });
  return (text) => {
    const words = text.normalize('NFKC').trim().replace(/\s+/g, SPACE);
    if (words === '') return [];
    const symbols = [...`${SPACE}${words}`];
    // The best segmentation up to each place; 0 is none yet, as in the original.
    const best = new Float64Array(symbols.length + 1);
    const last = Array.from({ length: symbols.length + 1 }, () => ({ id: UNKNOWN, length: 1 }));
    for (let start = 0; start < symbols.length; start++) {
      const reach = (end: number, { id, score }: { id: number; score: number }): void => {
        if (best[end] !== 0 && best[start] + score < best[end]) return;
        best[end] = best[start] + score;
        last[end] = { id, length: end - start };
      };
      let isKnown = false;
      let node: TrieNode | undefined = root;
      for (let end = start; end < symbols.length; end++) {
        node = node.next.get(symbols[end]);
        if (node === undefined) break;
        if (node.id === undefined) continue;
        isKnown = true;
        reach(end + 1, { id: node.id, score: vocabulary[node.id][1] });
      }
      if (!isKnown) reach(start + 1, { id: UNKNOWN, score: 0 });
    }
    const ids: number[] = [];
    for (let end = symbols.length; end > 0; end -= last[end].length) {
      const { id } = last[end];
      if (id !== UNKNOWN || ids.at(-1) !== UNKNOWN) ids.push(id);
    }
    return ids.reverse();
  };
}
