/** Frozen weights of a checkpoint that are read when they are asked for. */
import type { CheckpointWeights, FrozenLayer, FrozenLayers } from '../../models';

/** The layer read last is kept; no other is in memory. */
export async function readLayers(weights: CheckpointWeights): Promise<FrozenLayers> {
  let last: { readonly index: number; readonly layer: FrozenLayer } | undefined;
  return {
    count: 0,
    tables: await weights.tables(),
    quantization: weights.quantization,
    layer: async (index) => {
      if (last?.index !== index) {
        last = undefined; // two layers are never in memory together
        last = { index, layer: await weights.layer(index) };
      }
      return last.layer;
    },
    resident: () => undefined,
    readAhead: () => undefined,
    dispose: async () => undefined,
  };
}
