/**
 * Host arrays at the engine's edge: inputs must have the shapes and types that the function was compiled for. Compiled
 * and eager engines throw the same errors.
 */
import { TunebookError } from '../../types';
import { sizeOf } from '../../tensor';
import type { HostTensor } from '../../types';
import type { Signature } from './functions';

/** Inputs by name: float32, int32, and bytes where a function takes packed weights. */
export type Feeds = Readonly<Record<string, HostTensor>>;

/** @throws {TunebookError} If `feed` is missing, or differs from the compiled shape and type. */
export function checkedFeed(
  name: string,
  wanted: { readonly dtype: string; readonly shape: readonly number[] },
  feed: HostTensor | undefined,
): HostTensor {
  const expected = `engine.run: expected '${name}' ${wanted.dtype} [${wanted.shape.join(', ')}]`;
  if (feed === undefined) throw new TunebookError(`${expected}, got nothing. Feed every input.`);
  const dtype = dtypeOf(feed.data);
  const sameShape =
    feed.shape.length === wanted.shape.length && feed.shape.every((size, i) => size === wanted.shape[i]);
  if (dtype !== wanted.dtype || !sameShape) {
    throw new TunebookError(
      `${expected}, got ${dtype} [${feed.shape.join(', ')}]. ` +
        `A compiled function is made for one set of shapes: compile it for these.`,
    );
  }
  const length = sizeOf(wanted.shape);
  if (feed.data.length !== length) {
    throw new TunebookError(
      `${expected}, which has ${length} elements, got an array of ${feed.data.length}.`,
    );
  }
  return feed;
}

/** The size that runs in the place of each stand-in, as the first feed that has it gives it. */
export function boundSizes(
  inputs: Iterable<readonly [string, { readonly shape: readonly number[] }]>,
  feeds: Feeds,
  standIns: ReadonlySet<number> | undefined,
): ReadonlyMap<number, number> {
  const bound = new Map<number, number>();
  if (standIns === undefined) return bound;
  for (const [name, { shape }] of inputs)
    shape.forEach((size, axis) => {
      const running = feeds[name]?.shape[axis];
      if (standIns.has(size) && running !== undefined && !bound.has(size)) bound.set(size, running);
    });
  return bound;
}

/** A shape with the running sizes of its stand-ins. */
export function boundShape(shape: readonly number[], bound: ReadonlyMap<number, number>): readonly number[] {
  return bound.size === 0 ? shape : shape.map((size) => bound.get(size) ?? size);
}

/** The signature of feeds. */
export function signatureOf(feeds: Feeds): Signature {
  return Object.fromEntries(
    Object.entries(feeds).map(([name, { data, shape }]) => {
      const dtype = data instanceof Float32Array ? 'float32' : data instanceof Uint8Array ? 'uint8' : 'int32';
      const size = sizeOf(shape);
      if (data.length !== size) throw new Error(`internal: ${name} does not fill [${shape}]`);
      return [name, { shape, dtype }];
    }),
  );
}

function dtypeOf(data: unknown): string {
  if (data instanceof Float32Array) return 'float32';
  if (data instanceof Int32Array) return 'int32';
  if (data instanceof Uint8Array) return 'uint8';
  return data === null || data === undefined ? String(data) : data.constructor.name;
}
