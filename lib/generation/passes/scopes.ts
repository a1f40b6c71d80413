/** Names of inputs and outputs in a function of several layers: each layer's own, and what all take alike. */
import type { NamedTensors, Tensor } from '../../engine';
import type { Architecture } from '../../models';
import type { HostTensor } from '../../types';

/** What all layers of a kind get alike. */
type SharedScope = `shared${number}`;
type Scope = number | SharedScope;

export function sharedBy(kind: number): SharedScope {
  return `shared${kind}`;
}

/** Name of a layer's input or output inside the function of all layers. */
export function scoped(scope: Scope, name: string): string {
  return `${scope}:${name}`;
}

export function scopedFeeds(
  scope: Scope,
  feeds: Readonly<Record<string, HostTensor>>,
): Record<string, HostTensor> {
  return Object.fromEntries(Object.entries(feeds).map(([name, feed]) => [scoped(scope, name), feed]));
}

/** A scope's inputs, by their names inside it. */
function inputsOf(scope: Scope, inputs: NamedTensors): NamedTensors {
  const prefix = scoped(scope, '');
  return Object.fromEntries(
    Object.entries(inputs)
      .filter(([name]) => name.startsWith(prefix))
      .map(([name, tensor]) => [name.slice(prefix.length), tensor]),
  );
}

/** Inputs by position of the tokens after a cache, for each kind of layers. */
export function positionFeeds(
  { layerKinds }: Architecture,
  positions: Int32Array,
  shape: readonly [number, number],
): Record<string, HostTensor>[] {
  const contexts = positions.map((position) => position + 1);
  return layerKinds.map((kind) => kind.positionFeeds(positions, shape, contexts));
}

/** Where each row's last token lies in [B * T], int32 [B]. */
export function lastPlaces(rows: readonly (readonly number[])[], T: number): Int32Array {
  return Int32Array.from(rows, (row, b) => b * T + row.length - 1);
}

/**
 * Layers one after the other, for a function of several: keys and values as outputs, and what goes on to the next.
 * @param span.rows what is wanted of the last of them, int32 [R] of [B * T]: x is then [1, R, C]
 */
export function layersOf(
  architecture: Architecture,
  inputs: NamedTensors,
  { first, count, rows }: { first: number; count: number; rows?: Tensor },
): { x: Tensor; outputs: NamedTensors } {
  const outputs: NamedTensors = {};
  const shared = architecture.layerKinds.map((_, kind) => inputsOf(sharedBy(kind), inputs));
  let { x } = inputs;
  for (let layer = first; layer < first + count; layer++) {
    const { y, key, value } = architecture.block({
      ...inputsOf(layer, inputs),
      ...shared[architecture.kindOf(layer)],
      ...(rows !== undefined && layer === first + count - 1 ? { rows } : {}),
      x,
    });
    outputs[scoped(layer, 'key')] = key;
    outputs[scoped(layer, 'value')] = value;
    x = y;
  }
  return { x, outputs };
}
