/**
 * A model's weights as tensors of a checkpoint: parameters in float32 or rounded, frozen weights in their own type.
 */
import { toStoredTensors } from '../quantization';
import type { StoredTensor } from '../quantization';
import { isQuantized, restore, storedName, transposed } from '../models';
import type { FrozenTensor, LinearModule, Runtime } from '../models';
import { sizeOf } from '../tensor';
import type { TensorSource } from '../checkpoint';

/** All tensors of the base model; values are read as each is written. */
export async function weightSources({ engine, weights }: Runtime): Promise<TensorSource[]> {
  const { architecture, parameters, frozen } = weights;
  await engine.device?.flush();
  const sources: TensorSource[] = architecture.parameters.flatMap(({ name, shape }): TensorSource[] => {
    const parameter = parameters.byName.get(name);
    if (parameter !== undefined) {
      return [{ name: storedName(architecture, name), shape, values: parameter.data }];
    }
    const table = frozen?.tables?.get(name);
    if (table === undefined) return [];
    const values = (): Float32Array => restore(table, new Float32Array(sizeOf(shape)));
    return [{ name: storedName(architecture, name), shape, values }];
  });
  if (frozen === undefined) return sources;
  for (let layer = 0; layer < architecture.layers; layer++) {
    for (const [moduleName, tensor] of await frozen.layer(layer)) {
      const module = architecture.modules.find(({ name }) => name === moduleName);
      if (module === undefined) throw new Error(`internal: no module ${moduleName}`);
      const name = storedName(architecture, `${architecture.layerPrefix(layer)}${moduleName}.weight`);
      const now = async (): Promise<FrozenTensor> => {
        const again = (await frozen.layer(layer)).get(moduleName);
        if (again === undefined) throw new Error(`internal: no frozen weight ${name}`);
        return again;
      };
      sources.push(
        ...(isQuantized(tensor) ? quantizedSources(name, tensor, now) : [plainSource(name, module, now)]),
      );
    }
  }
  return sources;
}

function quantizedSources(
  name: string,
  tensor: Parameters<typeof toStoredTensors>[1],
  now: () => Promise<FrozenTensor>,
): TensorSource[] {
  return toStoredTensors(name, tensor).map(({ name: part, shape, dtype }) => ({
    name: part,
    shape,
    dtype,
    values: async (): Promise<StoredTensor['values']> => {
      const again = await now();
      const found = isQuantized(again)
        ? toStoredTensors(name, again).find((p) => p.name === part)
        : undefined;
      if (found === undefined) throw new Error(`internal: no part ${part}`);
      return found.values;
    },
  }));
}

function plainSource(name: string, module: LinearModule, now: () => Promise<FrozenTensor>): TensorSource {
  const { inSize, outSize, conv1d } = module;
  return {
    name,
    shape: conv1d ? [inSize, outSize] : [outSize, inSize],
    values: async () => {
      const values = restore(await now(), new Float32Array(inSize * outSize));
      return conv1d ? transposed(values, outSize, inSize) : values;
    },
  };
}
