/**
 * A vector store on disk or in a bucket, for more than fits into memory: LanceDB, embedded. Exact until `createIndex`
 * makes an IVF_FLAT index; search by words and filters use the same table.
 */
import { DEFAULT_K, filterFields, filterFunction, requireK, requireSearch } from '../search/retriever';
import type { DocumentFilter, ScoredDocument, ScoredRetriever, SearchOptions } from '../search/retriever';
import { requireOptions } from '../../options';
import { requireList, requireObject, requireString, requireText, TunebookError } from '../../types';
import type { Document } from '../documents/document';
import type { Embeddings } from '../embeddings/embeddings';
import { lance } from './lance-database';
import type { FoundRow, LanceConnection, LanceQuery, LanceRow, LanceTable } from './lance-database';
import { requireSameEmbeddings, storeRetriever, unitVector } from './vector-store';
import type { StoreRetrieverOptions, VectorStore } from './vector-store';

/** Location of a `LanceVectorStore`. */
export interface LanceStoreOptions {
  /** A local folder, or an address: s3://bucket/path, gs://..., az://... */
  readonly uri: string;
  /** The table; 'documents' by default. */
  readonly table?: string;
  /** Access to a bucket, by LanceDB's names: { region, aws_access_key_id, ... }. */
  readonly storageOptions?: Readonly<Record<string, string>>;
  /** Partitions of an IVF_FLAT index that a search probes; 20 by default. */
  readonly nprobes?: number;
}

const COLUMNS = ['id', 'text', 'metadata', 'place'];

/**
 * Stores documents and their vectors in a LanceDB table. Needs `npm install @lancedb/lancedb@0.31.0
 * apache-arrow@18.1.0`.
 *
 * @example
 * ```text
 * const store = await LanceVectorStore.fromDocuments(documents, embeddings, { uri: 'outputs/store' });
 * await store.similaritySearch('how do I pace the row?', 3, { segment: '1000m Row' });
 * const later = await LanceVectorStore.open(embeddings, { uri: 'outputs/store' });
 * ```
 */
export class LanceVectorStore implements VectorStore {
  private table: LanceTable | undefined;
  private hasWords = false;

  private constructor(
    readonly embeddings: Embeddings,
    private readonly connection: LanceConnection,
    private readonly options: LanceStoreOptions,
  ) {}

  /**
   * Opens a store, or creates an empty one.
   *
   * @throws {TunebookError} If LanceDB is not installed, or the table was made with embeddings of another name.
   */
  static async open(embeddings: Embeddings, options: LanceStoreOptions): Promise<LanceVectorStore> {
    const where = 'LanceVectorStore';
    requireObject(embeddings, { where, what: 'embeddings', fields: ['embedDocuments', 'embedQuery'] });
    requireObject(options, { where, what: 'options with a uri' });
    requireOptions<LanceStoreOptions>(options, {
      where,
      names: { uri: true, table: true, storageOptions: true, nprobes: true },
    });
    requireText(options.uri, { where, what: 'a uri: a folder or an address' });
    const { uri, storageOptions, table = 'documents' } = options;
    const connection = await lance().connect(uri, { storageOptions });
    const store = new LanceVectorStore(embeddings, connection, options);
    if (!(await connection.tableNames()).includes(table)) return store;
    store.table = await connection.openTable(table);
    const [first] = await store.table.query().select(['embeddings']).limit(1).toArray();
    try {
      requireSameEmbeddings(
        { made: first?.embeddings, own: embeddings.name },
        { where, what: `${table} in ${uri}`, remedy: 'name another table' },
      );
    } catch (error) {
      store.close();
      throw error;
    }
    return store;
  }

  /** Opens a store and adds documents. @throws {TunebookError} As `open` */
  static async fromDocuments(
    documents: readonly Document[],
    embeddings: Embeddings,
    options: LanceStoreOptions,
  ): Promise<LanceVectorStore> {
    const store = await LanceVectorStore.open(embeddings, options);
    await store.addDocuments(documents);
    return store;
  }

  /** Number of documents in the store. */
  async size(): Promise<number> {
    return this.table === undefined ? 0 : this.table.countRows();
  }

  async addDocuments(documents: readonly Document[]): Promise<void> {
    requireList(documents, { where: 'addDocuments', what: 'a list of documents' });
    if (documents.length === 0) return;
    const vectors = await this.embeddings.embedDocuments(documents.map(({ pageContent }) => pageContent));
    const first = await this.size();
    const rows = documents.map(({ id = '', pageContent, metadata }, i): LanceRow => ({
      ...{ id, text: pageContent, metadata: JSON.stringify(metadata), tags: tagsOf(metadata) },
      ...{
        place: first + i,
        embeddings: this.embeddings.name ?? '',
        vector: unitVector(vectors[i], 'LanceVectorStore'),
      },
    }));
    if (this.table !== undefined) {
      await this.table.add(rows);
      await this.table.optimize(); // indexes see the new rows
      return;
    }
    this.table = await this.connection.createTable(this.options.table ?? 'documents', rows);
  }

