/**
 * When a backward pass is done with which gradients: the head's first, then each layer's from the last one down, the
 * embeddings' at its end. A head that shares the embeddings' table belongs to the end.
 */
import type { HasRuntime } from '../run/runtime';
import { embeddingParameters } from './embedding';
import type { Gradients } from './gradients';

/**
 * Names of the gradients that each stage of a backward pass completes, in the order of the stages: one for the head,
 * one for each layer, one for all that is left.
 */
export function gradientStages({ runtime }: HasRuntime, { byName }: Gradients): string[][] {
  const { layers, layerPrefix, positionEmbedding } = runtime.architecture;
  const left = new Set(byName.keys());
  const take = (isDone: (name: string) => boolean): string[] => {
    const names = [...left].filter(isDone);
    for (const name of names) left.delete(name);
    return names;
  };
  const ofLayers = Array.from({ length: layers }, (_, i) =>
    take((name) => name.startsWith(layerPrefix(layers - 1 - i))),
  );
  const last = new Set([...embeddingParameters(runtime), positionEmbedding]);
  return [take((name) => !last.has(name)), ...ofLayers, [...left]];
}
