/**
 * The first part of a training pass: embeddings with noise and dropout, and their gradients into the tables; on the
 * host here, on a device in `device-embedding.ts`.
 */
import type { Batch } from '../../types';
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

/** Prepared before the workspace sends its inputs. */
export function embeddingPass(runtime: Runtime, request: EmbeddingRequest): EmbeddingPass {
  const { batch, positions, workspace } = request;
  const { width, tokenEmbedding } = runtime.architecture;
  const shape = [...batch.shape, width];
  const noise = request.noise === undefined ? undefined : embeddingNoise(batch, width, request.noise);
  if (runtime.weights.isOnDevice(tokenEmbedding)) {
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

/** Scatters the gradient of the embedding's output to the rows of the tables that it came from. */
function embeddingGradients(
  runtime: Runtime,
  gradients: Gradients,
  request: { batch: Batch; positions: Int32Array; dX: Float32Array; accumulate: boolean },
): void {
  const { width, tokenEmbedding, positionEmbedding, head } = runtime.architecture;
  const { batch, positions, dX, accumulate } = request;
  const tokens = gradients.byName.get(tokenEmbedding);
  const places = positionEmbedding === undefined ? undefined : gradients.byName.get(positionEmbedding);
  // A tied head has written the whole token table already; everything else starts at zero.
  if (!accumulate && head !== tokenEmbedding) tokens?.fill(0);
  if (!accumulate) places?.fill(0);
  for (let i = 0; i < batch.inputIds.length; i++) {
    const [from, token, place] = [i * width, batch.inputIds[i] * width, positions[i] * width];
    for (let c = 0; c < width; c++) {
      if (tokens !== undefined) tokens[token + c] += dX[from + c];
      if (places !== undefined) places[place + c] += dX[from + c];
    }
  }
}
