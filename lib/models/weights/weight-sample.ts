/**
 * A few of a model's weights as they were stored, which an adapter knows its base by: in the first, a middle and the last
 * layer, so that a base whose linear weights alone were tuned is another one.
 */
import type { ElementRange } from '../../checkpoint';
import { sizeOf } from '../../tensor';
import type { Architecture } from '../families/architecture';

/** Values by a parameter's name, in the order that checkpoints store them. */
export type WeightSample = Readonly<Record<string, readonly number[]>>;

/** Where values of a parameter are taken. */
export interface SampledPlace extends ElementRange {
  readonly name: string;
}

const VALUES = 8;
/** What rounding to 16 bits may change: half a unit of bfloat16's last place, and float16's smallest numbers. */
const RELATIVE = 2 ** -8;
const ABSOLUTE = 1e-7;

/** The sampled parameters of a model: tables, norms outside of layers, linear weights of three layers. */
export function sampledPlaces({ parameters, layers, layerPrefix }: Architecture): SampledPlace[] {
  const prefixes = Array.from({ length: layers }, (_, layer) => layerPrefix(layer));
  const sampled = new Set([0, Math.floor(layers / 2), layers - 1].map((layer) => prefixes[layer]));
  return parameters
    .filter(({ name, shape }) => {
      const prefix = prefixes.find((one) => name.startsWith(one));
      return prefix === undefined || (sampled.has(prefix) && shape.length === 2);
    })
    .map(({ name, shape }) => {
      // A table's second row: it stays where it is as rows are added.
      const isInLayer = prefixes.some((one) => name.startsWith(one));
      const wanted = isInLayer ? Math.floor(sizeOf(shape) / 2) : shape.length === 2 ? shape[1] : 0;
      const start = Math.max(0, Math.min(wanted, sizeOf(shape) - VALUES));
      return { name, start, count: Math.min(VALUES, sizeOf(shape)) };
    });
}

/** Parameters that both samples have and that differ by more than a type of 16 bits would. */
export function differingParameters(a: WeightSample, b: WeightSample): string[] {
  const isNear = (x: number, y: number): boolean =>
    Math.abs(x - y) <= RELATIVE * Math.max(Math.abs(x), Math.abs(y)) + ABSOLUTE;
  return Object.keys(a).filter((name) => {
    const other = b[name];
    return (
      other !== undefined &&
      (other.length !== a[name].length || !a[name].every((value, i) => isNear(value, other[i])))
    );
  });
}
