/** The weights of a model as exports read them: in float32, an adapter merged, one parameter or a part of it at a time. */
import type { ElementRange } from '../../checkpoint';
import { restore, transposed } from '../../models';
import type { Architecture, CheckpointWeights, LinearModule, Runtime } from '../../models';
import { mergedTables, requireMergeable } from '../../pretrained';
import { sizeOf } from '../../tensor';
import { TunebookError } from '../../types';

/** Where an export's numbers come from; `close` it when done. */
export interface WeightSource {
  readonly architecture: Architecture;
  /** Shape of a parameter, linear weights [out, in] in every family. */
  shapeOf(name: string): readonly number[];
  /** Values of a parameter or a part of it, row-major. */
  read(name: string, range?: ElementRange): Promise<Float32Array>;
  close(): Promise<void>;
}

/** The same weights; NaN and infinite values, which some types would round to ordinary ones, are an error as they are read. */
export function finiteSource(source: WeightSource): WeightSource {
  return {
    architecture: source.architecture,
    shapeOf: (name) => source.shapeOf(name),
    read: async (name, range) => {
      const values = await source.read(name, range);
      let at = 0; // a loop: billions of values
      while (at < values.length && Number.isFinite(values[at])) at++;
      if (at < values.length)
        throw new TunebookError(
          `${name}: expected finite values, got ${values[at]}. The model is damaged: export an earlier checkpoint.`,
        );
      return values;
    },
    close: () => source.close(),
  };
}

/** Values that are in memory at a time where a parameter can be read in parts. */
const PIECE_VALUES = 1 << 22;

/**
 * A parameter in whole rows, in order.
 * @param rowMultiple rows that have to come together
 */
export async function* pieces(
  source: WeightSource,
  name: string,
  rowMultiple = 1,
): AsyncGenerator<Float32Array, void, undefined> {
  const shape = source.shapeOf(name);
  const rowLength = shape[shape.length - 1];
  const rows = sizeOf(shape) / rowLength;
  const step = Math.max(1, Math.floor(PIECE_VALUES / (rowLength * rowMultiple))) * rowMultiple;
  for (let row = 0; row < rows; row += step) {
    const count = Math.min(step, rows - row);
    yield source.read(name, { start: row * rowLength, count: count * rowLength });
  }
}

/** The linear module that a parameter is the weight of, and its layer. */
export function linearPlace(
  { layers, layerPrefix, modules }: Architecture,
  name: string,
): { readonly layer: number; readonly module: LinearModule } | undefined {
  for (let layer = 0; layer < layers; layer++) {
    const prefix = layerPrefix(layer);
    if (!name.startsWith(prefix)) continue;
    const module = modules.find((one) => `${prefix}${one.name}.weight` === name);
    if (module !== undefined) return { layer, module };
  }
  return undefined;
}

function shapes(architecture: Architecture): (name: string) => readonly number[] {
  const byName = new Map(
    architecture.parameters.map(({ name, shape }) => {
      const place = linearPlace(architecture, name);
      return [name, place === undefined ? shape : [place.module.outSize, place.module.inSize]] as const;
    }),
  );
  return (name) => {
    const shape = byName.get(name);
    if (shape === undefined) throw new Error(`internal: no parameter ${name}`);
    return shape;
  };
}

/** Keeps the parameter read last: its parts are asked for one after the other. */
function lastKept(
  whole: (name: string) => Promise<Float32Array>,
): (name: string, range?: ElementRange) => Promise<Float32Array> {
  let last: { readonly name: string; readonly values: Float32Array } | undefined;
  return async (name, range) => {
    if (last?.name !== name) {
      last = undefined; // two large ones are never in memory together
      last = { name, values: await whole(name) };
    }
    const { values } = last;
    return range === undefined ? values : values.subarray(range.start, range.start + range.count);
  };
}

/** The weights of a checkpoint. */
export function checkpointSource(
  architecture: Architecture,
  weights: CheckpointWeights,
  close: () => Promise<void>,
): WeightSource {
  const whole = lastKept((name) => weights.values(name));
  return {
    architecture,
    shapeOf: shapes(architecture),
    read: (name, range) => (weights.isReadInParts(name) ? weights.values(name, range) : whole(name, range)),
    close,
  };
}

/**
 * The weights of a model at work, its adapter in use merged: into the weights as they are restored, where they are
 * quantized, since it was trained on those.
 * @throws {TunebookError} Where the sum with the adapter is no model of the family.
 */
export async function runtimeSource(
  { engine, weights }: Runtime,
  close: () => Promise<void> = async () => undefined,
): Promise<WeightSource> {
  await engine.device?.flush();
  const { architecture, adapter, frozen } = weights;
  if (adapter !== undefined) requireMergeable(weights, adapter);
  const tables = new Map(
    (adapter === undefined ? [] : mergedTables(weights, adapter)).map(({ name, data }) => [name, data]),
  );
  const whole = async (name: string): Promise<Float32Array> => {
    const place = linearPlace(architecture, name);
    if (place === undefined) return tables.get(name) ?? weights.parameter(name).data;
    const { layer, module } = place;
    const { inSize, outSize } = module;
    const stored = (await frozen?.layer(layer))?.get(module.name);
    let values: Float32Array;
    if (stored !== undefined) values = restore(stored, new Float32Array(inSize * outSize));
    else {
      const { data } = weights.parameter(name);
      values = module.conv1d ? transposed(data, inSize, outSize) : data.slice();
    }
    const adapted = adapter?.modulesOf(layer).find((one) => one.name === module.name);
    if (adapted !== undefined) adapter?.addTo(values, architecture.layerPrefix(layer) + module.name, adapted);
    return values;
  };
  return { architecture, shapeOf: shapes(architecture), read: lastKept(whole), close };
}
