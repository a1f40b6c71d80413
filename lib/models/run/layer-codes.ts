/** A model's weights in codes that products read themselves, as inputs of functions for generation. */
import { rowTable } from '../../engine';
import { codesOfQuantized, codesOfRows, headCodesForm } from '../../quantization';
import type { CodesSpace, RowsOfWeight } from '../../quantization';
import type { HostTensor } from '../../types';
import type { LinearModule } from '../families/architecture';
import { weightFeeds } from '../families/parts/linear';
import { HEAD } from '../lora/lora-targets';
import { integerWeight } from '../weights/coded-weight';
import { isQuantized, storedTable } from '../weights/frozen-layers';
import type { FrozenTensor } from '../weights/frozen-layers';
import type { ModelWeights } from './model-weights';

/** The weights of a layer's linear modules in codes of 8 bits, or their own of 4; undefined where the layer is not in memory. */
export function layerCodes(
  weights: ModelWeights,
  layer: number,
  space?: CodesSpace,
): Record<string, HostTensor> | undefined {
  const frozen = weights.frozen === undefined ? new Map() : weights.frozen.resident(layer);
  if (frozen === undefined) return undefined;
  const feeds: Record<string, HostTensor> = {};
  for (const module of weights.architecture.modules) {
    const tensor: FrozenTensor | undefined = frozen.get(module.name);
    const codes =
      (tensor !== undefined && isQuantized(tensor) ? codesOfQuantized(tensor, space) : undefined) ??
      codesOfRows(linearRows(weights, { layer, module, tensor }), { space });
    Object.assign(feeds, weightFeeds(module.name, integerWeight(codes)));
  }
  return feeds;
}

/** The head's weight in codes of 8 bits. */
export function headCodes(weights: ModelWeights, space?: CodesSpace): Record<string, HostTensor> {
  const { blockSize } = headCodesForm(weights.isQuantized);
  const { shape, rows } = rowTable(weights.table('head'));
  const codes = codesOfRows({ shape: [shape[0], shape[1]], rows }, { blockSize, space });
  return weightFeeds(HEAD, integerWeight(codes));
}

/** A weight's values by rows, without a copy of all of them where they are in memory in this order. */
function linearRows(
  weights: ModelWeights,
  { layer, module, tensor }: { layer: number; module: LinearModule; tensor: FrozenTensor | undefined },
): RowsOfWeight {
  const { inSize, outSize, conv1d, name } = module;
  const shape = [outSize, inSize] as const;
  if (tensor !== undefined && !isQuantized(tensor)) return { shape, rows: storedTable(tensor).rows };
  const values =
    tensor === undefined && conv1d !== true
      ? weights.feed(`${weights.architecture.layerPrefix(layer)}${name}.weight`).data
      : weights.linearWeight(layer, module);
  return { shape, rows: rowTable({ data: values, shape }).rows };
}
