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

/** Why tokens cannot be computed by codes; undefined where they can. */
export function codesRefusal({ engine, weights, architecture }: Runtime): string | undefined {
  if (engine.name !== 'compiled:cpu') return `codes are multiplied on the CPU only, not by ${engine.name}`;
  if (weights.adapter?.config.useDora === true) return "DoRA needs the weights' own values";
  if (architecture.layerKinds.length > MOST_KINDS)
    return `the model has ${architecture.layerKinds.length} kinds of layers, ${MOST_KINDS} are known`;
  const { frozen } = weights;
  const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
  const isWhole = frozen === undefined || layers.every((layer) => frozen.resident(layer) !== undefined);
  return isWhole ? undefined : 'layers lie on disk';
}

const warned = new WeakMap<Runtime, Set<string>>();

/** Says, once a model and reason, that dtype 'q8' computes in float32. */
export function warnOfFloat32(runtime: Runtime, reason: string): void {
  const reasons = warned.get(runtime) ?? new Set();
  warned.set(runtime, reasons);
  if (!reasons.has(reason)) console.warn(`generate: dtype 'q8' computes in float32 here: ${reason}.`);
  reasons.add(reason);
}

/** @returns undefined where the codes do not fit into the memory that is left */
export async function codedModelOf(runtime: Runtime): Promise<CodedModelLease | undefined> {
  const key = keyOf(runtime);
  const all = kept.get(runtime) ?? [];
  kept.set(runtime, all);
  const entry = all.find((one) => one.key === key) ?? { key, made: CodedModel.build(runtime), users: 0 };
  remove(all, entry);
  all.push(entry);
  entry.users++;
  const end = (): void => {
    entry.users--;
    if (!all.includes(entry)) disposeUnused(entry);
  };
  for (const old of all.slice(0, -MOST_KEPT)) remove(all, old, disposeUnused);
  try {
    const model = await entry.made;
    if (model !== undefined) return { model, end };
  } catch (error) {
    remove(all, entry);
    throw error;
  }
  remove(all, entry);
  return undefined;
}

function remove(all: Kept[], entry: Kept, then?: (entry: Kept) => void): void {
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
