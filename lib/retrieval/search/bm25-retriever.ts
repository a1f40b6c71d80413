/**
 * Search by words: Okapi BM25 (Robertson & Zaragoza 2009) with Lucene's inverse document frequency, on an inverted
 * index of typed arrays. A query over 10,000 passages takes about a millisecond.
 */
import { requireOptions } from '../../options';
import { requireList, requireString } from '../../types';
import type { Document } from '../documents/document';
import { aliasExpansion } from './aliases';
import type { Aliases } from './aliases';
import { DEFAULT_K, filterFunction, requireK, requireSearch, topPlaces } from './retriever';
import type { ScoredDocument, ScoredRetriever, SearchOptions } from './retriever';
import { searchWords } from './words';

/** Settings of `BM25Retriever`. */
export interface BM25Options {
  /** Most documents to return; 4 by default. */
  readonly k?: number;
  /** Users' words, and the words of the documents that they stand for; both are searched. */
  readonly aliases?: Aliases;
  /** Weight of words from aliases, relative to the query's own; 1 by default. */
  readonly aliasWeight?: number;
  /** Saturation of repeated words; 1.2 by default. */
  readonly k1?: number;
  /** Normalization by document length, 0 to 1; 0.75 by default. */
  readonly b?: number;
  /** Lowest score to return; 0 by default: any document with a word of the query. */
  readonly scoreThreshold?: number;
  /** The text of a document to search; its pageContent by default. */
  readonly text?: (document: Document) => string;
}

/**
 * Finds documents by the words of a query.
 *
 * @example
 * ```ts
 * import { BM25Retriever } from 'tunebook/retrieval';
 *
 * const retriever = BM25Retriever.fromDocuments(
 *   [
 *     { pageContent: 'Sit back and let the legs pull the sled.', metadata: {} },
 *     { pageContent: 'Row with long strokes.', metadata: {} },
 *   ],
 *   { k: 1, aliases: { ergo: ['row'] } },
 * );
 * const [best] = await retriever.invoke('how do I get faster on the ergo?');
 * console.log(best.pageContent); // Row with long strokes.
 * ```
 */
export class BM25Retriever implements ScoredRetriever {
  private readonly expand: (query: string) => string[];
  /** The index of each word; its postings are at offsets[i] to offsets[i + 1]. */
  private readonly vocabulary = new Map<string, number>();
  private readonly offsets: Int32Array;
  private readonly places: Int32Array;
  /** Score that each posting adds to its document. */
  private readonly gains: Float64Array;
  /** Inverse document frequency of each word. */
  private readonly rarities: Float64Array;

  private constructor(
    readonly documents: readonly Document[],
    private readonly options: BM25Options,
  ) {
    const { aliases = {}, k1 = 1.2, b = 0.75, text = ({ pageContent }) => pageContent } = options;
    requireK(options.k ?? DEFAULT_K, 'BM25Retriever');
    this.expand = aliasExpansion(aliases);
    const postings: [place: number, count: number][][] = [];
    const lengths = new Float64Array(documents.length);
    documents.forEach((document, place) => {
      const counts = new Map<string, number>();
      const words = searchWords(text(document));
      lengths[place] = words.length;
      for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1);
      for (const [word, count] of counts) {
        const index = this.vocabulary.get(word) ?? postings.length;
        if (index === postings.length) {
          this.vocabulary.set(word, index);
          postings.push([]);
        }
        postings[index].push([place, count]);
      }
    });
    const meanLength = lengths.reduce((sum, length) => sum + length, 0) / documents.length || 1;
    this.offsets = new Int32Array(postings.length + 1);
    postings.forEach((list, i) => (this.offsets[i + 1] = this.offsets[i] + list.length));
    this.places = new Int32Array(this.offsets[postings.length]);
    this.gains = new Float64Array(this.places.length);
    this.rarities = Float64Array.from(postings, (list) => rarityOf(list.length, documents.length));
    postings.forEach((list, i) => {
      const rarity = this.rarities[i];
      list.forEach(([place, count], j) => {
        const at = this.offsets[i] + j;
        const long = 1 - b + (b * lengths[place]) / meanLength;
        this.places[at] = place;
        this.gains[at] = (rarity * count * (k1 + 1)) / (count + k1 * long);
      });
    });
  }

  /** Indexes documents. @throws {TunebookError} If they are no list, or an option is of another kind */
  static fromDocuments(documents: readonly Document[], options: BM25Options = {}): BM25Retriever {
    const where = 'BM25Retriever.fromDocuments';
    requireList(documents, { where, what: 'a list of documents' });
    requireOptions<BM25Options>(options, {
      where,
      names: {
        ...{ k: true, aliases: true, aliasWeight: true, k1: true, b: true },
        ...{ scoreThreshold: true, text: true },
      },
    });
    return new BM25Retriever(documents, options);
  }

  /**
   * The largest share of a query's own words, each by its rarity, that one document has: 1 if it has all, 0 if no
   * document has any. Words that no document has count as the rarest.
   */
  coverage(query: string): number {
    requireString(query, { where: 'BM25Retriever.coverage', what: 'a query' });
    const { documents, places, offsets } = this;
    const covered = new Float64Array(documents.length);
    let whole = 0;
    for (const word of new Set(searchWords(query))) {
      const index = this.vocabulary.get(word);
      const rarity = index === undefined ? rarityOf(0, documents.length) : this.rarities[index];
      whole += rarity;
      if (index === undefined) continue;
      for (let at = offsets[index]; at < offsets[index + 1]; at++) covered[places[at]] += rarity;
    }
    return whole === 0 ? 0 : covered.reduce((most, value) => Math.max(most, value), 0) / whole;
  }

  async invoke(query: string): Promise<Document[]> {
    return (await this.invokeWithScores(query)).map(([document]) => document);
  }

  async invokeWithScores(query: string, options: SearchOptions = {}): Promise<ScoredDocument[]> {
    requireString(query, { where: 'BM25Retriever', what: 'a query' });
    requireSearch(options, 'BM25Retriever');
    const { documents } = this;
    const { scoreThreshold = 0, aliasWeight = 1 } = this.options;
    const k = requireK(options.k ?? this.options.k ?? DEFAULT_K, 'BM25Retriever');
    const own = new Set(searchWords(query));
    const added = new Set(
      this.expand(query)
        .flatMap(searchWords)
        .filter((word) => !own.has(word)),
    );
    const scores = new Float64Array(documents.length);
    for (const [words, weight] of [
      [own, 1],
      [added, aliasWeight],
    ] as const)
      for (const word of words) {
        const index = this.vocabulary.get(word);
        if (index === undefined) continue;
        for (let at = this.offsets[index]; at < this.offsets[index + 1]; at++)
          scores[this.places[at]] += weight * this.gains[at];
      }
    const isWanted = filterFunction(options.filter);
    const counts = (place: number): boolean =>
      scores[place] > 0 && scores[place] >= scoreThreshold && isWanted(documents[place]);
    return topPlaces(scores, { k, counts }).map((place) => [documents[place], scores[place]]);
  }
}

/** Lucene's inverse document frequency of a word that `count` of `total` documents have. */
function rarityOf(count: number, total: number): number {
  return Math.log(1 + (total - count + 0.5) / (count + 0.5));
}