  /** Makes an IVF_FLAT index: faster searches of large tables, which may miss a neighbour if `nprobes` is small. */
  async createIndex(options: { numPartitions?: number } = {}): Promise<void> {
    requireOptions<{ numPartitions?: number }>(options, {
      where: 'LanceVectorStore.createIndex',
      names: { numPartitions: true },
    });
    const { numPartitions } = options;
    if (this.table === undefined)
      throw new TunebookError('LanceVectorStore.createIndex: expected documents in the store, got none.');
    const config = lance().Index.ivfFlat({ distanceType: 'dot', numPartitions });
    await this.table.createIndex('vector', { config, replace: true });
  }

  async similaritySearch(query: string, k?: number, filter?: DocumentFilter): Promise<Document[]> {
    return (await this.similaritySearchWithScore(query, k, filter)).map(([document]) => document);
  }

  async similaritySearchWithScore(
    query: string,
    k: number = DEFAULT_K,
    filter?: DocumentFilter,
  ): Promise<ScoredDocument[]> {
    requireString(query, { where: 'similaritySearch', what: 'a query' });
    requireK(k, 'similaritySearch');
    if (this.table === undefined) return [];
    const vector = unitVector(await this.embeddings.embedQuery(query), 'LanceVectorStore');
    const { nprobes = 20 } = this.options;
    const nearest = this.table.query().nearestTo(vector).distanceType('dot').nprobes(nprobes);
    // Selecting columns avoids a warning of LanceDB per query.
    const search = nearest.select([...COLUMNS, '_distance']);
    return this.found(search, { k, filter, scoreOf: ({ _distance = NaN }) => 1 - _distance });
  }

  /** A retriever by words (BM25) on the same table; its index is made at first use. */
  textRetriever(options: SearchOptions = {}): ScoredRetriever {
    requireSearch(options, 'textRetriever');
    const invokeWithScores = async (query: string, own: SearchOptions = {}): Promise<ScoredDocument[]> => {
      requireString(query, { where: 'textRetriever', what: 'a query' });
      requireSearch(own, 'textRetriever');
      const k = requireK(own.k ?? options.k ?? DEFAULT_K, 'textRetriever');
      if (this.table === undefined || query.trim() === '') return [];
      if (!this.hasWords)
        await this.table.createIndex('text', { config: lance().Index.fts(), replace: true });
      this.hasWords = true;
      const search = this.table
        .query()
        .fullTextSearch(query)
        .select([...COLUMNS, '_score']);
      const filter = own.filter ?? options.filter;
      return this.found(search, { k, filter, scoreOf: ({ _score = NaN }) => _score });
    };
    return {
      invokeWithScores,
      invoke: async (query) => (await invokeWithScores(query)).map(([document]) => document),
    };
  }

  asRetriever(options: StoreRetrieverOptions = {}): ScoredRetriever {
    return storeRetriever(this, options);
  }

  /** Closes the connection. */
  close(): void {
    this.table?.close();
    this.connection.close();
  }

  /** Results, best first; ties in the order in which they were added. */
  private async found(
    search: LanceQuery,
    { k, filter, scoreOf }: { k: number; filter?: DocumentFilter; scoreOf: (row: FoundRow) => number },
  ): Promise<ScoredDocument[]> {
    // A predicate cannot run inside the database: all rows are fetched and filtered here.
    const isFunction = typeof filter === 'function';
    const limited = search.limit(isFunction ? await this.size() : k);
    const condition = filter === undefined || isFunction ? '' : conditionOf(filter);
    const rows = await (condition === '' ? limited : limited.where(condition)).toArray();
    const isWanted = filterFunction(isFunction ? filter : undefined);
    return rows
      .map((row) => ({ document: documentOf(row), score: scoreOf(row), place: Number(row.place) }))
      .filter(({ document }) => isWanted(document))
      .sort((a, b) => b.score - a.score || a.place - b.place)
      .slice(0, k)
      .map(({ document, score }) => [document, score]);
  }
}

function documentOf({ id, text, metadata }: FoundRow): Document {
  const fields = JSON.parse(metadata) as Record<string, unknown>;
  return { ...(id !== '' && { id }), pageContent: text, metadata: fields };
}

/** Tags of the metadata for filters. The first is empty: an empty list would have no type. */
function tagsOf(metadata: Document['metadata']): string[] {
  const tags = Object.entries(metadata).flatMap(([name, value]) =>
    (Array.isArray(value) ? value : [value])
      .filter((one) => ['string', 'number', 'boolean'].includes(typeof one))
      .map((one) => tagOf(name, one)),
  );
  return ['', ...tags];
}

function tagOf(name: string, value: unknown): string {
  return `${name}=${JSON.stringify(value)}`;
}

/** A filter in SQL. */
function conditionOf(filter: Exclude<DocumentFilter, (document: Document) => boolean>): string {
  const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`;
  return filterFields(filter)
    .map(({ name, values }) => {
      const any = values.map((value) => `array_has(tags, ${quoted(tagOf(name, value))})`);
      return `(${any.join(' OR ')})`;
    })
    .join(' AND ');
}
