/** What an adapter changes of the token embeddings' rows, on the host. */
import type { Architecture } from '../families/architecture';
import type { LoraAdapter } from '../lora/lora';

/** Changes the embedding of a token, float32 [C], in place; undefined where the adapter has nothing on it. */
export function adaptedRows(
  adapter: LoraAdapter | undefined,
  { width, vocabSize }: Architecture,
): ((id: number, row: Float32Array) => void) | undefined {
  if (adapter?.embeddingTokens !== undefined) {
    const { ids, parameter } = adapter.embeddingTokens;
    const { data } = adapter.get(parameter);
    const rowOf = new Map(ids.map((id, row) => [id, row]));
    return (id, row) => {
      const own = rowOf.get(id);
      if (own !== undefined) row.set(data.subarray(own * width, (own + 1) * width));
    };
  }
  if (adapter?.embedding === undefined) return undefined;
  const { r, scale } = adapter.embedding;
  const [A, B] = adapter.embeddingMatrices().map((name) => adapter.get(name).data);
  return (id, row) => {
    for (let k = 0; k < r; k++) {
      const factor = scale * A[k * vocabSize + id];
      for (let c = 0; c < width; c++) row[c] += factor * B[c * r + k];
    }
  };
}
