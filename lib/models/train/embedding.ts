/**
 * The first part of a training pass: embeddings with noise and dropout, and their gradients, on the host;
 * `device-embedding.ts` does it on a device.
 */
import type { Batch } from '../../types';
import type { LoraAdapter } from '../lora/lora';
import type { Runtime } from '../run/runtime';
import { deviceEmbedding } from './device-embedding';
import { embeddingNoise } from './embedding-noise';
import type { EmbeddingNoise } from './embedding-noise';
import type { PassDropout } from './dropout';
import { hostEmbeddings } from '../run/embedding';
import type { Gradients } from './gradients';
import type { EmbeddingPass } from './pass-types';
import type { Workspace } from '../run/workspace';

export interface EmbeddingRequest {
  readonly batch: Batch;
  readonly positions: Int32Array;
  readonly noise?: EmbeddingNoise;
  readonly dropout: PassDropout;
  readonly workspace: Workspace;
}

/** Call before the workspace uploads its inputs. */
export function embeddingPass(runtime: Runtime, request: EmbeddingRequest): EmbeddingPass {
  const { batch, positions, workspace } = request;
  const { width } = runtime.architecture;
  const shape = [...batch.shape, width];
  const noise = request.noise === undefined ? undefined : embeddingNoise(batch, width, request.noise);
  if (runtime.weights.isOnDevice('embedding')) {
    return deviceEmbedding(runtime, {
      ...{ ids: batch.inputIds, positions, shape: batch.shape, workspace },
      mask: request.dropout.embedding('key', shape),
      noise: noise === undefined ? undefined : { data: noise, shape },
    });
  }
  const mask = request.dropout.embedding('mask', shape)?.data;
  return {
    forward: async () => {
      const inputs = { ids: batch.inputIds, positions, shape: batch.shape };
      const { data } = hostEmbeddings(runtime, inputs);
      if (noise !== undefined) for (let i = 0; i < noise.length; i++) data[i] += noise[i];
      if (mask !== undefined) for (let i = 0; i < mask.length; i++) data[i] *= mask[i];
      return workspace.pin({ x: { data, shape } }).x;
    },
    backward: async (upstream, gradients, accumulate) => {
      const { data } = await workspace.toHost(upstream);
      if (mask !== undefined) for (let i = 0; i < mask.length; i++) data[i] *= mask[i];
      embeddingGradients(runtime, gradients, {
        ...{ batch, positions, dX: data as Float32Array, accumulate },
      });
    },
  };
}

/** Parameters, position embeddings aside, that the gradient of the embeddings' output reaches. */
export function embeddingParameters({ weights }: Runtime): string[] {
  const { adapter } = weights;
  const table = weights.trainedTable('embedding');
  const names = table === undefined ? [] : [table];
  if (adapter?.embeddingTokens !== undefined) names.push(adapter.embeddingTokens.parameter);
  return adapter?.embedding === undefined ? names : [...names, ...adapter.embeddingMatrices()];
}

/** Scatters the gradient of the embeddings' output into the rows of the tables. */
function embeddingGradients(
  runtime: Runtime,
  gradients: Gradients,
  request: { batch: Batch; positions: Int32Array; dX: Float32Array; accumulate: boolean },
): void {
  const { positionEmbedding, width, embeddingScale = 1 } = runtime.architecture;
  const { batch, positions, dX, accumulate } = request;
  const dRows = embeddingScale === 1 ? dX : dX.map((value) => value * embeddingScale);
  const rows = { ids: batch.inputIds, dX: dRows, width };
  const { weights } = runtime;
  const table = weights.trainedTable('embedding');
  const tokens = table === undefined ? undefined : gradients.byName.get(table);
  const places = positionEmbedding === undefined ? undefined : gradients.byName.get(positionEmbedding);
  // A tied head has already written the whole token table; everything else starts at zero.
  if (!accumulate && table !== weights.trainedTable('head')) tokens?.fill(0);
  if (!accumulate) places?.fill(0);
  if (tokens !== undefined) scatter(tokens, rows);
  if (places !== undefined) scatter(places, { ids: positions, dX, width });
  if (weights.adapter !== undefined) adapterGradients(weights.adapter, gradients, { ...rows, accumulate });
}

interface GradientRows {
  /** Table row of each row of dX. */
  readonly ids: Int32Array;
  readonly dX: Float32Array;
  readonly width: number;
}

function scatter(table: Float32Array, { ids, dX, width }: GradientRows): void {
  for (let i = 0; i < ids.length; i++) {
    const [from, to] = [i * width, ids[i] * width];
    for (let c = 0; c < width; c++) table[to + c] += dX[from + c];
  }
}

/** Gradients of an adapter on the embedding: of LoRA's matrices, x += scale * B A[:, id], or of replaced rows. */
function adapterGradients(
  adapter: LoraAdapter,
  gradients: Gradients,
  { ids, dX, width, accumulate }: GradientRows & { accumulate: boolean },
): void {
  const { embedding, embeddingTokens, headTokens } = adapter;
  const dRows = embeddingTokens && gradients.byName.get(embeddingTokens.parameter);
  if (embeddingTokens !== undefined && dRows !== undefined) {
    // A head with the same rows has already written them.
    if (!accumulate && headTokens?.parameter !== embeddingTokens.parameter) dRows.fill(0);
    const rowOf = new Map(embeddingTokens.ids.map((id, row) => [id, row]));
    for (let i = 0; i < ids.length; i++) {
      const row = rowOf.get(ids[i]);
      if (row === undefined) continue;
      for (let c = 0; c < width; c++) dRows[row * width + c] += dX[i * width + c];
    }
  }
  if (embedding === undefined) return;
  const [nameA, nameB] = adapter.embeddingMatrices();
  const [A, B] = [adapter.get(nameA), adapter.get(nameB)];
  const [dA, dB] = [gradients.byName.get(nameA), gradients.byName.get(nameB)];
  if (dA === undefined || dB === undefined) return;
  if (!accumulate) for (const sum of [dA, dB]) sum.fill(0);
  const { r, scale } = embedding;
  const vocabSize = A.shape[1];
  for (let i = 0; i < ids.length; i++) {
    for (let k = 0; k < r; k++) {
      const at = k * vocabSize + ids[i];
      let sum = 0;
      for (let c = 0; c < width; c++) {
        const upstream = scale * dX[i * width + c];
        sum += upstream * B.data[c * r + k];
        dB[c * r + k] += upstream * A.data[at];
      }
      dA[at] += sum;
    }
  }
}
