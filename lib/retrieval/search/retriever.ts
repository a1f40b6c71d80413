/** What finds documents for a question, as LangChain.js has it: anything with `invoke`. */
import { TunebookError } from '../../types';
import type { Document } from '../documents/document';

/** A document and how well it fits, better is higher; what the number means is its retriever's matter. */
export type ScoredDocument = readonly [document: Document, score: number];

/** Which documents count: a question to each, or the metadata that they must have (one of several in a list). */
export type DocumentFilter =
  ((document: Document) => boolean) | Readonly<Record<string, FilterValue | readonly FilterValue[]>>;

/** A value of metadata that a filter can ask for. */
export type FilterValue = string | number | boolean;

/** How one search differs from the retriever's own settings. */
export interface SearchOptions {
  /** Documents at most. */
  readonly k?: number;
  /** Which documents count. */
  readonly filter?: DocumentFilter;
}

/** Finds documents; LangChain.js's retrievers are such. */
export interface Retriever {
  /** The documents that fit a query, best first; none where nothing does. */
  invoke(query: string): Promise<readonly Document[]>;
}

/** A retriever that says how well each document fits. */
export interface ScoredRetriever extends Retriever {
  /** The documents that fit a query with their scores, best first. */
  invokeWithScores(query: string, options?: SearchOptions): Promise<readonly ScoredDocument[]>;
}

/** Whether a retriever gives scores. */
export function givesScores(retriever: Retriever): retriever is ScoredRetriever {
  return 'invokeWithScores' in retriever && typeof retriever.invokeWithScores === 'function';
}

/** A filter as a function. @throws {TunebookError} If a value is none that metadata can be compared with */
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

/** The fields of a filter, each with the values that it allows. @throws {TunebookError} If one is of another kind */
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

/** Documents that a search gives by default, as LangChain.js's. */
export const DEFAULT_K = 4;

/** @throws {TunebookError} If `k` is no whole number above 0 */
export function requireK(k: number, where: string): number {
  if (Number.isInteger(k) && k > 0) return k;
  throw new TunebookError(`${where}: expected k to be a whole number above 0, got ${k}.`);
}

/** The places of the `k` highest scores, highest first; of equal ones the first place first. */
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
