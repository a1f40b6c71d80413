/** /v1/embeddings: one request after the other through the embedding model. */
import type { Embeddings } from '../../retrieval';
import { ApiError } from './api-error';
import type { EmbeddingRequest } from './request-schemas';

/** An embedding model by its name, and how many of its requests may wait. */
export class EmbeddingQueue {
  private last: Promise<unknown> = Promise.resolve();
  private waiting = 0;

  constructor(
    private readonly model: Embeddings,
    readonly name: string,
    private readonly maxWaiting: number,
  ) {}

  /** @throws ApiError 429 where too many wait */
  async answer(request: EmbeddingRequest, signal: AbortSignal): Promise<object> {
    if (this.waiting > this.maxWaiting)
      throw new ApiError(429, 'As many requests wait as may. Try again later.', {
        code: 'queue_full',
        headers: { 'retry-after': '1' },
      });
    this.waiting++;
    const before = this.last;
    const vectors = before.then(() => this.vectors(request, signal));
    this.last = vectors.catch(() => undefined);
    try {
      return this.body(request, await vectors);
    } finally {
      this.waiting--;
    }
  }

  private async vectors(
    { input, input_type: type }: EmbeddingRequest,
    signal: AbortSignal,
  ): Promise<number[][]> {
    const texts = [input].flat();
    const vectors: number[][] = [];
    // Some at a time: the model computes on this thread, and a client that has left needs no more of them.
    for (let start = 0; start < texts.length; start += CHUNK) {
      signal.throwIfAborted();
      const chunk = texts.slice(start, start + CHUNK);
      if (type === 'query') for (const text of chunk) vectors.push(await this.model.embedQuery(text));
      else vectors.push(...(await this.model.embedDocuments(chunk)));
      await new Promise((resolve) => setImmediate(resolve));
    }
    return vectors;
  }

  private body({ encoding_format: format, dimensions }: EmbeddingRequest, vectors: number[][]): object {
    const size = vectors[0]?.length ?? 0;
    if ((dimensions ?? size) !== size)
      throw new ApiError(
        400,
        `dimensions: expected ${size}, which is what this model has, got ${dimensions}.`,
        {
          param: 'dimensions',
        },
      );
    const encoded = (vector: number[]): number[] | string =>
      format === 'base64' ? Buffer.from(new Float32Array(vector).buffer).toString('base64') : vector;
    return {
      object: 'list',
      data: vectors.map((vector, index) => ({ object: 'embedding', index, embedding: encoded(vector) })),
      model: this.name,
      // Embedding models do not say how many tokens a text has.
      usage: { prompt_tokens: 0, total_tokens: 0 },
    };
  }
}

/** Texts that are embedded before others have a turn. */
const CHUNK = 16;
