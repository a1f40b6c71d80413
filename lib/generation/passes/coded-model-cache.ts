/** The coded form of models: made at the first call that wants it, kept until weights or adapters are others. */
import { signatureOf } from '../../engine';
import type { Runtime } from '../../models';
import { codeBits } from '../../quantization';
import { isQuantized } from '../../models';
import { warnOnce } from '../../types';
import { CodedModel, MOST_KINDS } from './coded-model';
import { codesPeakBytes } from './coded-plan';

/** A model's coded form and who uses it. */
interface Kept {
  readonly key: string;
  /** Of the parameters: training, and whoever was given their arrays, change them in place. */
  readonly checksum: string;
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

/** Whether a model has frozen weights of 4 bits, which are slow to read exactly, and codes can be used. */
export function isFasterByCodes(runtime: Runtime): boolean {
  const { frozen } = runtime.weights;
  if (frozen === undefined || codesRefusal(runtime) !== undefined) return false;
  for (let layer = 0; layer < runtime.architecture.layers; layer++)
    for (const tensor of frozen.resident(layer)?.values() ?? [])
      if (isQuantized(tensor)) return codeBits(tensor.quantType) === 4;
  return false;
}

/**
 * Memory that the first tokens of a model add to the process at most, bytes, by codes that are made of its weights: 0 where
 * `dtype: 'auto'` makes none, or they are made already.
 */
export function generationBytes(runtime: Runtime): number {
  return isFasterByCodes(runtime) && (kept.get(runtime) ?? []).length === 0 ? codesPeakBytes(runtime) : 0;
}

/** Why no tokens can be computed by codes; undefined where they can. */
export function codesRefusal({ engine, weights, architecture }: Runtime): string | undefined {
  if (engine.name !== 'compiled:cpu') return `codes are multiplied on the CPU only, not by ${engine.name}`;
  if (weights.adapter?.config.useDora === true) return "DoRA needs the weights' own values";
  if (architecture.layerKinds.length > MOST_KINDS)
    return `the model has ${architecture.layerKinds.length} kinds of layers, ${MOST_KINDS} are known`;
  const { frozen } = weights;
  const layers = Array.from({ length: architecture.layers }, (_, layer) => layer);
  const isSome = frozen === undefined || layers.some((layer) => frozen.resident(layer) !== undefined);
  return isSome ? undefined : 'all layers lie on disk';
}

/** Says, once a model and reason, that no codes are used. */
export function warnOfFloat32(runtime: Runtime, reason: string): void {
  warnOnce(runtime, `generate: tokens are computed in float32, not by codes: ${reason}.`);
}

/** @returns undefined where the codes do not fit into the memory that is left */
export async function codedModelOf(runtime: Runtime): Promise<CodedModelLease | undefined> {
  const all = kept.get(runtime) ?? [];
  kept.set(runtime, all);
  const entry = entryOf(runtime, all);
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
    if (model !== undefined) {
      sayPart(runtime, model);
      return { model, end };
    }
  } catch (error) {
    remove(all, entry);
    throw error;
  }
  remove(all, entry);
  return undefined;
}

/** The entry of the weights as they are now, or a new one. */
function entryOf(runtime: Runtime, all: readonly Kept[]): Kept {
  const { weights } = runtime;
  const key = keyOf(runtime);
  const known = all.filter((one) => one.key === key);
  // A pass over all parameters, which takes as long as some tokens.
  if (known.length > 0 && !weights.mayBeWrittenOn) return known[0];
  const checksum = weights.parametersChecksum().join();
  return (
    known.find((one) => one.checksum === checksum) ?? {
      ...{ key, checksum, made: CodedModel.build(runtime), users: 0 },
    }
  );
}

/** Says, once, how many layers have codes where not all have. */
function sayPart(runtime: Runtime, { codedLayers }: CodedModel): void {
  const { layers } = runtime.architecture;
  if (codedLayers === layers) return;
  warnOnce(
    runtime,
    `generate: ${codedLayers} of ${layers} layers are computed by codes, the others are on disk or find no memory for them.`,
  );
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
    weights.state.baseChanges,
    inputs,
    signatureOf(weights.headFeeds()),
    weights.trainedTable('head'),
  ];
  return JSON.stringify(parts);
}
