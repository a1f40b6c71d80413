/** The interfaces of retrievers, which LangChain.js's satisfy: anything with `invoke`. */
import { requireOptions } from '../../options';
import { TunebookError } from '../../types';
import type { Document } from '../documents/document';

/** A document and its score, higher is better; its unit depends on the retriever. */
export type ScoredDocument = readonly [document: Document, score: number];

/** A filter: a predicate, or the metadata that documents must have (a list: any of its values). */
export type DocumentFilter =
  ((document: Document) => boolean) | Readonly<Record<string, FilterValue | readonly FilterValue[]>>;

/** A value of metadata in a filter. */
export type FilterValue = string | number | boolean;

/** Settings of one search, which override the retriever's. */
export interface SearchOptions {
  /** Most documents to return. */
  readonly k?: number;
  /** Documents to consider. */
  readonly filter?: DocumentFilter;
}

/** @throws {TunebookError} If a search has settings of another name */
export function requireSearch(options: SearchOptions, where: string): void {
  requireOptions<SearchOptions>(options, { where, names: { k: true, filter: true } });
}

/** Finds documents, like LangChain.js's retrievers. */
export interface Retriever {
  /** The documents that match a query, best first; none where nothing does. */
  invoke(query: string): Promise<readonly Document[]>;
}

/** A retriever that also returns scores. */
export interface ScoredRetriever extends Retriever {
  /** The documents that match a query with their scores, best first. */
  invokeWithScores(query: string, options?: SearchOptions): Promise<readonly ScoredDocument[]>;
}

/** Whether a retriever returns scores. */
export function givesScores(retriever: Retriever): retriever is ScoredRetriever {
  return 'invokeWithScores' in retriever && typeof retriever.invokeWithScores === 'function';
}

/** A filter as a function. @throws {TunebookError} If a value cannot be compared with metadata */
export function filterFunction(filter: DocumentFilter | undefined): (document: Document) => boolean {
  if (filter === undefined) return () => true;
  if (typeof filter === 'function') return filter;
  const fields = filterFields(filter);
  return ({ metadata }) =>
    fields.every(({ name, values }) => {
      const value = metadata[name];
      const own: readonly unknown[] = Array.isArray(value) ? value : [value];
      return own.some((one) => values.some((wanted) => wanted === one));
    });
}

/** The fields of a filter with their allowed values. @throws {TunebookError} If one is of another kind */
export function filterFields(
  filter: Exclude<DocumentFilter, (document: Document) => boolean>,
): { name: string; values: readonly FilterValue[] }[] {
  return Object.entries(filter).map(([name, wanted]) => {
    const values = (Array.isArray(wanted) ? wanted : [wanted]) as readonly unknown[];
    const isPlain = (value: unknown): value is FilterValue =>
      ['string', 'number', 'boolean'].includes(typeof value);
    if (!values.every(isPlain) || values.length === 0) {
      throw new TunebookError(
        `filter: expected a text, a number, a boolean or a list of such for '${name}', got ${JSON.stringify(wanted)}.`,
      );
    }
    return { name, values };
  });
}

/** Default number of documents, as in LangChain.js. */
export const DEFAULT_K = 4;

/** @throws {TunebookError} If `k` is no whole number above 0 */
export function requireK(k: number, where: string): number {
  if (Number.isInteger(k) && k > 0) return k;
  throw new TunebookError(`${where}: expected k to be a whole number above 0, got ${k}.`);
}

/** Places of the `k` highest scores, highest first; ties in order of place. */
export function topPlaces(
  scores: ArrayLike<number>,
  { k, counts }: { k: number; counts: (place: number) => boolean },
): number[] {
  const byScore = (a: number, b: number): number => scores[b] - scores[a] || a - b;
  let places: number[] = [];
  let bar = -Infinity; // the k-th best so far; a later equal one comes after it
  for (let place = 0; place < scores.length; place++) {
    if (!(scores[place] > bar) || !counts(place)) continue;
    places.push(place);
    if (places.length < 2 * k + 64) continue;
    places = places.sort(byScore).slice(0, k);
    bar = scores[places[k - 1]];
  }
  return places.sort(byScore).slice(0, k);
}
