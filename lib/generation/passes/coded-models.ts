/** The coded form of models: made at the first call that wants it, kept until weights or adapters are others. */
import { signatureOf } from '../../engine';
import type { Runtime } from '../../models';
import { CodedModel, MOST_KINDS } from './coded-model';

/** A model's coded form and who uses it. */
interface Kept {
  readonly key: string;
  readonly made: Promise<CodedModel | undefined>;
  users: number;
}

/** Forms that are kept of a model: with an adapter's inputs and without, for a server that has both. */
const MOST_KEPT = 2;
const kept = new WeakMap<Runtime, Kept[]>();

/** A coded model in use. */
export interface CodedModelLease {
  readonly model: CodedModel;
  /** Ends the use. */
  end(): void;
}

/**
 * Whether tokens can be computed by codes: on the CPU, with every layer in memory, and without DoRA, which needs the
 * weights' values.
 */
export function takesCodes({ engine, weights, architecture }: Runtime): boolean {
  if (architecture.layerKinds.length > MOST_KINDS) return false;
  if (engine.name !== 'compiled:cpu' || weights.adapter?.config.useDora === true) return false;
  const { frozen } = weights;
  if (frozen === undefined) return true;
  return Array.from({ length: architecture.layers }, (_, layer) => layer).every(
    (layer) => frozen.resident(layer) !== undefined,
  );
}

/** @returns undefined where the codes do not fit into the memory that is left */
export async function codedModelOf(runtime: Runtime): Promise<CodedModelLease | undefined> {
  const key = keyOf(runtime);
  const all = kept.get(runtime) ?? [];
  kept.set(runtime, all);
  const entry = all.find((one) => one.key === key) ?? { key, made: CodedModel.build(runtime), users: 0 };
  forget(all, entry);
  all.push(entry);
  entry.users++;
  const end = (): void => {
    entry.users--;
    if (!all.includes(entry)) disposeUnused(entry);
  };
  for (const old of all.slice(0, -MOST_KEPT)) forget(all, old, disposeUnused);
  try {
    const model = await entry.made;
    if (model !== undefined) return { model, end };
  } catch (error) {
    forget(all, entry);
    throw error;
  }
  forget(all, entry);
  return undefined;
}

function forget(all: Kept[], entry: Kept, then?: (entry: Kept) => void): void {
  const at = all.indexOf(entry);
  if (at >= 0) all.splice(at, 1);
  then?.(entry);
}

function disposeUnused({ users, made }: Kept): void {
  if (users === 0) void made.then((model) => model?.dispose());
}

/** What a coded form depends on: the weights that lie inside of it, and which inputs an adapter adds. */
function keyOf({ weights, architecture }: Runtime): string {
  const inputs = Array.from({ length: architecture.layers }, (_, layer) =>
    signatureOf(weights.smallFeeds(layer)),
  );
  const parts: unknown[] = [
    weights.changes,
    inputs,
    signatureOf(weights.headFeeds()),
    weights.trainedTable('head'),
  ];
  // Training changes parameters in place.
  if (weights.frozen === undefined) parts.push(checksum(weights.parameters.flat));
  return JSON.stringify(parts);
}

/** A number that differs where values do, but for a chance of one in four billion. */
function checksum(values: Float32Array): number {
  const words = new Int32Array(values.buffer, values.byteOffset, values.length);
  let hash = words.length;
  for (let i = 0; i < words.length; i++) hash = Math.imul(hash ^ words[i], 0x01000193);
  return hash;
}
